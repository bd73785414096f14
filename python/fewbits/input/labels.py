"""Labels of vectors: any int64, one per vector."""

from __future__ import annotations

import numpy as np

from ..numeric.arrays import I64
from .ids import whole_numbers

_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1


def vector_labels(labels: object, expected: int | None = None) -> I64:
    """labels as int64, one per vector."""
    return as_labels(labels, "labels", expected)


def as_labels(labels: object, name: str, expected: int | None = None) -> I64:
    """An array (n,) of labels. name: of the argument, for messages."""
    array = whole_numbers(labels, name, expected)
    if array.size and int(array.max()) > _HIGHEST:
        raise ValueError(f"{name}: expected whole numbers below 2^63, got {int(array.max())}")
    return np.ascontiguousarray(array, dtype=np.int64)
