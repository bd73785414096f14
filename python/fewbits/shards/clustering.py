"""k-means over parts of the data: a step whose sums are integers, so that they add up to the same in any order."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..input.checks import metric_name, real_number, thread_count
from ..input.rows import Rows
from ..numeric.arrays import F32, I64

_BITS = 31  # of a value within the extent: sums of 2^31 vectors fit in 63 bits
_MOST = 2**31
_SPLIT = 1 / 1024  # by which the two parts of a cluster are moved apart
_ROWS = 4096  # as integers of 64 bits at a time


@dataclass(frozen=True)
class ClusterSums:
    """What `kmeans_step` found in a part of the data.

    Parameters
    ----------
    clusters : (m,) int64 array
        The clusters that have members, ascending.
    sums : (m, dim) int64 array
        Sums of the members, in units of `unit`.
    counts : (m,) int64 array
        Numbers of members.
    unit : float
        A power of two, the same for all parts.

    Examples
    --------
    >>> from fewbits import shards
    >>> found = shards.kmeans_step(x, x[:4], metric="cosine")
    >>> int(found.counts.sum()) == len(x)
    True
    """

    clusters: I64
    sums: I64
    counts: I64
    unit: float


def kmeans_step(
    x: ArrayLike, centroids: ArrayLike, *, metric: str, extent: float = 1.0, threads: int | None = 1
) -> ClusterSums:
    """Assign vectors to centroids and sum them: a step of Lloyd's algorithm over a part of the data.

    `next_centroids` of the results of all parts are those of a step over all data, bit for bit, whatever the parts are
    and in whichever order they come: sums are of integers of 32 bits, in units of the largest value.

    Parameters
    ----------
    x : (n, dim) array
        A part of the vectors, as `Index.add` takes them.
    centroids : (k, dim) array
        Of the step before; at first, any k vectors, or those of a sample.
    metric : {"l2", "ip", "cosine"}
        "l2": the nearest centroid. "ip" and "cosine": the one with the largest cosine. Under "cosine" vectors are
        normalised.
    extent : float
        The largest absolute value of all parts, the same for each of them; not used under "cosine".
    threads : int, optional
        None: all CPUs.

    Returns
    -------
    ClusterSums

    Raises
    ------
    TypeError, ValueError
        For vectors that `Index.add` refuses, for values beyond the extent, and for wrong shapes.

    References
    ----------
    Lloyd, "Least squares quantization in PCM", 1982.

    Examples
    --------
    >>> from fewbits import shards
    >>> centroids = x[:8]
    >>> for _ in range(3):
    ...     found = [shards.kmeans_step(part, centroids, metric="cosine") for part in np.array_split(x, 4)]
    ...     centroids = shards.next_centroids(found, centroids)
    """
    metric, count = metric_name(metric), thread_count(threads)
    cosine, spherical = metric == "cosine", metric != "l2"
    unit = _unit(1.0 if cosine else real_number(extent, "extent", 0))
    of = _matrix(centroids)
    rows = Rows(x, of.shape[1])
    if len(rows) > _MOST:
        raise ValueError(f"x: expected at most 2^31 vectors in a part, got {len(rows)}")
    around = np.zeros(of.shape[1], np.float32) if spherical else of.mean(axis=0, dtype=np.float64).astype(np.float32)
    sums, counts = np.zeros(of.shape, np.int64), np.zeros(len(of), np.int64)
    done = 0
    for block in rows.blocks(nonzero=cosine):
        own = _core.normalize_rows(block) if cosine else block
        lists = _core.assign(own - around, of - around, spherical=spherical, threads=count)
        for begin in range(0, len(own), _ROWS):
            _add(own[begin : begin + _ROWS], lists[begin : begin + _ROWS], unit, done + begin, sums, counts)
        done += len(own)
    clusters = np.flatnonzero(counts)
    return ClusterSums(clusters, sums[clusters], counts[clusters], unit)


def next_centroids(parts: Iterable[ClusterSums], centroids: ArrayLike) -> F32:
    """The centroids after a step: the means of their members.

    A cluster without members becomes a half of the largest one, so that none stays empty.

    Parameters
    ----------
    parts : iterable of ClusterSums
        Of `kmeans_step` for all parts of the data, in any order.
    centroids : (k, dim) array
        Those that the parts were assigned to.

    Returns
    -------
    (k, dim) float32 array

    Raises
    ------
    TypeError, ValueError
        For parts of other centroids or another extent, for none, and for more than 2^31 vectors in all.

    Examples
    --------
    >>> from fewbits import shards
    >>> shards.next_centroids([shards.kmeans_step(x, x[:8], metric="cosine")], x[:8]).shape
    (8, 16)
    """
    before = _matrix(centroids)
    sums, counts = np.zeros(before.shape, np.int64), np.zeros(len(before), np.int64)
    unit = 0.0
    for part in parts:
        unit = unit or part.unit
        if part.unit != unit:
            raise ValueError(f"parts: expected those of one extent, got units {unit} and {part.unit}")
        if part.sums.shape[1:] != before.shape[1:] or (part.clusters >= len(before)).any():
            raise ValueError(f"parts: expected those of centroids of shape {before.shape}, got others")
        if int(counts.sum()) + int(part.counts.sum()) > _MOST:
            raise ValueError("parts: expected at most 2^31 vectors in all, got more: take a sample of each part")
        sums[part.clusters] += part.sums
        counts[part.clusters] += part.counts
    if not counts.any():
        raise ValueError("parts: expected at least one vector, got none")
    return _halved((sums * unit / np.maximum(counts, 1)[:, None]).astype(np.float32), counts)


def _matrix(centroids: ArrayLike) -> F32:
    array = np.asarray(centroids)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"centroids: expected shape (k, dim), got {array.shape}")
    return Rows(array, array.shape[1], "centroids").all(nonzero=False)


def _unit(extent: float) -> float:
    if extent == 0:
        raise ValueError("extent: expected a number above 0, got 0")
    return math.ldexp(1.0, math.frexp(extent)[1] - _BITS)


def _add(x: F32, lists: NDArray[np.uint32], unit: float, first: int, sums: I64, counts: I64) -> None:
    """Adds rows to the sums of their lists; `first` is the number of the first of these rows."""
    scaled = x / np.float64(unit)
    beyond = (np.abs(scaled) > 2.0**_BITS).any(axis=1)
    if beyond.any():
        row = int(np.argmax(beyond))
        raise ValueError(
            f"extent: expected the largest absolute value, at least {np.abs(x[row]).max():g} of row {first + row}, "
            f"got one below {unit * 2.0**_BITS:g}"
        )
    order = np.argsort(lists, kind="stable")
    own, begins, members = np.unique(lists[order], return_index=True, return_counts=True)
    sums[own] += np.add.reduceat(np.rint(scaled[order]).astype(np.int64), begins, axis=0)
    counts[own] += members


def _halved(centroids: F32, counts: I64) -> F32:
    """Clusters without members become halves of the largest, which is the first of equal ones."""
    largest = [(-int(count), cluster) for cluster, count in enumerate(counts) if count > 1]
    heapq.heapify(largest)
    apart = np.where(np.arange(centroids.shape[1]) % 2 == 0, 1 + _SPLIT, 1 - _SPLIT).astype(np.float32)
    for empty in np.flatnonzero(counts == 0):
        if not largest:
            break
        size, cluster = heapq.heappop(largest)
        centroids[empty] = centroids[cluster] * apart
        centroids[cluster] *= 2 - apart
        for half in (cluster, int(empty)):
            heapq.heappush(largest, (size // 2, half))
    return centroids
