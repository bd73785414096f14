"""Quality of an index: recall against exact search, and ranking quality against human judgements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..index.index import Index
from ..index.result import SearchResult
from ..index.turns import state_of
from ..index.two_embeddings import other_queries
from ..input.checks import thread_count, whole_number
from ..input.queries import as_queries
from ..numeric.arrays import F32
from .exact import exact_search
from .originals import Originals
from .truth import Listed, Nearest, Truth

__all__ = ["evaluate", "exact_search", "recall"]


def recall(
    index: Index,
    queries: Any,
    k: int = 10,
    *,
    truth: ArrayLike | None = None,
    x: Any = None,
    x_ids: ArrayLike | None = None,
    nprobe: int | None = None,
    rerank: int | None = None,
    patience: int | None = None,
    rerank_queries: Any = None,
    threads: int | None = None,
) -> float:
    """Measure the share of the true k nearest neighbours that `index.search(queries, k)` finds.

    Parameters
    ----------
    index : Index
    queries : (n, dim) or (dim,) array
    k : int
        Number of results per query.
    truth : (n, k or more) array of int, optional
        Ids of the true nearest neighbours, best first.
    x : (m, dim) array, optional
        The vectors of the index, instead of `truth`: the true neighbours are found by exact search among them, and any
        vector as good as the k-th counts. Rows whose ids are not in the index are ignored. If the index has two
        embeddings, those of the rerank store, which rank.
    x_ids : (m,) array of int, optional
        The id of each row of x; None: row numbers.
    nprobe, rerank, patience, rerank_queries, threads
        As in `Index.search`.

    Returns
    -------
    float
        In 0..1. With neither truth nor x, the index is compared with an exhaustive search of its own finest codes (all
        lists, every vector reranked): this shows the loss by `nprobe` and `rerank`, but not the loss by the codec.

    Examples
    --------
    >>> fb.recall(index, queries, k=10, x=x, nprobe=16)
    0.99
    """
    require_index(index)
    k = whole_number(k, "k", 1)
    if truth is not None and x is not None:
        raise ValueError("recall: expected truth or x, got both")
    if x_ids is not None and x is None:
        raise ValueError("x_ids: expected x with them, got x=None")
    asked = np.atleast_2d(queries)
    others = None if rerank_queries is None else np.atleast_2d(rerank_queries)
    settings: dict[str, Any] = {"nprobe": nprobe, "rerank": rerank, "patience": patience, "threads": threads}
    found = index.search(asked, k, rerank_queries=others, **settings)
    if not len(found.ids):
        raise ValueError("queries: expected at least one")
    return float(_truth(index, asked, others, k, truth, x, x_ids, threads).recall_of_each(found.ids).mean())


def _truth(
    index: Index,
    queries: NDArray[Any],
    others: NDArray[Any] | None,
    k: int,
    truth: ArrayLike | None,
    x: Any,
    x_ids: ArrayLike | None,
    threads: int | None,
) -> Truth:
    if x is not None:
        matrix, _ = as_queries(queries, index.dim, nonzero=index.metric == "cosine")
        ranking = ranking_queries(index, matrix, others)
        return Nearest(Originals(index, x, x_ids, ranking=True), ranking, k, thread_count(threads))
    if truth is None:
        return Listed(in_full(index, queries, k, threads, others).ids, "codes")
    n = len(queries)
    ids = np.atleast_2d(np.asarray(truth))
    if ids.dtype.kind not in "iu" or ids.ndim != 2 or len(ids) != n or ids.shape[1] < k:
        raise ValueError(f"truth: expected whole numbers of shape ({n}, {k} or more), got {ids.dtype} {ids.shape}")
    return Listed(ids[:, :k].astype(np.int64), "exact")


def evaluate(
    results: Index | ArrayLike,
    queries: Any,
    qrels: ArrayLike,
    k: int = 10,
    *,
    rerank_queries: Any = None,
    threads: int | None = None,
) -> dict[str, float]:
    """Measure nDCG@k, MRR@k and recall@k against human judgements: means over the judged queries.

    nDCG uses gain 2^relevance - 1 and discount log2(rank + 1); the ideal ranking has the judged documents best first.

    Parameters
    ----------
    results : Index, or (n, k or more) array of int
        An index, or ids returned by any search, best first.
    queries : (n, dim) array or None
        Queries for the index; None if `results` are ids.
    qrels : (judgements, 3) array of int
        Query number, document id, relevance (0: judged not relevant). Queries without a relevant document are ignored.
    k : int
        Number of results per query.
    rerank_queries : (n, rerank.dim) array, optional
        As in `Index.search`, for an index of two embeddings.
    threads : int, optional
        Number of threads. None: all CPUs.

    Returns
    -------
    dict
        Keys "ndcg", "mrr" and "recall".

    Raises
    ------
    TypeError, ValueError
        For wrong shapes or dtypes, and if there is no relevant document.

    References
    ----------
    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002. Burges et al., "Learning to rank
    using gradient descent", 2005, for the gain.

    Examples
    --------
    >>> measures = fb.evaluate(index, queries, qrels)
    >>> sorted(measures)
    ['mrr', 'ndcg', 'recall']
    """
    k = whole_number(k, "k", 1)
    judged = judgements(qrels)
    if isinstance(results, Index):
        others = None if rerank_queries is None else np.atleast_2d(rerank_queries)
        ids = results.search(np.atleast_2d(queries), k, rerank_queries=others, threads=threads).ids
    else:
        for name, given in (("queries", queries), ("rerank_queries", rerank_queries)):
            if given is not None:
                raise ValueError(f"{name}: expected None, because results are ids")
        ids = np.asarray(results)
        if ids.ndim != 2 or ids.dtype.kind not in "iu":
            raise ValueError(f"results: expected an Index or ids of shape (n, k), got {ids.dtype} {ids.shape}")
        ids = ids[:, :k]
    largest = max(judged)
    if largest >= len(ids):
        raise ValueError(f"qrels: expected query numbers below {len(ids)}, got {largest}")
    sums = np.array([query_measures(ids[query], relevant, k) for query, relevant in judged.items() if relevant])
    if not len(sums):
        raise ValueError("qrels: expected at least one relevant document, got none")
    ndcg, mrr, found = (float(value) for value in sums.mean(axis=0))
    return {"ndcg": ndcg, "mrr": mrr, "recall": found}


def require_index(index: object) -> None:
    if not isinstance(index, Index):
        raise TypeError(f"index: expected a fewbits.Index, got {type(index).__name__}")


def query_measures(ids: NDArray[np.integer[Any]], relevant: Mapping[int, float], k: int) -> tuple[float, float, float]:
    """nDCG, MRR and recall of one query's results against its documents with grades above 0."""
    gains = np.array([2.0 ** relevant.get(int(document), 0) - 1 for document in ids])
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.sort(2.0 ** np.array(list(relevant.values())) - 1)[::-1][:k]
    hits = np.flatnonzero(gains > 0)
    mrr = 1 / (1 + int(hits[0])) if len(hits) else 0.0
    ndcg = float(gains @ discounts[: len(gains)]) / float(ideal @ discounts[: len(ideal)])
    return ndcg, mrr, len(hits) / len(relevant)


