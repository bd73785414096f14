"""Arrays of vectors as users pass them. The only module that checks their dtypes.

Integers wider than a byte are rejected as vectors: they are almost always ids passed by mistake.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .lazy import LazyMatrix
from .tables import from_table

_VECTOR_CHARS = "efdbB"  # those that numpy itself has, for a fast check
_VECTOR_DTYPES = ("float16", "float32", "float64", "bfloat16", "int8", "uint8")


def as_vectors(x: object, name: str) -> NDArray[Any]:
    """x as a numpy array with one of the dtypes of vectors; a view if numpy can make one. (A LazyMatrix is kept.)"""
    x = x if type(x) is np.ndarray else from_table(x, name)
    _refuse(x, name)
    from_list = isinstance(x, list | tuple)
    if isinstance(x, LazyMatrix):
        return _of_known_dtype(x, cast(NDArray[Any], x), name)
    try:
        by_dlpack = not hasattr(x, "__array__") and hasattr(x, "__dlpack__")
        array = np.from_dlpack(x) if by_dlpack else np.asarray(x)
    except Exception as error:
        raise TypeError(f"{name}: expected an array of vectors, got {type(x).__name__} ({error})") from None
    if from_list and array.dtype.kind in "iu":
        array = array.astype(np.float64)
    return _of_known_dtype(x, array, name)


def _of_known_dtype(x: object, array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.dtype.char not in _VECTOR_CHARS and array.dtype.name not in _VECTOR_DTYPES:
        kind = f"a {type(x).__name__}" if array.dtype == object else f"dtype {array.dtype}"
        raise TypeError(
            f"{name}: expected vectors as {', '.join(_VECTOR_DTYPES)}, got {kind} of shape {array.shape}"
            f"{_advice(x, array) if array.dtype == object else ''}"
        )
    return array


def is_row(block: Any) -> bool:
    return dimensions(block) == 1


def dimensions(block: Any) -> int:
    """The number of dimensions of an array or of nested lists; -1 for lists of several lengths."""
    try:
        return np.ndim(block)
    except ValueError:
        return -1


def _refuse(x: Any, name: str) -> None:
    """Raises TypeError for input that numpy would convert to something other than vectors."""
    if type(x) is np.ndarray:
        return
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected a plain array, got a masked array (its mask would be lost)")
    if isinstance(x, str | os.PathLike):
        text = os.fspath(x)
        raise TypeError(
            f"{name}: expected an array of vectors, got {text!r}; to read a file: fb.load_vectors({text!r})"
        )
    if isinstance(x, Mapping):
        raise TypeError(
            f"{name}: expected an array of vectors, got a {type(x).__name__}; with ids as its keys: "
            "add(np.stack(list(d.values())), ids=list(d))"
        )
    if hasattr(x, "toarray"):
        raise TypeError(
            f"{name}: expected a dense array, got a sparse {type(x).__name__}: pass its .toarray(), or an iterable of "
            "blocks, (x[i : i + 10_000].toarray() for i in range(0, x.shape[0], 10_000))"
        )


def _advice(x: Any, array: NDArray[Any]) -> str:
    """How to convert an array of objects to vectors."""
    if array.ndim == 1 and array.size and is_row(array[0]):
        return "; for a column of arrays, pass np.stack(column)"
    if array.ndim == 2 and hasattr(x, "to_numpy"):
        return '; pass its .to_numpy(dtype="float32")'
    return "; pass its .astype(np.float32) if it holds numbers" if array.ndim == 2 else ""
