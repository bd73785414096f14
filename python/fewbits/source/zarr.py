"""Arrays of zarr folders, read by rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..file.places import shown
from ..input.lazy import LazyMatrix
from .tensors import chosen

_MARKS = ("zarr.json", ".zarray", ".zgroup")


def is_zarr(path: Path) -> bool:
    """Whether this is a folder that zarr has written."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


class ZarrMatrix(LazyMatrix):
    """A two-dimensional array of a store."""

    def __init__(self, of: Any) -> None:
        super().__init__(of.shape, of.dtype)
        self._of = of

    def rows(self, begin: int, end: int) -> NDArray[Any]:
        return np.asarray(self._of[begin:end])


def matrix(path: Path, column: str | None) -> LazyMatrix:
    """A two-dimensional array: the store itself, the one of that name, or the only one."""
    found = array(path, column)
    if found.ndim != 2:
        raise ValueError(f"{shown(path)}: expected shape (n, dim), got {found.shape}")
    return ZarrMatrix(found)


def array(path: Path, column: str | None) -> Any:
    """An array of the store."""
    try:
        import zarr
    except ImportError as error:
        raise ModuleNotFoundError(f"{shown(path)}: reading zarr needs zarr: pip install 'fewbits[zarr]'") from error
    store = zarr.open(str(path), mode="r")
    if isinstance(store, zarr.Array):
        if column is not None:
            raise ValueError(f"column: {shown(path)} holds one array without a name, got column={column!r}")
        return store
    return store[chosen(sorted(name for name, _ in store.arrays()), column, path)]
