"""Labels of vectors: any int64, one per vector."""

from __future__ import annotations

import numpy as np

from ..numeric.arrays import I64

_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1


def vector_labels(labels: object, expected: int | None = None) -> I64:
    """labels as int64, one per vector. A copy, so that the checked labels cannot change."""
    return as_labels(labels, "labels", expected)


def as_labels(labels: object, name: str, expected: int | None = None) -> I64:
    """An array (n,) of labels. name: of the argument, for messages."""
    array = np.array(labels)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected shape (n,), got {array.shape}")
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name}: expected whole numbers (int64), got dtype {array.dtype}")
    if expected is not None and len(array) != expected:
        raise ValueError(f"{name}: expected one per vector ({expected}), got {len(array)}")
    if array.size and int(array.max()) > _HIGHEST:
        raise ValueError(f"{name}: expected whole numbers below 2^63, got {int(array.max())}")
    return np.ascontiguousarray(array, dtype=np.int64)
