"""Queries, and the thresholds on their scores."""

from __future__ import annotations

import math

import numpy as np

from ..numeric.arrays import F32
from .checks import real_number
from .rows import Rows, rows_are_good
from .vectors import as_vectors


def as_queries(q: object, dim: int, *, nonzero: bool, name: str = "queries") -> tuple[F32, bool]:
    """Queries as one (n, dim) float32 matrix, and whether a single 1-D query was given."""
    if type(q) is np.ndarray and q.dtype.char == "f" and q.dtype.isnative:
        matrix = q[None] if q.ndim == 1 else q
        if matrix.ndim == 2 and matrix.shape[1] == dim and matrix.flags.c_contiguous and rows_are_good(matrix, nonzero):
            return matrix, q.ndim == 1
    array = as_vectors(q, name)
    if array.ndim not in (1, 2) or array.shape[-1] != dim:
        raise ValueError(f"{name}: expected shape ({dim},) or (n, {dim}), got {array.shape}")
    single = array.ndim == 1
    return Rows(array[None] if single else array, dim, name).all(nonzero=nonzero), single


def min_similarity(min_score: object, max_distance: object, metric: str) -> float:
    """The threshold in the core's terms, where larger is better, rounded so that no result lies beyond it."""
    name, value = ("max_distance", max_distance) if metric == "l2" else ("min_score", min_score)
    other, unused = ("min_score", min_score) if metric == "l2" else ("max_distance", max_distance)
    if unused is not None:
        raise ValueError(f"{other}: under metric {metric!r} expected {name} instead, got {other}={unused!r}")
    if value is None:
        return -math.inf
    number = real_number(value, name, 0.0 if metric == "l2" else -math.inf)
    number = -number if metric == "l2" else number
    lowest = np.float32(number)
    return float(np.nextafter(lowest, np.float32(np.inf))) if float(lowest) < number else float(lowest)
