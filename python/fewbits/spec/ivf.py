"""fb.IVF: vectors in lists, some of which a query probes. Without a partition there is one list for all queries."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..input.checks import real_number, whole_number
from ..kinds import PARTITIONS
from ..numeric.arrays import F32, evenly, f32_array
from .parts import Fitted, Fitting, Need

MAX_NLIST = 1 << 24
_MEMBERS_PER_LIST = 100  # with fewer, the bytes of centroids and short blocks outweigh the time saved
_SAMPLE_PER_LIST = 256
_LEAST_PER_LIST = 32
_BLOCK_ROWS = 4096
_SPILL_WEIGHT = 1.5  # lambda of SOAR; recall hardly differs between 1 and 3
_ROUNDING = 0.01  # of the residuals' size: below it, float16 centroids cost nothing


@dataclass(frozen=True)
class IVF:
    """Inverted lists by k-means (of directions under ip and cosine); a query probes the `nprobe` nearest.

    Parameters
    ----------
    nlist : int, optional
        Number of lists. None: about 2·sqrt(n), with at least 100 vectors per list.
    sample : int, optional
        Maximum number of training vectors. None: 256 per list or, if these take more than 1 GiB, as many as do, but at
        least 32 per list.
    iterations : int
        Of Lloyd's algorithm.
    spill : float
        In 1..2: mean number of lists per vector. 2: every vector has a second list, chosen so that a query that misses
        the first list is likely to read it (SOAR). Between 1 and 2: the vectors that gain most have one. A query then
        reads fewer lists, and about half as many codes, for the same recall; each second entry takes a code (with its
        factors) and 4 bytes.

    References
    ----------
    Jégou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", 2011.
    Sun, Guo and Kumar, "SOAR: Improved Indexing for Approximate Nearest Neighbor Search", 2023.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="cosine", partition=fb.IVF(16), codec=fb.PQ(8)).build(x)
    """

    nlist: int | None = None
    sample: int | None = None
    iterations: int = 10
    spill: float = field(default=1.0, metadata={"stored_if_set": True})
    stored_as: ClassVar[tuple[int, ...]] = (PARTITIONS["ivf"],)
    needs_training: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.nlist is not None:
            whole_number(self.nlist, "IVF: nlist", 1, MAX_NLIST)
        if self.sample is not None:
            whole_number(self.sample, "IVF: sample", 1)
        whole_number(self.iterations, "IVF: iterations", 1)
        if real_number(self.spill, "IVF: spill", 1) > 2:
            raise ValueError(f"IVF: spill: expected a number in 1..2, got {self.spill!r}")
        if self.spill > 1 and self.nlist == 1:
            raise ValueError(f"IVF: spill: expected 2 lists or more, got nlist=1, spill={self.spill!r}")

    def lists(self, n: int) -> int:
        """The number of lists for n vectors."""
        if self.nlist is not None:
            return self.nlist
        return max(1, min(round(2 * math.sqrt(n)), n // _MEMBERS_PER_LIST, MAX_NLIST))

    def sample_size(self, n: int) -> int:
        return self.sample if self.sample is not None else _SAMPLE_PER_LIST * self.lists(n)

    def least_sample(self, n: int) -> int:
        """The number of training vectors that is taken whatever memory it needs."""
        return self.sample if self.sample is not None else _LEAST_PER_LIST * self.lists(n)

    def fit(self, x: F32, nlist: int, fitting: Fitting) -> F32:
        """nlist centroids (means of their members) of the transformed sample."""
        return _core.kmeans(
            x[evenly(len(x), self.sample or _SAMPLE_PER_LIST * nlist)],
            nlist,
            spherical=fitting.metric == "ip",
            iterations=self.iterations,
            seed=fitting.seed,
            threads=fitting.threads,
            progress=fitting.progress,
        )

    def spill_rule(self, y: F32, centroids: F32, lists: NDArray[np.uint32], fitting: Fitting) -> F32 | None:
        """What decides about second lists (lambda of SOAR, and the least gain of a vector that has one), or None.

        y : sample that stands for all vectors; lists : the list of each.
        """
        share = self.spill - 1
        if share == 0 or len(centroids) < 2:
            return None
        spherical = fitting.metric == "ip"
        gains = _core.second_lists(
            y, centroids, lists, lam=_SPILL_WEIGHT, spherical=spherical, threads=fitting.threads
        )[1]
        least = np.sort(gains)[round((1 - share) * (len(gains) - 1))] if share < 1 else 0
        return np.array([_SPILL_WEIGHT, least], np.float32)

    def need(self, n: int) -> Need:
        """The smallest sample that suffices for an index of n vectors."""
        lists = self.lists(n)
        return Need(lists, f"the {lists:,} lists")

    def describe(self) -> str:
        lists = "IVF" if self.nlist is None else f"IVF of {self.nlist} lists"
        return lists if self.spill == 1 else f"{lists}, {self.spill:g} per vector"


def default_nprobe(nlist: int) -> int:
    """Enough lists for good recall: all lists if there are few, else about 4·sqrt(nlist)."""
    return min(nlist, max(8, round(4 * math.sqrt(nlist))))


def rms_distance(x: F32, centroids: F32, lists: NDArray[np.uint32]) -> float:
    """Root mean square, over all numbers, of the differences between rows and the centroids of their lists."""
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


def stored(centroids: F32, spread: float, residual: bool, spill: F32 | None = None) -> Fitted:
    """The rule of second lists, if there is one, and the centroids.

    These are float16 if the rounding error is small relative to the spread of the lists (residuals absorb it), else
    float32.
    """
    with np.errstate(over="ignore"):
        half = centroids.astype(np.float16)
    error = np.sqrt(np.mean(np.square(half.astype(np.float32) - centroids, dtype=np.float64)))
    fine = bool(np.isfinite(half).all()) and error <= _ROUNDING * spread
    params = {"kind": PARTITIONS["ivf"], "nlist": len(centroids), "residual": int(residual)}
    arrays = {"centroids": np.ascontiguousarray(half) if fine else f32_array(centroids)}
    return Fitted(params, arrays if spill is None else arrays | {"spill": spill})
