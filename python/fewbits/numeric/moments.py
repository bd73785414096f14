"""The location of the data, estimated from a sample: moments that are robust to a few outliers.

A center and a direction are removed from vectors before coding if they would cost recall: see `center` and
`mean_direction`. There is neither for nearly centred data, whose codes are then unaffected.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import F32, f32_array

_MEDIAN_ROWS = 1024  # distances from the median tell outliers from other rows, also if it is a little off
_OUTLYING = 8.0  # times the median distance from the median; ordinary data do not reach it
_CONE = 0.2  # mean cosine of pairs above which a factor for the direction of the mean is worthwhile
_MIN_ROWS = 16
_BLOCK_ROWS = 8192
_CACHED_ROWS = 512


def typical(x: F32) -> F32:
    """The rows of x without outliers; x itself if there are none."""
    if not len(x):
        return x
    middle = np.median(x[:: max(1, len(x) // _MEDIAN_ROWS)], axis=0).astype(np.float32)
    distances = np.empty(len(x), np.float32)
    for begin in range(0, len(x), _CACHED_ROWS):
        distances[begin : begin + _CACHED_ROWS] = lengths(x[begin : begin + _CACHED_ROWS] - middle)
    near = distances <= _OUTLYING * np.median(distances)
    return x if near.all() or not near.any() else f32_array(x[near])


def mean(x: F32) -> np.ndarray:
    """The mean of the rows without outliers, in float64; zero if there are no rows."""
    if not len(x):
        return np.zeros(x.shape[1])
    return np.asarray(typical(x).mean(axis=0, dtype=np.float64))


def center(x: F32) -> F32 | None:
    """The vector to subtract under l2: the mean, rounded to multiples of the data's spread; None if that is zero.

    This does not change distances, but improves their precision, since the largest numbers determine the precision of
    codes and tables. The spread is rounded up to a power of two, so that differences of float32 numbers on the data's
    own grid are exact.
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
    """Whether inner products of rows are dominated by the mean: the mean product of two rows is a large share of their
    mean square. False if there are too few rows."""
    rows = typical(x)
    n = len(rows)
    if n < _MIN_ROWS:
        return False
    squares = float(np.einsum("ij,ij->", rows, rows, dtype=np.float64)) / n
    about = rows.mean(axis=0, dtype=np.float64)
    of_pairs = (n * float(about @ about) - squares) / (n - 1)
    return squares > 0 and of_pairs > margin * _CONE * squares


def unevenness(x: F32) -> float:
    """The largest standard deviation of a column, divided by the median one."""
    spreads = typical(x).std(axis=0, dtype=np.float64)
    middle = float(np.median(spreads[spreads > 0])) if (spreads > 0).any() else 0.0
    return float(spreads.max()) / middle if middle > 0 else 1.0


def mean_direction(x: F32) -> F32 | None:
    """The direction of the mean, with length 1, if rows lie in a cone around it; otherwise None."""
    if not in_cone(x):
        return None
    about = mean(x)
    return f32_array(about / np.linalg.norm(about))


def without(x: NDArray[Any], direction: F32 | None) -> NDArray[Any]:
    """The rows minus their components along the direction; x itself if there is no direction."""
    if direction is None:
        return x
    out = np.empty_like(x)
    for begin in range(0, len(x), _BLOCK_ROWS):
        rows = x[begin : begin + _BLOCK_ROWS]
        out[begin : begin + _BLOCK_ROWS] = rows - (rows @ direction)[:, None] * direction
    return out


def lengths(x: F32) -> F32:
    return f32_array(np.sqrt(np.einsum("ij,ij->i", x, x)))
