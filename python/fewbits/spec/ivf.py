"""Partitions: which lists a query reads. No partition means one list that every query reads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..input.inputs import F32, whole_number
from .parts import Fitted, Fitting, f32_array

MAX_NLIST = 1 << 24
_MEMBERS_A_LIST = 100  # fewer, and centroids and short blocks cost more bytes than they save time
_SAMPLE_A_LIST = 256
_BLOCK_ROWS = 4096
_ROUNDING = 0.01  # of the residuals' size: below it, float16 centroids cost nothing


@dataclass(frozen=True)
class IVF:
    """Inverted lists by k-means (of directions under ip and cosine); a query reads the `nprobe` nearest.

    nlist: None chooses about 2·sqrt(n), at least 100 vectors a list. sample: training vectors at most (None: 256 a
    list); iterations: of Lloyd's algorithm. (Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search",
    2011.)
    """

    nlist: int | None = None
    sample: int | None = None
    iterations: int = 10

    def __post_init__(self) -> None:
        if self.nlist is not None:
            whole_number(self.nlist, "IVF: nlist", 1, MAX_NLIST)
        if self.sample is not None:
            whole_number(self.sample, "IVF: sample", 1)
        whole_number(self.iterations, "IVF: iterations", 1)

    def lists(self, n: int) -> int:
        """The number of lists for n vectors."""
        if self.nlist is not None:
            return self.nlist
        return max(1, min(round(2 * math.sqrt(n)), n // _MEMBERS_A_LIST, MAX_NLIST))

    def sample_size(self, n: int) -> int:
        return self.sample if self.sample is not None else _SAMPLE_A_LIST * self.lists(n)

    def fit(self, x: F32, nlist: int, fitting: Fitting) -> F32:
        """nlist centroids (means of their members) of the transformed sample."""
        return _core.kmeans(
            x[evenly(len(x), self.sample or _SAMPLE_A_LIST * nlist)],
            nlist,
            spherical=fitting.metric == "ip",
            iterations=self.iterations,
            seed=fitting.seed,
            threads=fitting.threads,
            progress=fitting.progress,
        )

    def describe(self) -> str:
        return "IVF" if self.nlist is None else f"IVF of {self.nlist} lists"


def default_nprobe(nlist: int) -> int:
    """Enough lists for good recall out of the box: all of a few, and 4·sqrt(nlist) of many."""
    return min(nlist, max(8, round(4 * math.sqrt(nlist))))


def rms_distance(x: F32, centroids: F32, lists: NDArray[np.uint32]) -> float:
    """The root mean square of the differences between rows and the centroids of their lists, number by number."""
    total = 0.0
    for begin in range(0, len(x), _BLOCK_ROWS):
        rows = slice(begin, begin + _BLOCK_ROWS)
        total += float(np.sum(np.square(x[rows] - centroids[lists[rows]], dtype=np.float64)))
    return math.sqrt(total / max(x.size, 1))


def shift(x: F32, by: F32, lists: NDArray[np.uint32]) -> None:
    """Adds by[lists[i]] to row i, in place."""
    for begin in range(0, len(x), _BLOCK_ROWS):
        rows = slice(begin, begin + _BLOCK_ROWS)
        x[rows] += by[lists[rows]]


def stored(centroids: F32, spread: float, residual: bool) -> Fitted:
    """Centroids as float16 where rounding them is small beside the spread of their lists (residuals then absorb it),
    else float32."""
    with np.errstate(over="ignore"):
        half = centroids.astype(np.float16)
    error = np.sqrt(np.mean(np.square(half.astype(np.float32) - centroids, dtype=np.float64)))
    fine = bool(np.isfinite(half).all()) and error <= _ROUNDING * spread
    params = {"kind": 1, "nlist": len(centroids), "residual": int(residual)}
    return Fitted(params, {"centroids": np.ascontiguousarray(half) if fine else f32_array(centroids)})


def evenly(n: int, size: int) -> slice | np.ndarray:
    """Rows 0..n-1, or `size` of them evenly spaced."""
    return slice(None) if size >= n else np.linspace(0, n - 1, size).astype(np.int64)
