"""What follows a search in the core: a user's scorer reranks the candidates, or improbable results are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..input.checks import real_number, whole_number
from ..numeric.arrays import F32, I64
from .calibration import Calibration
from .result import SearchResult

Scorer = Callable[[I64, I64], Any]
_DEPTH = 100


class SecondStage(NamedTuple):
    """k: number of results for the user. width: number of results from the core. rerank: that of the core."""

    k: int
    width: int
    rerank: int | None
    scorer: Scorer | None = None
    calibration: Calibration | None = None
    min_probability: float = 0.0

    def width_at(self, depth: int) -> int:
        """The width if `depth` candidates are reranked (0: none), which it must not exceed."""
        return self.width if not 0 < depth < self.width else self.k

    def result(self, ids: I64, scores: F32, queries: F32, metric: str, single: bool) -> SearchResult:
        if self.scorer is not None:
            ids, scores = scored(SearchResult(ids, scores), self.scorer, self.k)
        elif self.calibration is not None:
            found = SearchResult(ids, scores)
            cut = self.calibration.cut(found, queries, metric, self.k, self.min_probability)
            return cut.only() if single else cut
        return SearchResult(ids[0], scores[0]) if single else SearchResult(ids, scores)


def second_stage(
    k: int,
    rerank: int | None,
    scorer: Scorer | None,
    min_probability: float | None,
    calibration: Calibration | None,
    by_score: bool,
) -> SecondStage:
    """by_score: whether min_score or max_distance is given."""
    if scorer is None and min_probability is None:
        return SecondStage(k, k, rerank)
    if min_probability is None:
        return SecondStage(k, scorer_depth(scorer, rerank, k), None, scorer)
    if scorer is not None or by_score:
        other = "scorer" if scorer is not None else "min_score or max_distance"
        raise ValueError(f"min_probability: expected without {other}: it was fitted to complete results of the index")
    least = real_number(min_probability, "min_probability", 0.0)
    if least > 1:
        raise ValueError(f"min_probability: expected a number in 0..1, got {min_probability!r}")
    if calibration is None:
        raise ValueError("min_probability: expected a calibrated index: call fb.train.calibrate first")
    if not calibration.current:
        raise ValueError(
            "min_probability: the scores of the index have changed since it was calibrated (it was trained, upgraded, "
            "or its codecs replaced): call fb.train.calibrate again"
        )
    return SecondStage(k, max(k, 2), rerank, None, calibration, least)


def scorer_depth(scorer: object, rerank: int | None, k: int) -> int:
    """How many candidates per query the scorer scores."""
    if not callable(scorer):
        raise TypeError(f"scorer: expected a function (query numbers, ids) -> scores, got {scorer!r}")
    depth = max(_DEPTH, k) if rerank is None else whole_number(rerank, "rerank", 1)
    if depth < k:
        raise ValueError(f"rerank: expected at least k={k} candidates for the scorer, got {depth}")
    return depth


def scored(found: SearchResult, scorer: Scorer, k: int) -> SearchResult:
    """The k best candidates by the scorer, which is called once, if there are any; ties keep their order."""
    has = found.ids >= 0
    queries, places = np.nonzero(has)
    scores: NDArray[np.float64] = np.full(found.ids.shape, -np.inf)
    if len(queries):
        scores[has] = _checked(scorer(queries.astype(np.int64), found.ids[queries, places]), len(queries))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    ids = np.take_along_axis(found.ids, order, axis=1)
    return SearchResult(ids, np.take_along_axis(scores, order, axis=1).astype(np.float32))


def _checked(given: Any, n: int) -> Any:
    scores = np.asarray(given)
    if scores.shape != (n,) or scores.dtype.kind not in "iuf":
        raise ValueError(f"scorer: expected it to return {n} numbers, shape ({n},), got {scores.dtype} {scores.shape}")
    scores = scores.astype(np.float64)
    if not np.isfinite(scores).all():
        raise ValueError(f"scorer: expected finite scores, got {scores[~np.isfinite(scores)][0]}")
    return scores
