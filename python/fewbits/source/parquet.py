"""A column of lists in a Parquet file, or in a folder of them, read by rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..file.foreign import PARQUET, kind_of
from ..file.places import shown
from ..input.lazy import LazyMatrix
from ..input.tables import arrow_matrix
from .tensors import chosen

_BATCH = 16_384  # rows


def is_parquet(path: Path) -> bool:
    """Whether this is a Parquet file, or a folder that has some."""
    if path.is_dir():
        return any(path.glob("*.parquet"))
    return kind_of(path) is PARQUET


class ParquetMatrix(LazyMatrix):
    """Rows are read forward in batches; a row before the present batch begins its row group anew."""

    def __init__(self, files: list[Any], column: str, name: str) -> None:
        self._column, self._name = column, name
        sizes = [(file, group, file.metadata.row_group(group).num_rows) for file in files for group in _groups(file)]
        self._groups = [(file, group) for file, group, _ in sizes]
        self._begins = np.cumsum([0, *(size for _, _, size in sizes)])
        self._batches: Iterator[NDArray[Any]] = iter(())
        self._group, self._at = -1, 0  # the open row group, and the first row of the present batch
        self._batch = np.zeros((0, 0), np.float32)
        first = next((self._open(group) for group in range(len(self._groups))), None)
        if first is None:
            raise ValueError(f"{name}: expected at least 1 vector, got none")
        super().__init__((int(self._begins[-1]), first.shape[1]), first.dtype)

    def rows(self, begin: int, end: int) -> NDArray[Any]:
        parts = []
        while begin < end:
            batch = self._batch_of(begin)
            parts.append(batch[begin - self._at : end - self._at])
            begin += len(parts[-1])
        if not parts:
            return np.zeros((0, self.shape[1]), self.dtype)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _batch_of(self, row: int) -> NDArray[Any]:
        group = int(np.searchsorted(self._begins, row, "right")) - 1
        if group != self._group or row < self._at:
            self._open(group)
        self._group = -1  # if reading fails, the next call opens the group again
        while row >= self._at + len(self._batch):
            batch = next(self._batches)
            self._at += len(self._batch)
            self._batch = batch
        self._group = group
        return self._batch

    def _open(self, group: int) -> NDArray[Any]:
        """The first batch of a row group."""
        file, number = self._groups[group]
        self._group = -1
        self._batches = self._read(file, number)
        self._group, self._at, self._batch = group, int(self._begins[group]), next(self._batches)
        return self._batch

    def _read(self, file: Any, group: int) -> Iterator[NDArray[Any]]:
        for batch in file.iter_batches(_BATCH, [group], [self._column]):
            numbers = arrow_matrix(batch.column(0), f"{self._name}: {self._column}")
            if hasattr(self, "shape") and (numbers.shape[1], numbers.dtype) != (self.shape[1], self.dtype):
                raise ValueError(
                    f"{self._name}: expected {self.shape[1]} dimensions of {self.dtype}, as in row 0, got "
                    f"{numbers.shape[1]} of {numbers.dtype} later"
                )
            yield numbers


def matrix(path: Path, column: str | None) -> LazyMatrix:
    """The column of that name, or the only one of lists."""
    files = _opened(path)
    import pyarrow.types as types  # after the message that says how to install it

    schema = files[0].schema_arrow
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    names = [field.name for field in schema if any(of(getattr(field.type, "storage_type", field.type)) for of in lists)]
    return ParquetMatrix(files, chosen(names, column, path), shown(path))


def values(path: Path, column: str) -> NDArray[Any]:
    """A column of plain values, whole."""
    files = _opened(path)
    name = chosen(files[0].schema_arrow.names, column, path)
    read = [file.read([name]).column(0).to_numpy() for file in files]
    return read[0] if len(read) == 1 else np.concatenate(read)


def _groups(file: Any) -> list[int]:
    return [group for group in range(file.num_row_groups) if file.metadata.row_group(group).num_rows]


def _opened(path: Path) -> list[Any]:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{shown(path)}: this is a Parquet file, and reading it needs pyarrow: pip install 'fewbits[files]'"
        ) from error
    return [_file(place) for place in (sorted(path.glob("*.parquet")) if path.is_dir() else [path])]


def _file(path: Path) -> Any:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        return parquet.ParquetFile(path, pre_buffer=False)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{shown(path)}: expected a Parquet file ({error})") from None
