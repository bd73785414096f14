"""How good an index is: recall against exact search, and ranking quality against human judgements.

Exact search runs block by block, so x may be a memmap of any size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from .index import Index, SearchResult
from .inputs import F32, I64, Rows, as_vectors, metric_name, thread_count, whole_number
from .inputs import queries as as_queries

_TIE = 1e-5  # of a score's size: float32 sums in another order


def exact_search(x: Any, queries: Any, k: int = 10, *, metric: str, threads: int | None = None) -> SearchResult:
    """The exact k nearest rows of x (n, dim) to each query, by brute force; ids are row numbers, of equals the smaller.

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
    best = _nothing(len(matrix), k, metric)
    first = 0
    for block in rows.blocks(nonzero=normalises):
        found = _core.exact_search(block, matrix, k, metric, first_id=first, threads=count)
        best = _merge(best, found, k, metric)
        first += len(block)
    return SearchResult(best[0][0], best[1][0]) if single else SearchResult(*best)


def recall(
    index: Index,
    queries: Any,
    k: int = 10,
    *,
    truth: ArrayLike | None = None,
    x: Any = None,
    nprobe: int | None = None,
    rerank: int | None = None,
    threads: int | None = None,
) -> float:
    """The share of the true k nearest that `index.search(queries, k)` finds, 0..1.

    truth: their ids, (n, k) or wider; or x: the vectors themselves, whose row numbers are the ids (then any vector as
    good as the k-th counts, so ties cost nothing). With neither, the index is compared with its own finest codes read
    in full (all lists, every vector reranked): that measures what `nprobe` and `rerank` lose, not what the codec loses.

    >>> fb.recall(index, queries, k=10, x=x, nprobe=16)
    """
    require_index(index)
    k = whole_number(k, "k", 1)
    if truth is not None and x is not None:
        raise ValueError("recall: expected truth or x, got both")
    found = index.search(np.atleast_2d(queries), k, nprobe=nprobe, rerank=rerank, threads=threads)
    if not len(found.ids):
        raise ValueError("queries: expected at least one")
    if x is not None:
        return _recall_of_scores(index, found, queries, k, x, threads)
    if truth is None:
        return _recall_of_ids(found.ids, in_full(index, queries, k, threads).ids)
    ids = np.atleast_2d(np.asarray(truth))
    if ids.dtype.kind not in "iu" or ids.ndim != 2 or len(ids) != len(found.ids) or ids.shape[1] < k:
        raise ValueError(
            f"truth: expected whole numbers of shape ({len(found.ids)}, {k} or more), got {ids.dtype} {ids.shape}"
        )
    return _recall_of_ids(found.ids, ids[:, :k].astype(np.int64))


def evaluate(
    results: Index | ArrayLike, queries: Any, qrels: ArrayLike, k: int = 10, *, threads: int | None = None
) -> dict[str, float]:
    """nDCG@k, MRR@k and recall@k (keys "ndcg", "mrr", "recall") against judgements, means over the judged queries.

    results: an index, or ids (n, k or more) that some search returned, best first. queries: (n, dim), None with ids.
    qrels: (judgements, 3) whole numbers: query number, document id, relevance (0: judged not relevant). Queries without
    a relevant document are left out.

    nDCG uses gain 2^relevance - 1 and discount log2(rank + 1), the ideal being the judged documents best first
    (Järvelin and Kekäläinen 2002; the gain of Burges et al. 2005).

    >>> fb.evaluate(index, queries_test, np.load("qrels_test.npy"))
    {'ndcg': 0.64, 'mrr': 0.61, 'recall': 0.79}
    """
    k = whole_number(k, "k", 1)
    judged = _judgements(qrels)
    if isinstance(results, Index):
        ids = results.search(np.atleast_2d(queries), k, threads=threads).ids
    else:
        if queries is not None:
            raise ValueError("queries: expected None with the ids of results given")
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
    """nDCG, MRR and recall of one query's results against its documents of grade above 0."""
    gains = np.array([2.0 ** relevant.get(int(document), 0) - 1 for document in ids])
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.sort(2.0 ** np.array(list(relevant.values())) - 1)[::-1][:k]
    hits = np.flatnonzero(gains > 0)
    mrr = 1 / (1 + int(hits[0])) if len(hits) else 0.0
    ndcg = float(gains @ discounts[: len(gains)]) / float(ideal @ discounts[: len(ideal)])
    return ndcg, mrr, len(hits) / len(relevant)


def _judgements(qrels: ArrayLike) -> dict[int, dict[int, int]]:
    """Of each query its documents of relevance above 0."""
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


def _recall_of_ids(found: I64, truth: I64) -> float:
    wanted = truth >= 0
    hits = sum(len(np.intersect1d(row, true[true >= 0])) for row, true in zip(found, truth, strict=True))
    return float(hits / max(int(wanted.sum()), 1))


def _recall_of_scores(index: Index, found: SearchResult, queries: Any, k: int, x: Any, threads: int | None) -> float:
    rows = Rows(x, index.dim)
    nonzero = index.metric == "cosine"
    matrix, _ = as_queries(np.atleast_2d(queries), index.dim, nonzero=nonzero)
    exact = exact_search(rows.array, matrix, min(k, len(rows)), metric=index.metric, threads=threads).scores
    hits = 0
    for query, ids, scores in zip(matrix, found.ids, exact, strict=True):
        ids = ids[ids >= 0]
        if len(ids) and int(ids.max()) >= len(rows):
            raise ValueError(
                f"x: expected the vectors whose row numbers are the ids; got {len(rows)} rows and id {ids.max()}"
            )
        if not len(ids):
            continue
        candidates = Rows(rows.array[ids], index.dim)
        own = exact_search(candidates.array, query, len(ids), metric=index.metric, threads=threads).scores
        slack = _TIE * max(float(np.abs(scores).max()), 1e-30)
        good = own <= scores[-1] + slack if index.metric == "l2" else own >= scores[-1] - slack
        hits += int(good.sum())
    return hits / exact.size


def in_full(index: Index, queries: Any, k: int, threads: int | None) -> SearchResult:
    """What the index's finest codes give when all is read."""
    lists = None if index.partition is None else 2**31
    depth = None if index.rerank is None else max(len(index), k)
    return index.search(np.atleast_2d(queries), k, nprobe=lists, rerank=depth, threads=threads)


def _nothing(n: int, k: int, metric: str) -> tuple[I64, F32]:
    worst = np.inf if metric == "l2" else -np.inf
    return np.full((n, k), -1, np.int64), np.full((n, k), worst, np.float32)


def _merge(best: tuple[I64, F32], more: tuple[I64, F32], k: int, metric: str) -> tuple[I64, F32]:
    """The k best of two results; of equal scores the earlier, which has the smaller id."""
    ids = np.concatenate([best[0], more[0]], axis=1)
    scores = np.concatenate([best[1], more[1]], axis=1)
    keys = scores if metric == "l2" else -scores
    missing = ids < 0
    order = np.lexsort((ids, keys, missing), axis=1)[:, :k]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
