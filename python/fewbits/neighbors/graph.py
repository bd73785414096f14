"""fb.knn_graph: the nearest other vectors of every vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..choose.asked import TUNING_QUERIES, tuned_for
from ..index.index import Index
from ..index.result import SearchResult
from ..input.checks import metric_name, real_number, thread_count, whole_number
from ..input.rows import Rows, block_rows
from ..input.vectors import as_vectors
from ..numeric.arrays import F32, I64
from ..spec.float import Float
from ..spec.ivf import IVF
from ..spec.scalar import Scalar

_EXACT_ROWS = 5_000  # up to which all pairs are compared

# Lists and settings serve one search of n queries, which gains less from better ones than these cost.
_PER_LIST, _ITERATIONS = 32, 3  # vectors and steps of k-means
_PER_QUERY, _MIN_QUERIES = 400, 256  # vectors per query that settings are chosen with


def knn_graph(
    x: Any, k: int = 15, *, metric: str, recall: float = 0.95, seed: int = 0, threads: int | None = None
) -> SearchResult:
    """Find the k nearest other vectors of every vector.

    Parameters
    ----------
    x : (n, dim) array
        As x of `Index.add`.
    k : int
        Neighbours per vector, less than n.
    metric : {"l2", "ip", "cosine"}
    recall : float
        The share of the true neighbours to find, at least; 1.0: compare all pairs, as is done for small n anyway.
    seed : int
        Of everything random.
    threads : int, optional
        None: all CPUs.

    Returns
    -------
    SearchResult
        ids, (n, k) int64: rows of x, best first, never a row itself; and scores, (n, k) float32, of the metric.

    Raises
    ------
    TypeError, ValueError
        As `fb.build`, and for a k that is not less than n.

    Warns
    -----
    UserWarning
        As `fb.build`, if the recall is not reached.

    Examples
    --------
    >>> ids, scores = fb.knn_graph(x, 5, metric="cosine")
    >>> ids.shape
    (2000, 5)
    """
    metric_name(metric)
    rows = checked(x)
    n = len(rows)
    count = whole_number(k, "k", 1, max(1, n - 1))
    share = real_number(recall, "recall", 0.0)
    if not 0 < share <= 1:
        raise ValueError(f"recall: expected a share above 0 and at most 1, got {recall}")
    thread_count(threads)
    if n <= _EXACT_ROWS or share == 1:
        index = Index(rows.array.shape[1], metric=metric, codec=Float(32))
        index.add(rows.array, threads=threads, progress=False)
    else:
        lists = IVF(sample=_PER_LIST * IVF().lists(n), iterations=_ITERATIONS)
        index = Index(rows.array.shape[1], metric=metric, partition=lists, codec=Scalar(8), seed=seed)
        index.build(rows.array, progress=False, threads=threads)
        queries = min(TUNING_QUERIES, max(_MIN_QUERIES, n // _PER_QUERY))
        tuned_for(index, rows, None, share, None, threads, k=count, count=queries)
    found = neighbors_of(index, rows, np.arange(n), count, threads)
    short = np.flatnonzero((found.ids < 0).any(axis=1))  # their lists hold too few vectors
    if len(short):
        found.ids[short], found.scores[short] = neighbors_of(index, rows, short, count, threads, nprobe=n)
    return found


def checked(x: Any) -> Rows:
    """x as rows, at least two."""
    array = as_vectors(x, "x")
    if array.ndim != 2 or len(array) < 2:
        raise ValueError(f"x: expected shape (n, dim) with n >= 2, got {array.shape}")
    return Rows(array, array.shape[1])


def neighbors_of(index: Index, rows: Rows, numbers: I64, k: int, threads: int | None, **settings: Any) -> SearchResult:
    """The k nearest of each numbered row but itself, in an index that holds the rows by their numbers."""
    ids, scores = np.empty((len(numbers), k), np.int64), np.empty((len(numbers), k), np.float32)
    step = block_rows(rows.array.shape[1])
    for begin in range(0, len(numbers), step):
        part = slice(begin, begin + step)
        found = index.search(rows.array[numbers[part]], k + 1, threads=threads, **settings)
        ids[part], scores[part] = without_own(found.ids, found.scores, numbers[part])
    return SearchResult(ids, scores)


def without_own(ids: I64, scores: F32, own: I64) -> tuple[I64, F32]:
    """Results of k + 1 without the query itself; without the last, where the query is not among them."""
    others: NDArray[np.bool_] = ids != own[:, None]
    missed = others.all(axis=1)
    others[missed, -1] = False
    shape = (len(ids), ids.shape[1] - 1)
    return ids[others].reshape(shape), scores[others].reshape(shape)
