"""fb.Collection: this file checks arguments and orders the steps of each transaction.

Invariant: SQLite's commit is the only moment at which something happens. Keys, documents, metadata and the log of
vectors are committed together; the index file follows (view.py). What is in memory follows SQLite, never the reverse.
"""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..file.places import Path as AnyPath
from ..file.places import encoded
from ..index.asked import result_count
from ..index.index import Index
from ..index.result import SearchResult
from ..index.turns import frozen, state_of
from ..input.checks import real_number, whole_number
from ..input.queries import as_queries
from ..numeric.arrays import F32, I64
from ..spec.description import Description
from . import items, view
from .columns import checked_metadata, with_new
from .database import Database, check_format, create_tables, has_tables
from .diversity import diverse
from .result import Hits, Items, distinct, hits
from .result import items as item_lists
from .vectors import Batch, checked_vectors
from .view import View
from .where import Condition, condition

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_LOG = (
    20_000  # vectors in the log from which on it is folded into the index file, if the file has at most twice as many
)
_LOG_AT_CLOSE = 1_000
_CANDIDATES = 4  # times k, for MMR


class Collection:
    """Keys, documents, metadata and vectors in one folder: a SQLite database beside an index.

    Changes are transactions: after a crash at any moment, keys, documents, metadata and vectors agree. Several
    processes and threads can read while one writes; writers wait for each other.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        The folder, which is made if there is none.
    dim : int, optional
        Dimensions of the vectors. An existing collection knows them.
    metric : {"l2", "ip", "cosine"}, optional
        As in `Index`. An existing collection knows it.
    index : Index, optional
        For a new collection: an index without vectors, trained if its parts need training, that says how vectors are
        stored. An existing collection must have the same dim, metric and parts. None:
        ``Index(dim, metric=metric, codec="auto")``, float16 that is coded anew when there are enough vectors.

    Raises
    ------
    FileNotFoundError
        If there is no collection, and dim and metric (or index) do not say what to make.
    ValueError
        If they are not those of the collection.
    CorruptIndexError
        If the files are not those of a collection.

    Examples
    --------
    >>> notes = fb.Collection("notes", dim=16, metric="cosine")
    >>> notes.add(keys=["a", "b"], vectors=x[:2], documents=["first", "second"],
    ...           metadata=[{"year": 2021, "lang": "de"}, {"year": 2019, "lang": "en"}])
    >>> notes.search(x[0], k=1, where="year >= 2020 and lang = 'de'").documents
    ['first']
    >>> notes.close()
    """

    def __init__(
        self, path: AnyPath, *, dim: int | None = None, metric: str | None = None, index: Index | None = None
    ) -> None:
        template = _template(dim, metric, index)
        self._folder = Path(os.fsdecode(encoded(path)))
        self._view: View | None = None
        if template is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        elif not self._database_file.exists():
            raise _absent(self._folder)
        self._database = Database(self._database_file)
        try:
            self._create_if_new(template)
            with self._reading() as (_, now):
                _check_same(self._folder, now.index, dim, metric, index)
        except BaseException:
            self._database.close()
            raise

    # --- what it is ---

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return self._seen.index.dim

    @property
    def metric(self) -> str:
        """ "l2", "ip" or "cosine"."""
        return self._seen.index.metric

    @property
    def columns(self) -> dict[str, str]:
        """The names in the metadata, with their types: "bool", "int", "float", "str" or "json" (lists and dicts)."""
        with self._database.read() as connection:
            return {column.name: column.kind for column in items.columns_of(connection).values()}

    @property
    def index(self) -> Index:
        """The index of the vectors, by internal ids, as it is now; to be looked at (`Index.explain`, `Index.stats`)."""
        with self._reading() as (_, now):
            return frozen(now.index)

    def __len__(self) -> int:
        with self._database.read() as connection:
            return int(connection.execute("SELECT count(*) FROM items").fetchone()[0])

    def __contains__(self, key: object) -> bool:
        try:
            own = items.checked_keys([key])
        except (TypeError, ValueError):
            return False
        with self._database.read() as connection:
            return bool(items.ids_of(connection, own))

    def __repr__(self) -> str:
        return f"<fewbits.Collection: {str(self._folder)!r}, {self._seen.index!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._database.close()  # no fold, whose failure would hide the error

    # --- changing it ---

    def add(self, *, keys: Any, vectors: Any, documents: Any = None, metadata: Any = None) -> None:
        """Add items: all of them or, if anything is wrong, none.

        Parameters
        ----------
        keys : sequence of str or int
            Each once, and none that the collection has.
        vectors : (n, dim) array, or None
            As x of `Index.add`. In a list, None stands for an item without a vector, which only `get` finds.
        documents : sequence, optional
            Text, or anything that JSON can hold, per key.
        metadata : sequence of dict, optional
            Values by name, per key: true or false, whole numbers, floats, text; also lists and dicts, which cannot be
            compared. A name has the type of its first value; whole numbers and floats go together (those that a float
            cannot hold come back as they are). None stands for no value.

        Raises
        ------
        TypeError, ValueError
            For keys that are there already, for values of another type than their column, and as `Index.add`.
        TimeoutError
            If another process has been writing for a minute.

        Examples
        --------
        >>> notes = fb.Collection("notes", dim=16, metric="l2")
        >>> notes.add(keys=range(100), vectors=x[:100], metadata=[{"row": i} for i in range(100)])
        """
        self._put(keys, vectors, documents, metadata, replace_old=False)
        self._fold_by_itself(_LOG, 2)

    def upsert(self, *, keys: Any, vectors: Any, documents: Any = None, metadata: Any = None) -> None:
        """Add items, in place of those that have the same keys: nothing of the old items stays.

        Parameters
        ----------
        keys, vectors, documents, metadata
            As in `add`, but keys may be there.

        Raises
        ------
        TypeError, ValueError, TimeoutError
            As in `add`.

        Examples
        --------
        >>> notes = fb.Collection("notes", dim=16, metric="l2")
        >>> notes.upsert(keys=["a"], vectors=x[:1], documents=["draft"])
        >>> notes.upsert(keys=["a"], vectors=x[1:2], documents=["final"])
        >>> notes.get(["a"]).documents
        ['final']
        """
        self._put(keys, vectors, documents, metadata, replace_old=True)
        self._fold_by_itself(_LOG, 2)

    def delete(self, keys: Any = None, where: str | Condition | None = None) -> int:
        """Delete items by key, by a condition, or those of the keys that meet the condition.

        Parameters
        ----------
        keys : sequence of str or int, optional
            Keys that the collection does not have are ignored.
        where : str, optional
            A condition on the metadata, as in `search`.

        Returns
        -------
        int
            How many there were.

        Examples
        --------
        >>> notes = fb.Collection("notes", dim=16, metric="l2")
        >>> notes.add(keys=["a", "b"], vectors=x[:2], metadata=[{"year": 2021}, {"year": 2019}])
        >>> notes.delete(where="year < 2020")
        1
        """
        if keys is None and where is None:
            raise ValueError("delete: expected keys or a condition, got neither")
        wanted = None if keys is None else items.checked_keys(keys, unique=False)
        having = condition(where)
        with self._database.write() as connection:
            before = view.caught_up(connection, self._folder, self._view)
            ids = self._selected(connection, wanted, having)
            after = _removed(connection, before, ids)
        self._publish(after)
        self._fold_by_itself(_LOG, 2)
        return len(ids)

    def compact(self) -> None:
        """Write the index file anew, without what was deleted, empty the log, and make the database file smaller.

        All but the last happens by itself, when the log has become long, and on `close`. Readers continue meanwhile. If
        it fails by itself (the disk is full, say), that is a warning: the change before it is committed.

        Raises
        ------
        OSError
            If the file cannot be written; the old file and the log stay.
        TimeoutError
            If another process has been writing for a minute.

        Examples
        --------
        >>> notes = fb.Collection("notes", dim=16, metric="l2")
        >>> notes.compact()
        """
        self._fold_if(0)
        self._database.shrink()

    def close(self) -> None:
        """Let go of all files, after folding a long log into the index file. Nothing depends on it for safety.

        Closing again does nothing.

        Examples
        --------
        >>> notes = fb.Collection("notes", dim=16, metric="l2")
        >>> notes.close()
        """
        if self._database.closed:
            return
        try:
            self._fold_by_itself(_LOG_AT_CLOSE, 8)
        finally:
            self._database.close()

    # --- using it ---

    def get(
        self,
        keys: Any = None,
        where: str | Condition | None = None,
        *,
        limit: int | None = None,
        vectors: bool = False,
    ) -> Items:
        """Items by key, by a condition, or both.

        Parameters
        ----------
        keys : sequence of str or int, optional
            Those that the collection does not have are left out.
        where : str, optional
            A condition on the metadata, as in `search`.
        limit : int, optional
            At most this many.
        vectors : bool
            Return vectors too, as the index stores them.

        Returns
        -------
        Items
            In the order of keys, or in that in which they were added.

        Examples
        --------
        >>> notes = fb.Collection("notes", dim=16, metric="l2")
        >>> notes.add(keys=["a", "b"], vectors=x[:2], documents=["first", {"title": "second"}])
        >>> notes.get(["b"]).documents
        [{'title': 'second'}]
        """
        wanted = None if keys is None else items.checked_keys(keys)
        having = condition(where)
        most = None if limit is None else whole_number(limit, "limit", 0)
        with self._reading() as (connection, now):
            ids = self._selected(connection, wanted, having)[:most]
            found = items.items_of(connection, items.columns_of(connection), ids)
            own = _vectors_of(now.index, ids) if vectors else None
        return item_lists([found[id] for id in ids], own)

    def search(
        self,
        q: Any,
        k: int = 10,
        where: str | Condition | None = None,
        *,
        keys: Any = None,
        diversity: float | None = None,
        candidates: int | None = None,
        **settings: Any,
    ) -> Hits:
        """Find the k best items for each query.

        Parameters
        ----------
        q : (dim,) or (n, dim) array
            One query, or several.
        k : int
            Results per query.
        where : str, optional
            A condition on the metadata, such as ``"year >= 2020 and lang = 'de'"``: names are compared with numbers,
            'text', true and false by =, !=, <, <=, >, >=, in (...), not in (...), is null and is not null, joined by
            and, or, not and parentheses. A name with other characters than letters, digits and _ stands in double
            quotes. A missing value is equal to no value, and not ordered.
        keys : sequence of str or int, optional
            Only among these.
        diversity : float, optional
            0..1: choose, by maximal marginal relevance, results unlike each other. 0 is relevance alone.
        candidates : int, optional
            How many of the best the diverse results are chosen from. None: 4 k.
        **settings
            nprobe, rerank, patience, min_score, max_distance and threads, as in `Index.search`.

        Returns
        -------
        Hits
            keys, scores, documents and metadata: lists for one query, lists of lists for several.

        Raises
        ------
        TypeError, ValueError
            As `Index.search`; for conditions that cannot be read, or on names that no metadata has; for filter and
            scorer, which would get internal ids.

        References
        ----------
        Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
        summaries", 1998.

        Examples
        --------
        >>> notes = fb.Collection("notes", dim=16, metric="l2")
        >>> notes.add(keys=["a", "b"], vectors=x[:2], metadata=[{"year": 2021}, {"year": 2019}])
        >>> notes.search(x[0], k=2, where="year in (2019, 2020)").keys
        ['b']
        """
        _check_settings(settings)
        having, count = condition(where), result_count(k)
        among = None if keys is None else items.checked_keys(keys, unique=False)
        wanted = _candidates(count, diversity, candidates)
        with self._reading() as (connection, now):
            columns = items.columns_of(connection)
            if not (having is None and among is None):
                settings["filter"] = np.array(self._selected(connection, among, having), np.int64)
            queries, single = as_queries(q, now.index.dim, nonzero=now.index.metric == "cosine")
            found = now.index.search(queries, wanted, **settings)
            if diversity is not None:
                found = _diverse(now.index, queries, found, count, diversity)
            own = items.items_of(connection, columns, distinct(found.ids))
        return hits(found.ids, found.scores, own, single=single)

    def keys(self) -> list[items.Key]:
        """All keys, in the order in which they were added.

        Returns
        -------
        list of str or int

        Examples
        --------
        >>> notes = fb.Collection("notes", dim=16, metric="l2")
        >>> notes.keys()
        []
        """
        with self._database.read() as connection:
            return [key for (key,) in connection.execute("SELECT key FROM items ORDER BY id")]

    # --- inside ---

    @property
    def _database_file(self) -> Path:
        return self._folder / "collection.db"

    @property
    def _seen(self) -> View:
        assert self._view is not None
        return self._view

    def _create_if_new(self, template: Index | None) -> None:
        """Waits for no writer if there is a collection."""
        with self._database.read() as connection:
            new = not has_tables(connection)  # also after a kill while it was made
        if new:
            if template is None:
                raise _absent(self._folder)
            with self._database.write() as connection:
                if create_tables(connection):
                    template.save(view.index_file(self._folder, 0))
        with self._database.read() as connection:
            check_format(connection, self._database_file)

    def _put(self, keys: Any, vectors: Any, documents: Any, metadata: Any, *, replace_old: bool) -> None:
        own = items.checked_keys(keys)
        stored = items.checked_documents(documents, len(own))
        rows = checked_metadata(metadata, len(own))
        batch = checked_vectors(vectors, len(own), self.dim, self.metric)
        with self._database.write() as connection:
            before = view.caught_up(connection, self._folder, self._view)
            old = items.ids_of(connection, own)
            if old and not replace_old:
                raise ValueError(f"keys: expected keys that are not in the collection, got {next(iter(old))!r}")
            now = _removed(connection, before, sorted(old.values()))
            known = items.columns_of(connection)
            columns = with_new(known, rows)
            items.put_columns(connection, known, columns)
            ids = items.insert(connection, columns, own, stored, rows)
            after = _added(connection, now, batch, ids)
        self._publish(after)

    def _fold_if(self, length: int) -> None:
        """Folds a log of this length or more into the index file."""
        with self._database.read() as connection:
            if view.logged(connection) < length:
                return
        with self._database.write() as connection:
            if view.logged(connection) < length:  # another writer has folded it meanwhile
                return
            now = view.caught_up(connection, self._folder, self._view)
            view.fold(connection, self._folder, now)
            after = view.caught_up(connection, self._folder, None)
        self._publish(after)
        view.remove_old_files(self._folder, after.generation)

    def _fold_by_itself(self, least: int, divisor: int) -> None:
        """Folds a long log. What came before is committed: a failure is a warning."""
        try:
            self._fold_if(max(least, len(self._seen.index) // divisor))
        except OSError as error:  # also TimeoutError
            warnings.warn(
                f"{self._folder}: the log was not folded into the index file ({error}). Nothing is lost; compact() "
                "repeats it",
                stacklevel=3,
            )

    def _publish(self, after: View) -> None:
        with self._database.lock:
            if self._seen.version < after.version:
                self._view = after

    @contextmanager
    def _reading(self) -> Iterator[tuple[sqlite3.Connection, View]]:
        """A transaction, and the index as of it."""
        failed = -1
        while True:
            with self._database.read() as connection:
                version = view.version_of(connection)[0]
                try:
                    now = self._at(connection, version)
                except FileNotFoundError:  # another process has just folded, and removed the file of this version
                    if version == failed:
                        raise
                    failed = version
                    continue
                if now is not None:
                    yield connection, now
                    return

    def _at(self, connection: sqlite3.Connection, version: int) -> View | None:
        """The view of this version; None if another thread has gone beyond it."""
        with self._database.lock:
            if self._view is None or self._view.version < version:
                self._view = view.caught_up(connection, self._folder, self._view)
            return self._view if self._view.version == version else None

    def _selected(
        self, connection: sqlite3.Connection, keys: Sequence[items.Key] | None, having: Condition | None
    ) -> list[int]:
        text, values = items.matching(having, items.columns_of(connection))
        if keys is None:
            return [id for (id,) in connection.execute(f"SELECT id FROM items WHERE {text} ORDER BY id", values)]
        known = items.ids_of(connection, keys)
        ids = [known[key] for key in dict.fromkeys(keys) if key in known]
        if having is None:
            return ids
        met = {id for (id,) in connection.execute(f"SELECT id FROM items WHERE {text}", values)}
        return [id for id in ids if id in met]


def _added(connection: sqlite3.Connection, now: View, batch: Batch, ids: I64) -> View:
    if len(batch.rows):
        own = ids[np.array(batch.has)]
        now = view.with_added(now, batch.rows, own)
        view.log_added(connection, batch.rows, own)
    if not len(ids):
        return now
    view.advance(connection)
    return replace(now, version=view.version_of(connection)[0])


def _removed(connection: sqlite3.Connection, now: View, ids: list[int]) -> View:
    if not ids:
        return now
    rows = [(id,) for id in ids]
    connection.executemany("DELETE FROM items WHERE id = ?", rows)
    view.log_removed(connection, ids)
    view.advance(connection)
    return view.with_removed(connection, now)


def _absent(folder: Path) -> FileNotFoundError:
    return FileNotFoundError(f"{folder}: no collection there; to make one, pass dim and metric")


def _template(dim: int | None, metric: str | None, index: Index | None) -> Index | None:
    """An index without vectors, as a new collection begins with; None if the arguments do not describe one."""
    if index is None:
        if (dim is None) != (metric is None):
            raise ValueError(f"expected dim and metric, or neither, got dim={dim!r} and metric={metric!r}")
        return None if dim is None or metric is None else Index(dim, metric=metric, codec="auto")
    if not isinstance(index, Index):
        raise TypeError(f"index: expected fewbits.Index, got {index!r}")
    if not index.is_trained or len(index):
        raise ValueError(f"index: expected a trained index without vectors, got {index!r}")
    for name, got in (("dim", dim), ("metric", metric)):
        if got is not None and got != getattr(index, name):
            raise ValueError(f"{name}: the index has {getattr(index, name)!r}, got {got!r}")
    return index


def _check_same(folder: Path, own: Index, dim: int | None, metric: str | None, index: Index | None) -> None:
    given = [(name, value) for name, value in (("dim", dim), ("metric", metric)) if value is not None]
    if index is not None:
        given += [("dim", index.dim), ("metric", index.metric)]
        automatic, wanted = (state_of(each).automatic != "no" for each in (own, index))
        if automatic != wanted:
            kinds = {True: "codec='auto'", False: "parts that do not change"}
            raise ValueError(f"index: the collection {folder} has {kinds[automatic]}, got {kinds[wanted]}")
        given += [] if automatic else [(name, getattr(index, name)) for name in Description.PARTS]
    for name, got in given:
        if getattr(own, name) != got:
            raise ValueError(f"{name}: the collection {folder} has {getattr(own, name)!r}, got {got!r}")


def _check_settings(settings: Mapping[str, Any]) -> None:
    for name in ("filter", "scorer"):
        if name in settings:
            raise TypeError(f"search: {name} is for internal ids, which a collection does not show; use where or keys")


def _candidates(k: int, diversity: float | None, candidates: int | None) -> int:
    if diversity is None:
        if candidates is not None:
            raise ValueError(
                f"candidates: are for diverse results, expected diversity too, got candidates={candidates}"
            )
        return k
    if real_number(diversity, "diversity", 0.0) > 1:
        raise ValueError(f"diversity: expected a number in 0..1, got {diversity}")
    return _CANDIDATES * k if candidates is None else whole_number(candidates, "candidates", k)


def _diverse(index: Index, queries: F32, found: SearchResult, k: int, diversity: float) -> SearchResult:
    ids, scores = np.full((len(queries), k), -1, np.int64), np.zeros((len(queries), k), np.float32)
    for row, count in enumerate(found.counts.tolist()):
        own = found.ids[row, :count]
        chosen = diverse(queries[row], index.reconstruct(own), k, diversity)
        ids[row, : len(chosen)], scores[row, : len(chosen)] = own[chosen], found.scores[row, chosen]
    return SearchResult(ids, scores)


def _vectors_of(index: Index, ids: list[int]) -> list[F32 | None]:
    with_vector = [id for id in ids if id in index]
    own = dict(zip(with_vector, index.reconstruct(np.array(with_vector, np.int64)), strict=True))
    return [own.get(id) for id in ids]
