"""fb.train.fuse: the weights of `fb.fuse`, from a few judged queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..evaluation.measures import judgements, query_measures
from ..fusing import NORMALIZATIONS, Pool, found_lists, lowest_scores, pooled
from ..input.checks import one_of, whole_number
from ..numeric.arrays import F64

_GRID = np.linspace(0, 1, 41)
_RESAMPLES = 400


@dataclass(frozen=True)
class Fusion:
    """What `fb.train.fuse` learned.

    Attributes
    ----------
    weights : (float, float)
        For `fb.fuse`; they sum to 1.
    standard_error : float
        Of either weight: the deviation of the best weight over resampled queries.
    ndcg : float
        Mean nDCG@k of the judged queries with these weights.
    ndcg_error : float
        Its standard error over queries.
    single : (float, float)
        Mean nDCG@k of each list alone.
    queries : int
        Judged queries with a relevant document.
    """

    weights: tuple[float, float]
    standard_error: float
    ndcg: float
    ndcg_error: float
    single: tuple[float, float]
    queries: int

    def __str__(self) -> str:
        return (
            f"weights {self.weights[0]:.3f}, {self.weights[1]:.3f} (standard error {self.standard_error:.3f}): nDCG "
            f"{self.ndcg:.4f} (standard error {self.ndcg_error:.4f}) on {self.queries:,} judged queries; alone "
            f"{self.single[0]:.4f} and {self.single[1]:.4f}"
        )


def fuse(
    results: Sequence[Any],
    qrels: ArrayLike,
    *,
    k: int = 10,
    normalize: str = "minmax",
    lowest: Sequence[float] | None = None,
    indexes: Sequence[Any] | None = None,
    queries: Sequence[Any] | None = None,
) -> Fusion:
    """Learn the weights with which `fb.fuse` ranks two lists best.

    Some 50 judged queries suffice, as one number is learned: the weight is the mean, over resampled queries, of the one
    with the highest nDCG@k among 41.

    Parameters
    ----------
    results : two SearchResult or (ids, scores)
        As in `fb.fuse`, of the judged queries.
    qrels : (judgements, 3) array of int
        Query number, document id, relevance (0: judged not relevant).
    k : int
        Of nDCG@k.
    normalize, lowest, indexes, queries
        As in `fb.fuse`, which is to be called with the same ones.

    Returns
    -------
    Fusion
        Its `weights` are those of `fb.fuse`.

    Raises
    ------
    TypeError, ValueError
        As in `fb.fuse`, for more or fewer than two lists, and without a judged query with a relevant document.

    References
    ----------
    Bruch et al., "An analysis of fusion functions for hybrid retrieval", 2023.

    Examples
    --------
    >>> lists = [index.search(queries, k=50), other.search(queries, k=50)]
    >>> learned = fb.train.fuse(lists, qrels)
    >>> fused = fb.fuse(lists, learned.weights)
    """
    one_of(normalize, "normalize", NORMALIZATIONS)
    k = whole_number(k, "k", 1)
    lists, _ = found_lists(results, indexes)
    if len(lists) != 2:
        raise ValueError(f"results: expected two lists, whose one weight is learned, got {len(lists)}")
    judged = {query: relevant for query, relevant in judgements(qrels).items() if relevant}
    if not judged or max(judged) >= len(lists[0].ids):
        raise ValueError(
            f"qrels: expected a relevant document for at least one of queries 0..{len(lists[0].ids) - 1}, got "
            f"{len(judged)} judged queries{f' up to {max(judged)}' if judged else ''}"
        )
    pool = pooled(lists, normalize, indexes, queries)
    normalized = pool.normalized(normalize, lowest_scores(lowest, normalize, lists))
    measured = _measured(pool, normalized, judged, k)
    return _learned(measured)


def _measured(pool: Pool, normalized: F64, judged: dict[int, dict[int, int]], k: int) -> F64:
    """nDCG@k of every weight of the grid and judged query: (weights, queries)."""
    rows = []
    for first in _GRID:
        ids, _ = pool.best(np.array([first, 1 - first]), normalized, k)
        rows.append([query_measures(ids[query], relevant, k)[0] for query, relevant in judged.items()])
    return np.array(rows)


def _learned(measured: F64) -> Fusion:
    n = measured.shape[1]
    drawn = np.random.default_rng(0).integers(n, size=(_RESAMPLES, n))
    best = np.array([_best(measured[:, sample].mean(axis=1)) for sample in drawn])
    first = float(best.mean())
    chosen = measured[int(np.argmin(np.abs(_GRID - first)))]
    means = measured.mean(axis=1)
    return Fusion(
        weights=(first, 1 - first),
        standard_error=float(best.std()),
        ndcg=float(chosen.mean()),
        ndcg_error=float(chosen.std() / np.sqrt(n)),
        single=(float(means[-1]), float(means[0])),
        queries=n,
    )


def _best(means: F64) -> float:
    """The weight with the highest mean; of several, the middle one."""
    return float(_GRID[np.flatnonzero(means >= means.max() - 1e-12)].mean())
