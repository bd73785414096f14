"""What a sample says of where the data lie: moments that a few outlying rows do not move.

A center and a direction are taken out of vectors before they are coded, where they would cost recall: see `center` and
`mean_direction`. Both are absent for data that are nearly centred, whose codes then are what they would be without.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import F32, f32_array

_MEDIAN_ROWS = 16_384
_OUTLYING = 8.0  # times the median distance from the median: a length that no ordinary data have
_CONE = 0.2  # mean cosine of pairs from which on a factor for the mean's direction pays
_MIN_ROWS = 16
_BLOCK_ROWS = 8192


def typical(x: F32) -> F32:
    """The rows of x without outlying ones: x itself where there are none."""
    if not len(x):
        return x
    middle = np.median(x[:: max(1, len(x) // _MEDIAN_ROWS)], axis=0).astype(np.float32)
    distances = np.concatenate(
        [np.linalg.norm(x[begin : begin + _BLOCK_ROWS] - middle, axis=1) for begin in range(0, len(x), _BLOCK_ROWS)]
    )
    near = distances <= _OUTLYING * np.median(distances)
    return x if near.all() or not near.any() else f32_array(x[near])


def mean(x: F32) -> np.ndarray:
    """In float64, of rows that are not outlying; the origin, if there are none."""
    if not len(x):
        return np.zeros(x.shape[1])
    return np.asarray(typical(x).mean(axis=0, dtype=np.float64))


def center(x: F32) -> F32 | None:
    """What to subtract under l2: the mean, rounded to the data's own spread; None if nothing is left of it.

    Distances do not change, but their precision does: codes and tables have that of their largest numbers. Rounded to a
    power of two, so that a difference of two float32 numbers of the data's own grid is exact.
    """
    rows = typical(x)
    if not len(rows):
        return None
    about = rows.mean(axis=0, dtype=np.float64)
    squares = sum(
        float(np.sum(np.square(rows[begin : begin + _BLOCK_ROWS] - about)))
        for begin in range(0, len(rows), _BLOCK_ROWS)
    )
    spread = np.sqrt(squares / rows.size)
    grid = 2.0 ** np.ceil(np.log2(spread)) if spread > 0 else 0.0
    rounded = f32_array(np.round(about / grid) * grid if grid > 0 else about)
    return rounded if rounded.any() else None


def in_cone(x: F32, margin: float = 1.0) -> bool:
    """Whether inner products of rows are mostly their mean's own: the mean product of two rows is a good share of their
    mean square. A few rows cannot tell."""
    rows = typical(x)
    n = len(rows)
    if n < _MIN_ROWS:
        return False
    squares = float(np.einsum("ij,ij->", rows, rows, dtype=np.float64)) / n
    about = rows.mean(axis=0, dtype=np.float64)
    of_pairs = (n * float(about @ about) - squares) / (n - 1)
    return squares > 0 and of_pairs > margin * _CONE * squares


def unevenness(x: F32) -> float:
    """The largest spread of a column over the typical one."""
    spreads = typical(x).std(axis=0, dtype=np.float64)
    middle = float(np.median(spreads[spreads > 0])) if (spreads > 0).any() else 0.0
    return float(spreads.max()) / middle if middle > 0 else 1.0


def mean_direction(x: F32) -> F32 | None:
    """The direction of the mean, of length 1, where rows are in a cone about it; else None."""
    if not in_cone(x):
        return None
    about = mean(x)
    return f32_array(about / np.linalg.norm(about))


def without(x: NDArray[Any], direction: F32 | None) -> NDArray[Any]:
    """The rows less their parts along the direction; x itself if there is none."""
    if direction is None:
        return x
    out = np.empty_like(x)
    for begin in range(0, len(x), _BLOCK_ROWS):
        rows = x[begin : begin + _BLOCK_ROWS]
        out[begin : begin + _BLOCK_ROWS] = rows - (rows @ direction)[:, None] * direction
    return out


def lengths(x: F32) -> F32:
    return f32_array(np.sqrt(np.einsum("ij,ij->i", x, x)))
