"""The margin with which the ranking of candidates by their tokens stops, fitted to held-out queries.

Ranking stops once a candidate's estimate, plus the mean error of the estimates so far, plus the margin times the
standard deviation of these errors, is below the k-th best score (cpp/multivector/stopping.h). From the estimates and
the scores of all candidates follows the least margin with which each of them is still ranked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..numeric.arrays import F32, F64, I64

LEAST_RANKED = 16  # as Stopping::least_ranked


def needed(estimates: F32, scores: F32, k: int) -> F64:
    """(n, depth): the least margin with which each candidate is ranked. Candidates are in descending order of their
    estimates; the score of padding is -inf."""
    n, depth = scores.shape
    least = np.full((n, depth), -np.inf)
    best = np.full((n, k), -np.inf)
    mean, squares = np.zeros(n), np.zeros(n)
    rows, there = np.arange(n), np.isfinite(scores)
    errors = np.where(there, scores, 0).astype(np.float64) - np.where(there, estimates, 0)
    for place in range(depth):
        if place:
            least[:, place] = least[:, place - 1]
        if place >= max(k, LEAST_RANKED):
            behind = best.min(axis=1) - (estimates[:, place] + mean)
            deviation = np.sqrt(squares / place)
            gap = np.where(deviation > 0, behind / np.where(deviation > 0, deviation, 1), np.inf * np.sign(behind))
            least[:, place] = np.maximum(least[:, place], gap)
        before = errors[:, place] - mean
        mean += before / (place + 1)
        squares += before * (errors[:, place] - mean)
        worst = best.argmin(axis=1)
        best[rows, worst] = np.maximum(best[rows, worst], scores[:, place])
    return least


def of_results(least: F64, scores: F32, k: int) -> F64:
    """The margins with which the k best candidates of all queries are ranked, ascending. least: what `needed` gave."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    there = np.isfinite(np.take_along_axis(scores, order, axis=1))
    return np.sort(np.take_along_axis(least, order, axis=1)[there])


def fitted(ids: I64, estimates: F32, scores: F32, k: int, reaches: Callable[[I64], bool]) -> tuple[float, float] | None:
    """The least margin whose results are good enough, and how many candidates a query ranks with it on average; None:
    not even all candidates are.

    reaches : whether results, (n, k), are.
    """
    least = needed(estimates, scores, k)

    def results(margin: float) -> I64:
        order = np.argsort(-np.where(least <= margin, scores, -np.inf), axis=1, kind="stable")[:, :k]
        return np.asarray(np.take_along_axis(ids, order, axis=1))

    margins = np.unique(np.maximum(of_results(least, scores, k), 0))
    low, high = -1, len(margins) - 1
    if high < 0 or not reaches(results(np.inf)):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(results(margins[middle])) else (middle, high)
    margin = float(margins[high])
    return margin, float((np.isfinite(scores) & (least <= margin)).sum(axis=1).mean())
