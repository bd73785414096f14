"""The folder of a collection: transactions, and what this process has in memory of their state.

Invariant: SQLite's commit is the only moment at which something happens. Keys, documents, metadata and the log of
vectors are committed together; the index file follows (view.py). What is in memory follows SQLite, never the reverse:
the index, and the words of the documents (texts.py).
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..index.index import Index
from ..numeric.arrays import F32, I64
from . import items, view
from .columns import with_new
from .database import Database, check_format, create_tables, has_tables
from .items import Rows
from .texts import Texts, Tokens, caught_up
from .vectors import Batch
from .view import View
from .where import Condition

_LOG = (
    20_000  # vectors in the log from which on it is folded into the index file, if the file has at most twice as many
)
_LOG_AT_CLOSE = 1_000


class Store:
    """template: the index that a new collection begins with; None: expect a collection."""

    def __init__(self, folder: Path, template: Index | None, tokens: Tokens) -> None:
        self.folder = folder
        self._tokens = tokens
        self._view: View | None = None
        self._texts: Texts | None = None
        if template is not None:
            folder.mkdir(parents=True, exist_ok=True)
        elif not self._file.exists():
            raise _absent(folder)
        self.database = Database(self._file)
        try:
            self._create_if_new(template)
        except BaseException:
            self.database.close()
            raise

    @property
    def seen(self) -> View:
        """The last view, of whichever version."""
        assert self._view is not None
        return self._view

    # --- reading ---

    @contextmanager
    def reading(self, *, texts: bool = False) -> Iterator[tuple[sqlite3.Connection, View, Texts | None]]:
        """A transaction, the index as of it and, if wanted, the words of its documents."""
        failed = -1
        while True:
            with self.database.read() as connection:
                version = view.version_of(connection)[0]
                try:
                    now = self._at(connection, version)
                except FileNotFoundError:  # another process has just folded, and removed the file of this version
                    if version == failed:
                        raise
                    failed = version
                    continue
                words = self._texts_at(connection, version) if texts and now is not None else None
                if now is not None and (words is not None or not texts):
                    yield connection, now, words
                    return

    def selected(
        self, connection: sqlite3.Connection, keys: Sequence[items.Key] | None, having: Condition | None
    ) -> list[int]:
        """The ids of these keys that meet a condition; in the order of the keys, or of all items."""
        text, values = items.matching(having, items.columns_of(connection))
        if keys is None:
            return [id for (id,) in connection.execute(f"SELECT id FROM items WHERE {text} ORDER BY id", values)]
        known = items.ids_of(connection, keys)
        ids = [known[key] for key in dict.fromkeys(keys) if key in known]
        if having is None:
            return ids
        met = {id for (id,) in connection.execute(f"SELECT id FROM items WHERE {text}", values)}
        return [id for id in ids if id in met]

    def _at(self, connection: sqlite3.Connection, version: int) -> View | None:
        """The view of this version; None if another thread has gone beyond it."""
        with self.database.lock:
            if self._view is None or self._view.version < version:
                self._view = view.caught_up(connection, self.folder, self._view)
            return self._view if self._view.version == version else None

    def _texts_at(self, connection: sqlite3.Connection, version: int) -> Texts | None:
        """The words as of this version; None if another thread has gone beyond it."""
        with self.database.deriving:
            if self._texts is None or self._texts.version < version:
                self._texts = caught_up(connection, self._texts, self._tokens)
            return self._texts if self._texts.version == version else None

    # --- writing ---

    def put(self, rows: Rows, batch: Batch, *, replace_old: bool) -> None:
        """Add items, in place of those that have the same keys if these are to be replaced."""
        with self.database.write() as connection:
            before = view.caught_up(connection, self.folder, self._view)
            old = items.ids_of(connection, rows.keys)
            if old and not replace_old:
                raise ValueError(f"keys: expected keys that are not in the collection, got {next(iter(old))!r}")
            now = _removed(connection, before, sorted(old.values()))
            known = items.columns_of(connection)
            columns = with_new(known, rows.metadata)
            items.put_columns(connection, known, columns)
            ids = items.insert(connection, columns, rows)
            after = _added(connection, now, batch, ids)
        self._publish(after)

    def delete(self, keys: Sequence[items.Key] | None, having: Condition | None) -> int:
        """Delete the selected items; returns how many there were."""
        with self.database.write() as connection:
            before = view.caught_up(connection, self.folder, self._view)
            ids = self.selected(connection, keys, having)
            after = _removed(connection, before, ids)
        self._publish(after)
        return len(ids)

    def fold_if(self, length: int) -> None:
        """Folds a log of this length or more into the index file."""
        with self.database.read() as connection:
            if view.logged(connection) < length:
                return
        with self.database.write() as connection:
            if view.logged(connection) < length:  # another writer has folded it meanwhile
                return
            now = view.caught_up(connection, self.folder, self._view)
            view.fold(connection, self.folder, now)
            after = view.caught_up(connection, self.folder, None)
        self._publish(after)
        view.remove_old_files(self.folder, after.generation)

    def fold_by_itself(self, *, closing: bool = False) -> None:
        """Folds a long log. What came before is committed: a failure is a warning."""
        least, divisor = (_LOG_AT_CLOSE, 8) if closing else (_LOG, 2)
        try:
            self.fold_if(max(least, len(self.seen.index) // divisor))
        except OSError as error:  # also TimeoutError
            warnings.warn(
                f"{self.folder}: the log was not folded into the index file ({error}). Nothing is lost; compact() "
                "repeats it",
                stacklevel=3,
            )

    def _publish(self, after: View) -> None:
        with self.database.lock:
            if self.seen.version < after.version:
                self._view = after

    @property
    def _file(self) -> Path:
        return self.folder / "collection.db"

    def _create_if_new(self, template: Index | None) -> None:
        """Waits for no writer if there is a collection."""
        with self.database.read() as connection:
            new = not has_tables(connection)  # also after a kill while it was made
        if new:
            if template is None:
                raise _absent(self.folder)
            with self.database.write() as connection:
                if create_tables(connection):
                    template.save(view.index_file(self.folder, 0))
        with self.database.read() as connection:
            check_format(connection, self._file)


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


def vectors_of(index: Index, ids: list[int]) -> list[F32 | None]:
    """Vectors as the index stores them; None for items without."""
    with_vector = [id for id in ids if id in index]
    own = dict(zip(with_vector, index.reconstruct(np.array(with_vector, np.int64)), strict=True))
    return [own.get(id) for id in ids]
