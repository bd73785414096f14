"""fb.load_vectors: the vectors in a file, mapped or read by rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..file.foreign import HDF5, NPY, NPZ, PARQUET, SAFETENSORS, instead, kind_of
from ..file.places import Path as AnyPath
from ..file.places import encoded, shown
from ..input.vectors import as_vectors
from . import hdf5, parquet, records, tensors, words, zarr

Reader = Callable[[Path, str | None], Any]
_SUFFIXES: dict[str, Reader] = {
    ".fvecs": records.fvecs,
    ".bvecs": records.bvecs,
    ".ivecs": records.ivecs,
    ".fbin": records.fbin,
    ".u8bin": records.u8bin,
    ".i8bin": records.i8bin,
    ".vec": words.matrix,
    ".txt": words.matrix,
}


def load_vectors(path: AnyPath, column: str | None = None) -> Any:
    """Open the vectors in a file, without reading it whole where its layout allows.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        A .npy or .npz array; a Parquet file or a folder of them; HDF5; zarr; safetensors; .fvecs, .bvecs or .ivecs
        (records of a dimension and its numbers); .fbin, .u8bin or .i8bin (two numbers, n and dim, and a matrix); word
        vectors as text (GloVe's .txt, .vec of word2vec and fastText).
    column : str, optional
        The column of a Parquet file, or the name of an array. None: the only one that there is.

    Returns
    -------
    (n, dim) array, or a matrix that is read by rows
        What `fb.build`, `Index.build` and `Index.add` take. Parquet, HDF5 and zarr are read row by row as these go
        along, so that memory holds a block; .npz, compressed files and text are read whole; all others are mapped.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        For a file of another kind, with a line of Python that converts it, or a damaged one; for a column that is not
        there or not of vectors.
    ModuleNotFoundError
        If the file needs a library: ``pip install 'fewbits[files]'``.

    Examples
    --------
    >>> np.save("x.npy", x)
    >>> index = fb.build(fb.load_vectors("x.npy"), metric="cosine")
    """
    place = Path(os.fsdecode(encoded(path)))
    read = _reader(place)
    if read is None:
        raise ValueError(f"{shown(place)}: a .npy file of numbers expected, {instead(place)}")
    return as_vectors(read(place, column), shown(place))


def load_column(path: AnyPath, column: str) -> NDArray[Any]:
    """A column of plain values beside the vectors: of a Parquet file, an array of an HDF5, zarr or .npz file, or the
    words of word vectors."""
    place = Path(os.fsdecode(encoded(path)))
    if zarr.is_zarr(place):
        return np.asarray(zarr.array(place, column)[:])
    if parquet.is_parquet(place):
        return parquet.values(place, column)
    if _SUFFIXES.get(place.suffix) is words.matrix:
        return words.words(place, column)
    kind = kind_of(place)
    if kind not in (HDF5, NPZ):
        raise ValueError(f"{shown(place)}: expected a file with columns (Parquet, HDF5, .npz) for {column!r}")
    return np.asarray(hdf5.dataset(place, column)[:] if kind is HDF5 else tensors.npz(place, column))


def _reader(place: Path) -> Reader | None:
    if zarr.is_zarr(place):
        return zarr.matrix
    if parquet.is_parquet(place):
        return parquet.matrix
    if place.is_dir():
        return None
    if place.suffix in _SUFFIXES:
        return _SUFFIXES[place.suffix]
    return {NPY: tensors.npy, NPZ: tensors.npz, HDF5: hdf5.matrix, SAFETENSORS: tensors.safetensors, PARQUET: None}.get(
        kind_of(place)
    )
