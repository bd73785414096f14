"""Embeddings with one bit per dimension, eight per byte: unpacking, and telling them apart from 8-bit numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIGN = np.uint8(128)
_LOOKED_AT = 512  # rows
_MIN_ROWS = 64
_ONES = (0.25, 0.75)  # limits for the share of ones in each position of a byte
_ALIKE = 0.15  # correlation of similarities by high and by low halves of bytes; packed embeddings have 0.2 to 0.6
_LINKED = 0.25  # correlation of the two highest bits of a byte; numbers around the middle of their range have 0.3 to 1


def unpack_bits(x: Any) -> NDArray[np.int8]:
    """Unpack binary embeddings to numbers that indexes and trainers accept.

    Parameters
    ----------
    x : (n, bytes) or (bytes,) array of uint8 or int8
        Eight dimensions per byte, the first in the highest bit: uint8 as in `numpy.packbits` and `ubinary` embeddings,
        or int8 as in `binary` embeddings, which are the same bytes minus 128.

    Returns
    -------
    (n, 8 * bytes) or (8 * bytes,) array of int8
        1 for each set bit, -1 for the others.

    Raises
    ------
    TypeError, ValueError
        If x has another dtype or shape.

    Examples
    --------
    >>> x = fb.unpack_bits(ubinary)
    >>> index = fb.Index(x.shape[1], metric="cosine", transform=fb.Identity(), codec=fb.RecurrentBinary(1)).build(x)
    """
    array = np.asarray(x)
    if array.dtype not in (np.uint8, np.int8):
        raise TypeError(f"x: expected bits packed into uint8 or int8, got dtype {array.dtype}")
    if array.ndim not in (1, 2):
        raise ValueError(f"x: expected shape (n, bytes) or (bytes,), got {array.shape}")
    bits = np.unpackbits(_bytes(array), axis=-1).view(np.int8)
    bits += bits
    bits -= 1
    return bits


def warn_if_packed(x: NDArray[Any], name: str, stacklevel: int) -> None:
    if looks_packed(x):
        warnings.warn(advice(x, name), UserWarning, stacklevel=stacklevel + 1)


def advice(x: NDArray[Any], name: str) -> str:
    return (
        f"{name}: these {x.dtype} vectors look like bits packed into bytes (binary embeddings) but are taken as 8-bit "
        f"numbers; pass fb.unpack_bits({name}), or {name}.astype(np.float32) if they are numbers"
    )


def looks_packed(x: NDArray[Any]) -> bool:
    """Whether bytes are packed bits rather than numbers: low bits show the similarities between rows as well as high
    bits do, all bits are set about equally often, and neighbouring bits belong to unrelated dimensions."""
    if x.dtype not in (np.uint8, np.int8) or x.ndim != 2 or len(x) < _MIN_ROWS or not x.shape[1]:
        return False
    rows = _bytes(np.asarray(x[:_LOOKED_AT]))
    bits = np.unpackbits(rows, axis=1).reshape(*rows.shape, 8).astype(np.float32)
    ones = bits.mean(axis=(0, 1))
    if not ((ones > _ONES[0]) & (ones < _ONES[1])).all():
        return False
    bits -= bits.mean(axis=0)
    return _correlation(*_similarities(bits)) > _ALIKE and _linked(bits) < _LINKED


def _bytes(x: NDArray[Any]) -> NDArray[np.uint8]:
    return x if x.dtype == np.uint8 else np.ascontiguousarray(x).view(np.uint8) ^ _SIGN


def _similarities(bits: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Similarities of pairs of rows, by the high and by the low halves of bytes."""
    pairs = np.triu_indices(len(bits), 1)
    high, low = (half.reshape(len(bits), -1) for half in (bits[:, :, :4], bits[:, :, 4:]))
    return (high @ high.T)[pairs], (low @ low.T)[pairs]


def _linked(bits: NDArray[np.float32]) -> float:
    """The mean absolute correlation of the two highest bits of a byte."""
    high, next_high = bits[:, :, 0], bits[:, :, 1]
    spread = np.sqrt(np.square(high).mean(axis=0) * np.square(next_high).mean(axis=0))
    together = np.abs((high * next_high).mean(axis=0))
    return float(np.mean(together / np.maximum(spread, np.float32(1e-6))))


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum()) / size if size else 0.0