def judgements(qrels: ArrayLike) -> dict[int, dict[int, int]]:
    """For each query, its documents with relevance above 0."""
    rows = np.asarray(qrels)
    if rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
        raise ValueError(f"qrels: expected rows (query, document, relevance), shape (n, 3), got {rows.shape}")
    if rows.dtype.kind not in "iu":
        raise TypeError(f"qrels: expected whole numbers, got dtype {rows.dtype}")
    judged: dict[int, dict[int, int]] = {}
    for query, document, relevance in rows.tolist():
        if query < 0 or relevance < 0:
            raise ValueError(f"qrels: expected numbers >= 0, got {(query, document, relevance)}")
        relevant = judged.setdefault(query, {})
        if relevance:
            relevant[document] = max(relevance, relevant.get(document, 0))
    return judged


def ranking_queries(index: Index, queries: F32, rerank_queries: Any) -> F32:
    """The queries that rank results: those of the other embedding, if the index has two."""
    others = other_queries(state_of(index).description, rerank_queries, len(queries), False, True)
    return queries if others is None else others


def in_full(
    index: Index, queries: Any, k: int, threads: int | None, rerank_queries: NDArray[Any] | None = None
) -> SearchResult:
    """The results of an exhaustive search of the index's finest codes."""
    lists = None if index.partition is None else 2**31
    depth = None if index.rerank is None else max(len(index), k)
    asked = np.atleast_2d(queries)
    return index.search(asked, k, nprobe=lists, rerank=depth, rerank_queries=rerank_queries, threads=threads)
