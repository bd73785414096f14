"""fb.fuse: one ranking from the results of several indexes for the same queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .index.result import SearchResult
from .input.checks import one_of, real_number, whole_number
from .numeric.arrays import F64, I64

NORMALIZATIONS = ("minmax", "theoretical", "zscore", "rrf")
_RANK_CONSTANT = 60  # the published constant of reciprocal rank fusion


def fuse(
    results: Sequence[Any],
    weights: Sequence[float] | None = None,
    *,
    k: int = 10,
    normalize: str = "minmax",
    lowest: Sequence[float] | None = None,
    indexes: Sequence[Any] | None = None,
    queries: Sequence[Any] | None = None,
) -> SearchResult:
    """Fuse the results of several indexes for the same queries into one ranking.

    The fused score is the weighted sum of the normalised scores.

    Parameters
    ----------
    results : sequence of SearchResult or (ids, scores)
        One per index, each best first, of shapes (n, m) or (m,) for a single query; m may differ. Scores may be
        similarities or distances: which of the two follows from their order.
    weights : (len(results),) floats >= 0, optional
        None: all equal. `fb.train.fuse` learns them. Lists with weight 0 are ignored.
    k : int
        Results per query.
    normalize : {"minmax", "theoretical", "zscore", "rrf"}
        How the scores s of each list for each query are normalised.
        "minmax": (s - min) / (max - min). "theoretical": the same with the lowest possible score, `lowest`, as the
        minimum. "zscore": (s - mean) / deviation. "rrf": 1 / (60 + rank), whatever the scores.
    lowest : (len(results),) floats, optional
        With "theoretical": the lowest score that each index can give, such as -1 for cosines and 0 for BM25.
    indexes, queries : (len(results),) sequences, optional
        The index of each list, and its queries. A document that one list lacks is then scored exactly by its index
        (``index.score``). Without them such a document has the lowest score of that list, or nothing with "rrf".

    Returns
    -------
    SearchResult
        Larger scores are better. Of equal scores, that from the earlier list, and further up in it, comes first.

    Raises
    ------
    TypeError, ValueError
        For lists that do not fit together, and for arguments that have no effect in combination.

    Notes
    -----
    A weighted sum ranks better than "rrf" if there are a few judged queries to learn the weight from, and it
    hardly depends on the normalisation. Without judgements, equal weights or "rrf" are safe choices.

    References
    ----------
    Bruch et al., "An analysis of fusion functions for hybrid retrieval", 2023. Cormack et al., "Reciprocal rank fusion
    outperforms Condorcet and individual rank learning methods", 2009.

    Examples
    --------
    >>> a, b = index.search(queries, k=50), other.search(queries, k=50)
    >>> fused = fb.fuse([a, b], weights=[.7, .3], k=10)
    >>> fused = fb.fuse([a, b], indexes=[index, other], queries=[queries, queries])
    """
    one_of(normalize, "normalize", NORMALIZATIONS)
    k = whole_number(k, "k", 1)
    lists, single = found_lists(results, indexes)
    own = list_weights(weights, len(lists))
    worst = lowest_scores(lowest, normalize, lists)
    check_sources(lists, normalize, indexes, queries)
    taken = np.flatnonzero(own > 0).tolist()  # the other lists have no part in the ranges of scores, either
    lists = [lists[i] for i in taken]
    if indexes is not None and queries is not None:
        indexes, queries = [indexes[i] for i in taken], [queries[i] for i in taken]
    pool = pooled(lists, normalize, indexes, queries)
    ids, scores = pool.best(own[taken], pool.normalized(normalize, None if worst is None else worst[taken]), k)
    return SearchResult(ids[0], scores[0]) if single else SearchResult(ids, scores)


@dataclass(frozen=True)
class FoundList:
    """The results of one index: ids, -1 where padded, and scores, larger is better."""

    ids: I64
    scores: F64
    sign: float  # -1 if the index's own scores are smaller for better results


@dataclass(frozen=True)
class Pool:
    """The documents of all lists, query by query, in the order of the lists.

    owners: (m,) the query of each; ids: (m,); scores, ranks: (lists, m), NaN where a list lacks the document.
    """

    n_queries: int
    owners: I64
    ids: I64
    scores: F64
    ranks: F64

    def normalized(self, how: str, lowest: F64 | None) -> F64:
        """Normalised scores (lists, m); 0, or the worst score of the list, where a document is missing."""
        if how == "rrf":
            return np.nan_to_num(1 / (_RANK_CONSTANT + self.ranks), nan=0.0)
        return np.stack([self._scaled(i, how, None if lowest is None else lowest[i]) for i in range(len(self.scores))])

    def _scaled(self, i: int, how: str, lowest: float | None) -> F64:
        s, has = self.scores[i], ~np.isnan(self.scores[i])
        low, high = (np.full(self.n_queries, limit) for limit in (np.inf, -np.inf))
        np.minimum.at(low, self.owners[has], s[has])
        np.maximum.at(high, self.owners[has], s[has])
        s = np.where(has, s, low[self.owners])
        if how == "zscore":
            count = np.maximum(np.bincount(self.owners[has], minlength=self.n_queries), 1)
            zero, unit = _of_each(s, has, self.owners, count)
        else:
            zero, unit = (low if lowest is None else np.full(self.n_queries, lowest)), high
            unit = unit - zero
        with np.errstate(invalid="ignore", divide="ignore"):
            scaled = (s - zero[self.owners]) / unit[self.owners]
        equal = 0.0 if how == "zscore" else 1.0  # for lists whose scores are all equal
        flat = np.where(has, equal, 0.0)
        return np.where((unit > 0)[self.owners] & np.isfinite(scaled), scaled, flat)

    def best(self, weights: F64, normalized: F64, k: int) -> tuple[I64, NDArray[np.float32]]:
        """The k best of each query by the weighted sum, (n, k), padded."""
        taking = weights > 0
        wanted = ~np.isnan(self.ranks[taking]).all(axis=0)
        owners, found = self.owners[wanted], self.ids[wanted]
        fused = (weights[taking, None] * normalized[taking][:, wanted]).sum(axis=0)
        order = np.lexsort((np.arange(len(owners)), -fused, owners))
        owners = owners[order]
        starts = np.searchsorted(owners, np.arange(self.n_queries))
        place = np.arange(len(owners)) - starts[owners]
        order, owners, place = order[place < k], owners[place < k], place[place < k]
        ids = np.full((self.n_queries, k), -1, np.int64)
        scores = np.full((self.n_queries, k), -np.inf, np.float32)
        ids[owners, place], scores[owners, place] = found[order], fused[order]
        return ids, scores


def found_lists(results: Sequence[Any], indexes: Sequence[Any] | None) -> tuple[list[FoundList], bool]:
    """The lists, and whether they are for a single query."""
    if not isinstance(results, list | tuple) or not results:
        raise TypeError(f"results: expected a list of search results, got {type(results).__name__} {results!r:.60}")
    pairs = [_pair(i, result) for i, result in enumerate(results)]
    dims = {ids.ndim for ids, _ in pairs}
    if len(dims) > 1 or (dims == {2} and len({len(ids) for ids, _ in pairs}) > 1):
        raise ValueError(f"results: expected lists of the same queries, got shapes {[ids.shape for ids, _ in pairs]}")
    if indexes is not None and (not isinstance(indexes, list | tuple) or len(indexes) != len(pairs)):
        raise ValueError(f"indexes: expected a list of {len(pairs)}, got {indexes!r:.60}")
    of = [None] * len(pairs) if indexes is None else indexes
    found = [_found(i, np.atleast_2d(ids), np.atleast_2d(s), of[i]) for i, (ids, s) in enumerate(pairs)]
    return found, dims == {1}


def _pair(i: int, result: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    if not isinstance(result, list | tuple) or len(result) != 2:
        raise TypeError(f"results[{i}]: expected a SearchResult or (ids, scores), got {type(result).__name__}")
    ids, scores = np.asarray(result[0]), np.asarray(result[1])
    if ids.ndim not in (1, 2) or ids.shape != scores.shape:
        raise ValueError(f"results[{i}]: expected ids and scores of one shape, got {ids.shape} and {scores.shape}")
    if ids.size and (ids.dtype.kind not in "iu" or scores.dtype.kind not in "iuf"):
        raise TypeError(f"results[{i}]: expected whole numbers and scores, got {ids.dtype} and {scores.dtype}")
    return ids, scores


def _found(i: int, ids: NDArray[Any], scores: NDArray[Any], index: Any) -> FoundList:
    own, s = ids.astype(np.int64), scores.astype(np.float64)
    has = own >= 0
    if not np.isfinite(s[has]).all():
        raise ValueError(f"results[{i}]: expected finite scores")
    steps = np.diff(np.where(has, s, 0))[has[:, 1:] & has[:, :-1]] if s.shape[1] else np.zeros(0)
    rises = bool((steps > 0).any()) or getattr(index, "metric", None) == "l2"
    if rises and (steps < 0).any():
        raise ValueError(f"results[{i}]: expected results best first; the scores of some rise, of others fall")
    sign = -1.0 if rises else 1.0
    return FoundList(own, sign * s, sign)


def list_weights(weights: Sequence[float] | None, n: int) -> F64:
    if weights is None:
        return np.full(n, 1.0 / n)
    own = np.asarray(weights, np.float64)
    if own.shape != (n,) or not np.isfinite(own).all() or (own < 0).any() or not own.any():
        raise ValueError(f"weights: expected {n} finite numbers >= 0, not all of them 0, got {weights!r}")
    return own


def lowest_scores(lowest: Sequence[float] | None, normalize: str, lists: list[FoundList]) -> F64 | None:
    if (lowest is None) == (normalize == "theoretical"):
        raise ValueError(f"lowest: expected with normalize='theoretical' only, got {lowest!r} with {normalize!r}")
    if lowest is None:
        return None
    if not isinstance(lowest, list | tuple | np.ndarray) or len(lowest) != len(lists):
        raise ValueError(f"lowest: expected {len(lists)} numbers, got {lowest!r}")
    return np.array([real_number(low, "lowest", -np.inf) * each.sign for low, each in zip(lowest, lists, strict=True)])


def pooled(
    lists: list[FoundList], normalize: str, indexes: Sequence[Any] | None, queries: Sequence[Any] | None
) -> Pool:
    """All documents of all lists. If there are indexes, they score the documents that their lists lack."""
    check_sources(lists, normalize, indexes, queries)
    pool = _union(lists)
    if indexes is not None and queries is not None:
        for i, (each, index, asked) in enumerate(zip(lists, indexes, queries, strict=True)):
            _complete(pool, i, each.sign, index, asked)
    return pool


def check_sources(
    lists: list[FoundList], normalize: str, indexes: Sequence[Any] | None, queries: Sequence[Any] | None
) -> None:
    """Whether there is one index that can score, and its queries, per list; or neither."""
    if (indexes is None) != (queries is None):
        raise ValueError("indexes: expected together with queries, got one without the other")
    if indexes is None or queries is None:
        return
    if normalize == "rrf":
        raise ValueError("indexes: expected None with normalize='rrf', which counts ranks and not scores")
    if not isinstance(queries, list | tuple) or len(queries) != len(lists):
        raise ValueError(f"queries: expected a list of {len(lists)}, the queries of each index, got {queries!r:.60}")
    if not all(hasattr(index, "score") for index in indexes):
        raise TypeError(f"indexes: expected indexes that can score, got {[type(index).__name__ for index in indexes]}")


def _union(lists: list[FoundList]) -> Pool:
    n = len(lists[0].ids)
    known, inverse = np.unique(np.concatenate([each.ids.ravel() for each in lists]), return_inverse=True)
    owners = [np.repeat(np.arange(n), each.ids.shape[1]) for each in lists]
    keys = np.concatenate(owners) * max(len(known), 1) + inverse.ravel()
    places = np.concatenate([np.tile(np.arange(each.ids.shape[1]), n) for each in lists])
    sources = np.repeat(np.arange(len(lists)), [each.ids.size for each in lists])
    has = np.concatenate([each.ids.ravel() for each in lists]) >= 0
    flat = np.concatenate([each.scores.ravel() for each in lists])
    keys, places, sources, flat = keys[has], places[has], sources[has], flat[has]
    order = np.lexsort((places, sources, keys // max(len(known), 1)))
    _, first = np.unique(keys[order], return_index=True)
    documents = keys[order][np.sort(first)]  # by query, then in the order of the lists
    by_key = np.argsort(documents)
    at = by_key[np.searchsorted(documents, keys, sorter=by_key)]
    scores, ranks = (np.full((len(lists), len(documents)), np.nan) for _ in range(2))
    scores[sources, at], ranks[sources, at] = flat, places + 1
    return Pool(n, documents // max(len(known), 1), known[documents % max(len(known), 1)], scores, ranks)


def _complete(pool: Pool, i: int, sign: float, index: Any, queries: Any) -> None:
    """Scores the documents that list i lacks with its index."""
    missing = np.flatnonzero(np.isnan(pool.scores[i]))
    if not len(missing):
        return
    counts = np.bincount(pool.owners[missing], minlength=pool.n_queries)
    place = np.arange(len(missing)) - (np.cumsum(counts) - counts)[pool.owners[missing]]
    table = np.full((pool.n_queries, counts.max()), -1, np.int64)
    table[pool.owners[missing], place] = pool.ids[missing]
    scores = np.asarray(index.score(queries, table), np.float64)
    pool.scores[i, missing] = sign * scores[pool.owners[missing], place]


def _of_each(s: F64, has: NDArray[np.bool_], owners: I64, count: NDArray[Any]) -> tuple[F64, F64]:
    """Mean and standard deviation of the scores of each query."""
    n = len(count)
    mean = np.bincount(owners[has], s[has], minlength=n) / count
    square = np.bincount(owners[has], (s[has] - mean[owners[has]]) ** 2, minlength=n) / count
    return mean, np.sqrt(square)
