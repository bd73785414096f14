"""fb.feedback: queries moved towards their results (pseudo-relevance feedback on vectors)."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from . import _core
from .index.index import Index
from .index.result import SearchResult
from .index.turns import frozen
from .input.checks import one_of, real_number, thread_count, whole_number
from .input.ids import id_table
from .input.queries import as_queries
from .numeric.arrays import F32, F64
from .sparse.csr import Csr
from .sparse.feedback import SparseRows, moved
from .sparse.index import SparseIndex, rows_of

_TEMPERATURE = 0.02  # of softmax weights, for scores of about -1..1


@overload
def feedback(
    index: Index,
    queries: Any,
    k: int = ...,
    *,
    alpha: float = ...,
    beta: float = ...,
    weights: str = ...,
    results: Any = ...,
    nprobe: int | None = ...,
    rerank: int | None = ...,
    threads: int | None = ...,
) -> F32: ...
@overload
def feedback(
    index: SparseIndex,
    queries: Any,
    k: int = ...,
    *,
    alpha: float = ...,
    beta: float = ...,
    weights: str = ...,
    results: Any = ...,
    nprobe: None = ...,
    rerank: int | None = ...,
    threads: int | None = ...,
) -> SparseRows: ...
def feedback(
    index: Index | SparseIndex,
    queries: Any,
    k: int = 3,
    *,
    alpha: float = 0.8,
    beta: float = 0.2,
    weights: str = "mean",
    results: Any = None,
    nprobe: int | None = None,
    rerank: int | None = None,
    threads: int | None = None,
) -> F32 | SparseRows:
    """Move queries towards the k best vectors that they find: Rocchio's pseudo-relevance feedback.

    The new query is ``alpha * q + beta * m``, where m is a mean of the vectors found, as `reconstruct` returns them.
    Searching with it finds more relevant documents in a deep list (recall@100), to be reordered by a reranker. It is
    not meant for the final ranking; see Notes.

    Parameters
    ----------
    index : Index or SparseIndex
    queries : (n, dim) or (dim,) array
        In any dtype that `Index.add` takes. Under "cosine" they are normalised first. For a `SparseIndex` what its
        `search` takes; the weights of a query, and those of a vector found, are first divided by their sum.
    k : int
        Number of vectors per query that are mixed in. 0: none.
    alpha, beta : float
        Weights >= 0 of the query and of the mean. ``alpha=1/(k+1), beta=k/(k+1)`` is the average of all k + 1.
    weights : {"mean", "softmax"}
        How m weighs the vectors: equally, or by exp((score - best score) / 0.02), which suits scores such as cosines.
    results : SearchResult or (ids, scores), optional
        The vectors to move towards, best first, such as those of `fb.fuse`. None: what the index finds.
    nprobe, rerank, threads
        As in `search`; nprobe is of an `Index` only. Neither of the first two with `results`.

    Returns
    -------
    (n, dim) or (dim,) float32 array, or (indptr, indices, data)
        New queries for `search`, those of a `SparseIndex` as compressed rows. Thresholds and calibrations for scores of
        the old queries are not valid for them.

    Raises
    ------
    TypeError, ValueError
        As in `search`, for negative weights, and for ids in `results` that the index does not have.

    Notes
    -----
    The usual settings (k = 5, alpha = .4, beta = .6, or the average of the query and three vectors) gain where queries
    have many relevant documents, and cost some 7 points of nDCG@10 where they have few; the defaults here cost one or
    two, and find as much or more in documents of some length. On short ones with a single answer each they find less.
    docs/hybrid.md has the figures.

    References
    ----------
    Rocchio, "Relevance feedback in information retrieval", 1971. Li et al., "Pseudo relevance feedback with deep
    language models and dense retrievers", 2023.

    Examples
    --------
    >>> candidates = index.search(fb.feedback(index, queries), k=100)
    """
    if not isinstance(index, Index | SparseIndex):
        raise TypeError(f"index: expected a fewbits.Index or SparseIndex, got {type(index).__name__}")
    k = whole_number(k, "k", 0)
    alpha, beta = real_number(alpha, "alpha", 0.0), real_number(beta, "beta", 0.0)
    one_of(weights, "weights", ("mean", "softmax"))
    thread_count(threads)
    if results is not None and (nprobe is not None or rerank is not None):
        raise ValueError("results: expected no nprobe and rerank with it, as nothing is searched")
    if isinstance(index, SparseIndex):
        if nprobe is not None:
            raise ValueError(f"nprobe: expected None, as a SparseIndex has no lists, got {nprobe!r}")
        return _of_sparse(index, queries, k, alpha, beta, weights, results, rerank, threads)
    same = frozen(index)
    matrix, single = as_queries(queries, same.dim, nonzero=same.metric == "cosine")
    if k and beta:
        if results is None:
            results = same.search(matrix, k, nprobe=nprobe, rerank=rerank, threads=threads)
        found = _first(results, k, len(matrix))
        matrix = _moved(same, matrix, found, alpha, beta, _weights(found, weights))
    else:
        matrix = matrix.copy()
    return matrix[0] if single else matrix


def _of_sparse(
    index: SparseIndex,
    queries: Any,
    k: int,
    alpha: float,
    beta: float,
    weights: str,
    results: Any,
    rerank: int | None,
    threads: int | None,
) -> SparseRows:
    same = frozen(index)
    rows = rows_of(same, queries)
    if not (k and beta):
        return SparseRows(*rows)
    if results is None:
        results = same.search(queries, k, rerank=rerank, threads=threads)
    found = _first(results, k, rows.n)
    ids, places = np.unique(found.ids, return_inverse=True)
    vectors = Csr(*same.reconstruct(ids[ids >= 0]))
    places = places.reshape(found.ids.shape) - np.count_nonzero(ids < 0)  # -1: none
    return moved(rows, alpha, vectors, places, beta * _weights(found, weights))


def _first(results: Any, k: int, n_queries: int) -> SearchResult:
    """The k best of results, (n, k) or fewer."""
    if not isinstance(results, list | tuple) or len(results) != 2:
        raise TypeError(f"results: expected a SearchResult or (ids, scores), got {type(results).__name__}")
    ids = id_table(results[0], n_queries)
    scores = np.atleast_2d(np.asarray(results[1], np.float32))
    if ids.shape != scores.shape or len(ids) != n_queries:
        raise ValueError(f"results: expected ids and scores of {n_queries} queries, got {ids.shape} and {scores.shape}")
    return SearchResult(ids[:, :k], scores[:, :k])


def _weights(found: SearchResult, how: str) -> F64:
    """The weight of each vector found, (n, k). Rows sum to 1, or to 0 if nothing was found."""
    has: NDArray[np.bool_] = found.ids >= 0
    best = found.scores[:, :1].astype(np.float64)
    gaps = np.where(has, -np.abs(np.where(has, found.scores, 0) - np.where(has[:, :1], best, 0)), -np.inf)
    raw = np.exp(gaps / _TEMPERATURE) if how == "softmax" else has.astype(np.float64)
    total = raw.sum(axis=1, keepdims=True)
    return raw / np.where(total > 0, total, 1)


def _moved(index: Index, queries: F32, found: SearchResult, alpha: float, beta: float, weights: F64) -> F32:
    ids, places = np.unique(found.ids, return_inverse=True)
    known = ids >= 0
    vectors = np.zeros((len(ids), index.dim), np.float32)
    vectors[known] = index.reconstruct(ids[known])
    own = _core.normalize_rows(queries) if index.metric == "cosine" else queries
    mean = np.zeros(queries.shape, np.float64)
    for place, weight in zip(places.reshape(found.ids.shape).T, weights.T, strict=True):  # a fixed order of summing
        mean += weight[:, None] * vectors[place]
    moved = (alpha * own.astype(np.float64) + beta * mean).astype(np.float32)
    return np.where(found.ids[:, :1] >= 0, moved, queries)
