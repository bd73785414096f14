"""What is built: vectors and ids, divided into pieces that depend on the source alone, each read by the task that codes
it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..input.checks import whole_number
from ..input.ids import check_unique, vector_ids
from ..input.rows import Rows
from ..numeric.arrays import I64
from ..source.load import load_column, load_vectors


class Piece(Protocol):
    """Some vectors of a source, as a task gets them."""

    def read(self) -> tuple[I64, NDArray[Any]]:
        """Ids and vectors."""
        ...


@dataclass(frozen=True)
class Slice:
    """Rows of an array."""

    ids: I64
    block: NDArray[Any]

    def read(self) -> tuple[I64, NDArray[Any]]:
        return self.ids, self.block


@dataclass(frozen=True)
class FileRows:
    """Rows of a file. id: the column of ids; None: row numbers, which begin with first_id in this file."""

    path: str
    vector: str | None
    id: str | None
    begin: int
    end: int
    first_id: int

    def read(self) -> tuple[I64, NDArray[Any]]:
        block = _rows(load_vectors(self.path, self.vector), self.begin, self.end)
        if self.id is not None:
            return vector_ids(load_column(self.path, self.id)[self.begin : self.end]), block
        return np.arange(self.first_id + self.begin, self.first_id + self.end, dtype=np.int64), block


@dataclass(frozen=True)
class Source:
    """n vectors of `dim` dimensions, in pieces of at most `rows`."""

    n: int
    dim: int
    rows: int
    _array: Any
    _ids: I64 | None
    _files: list[tuple[str, int]]  # and their numbers of vectors
    _vector: str | None
    _id: str | None

    def pieces(self) -> Iterator[Piece]:
        if not self._files:
            for begin in range(0, self.n, self.rows):
                end = min(begin + self.rows, self.n)
                ids = np.arange(begin, end, dtype=np.int64) if self._ids is None else self._ids[begin:end]
                yield Slice(ids, _rows(self._array, begin, end))
        first = 0
        for path, n in self._files:
            for begin in range(0, n, self.rows):
                yield FileRows(path, self._vector, self._id, begin, min(begin + self.rows, n), first)
            first += n

    def __len__(self) -> int:
        """How many pieces there are."""
        sizes = [n for _, n in self._files] if self._files else [self.n]
        return sum(-(-n // self.rows) for n in sizes)

    def sample(self, count: int) -> NDArray[Any]:
        """About `count` rows, evenly from all pieces."""
        share = count / max(self.n, 1)
        return np.concatenate([some(piece.read()[1], share) for piece in self.pieces()])


def some(block: NDArray[Any], share: float) -> NDArray[Any]:
    """About this share of the rows, at least one, evenly spaced."""
    wanted = min(len(block), max(1, round(len(block) * share)))
    return block[np.arange(wanted) * len(block) // wanted]


def source_of(x: Any, vector: str, id: Any, rows: object) -> Source:
    """The source for an array, a path of a file or a folder of Parquet files."""
    size = whole_number(rows, "part_rows", 1)
    if not isinstance(x, str | bytes | os.PathLike):
        matrix = Rows(x, np.asarray(x).shape[-1] if np.ndim(x) else 0).array
        own = None if id is None or isinstance(id, str) else vector_ids(id, len(matrix))
        if own is not None:
            check_unique(own)
        return Source(len(matrix), matrix.shape[1], size, matrix, own, [], None, None)
    if id is not None and not isinstance(id, str):
        raise TypeError(f"id: expected the name of a column or None for files, got {type(id).__name__}")
    place = Path(os.fsdecode(x))
    files = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
    if place.is_dir() and not files:
        raise ValueError(f"source: expected Parquet files in the folder {str(place)!r}, got none")
    columns = bool(files) and files[0].suffix == ".parquet"
    names = (vector, id) if columns else (None, None)
    shapes = [load_vectors(file, names[0]).shape for file in files]
    dims = {shape[1] for shape in shapes}
    if len(dims) != 1:
        raise ValueError(f"source: expected vectors of one dimension in all files, got {sorted(dims)}")
    found = [(str(file.absolute()), int(shape[0])) for file, shape in zip(files, shapes, strict=True)]
    return Source(sum(n for _, n in found), dims.pop(), size, None, None, found, *names)


def _rows(matrix: Any, begin: int, end: int) -> NDArray[Any]:
    return np.ascontiguousarray(matrix.rows(begin, end) if hasattr(matrix, "rows") else matrix[begin:end])
