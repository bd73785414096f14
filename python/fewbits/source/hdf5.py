"""Arrays of HDF5 files, read by rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..file.places import shown
from ..input.lazy import LazyMatrix
from .tensors import chosen


class Hdf5Matrix(LazyMatrix):
    """A two-dimensional array of an open file."""

    def __init__(self, of: Any) -> None:
        super().__init__(of.shape, of.dtype)
        self._of = of

    def rows(self, begin: int, end: int) -> NDArray[Any]:
        return np.asarray(self._of[begin:end])


def matrix(path: Path, column: str | None) -> LazyMatrix:
    """A two-dimensional array; without a name the only one, or `train` of ann-benchmarks."""
    found = dataset(path, column)
    if found.ndim != 2:
        raise ValueError(f"{shown(path)}: expected shape (n, dim), got {found.shape}")
    return Hdf5Matrix(found)


def dataset(path: Path, column: str | None) -> Any:
    """An array of the file, which stays open as long as it is used."""
    file, names = opened(path)
    if column is None and "train" in names:
        column = "train"
    return file[chosen(names, column, path)]


def opened(path: Path) -> tuple[Any, list[str]]:
    """The file, and the names of its arrays."""
    try:
        import h5py
    except ImportError as error:
        raise ModuleNotFoundError(f"{shown(path)}: reading HDF5 needs h5py: pip install 'fewbits[hdf5]'") from error
    file = h5py.File(path, "r")
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return file, names
