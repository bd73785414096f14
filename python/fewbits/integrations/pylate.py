"""An index for PyLate: documents of token embeddings, by their names: `pip install fewbits pylate`.

A folder holds an index and a SQLite database of names. A name is committed before the index has its document, under a
number that is never used again, and a number that the index does not have counts for nothing. So both agree after a
kill at any moment.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pylate.indexes.base import Base
from pylate.rank import RerankResult

from ..index.turns import continued
from ..input.filters import Filter
from ..multivector.index import MultiVectorIndex
from ..numeric.arrays import F32, I64


class FewbitsIndex(Base):
    """A PyLate index that returns final rankings, as `pylate.indexes.PLAID` does.

    Parameters
    ----------
    index_folder, index_name : str
        The folder of the index is ``index_folder/index_name``; it is made by the first documents.
    override : bool
        Delete what is there.
    index : MultiVectorIndex, optional
        For a new index: one without documents, which says how they are stored. None: ``MultiVectorIndex(dim)``.

    Examples
    --------
    >>> index = FewbitsIndex("indexes", "notes")  # doctest: +SKIP
    >>> index.add_documents(["a", "b"], model.encode(texts, is_query=False))  # doctest: +SKIP
    >>> retrieve.ColBERT(index=index).retrieve(model.encode(questions, is_query=True), k=10)  # doctest: +SKIP
    """

    is_end_to_end_index = True

    def __init__(
        self,
        index_folder: str = "indexes",
        index_name: str = "colbert",
        override: bool = False,
        index: MultiVectorIndex | None = None,
    ) -> None:
        self._folder = Path(index_folder) / index_name
        if override and self._folder.exists():
            shutil.rmtree(self._folder)
        self._index = MultiVectorIndex.open(self._file) if self._file.exists() else index
        self._names: dict[int, str] = {}
        if self._index is not None and self._file.exists():
            with self._database() as connection:
                known = dict(connection.execute("SELECT id, name FROM names"))
            self._names = {id: known[id] for id in self._index.ids().tolist()}
        self._ids = {name: id for id, name in self._names.items()}

    def add_documents(self, documents_ids: str | list[str], documents_embeddings: Any, **kwargs: Any) -> FewbitsIndex:
        """Add documents, in place of those of the same names. kwargs: batch_size, which is not needed."""
        names = [documents_ids] if isinstance(documents_ids, str) else list(documents_ids)
        sets = _sets(documents_embeddings)
        if len(names) != len(sets) or len(set(names)) < len(names):
            raise ValueError(
                f"documents_ids: expected one name per document ({len(sets)}), each once, got {len(names)}"
            )
        if not names:
            return self
        before = MultiVectorIndex(sets[0].shape[1]) if self._index is None else self._index
        after = continued(before)
        with self._database() as connection:
            ids = np.arange(len(names)) + 1 + _last_id(connection)
            after.add(sets, ids, progress=False) if after.is_trained else after.build(sets, ids, progress=False)
            after.remove([self._ids[name] for name in names if name in self._ids])
            connection.executemany("INSERT INTO names VALUES (?, ?)", zip(ids.tolist(), names, strict=True))
        after.sync(self._file)
        self._index = after
        self._rename(after, dict(zip(ids.tolist(), names, strict=True)))
        return self

    def remove_documents(self, documents_ids: list[str]) -> FewbitsIndex:
        """Remove the documents of these names; others are ignored."""
        gone = [name for name in dict.fromkeys(documents_ids) if name in self._ids]
        if self._index is not None and gone:
            after = continued(self._index)
            after.remove([self._ids[name] for name in gone])
            after.sync(self._file)
            self._index = after
            self._rename(after, {})
        return self

    def __call__(
        self, queries_embeddings: Any, k: int = 10, subset: list[list[str]] | list[str] | None = None
    ) -> list[list[RerankResult]]:
        """The k best documents of each query, by Chamfer similarity. subset: only these names, or a list per query."""
        if self._index is None:
            raise ValueError("the index is empty, expected documents")
        queries = _sets(queries_embeddings)
        found = self._index.search(queries, k, filter=None if subset is None else self._filter(subset, len(queries)))
        rows = zip(found.ids.tolist(), found.scores.tolist(), found.counts.tolist(), strict=True)
        return [
            [RerankResult(id=self._names[id], score=score) for id, score in zip(ids[:n], scores[:n], strict=True)]
            for ids, scores, n in rows
        ]

    def get_documents_embeddings(self, documents_ids: list[list[str]]) -> list[list[F32]]:
        """The token embeddings of documents, as the index stores them."""
        if self._index is None:
            raise ValueError("the index is empty, expected documents")
        return [self._tokens(self._index, names) for names in documents_ids]

    def _tokens(self, index: MultiVectorIndex, names: Sequence[str]) -> list[F32]:
        unknown = next((name for name in names if name not in self._ids), None)
        if unknown is not None:
            raise ValueError(f"documents_ids: expected documents of the index, got {unknown!r}")
        sets = index.reconstruct([self._ids[name] for name in names])
        return [sets.tokens[a:b] for a, b in zip(sets.offsets, sets.offsets[1:], strict=False)]

    def _filter(self, subset: list[list[str]] | list[str], n: int) -> Any:
        if not subset or isinstance(subset[0], str):
            return self._known(subset)
        if len(subset) != n:
            raise ValueError(f"subset: expected one list per query ({n}), got {len(subset)}")
        return [Filter(self._known(names)) for names in subset]

    def _known(self, names: Iterable[Any]) -> I64:
        return np.array([self._ids[name] for name in dict.fromkeys(names) if name in self._ids], np.int64)

    def _rename(self, index: MultiVectorIndex, more: dict[int, str]) -> None:
        """The names of the documents of an index, some of them new."""
        known = self._names | more
        self._names = {id: known[id] for id in index.ids().tolist()}
        self._ids = {name: id for id, name in self._names.items()}

    @property
    def _file(self) -> Path:
        return self._folder / "tokens.fb"

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other writer runs beside."""
        self._folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._folder / "names.db", timeout=60, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE IF NOT EXISTS names (id INTEGER PRIMARY KEY AUTOINCREMENT, name NOT NULL)")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()


def _sets(embeddings: Any) -> list[F32]:
    """A (tokens, dim) array per document or query."""
    if getattr(embeddings, "ndim", 3) == 2:
        embeddings = [embeddings]
    return [each.detach().cpu().float().numpy() if hasattr(each, "detach") else np.asarray(each) for each in embeddings]


def _last_id(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'names'").fetchone()
    return int(row[0]) if row else 0
