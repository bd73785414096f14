"""The losses: a ranking loss over labelled lists, or the distance from the float ranking.

Scores and temperatures are in units of the initial spread of scores within a list, so one setting works for both
unit-norm and LayerNorm-sized embeddings.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ..numeric.arrays import I64
from .kernels import F64, distillation_loss, list_loss, margin_loss, pair_loss, softmax_loss

Loss = Callable[[F64, F64, I64, F64], float]
"""(scores, grades or teacher's scores, starts, gradient to add to) -> loss."""

RANKING_LOSSES = ("softmax", "lambda", "mann_whitney", "listnet")
MARGIN = "margin"
_CUT = 200  # as in JPQ, for passages
_RANKING_TEMPERATURE = 1.0
_DISTILLATION_TEMPERATURE = 5.0


def ranking_loss(name: str, spread: float) -> Loss:
    temperature = _RANKING_TEMPERATURE * spread

    def loss(scores: F64, grades: F64, starts: I64, gradient: F64) -> float:
        if name == "softmax":
            return softmax_loss(scores, grades, starts, temperature, gradient)
        if name == "listnet":
            return list_loss(scores, grades, starts, temperature, gradient)
        return pair_loss(scores, grades, starts, temperature, name == "lambda", _CUT, gradient)

    return loss


def margin(spread: float, teacher_spread: float) -> Loss:
    """Margins of the teacher's scores, each in units of its own spread."""

    def loss(scores: F64, teacher: F64, starts: I64, gradient: F64) -> float:
        return margin_loss(scores, teacher, starts, spread, teacher_spread, gradient)

    return loss


def distillation(spread: float) -> Loss:
    temperature = _DISTILLATION_TEMPERATURE * spread

    def loss(scores: F64, teacher: F64, starts: I64, gradient: F64) -> float:
        return distillation_loss(scores, teacher, starts, temperature, gradient)

    return loss


def spread_of(scores: F64, starts: I64) -> float:
    """The mean standard deviation of scores within a list."""
    spreads = [float(np.std(scores[a:b])) for a, b in pairwise(starts) if b > a]
    return max(float(np.mean(spreads)) if spreads else 0.0, 1e-12)
