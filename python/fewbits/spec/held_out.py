"""Tests whether a transform fitted to some queries improves the results of others, with the codec that will be used.

The queries are split into halves. The transform fitted to one half is judged by the other, so that every query is used
once, and never to judge a fit that it was part of.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .. import _core
from ..numeric.arrays import F32, F64, evenly, f32_array
from ..numeric.directions import random_rotation
from ..numeric.moments import without
from .codec import codec_direction
from .opq import allocated
from .parts import Fitted, Model
from .pq import PQ
from .transform import PAIR, TransformFitting, applied, turned

_ROWS = 8192
_QUERIES = 1000  # of each half
_K = 10
_SIGMAS = 1.645  # of a one-sided 95 % interval
_MIN_QUERIES = 20


class Trial:
    """Codes of some vectors behind one transform or another, and how much of the exact results is found among them.

    rotated: whether a random rotation follows the transform.
    """

    def __init__(self, x: F32, queries: F32, rotated: bool, fitting: TransformFitting) -> None:
        self.x = f32_array(x[evenly(len(x), _ROWS)])
        self.halves = [f32_array(half) for half in np.array_split(queries, 2)]
        self.rotated, self.codec, self.fitting = rotated, fitting.codec, fitting
        self.asked = [f32_array(half[evenly(len(half), _QUERIES)]) for half in self.halves]
        self.truth = [self._exact(half) for half in self.asked]

    def recalls(self, fitted: list[Fitted]) -> F64:
        """The recall of every query; fitted: the transforms that were fitted to the first and to the second half."""
        first, second = fitted
        engine = self._engine(second)
        other = engine if first is second else self._engine(first)
        return np.concatenate([self._recall(engine, 0), self._recall(other, 1)])

    def _exact(self, queries: F32) -> np.ndarray:
        return _core.exact_search(self.x, queries, self._k, "ip", threads=self.fitting.threads)[0]

    @property
    def _k(self) -> int:
        return min(_K, len(self.x))

    def _recall(self, engine: _core.Engine, half: int) -> F64:
        found = engine.search(self.asked[half], self._k, nprobe=1, rerank=0, threads=self.fitting.threads)[0]
        pairs = zip(found, self.truth[half], strict=True)
        return np.array([np.isin(true, ids).mean() for ids, true in pairs], np.float64)

    def _engine(self, transform: Fitted) -> _core.Engine:
        model = Model.without_parts(self.x.shape[1], "ip")
        y = applied(transform, self.x, self.fitting.threads)
        turn = self._turn(y)
        if turn is not None:
            transform, y = turned(transform, turn), f32_array(y @ turn.T)
        direction = None if transform.params["kind"] == PAIR else codec_direction(self.codec, y)
        coded = without(y, direction)
        codec, turn = self.codec.arranged(coded, replace(self.fitting, directed=direction is not None))
        if turn is not None:
            transform, coded = turned(transform, turn), f32_array(coded @ turn.T)
            direction = None if direction is None else f32_array(turn @ direction)
        model.put("transform", transform)
        model.put("codec", codec.fit(coded, self.fitting))
        if direction is not None:
            model.arrays["codec.direction"] = direction
        engine = _core.Engine(model.params, model.arrays)
        builder = engine.builder(len(self.x))
        builder.append(self.x, threads=self.fitting.threads)
        engine.publish(builder, threads=self.fitting.threads)
        return engine

    def _turn(self, y: F32) -> np.ndarray | None:
        dim = y.shape[1]
        if self.rotated:
            return random_rotation(dim, self.fitting.seed)
        if isinstance(self.codec, PQ) and 1 < self.codec.m < dim:
            return allocated(y, self.codec.m)  # near what OPQ would find, at once
        return None


def verdict(without: F64, found: F64, instead: str) -> tuple[str, bool]:
    """In words, and whether what was found is clearly more than without: by chance in 5 % of all cases only."""
    queries = len(found)
    if queries < _MIN_QUERIES:
        return f"{queries} queries are too few to fit maps to; {instead} is used instead", False
    gains = found - without
    better = float(gains.mean()) > _SIGMAS * float(gains.std()) / math.sqrt(queries)
    figures = f"codes find {found.mean():.3f} of the 10 nearest, {without.mean():.3f} with {instead}"
    measured = f"on {queries:,} queries left out of the fit, {figures}"
    return (measured if better else f"{measured}: no clear gain, so {instead} is used instead"), better
