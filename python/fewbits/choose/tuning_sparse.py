"""fb.tune of a sparse index: the share of a query's weights, and the candidates, that reach a recall at the least cost.

Recall grows with both, so for each number of candidates the smallest share is found by bisection, and the settings are
timed against each other and against exact search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..index.turns import frozen, replace_state
from ..numeric.arrays import I64
from ..sparse.index import SparseIndex

_STEPS = 32  # of mass
_DEPTHS = (2, 4, 8, 16, 32, 64)  # candidates, in units of k
_SIGMAS = 1.645  # standard errors of a one-sided 95 % interval

Times = Callable[[list[Callable[[], object]]], list[float]]


class SparseSetting(NamedTuple):
    mass: float
    rerank: int | None
    recall: float
    low: float
    queries_per_second: float


def tune_sparse(
    index: SparseIndex, queries: Any, k: int, target: float, threads: int | None, times: Times
) -> SparseSetting:
    """The cheapest setting, which becomes the default of the index. times: CPU seconds of functions."""
    seen = frozen(index)
    exact = np.atleast_2d(seen.search(queries, k, mass=1.0, threads=threads).ids)
    if not len(exact) or not len(seen):
        raise ValueError(f"tune: expected queries and vectors, got {len(exact)} queries, {len(seen)} vectors")

    def measured(mass: float, rerank: int) -> tuple[float, float]:
        found = np.atleast_2d(seen.search(queries, k, mass=mass, rerank=rerank, threads=threads).ids)
        each = _recall_of_each(found, exact)
        return float(each.mean()), float(each.mean() - _SIGMAS * each.std() / len(each) ** 0.5)

    good = [SparseSetting(1.0, None, 1.0, 1.0, 0.0)]
    for depth in _DEPTHS:
        low, step, reached = 0, _STEPS, (1.0, 1.0)
        while step - low > 1:
            middle = (low + step) // 2
            found = measured(middle / _STEPS, depth * k)
            if found[1] >= target:
                step, reached = middle, found
            else:
                low = middle
        if step / _STEPS < good[-1].mass:
            good.append(SparseSetting(step / _STEPS, depth * k, *reached, 0.0))
    runs: list[Callable[[], object]] = [
        lambda own=own: seen.search(queries, k, mass=own.mass, rerank=own.rerank, threads=1)  # type: ignore[misc]
        for own in good
    ]
    seconds = times(runs)
    best = int(np.argmin(seconds))
    chosen = good[best]._replace(queries_per_second=len(exact) / max(seconds[best], 1e-9))
    replace_state(index, "tune", lambda now: now.searched_with(chosen.mass, chosen.rerank or 0))
    return chosen


def _recall_of_each(found: I64, exact: I64) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The share of each query's true results; 1 where there are none."""
    wanted = (exact >= 0).sum(axis=1)
    hits = ((found[:, :, None] == exact[:, None, :]) & (exact >= 0)[:, None, :]).any(axis=1).sum(axis=1)
    return np.where(wanted > 0, hits / np.maximum(wanted, 1), 1.0)
