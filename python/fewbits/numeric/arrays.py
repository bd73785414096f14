"""Names for the types of arrays that the core takes and returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def f32_array(x: NDArray[Any]) -> F32:
    """x as a C-contiguous float32 array; x itself if it is one already."""
    return np.ascontiguousarray(x, dtype=np.float32)


def evenly(n: int, size: int) -> slice | I64:
    """Rows 0..n-1, or `size` of them evenly spaced."""
    return slice(None) if size >= n else np.linspace(0, n - 1, size).astype(np.int64)
