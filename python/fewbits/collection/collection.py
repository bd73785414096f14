"""fb.Collection: this file checks arguments.

The store runs the transactions (store.py), and a request searches what they see (searching.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..file.places import Path as AnyPath
from ..file.places import encoded
from ..index.index import Index
from ..index.turns import frozen
from ..input.checks import whole_number
from . import items
from .result import Hits, Items, distinct, hits
from .result import items as item_lists
from .searching import request
from .store import Store, vectors_of
from .template import check_same, template
from .texts import default_tokens
from .vectors import checked_vectors
from .where import Condition, condition

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


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
    tokenizer : function of a document or a text to an iterable of str, optional
        What `search(text=)` searches: the tokens of each document, and of the text. None: words (as in
        `SparseIndex.bm25`) of documents that are text. Not stored: whoever opens the collection gives it again.

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
        self,
        path: AnyPath,
        *,
        dim: int | None = None,
        metric: str | None = None,
        index: Index | None = None,
        tokenizer: Callable[[Any], Iterable[str]] | None = None,
    ) -> None:
        if tokenizer is not None and not callable(tokenizer):
            raise TypeError(f"tokenizer: expected a function of a document to its tokens, got {tokenizer!r}")
        folder = Path(os.fsdecode(encoded(path)))
        self._store = Store(folder, template(dim, metric, index), tokenizer or default_tokens)
        try:
            with self._store.reading() as (_, now, _):
                check_same(folder, now.index, dim, metric, index)
        except BaseException:
            self._store.database.close()
            raise

    # --- what it is ---

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return self._store.seen.index.dim

    @property
    def metric(self) -> str:
        """ "l2", "ip" or "cosine"."""
        return self._store.seen.index.metric

    @property
    def columns(self) -> dict[str, str]:
        """The names in the metadata, with their types: "bool", "int", "float", "str" or "json" (lists and dicts)."""
        with self._store.database.read() as connection:
            return {column.name: column.kind for column in items.columns_of(connection).values()}

    @property
    def index(self) -> Index:
        """The index of the vectors, by internal ids, as it is now; to be looked at (`Index.explain`, `Index.stats`)."""
        with self._store.reading() as (_, now, _):
            return frozen(now.index)

    def __len__(self) -> int:
        with self._store.database.read() as connection:
            return int(connection.execute("SELECT count(*) FROM items").fetchone()[0])

    def __contains__(self, key: object) -> bool:
        try:
            own = items.checked_keys([key])
        except (TypeError, ValueError):
            return False
        with self._store.database.read() as connection:
            return bool(items.ids_of(connection, own))

    def __repr__(self) -> str:
        return f"<fewbits.Collection: {str(self._store.folder)!r}, {self._store.seen.index!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._store.database.close()  # no fold, whose failure would hide the error

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
        self._store.fold_by_itself()

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
        self._store.fold_by_itself()

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
        deleted = self._store.delete(wanted, having)
        self._store.fold_by_itself()
        return deleted

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
        self._store.fold_if(0)
        self._store.database.shrink()

    def close(self) -> None:
        """Let go of all files, after folding a long log into the index file. Nothing depends on it for safety.

        Closing again does nothing.

        Examples
        --------
        >>> notes = fb.Collection("notes", dim=16, metric="l2")
        >>> notes.close()
        """
        if self._store.database.closed:
            return
        try:
            self._store.fold_by_itself(closing=True)
        finally:
            self._store.database.close()

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
        with self._store.reading() as (connection, now, _):
            ids = self._store.selected(connection, wanted, having)[:most]
            found = items.items_of(connection, items.columns_of(connection), ids)
            own = vectors_of(now.index, ids) if vectors else None
        return item_lists([found[id] for id in ids], own)

    def search(
        self,
        q: Any = None,
        k: int = 10,
        where: str | Condition | None = None,
        *,
        text: str | list[str] | None = None,
        keys: Any = None,
        text_weight: float | None = None,
        fusion: str | None = None,
        diversity: float | None = None,
        candidates: int | None = None,
        **settings: Any,
    ) -> Hits:
        """Find the k best items for each query: by vectors, by words, or by both.

        Parameters
        ----------
        q : (dim,) or (n, dim) array, optional
            One query, or several.
        k : int
            Results per query.
        where : str, optional
            A condition on the metadata, such as ``"year >= 2020 and lang = 'de'"``: names are compared with numbers,
            'text', true and false by =, !=, <, <=, >, >=, in (...), not in (...), is null and is not null, joined by
            and, or, not and parentheses. A name with other characters than letters, digits and _ stands in double
            quotes. A missing value is equal to no value, and not ordered.
        text : str or list of str, optional
            One text per query. Without q: items are ranked by BM25 of their documents. With q: hybrid search, in which
            the rankings by q and by text are fused.
        keys : sequence of str or int, optional
            Only among these.
        text_weight : float, optional
            For hybrid search, 0..1: the weight of the ranking by text. None: 0.5.
        fusion : {"minmax", "zscore", "rrf"}, optional
            For hybrid search: how scores are normalised before they are added, as in `fb.fuse`. None: "minmax".
        diversity : float, optional
            0..1: choose, by maximal marginal relevance, results unlike each other. 0 is relevance alone.
        candidates : int, optional
            How many of the best the diverse results are chosen from (None: 4 k), or how many of each ranking are fused
            (None: 4 k, or 100).
        **settings
            nprobe, rerank, patience, min_score, max_distance and threads, as in `Index.search`. With text there are no
            thresholds, and without q threads alone.

        Returns
        -------
        Hits
            keys, scores, documents and metadata: lists for one query, lists of lists for several. Scores are those of
            the index, of BM25, or fused: then larger is better under every metric.

        Raises
        ------
        TypeError, ValueError
            As `Index.search`; for arguments that have no effect together; for conditions that cannot be read, or on
            names that no metadata has; for filter and scorer, which would get internal ids.

        References
        ----------
        Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
        summaries", 1998. Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009.

        Notes
        -----
        The first search by text derives the words of all documents, and later ones those of what has changed; nothing
        of it is stored. Statistics are those of the documents that are there. Their mean length is rounded to a power
        of 2^(1/4), so that documents need not be weighed anew after every change.

        Examples
        --------
        >>> notes = fb.Collection("notes", dim=16, metric="l2")
        >>> notes.add(keys=["a", "b"], vectors=x[:2], metadata=[{"year": 2021}, {"year": 2019}])
        >>> notes.search(x[0], k=2, where="year in (2019, 2020)").keys
        ['b']
        >>> notes.upsert(keys=["a", "b"], vectors=x[:2], documents=["a red fox", "a grey cat"])
        >>> notes.search(text="cats and a cat", k=1).keys
        ['b']
        >>> notes.search(x[0], text="grey cat", k=2, text_weight=0.7).keys
        ['b', 'a']
        """
        asked = request(q, k, text, text_weight, fusion, diversity, candidates, settings)
        having = condition(where)
        among = None if keys is None else items.checked_keys(keys, unique=False)
        with self._store.reading(texts=text is not None) as (connection, now, texts):
            columns = items.columns_of(connection)
            everything = having is None and among is None
            only = None if everything else np.array(self._store.selected(connection, among, having), np.int64)
            found = asked.run(now.index, texts, only)
            own = items.items_of(connection, columns, distinct(found.ids))
        return hits(found.ids, found.scores, own, single=found.single)

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
        with self._store.database.read() as connection:
            return [key for (key,) in connection.execute("SELECT key FROM items ORDER BY id")]

    # --- inside ---

    def _put(self, keys: Any, vectors: Any, documents: Any, metadata: Any, *, replace_old: bool) -> None:
        rows = items.checked_rows(keys, documents, metadata)
        batch = checked_vectors(vectors, len(rows.keys), self.dim, self.metric)
        self._store.put(rows, batch, replace_old=replace_old)
