"""Files of one matrix without names: records (.fvecs and its kin), and big-ann-benchmarks' .fbin and its kin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..file.places import shown

_HEADER = 8
_ROWS = 65_536


def _records(path: Path, column: str | None, number: str) -> NDArray[Any]:
    _no_column(path, column)
    size = path.stat().st_size
    head = np.fromfile(path, "<i4", 1)
    dim = int(head[0]) if len(head) else 0
    record = 4 + dim * np.dtype(number).itemsize
    if dim < 1 or size % record:
        raise ValueError(f"{shown(path)}: expected records of 4 + dim numbers, got {size} bytes and dim {dim}")
    table = np.memmap(path, np.dtype([("dim", "<i4"), ("x", number, (dim,))]), "r")
    for begin in range(0, len(table), _ROWS):
        wrong = table["dim"][begin : begin + _ROWS] != dim
        if wrong.any():
            row = begin + int(np.argmax(wrong))
            raise ValueError(
                f"{shown(path)}: expected {dim} dimensions, as in row 0, got {table['dim'][row]} in row {row}"
            )
    numbers: NDArray[Any] = table["x"]
    return numbers


def fvecs(path: Path, column: str | None) -> NDArray[Any]:
    """float32 records."""
    return _records(path, column, "<f4")


def bvecs(path: Path, column: str | None) -> NDArray[Any]:
    """uint8 records."""
    return _records(path, column, "u1")


def ivecs(path: Path, column: str | None) -> NDArray[Any]:
    """int32 records: neighbours rather than vectors, which `load_vectors` refuses unless they fit a byte."""
    numbers = _records(path, column, "<i4")
    low, high = (int(numbers.min()), int(numbers.max())) if numbers.size else (0, 0)
    if low < -128 or high > 255 or (low < 0 and high > 127):
        raise ValueError(f"{shown(path)}: expected vectors, got whole numbers from {low} to {high} (of neighbours?)")
    return numbers.astype(np.int8 if low < 0 else np.uint8)


def _matrix(path: Path, column: str | None, number: str) -> NDArray[Any]:
    _no_column(path, column)
    head = np.fromfile(path, "<u4", 2)
    n, dim = (int(head[0]), int(head[1])) if len(head) == 2 else (0, 0)
    size, expected = path.stat().st_size, _HEADER + n * dim * np.dtype(number).itemsize
    if not n * dim or size != expected:
        raise ValueError(f"{shown(path)}: expected {expected} bytes for {n} vectors of {dim} dimensions, got {size}")
    return np.memmap(path, number, "r", offset=_HEADER, shape=(n, dim))


def fbin(path: Path, column: str | None) -> NDArray[Any]:
    """A float32 matrix."""
    return _matrix(path, column, "<f4")


def u8bin(path: Path, column: str | None) -> NDArray[Any]:
    """A uint8 matrix."""
    return _matrix(path, column, "u1")


def i8bin(path: Path, column: str | None) -> NDArray[Any]:
    """An int8 matrix."""
    return _matrix(path, column, "i1")


def _no_column(path: Path, column: str | None) -> None:
    if column is not None:
        raise ValueError(f"column: {shown(path)} holds one array without a name, got column={column!r}")
