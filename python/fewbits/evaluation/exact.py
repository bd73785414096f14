"""Exact search by brute force, block by block, so that x may be a memmap of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import _core
from ..index.result import SearchResult
from ..input.checks import metric_name, thread_count, whole_number
from ..input.queries import as_queries
from ..input.rows import Rows
from ..input.vectors import as_vectors
from ..numeric.arrays import F32, I64


def exact_search(x: Any, queries: Any, k: int = 10, *, metric: str, threads: int | None = None) -> SearchResult:
    """Find the exact k nearest rows of x to each query, by brute force.

    Parameters
    ----------
    x : (n, dim) array
        Vectors, with any dtype that `Index.add` accepts.
    queries : (q, dim) or (dim,) array
    k : int
        Number of results per query.
    metric : {"l2", "ip", "cosine"}
    threads : int, optional
        Number of threads. None: all CPUs.

    Returns
    -------
    SearchResult
        Row numbers of x as ids (ties: the smaller number), and scores as in `Index.search`.

    Examples
    --------
    >>> truth = fb.exact_search(x, queries, k=10, metric="cosine").ids
    """
    normalises = metric_name(metric) == "cosine"
    k = whole_number(k, "k", 1)
    count = thread_count(threads)
    shape = as_vectors(x, "x").shape
    if len(shape) != 2 or not shape[1]:
        raise ValueError(f"x: expected shape (n, dim), got {shape}")
    rows = Rows(x, shape[1])
    matrix, single = as_queries(queries, shape[1], nonzero=normalises)
    best = nearest(numbered(rows.blocks(nonzero=normalises)), matrix, k, metric, count)
    return SearchResult(best[0][0], best[1][0]) if single else SearchResult(*best)


def numbered(blocks: Iterable[F32]) -> Iterator[tuple[F32, I64]]:
    """Each block with its row numbers."""
    first = 0
    for block in blocks:
        yield block, np.arange(first, first + len(block))
        first += len(block)


def nearest(blocks: Iterable[tuple[F32, I64]], queries: F32, k: int, metric: str, threads: int) -> tuple[I64, F32]:
    """The k nearest rows of all blocks. Each block comes with its row numbers, in ascending order."""
    best = _nothing(len(queries), k, metric)
    for block, numbers in blocks:
        if len(block):
            found, scores = _core.exact_search(block, queries, k, metric, threads=threads)
            best = _merge(best, (np.where(found < 0, -1, numbers[found]), scores), k, metric)
    return best


def _nothing(n: int, k: int, metric: str) -> tuple[I64, F32]:
    worst = np.inf if metric == "l2" else -np.inf
    return np.full((n, k), -1, np.int64), np.full((n, k), worst, np.float32)


def _merge(best: tuple[I64, F32], more: tuple[I64, F32], k: int, metric: str) -> tuple[I64, F32]:
    """The k best of two results; ties are ordered by id."""
    ids = np.concatenate([best[0], more[0]], axis=1)
    scores = np.concatenate([best[1], more[1]], axis=1)
    keys = scores if metric == "l2" else -scores
    missing = ids < 0
    order = np.lexsort((ids, keys, missing), axis=1)[:, :k]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
