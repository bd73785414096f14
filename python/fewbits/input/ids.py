"""Ids of vectors: int64, not negative."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import I64

MAX_ID = (1 << 62) - 1


def whole_numbers(values: object, name: str, expected: int | None = None) -> NDArray[Any]:
    """An array (n,) of whole numbers of any dtype: a copy, so that what was checked cannot change."""
    array = np.array(values)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected shape (n,), got {array.shape}")
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name}: expected whole numbers (int64), got dtype {array.dtype}")
    if expected is not None and len(array) != expected:
        raise ValueError(f"{name}: expected one per vector ({expected}), got {len(array)}")
    return array


def vector_ids(ids: object, expected: int | None = None) -> I64:
    """ids as int64: whole numbers in 0..2^62 - 1 (-1 pads results)."""
    array = whole_numbers(ids, "ids", expected)
    if array.size and int(array.max()) > MAX_ID:
        raise ValueError(f"ids: expected at most 2^62 - 1, got {int(array.max())}")
    out = np.ascontiguousarray(array, dtype=np.int64)
    if out.size and int(out.min()) < 0:
        row = int(np.argmax(out < 0))
        raise ValueError(f"ids: expected whole numbers >= 0, got {int(out[row])} in row {row}")
    return out


def id_table(ids: object, n_queries: int) -> I64:
    """Ids of results as int64: (1, m) where all queries share them, else (n_queries, m). -1 pads. A copy."""
    array = np.array(ids)
    if array.ndim not in (1, 2) or (array.ndim == 2 and len(array) != n_queries):
        raise ValueError(f"ids: expected shape (m,) or ({n_queries}, m), got {array.shape}")
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"ids: expected whole numbers (int64), got dtype {array.dtype}")
    if array.size and not -1 <= int(array.min()) <= int(array.max()) <= MAX_ID:
        raise ValueError(f"ids: expected -1 (padding) to 2^62 - 1, got {int(array.min())} to {int(array.max())}")
    return np.ascontiguousarray(np.atleast_2d(array), dtype=np.int64)


def check_unique(ids: I64) -> None:
    ordered = np.sort(ids)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if repeated.size:
        rows = np.flatnonzero(ids == repeated[0])[:2]
        raise ValueError(f"ids: expected unique ids, got {int(repeated[0])} in rows {rows[0]} and {rows[1]}")


def are_positions(ordered: I64) -> bool:
    """Whether unique ids in ascending order are 0 .. n - 1, which an index does not have to store."""
    return not len(ordered) or (int(ordered[0]) == 0 and int(ordered[-1]) == len(ordered) - 1)
