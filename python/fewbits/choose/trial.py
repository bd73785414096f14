"""Predicts recall and time of a configuration among all vectors from an index of a sample.

The index of the sample is searched with more and more lists. From each search the estimated ranks of the true
neighbours (sample.py) give recall for every depth of rerank at once. The time of a query is modelled as

    prepare + nprobe * list + rerank * candidate,

whose terms are fitted to a few CPU times. Among all vectors there are more lists (`prepare` grows with them), and each
is longer (`list` grows with it). Recall at a number of lists is taken over as it is: as the number of lists grows with
the square root of n, the number that a query has to read hardly changes.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..index.index import Index
from ..numeric.arrays import F64, evenly
from ..spec.ivf import IVF
from .candidates import Candidate, Setting
from .sample import Sample

_TRAINED_ON = 16_384  # vectors at most: codes are only compared
_DEPTHS = (10, 20, 40, 80, 160, 320)  # of rerank
_ALONE = 40  # results that are looked at if there is no rerank store
_FINE = 1280  # candidates whose order by the finest codes is looked at
_SIGMAS = 1.645  # standard errors of a one-sided 95 % interval
_HOPELESS = 3.0  # times the time of the fastest, for a few lists alone
_FEW_LISTS, _FEW_QUERIES = 8, 64
_TIMED = (1, 4, 16, 64)  # numbers of lists
_ROUNDS = 3
_ENOUGH_SECONDS = 0.03  # of rounds that are shorter, there are more
_MOST_ROUNDS = 12


class Prediction(NamedTuple):
    """recall and its lower end at 95 %, at the settings with the least time that reach the target, or else the highest
    recall; None if it is too slow to be looked at. microseconds: CPU time per query on one thread."""

    candidate: Candidate
    recall: float | None
    low: float
    microseconds: float
    reaches: bool


def predicted(
    candidate: Candidate,
    given: Setting,
    sample: Sample,
    target: float | None,
    fit: object,
    fastest: float = math.inf,
) -> Prediction:
    """fit: queries for LeanVec. Without a target, the prediction is for the highest recall. fastest: microseconds of
    the fastest so far that reaches the target."""
    index = _index(candidate, given, sample, fit)
    first = _first_search(index, sample)
    if first > _HOPELESS * fastest:
        return Prediction(candidate, None, -math.inf, first, False)
    cost = _Cost(index, sample, given.n)
    found = _Found(index, sample, given.threads)
    best: Prediction | None = None
    for depth in found.depths:
        steps = [found.recall(number, depth) for number in range(len(found.probes))]
        number = next((i for i, (_, low) in enumerate(steps) if target is not None and low >= target), len(steps) - 1)
        recall, low = steps[number]
        probes = found.between(number, [low for _, low in steps], target)
        each = Prediction(
            candidate, recall, low, cost.microseconds(probes, depth), target is not None and low >= target
        )
        if best is None or _key(each) < _key(best):
            best = each
    assert best is not None
    return best


def _first_search(index: Index, sample: Sample) -> float:
    """Microseconds per query of reading a few lists."""
    probes = None if index.partition is None else min(_FEW_LISTS, index.stats().lists)
    some = sample.queries[:_FEW_QUERIES]
    return 1e6 * _cpu(lambda: index.search(some, 10, nprobe=probes, threads=1)) / len(some)


def _key(each: Prediction) -> tuple[bool, float, float]:
    return (not each.reaches, each.microseconds if each.reaches else -each.low, each.microseconds)


def _index(candidate: Candidate, given: Setting, sample: Sample, fit: object) -> Index:
    index = candidate.hasty().index(given, len(sample.x))
    aware = index.transform.needs_queries
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of samples that are too small: the index of all will warn
        index.train(
            sample.drawn[evenly(len(sample.drawn), _TRAINED_ON)],
            queries=fit if aware else None,
            expected=len(sample.x),
            progress=False,
            threads=given.threads,
        )
        return index.add(sample.x, progress=False, threads=given.threads)


class _Found:
    """Ranks of the true neighbours for growing numbers of lists. probes: these; None: there are no lists."""

    def __init__(self, index: Index, sample: Sample, threads: int | None) -> None:
        self.sample, m = sample, len(sample.x)
        lists = index.stats()["lists"] if index.partition is not None else 0
        self.probes: list[int | None] = list(_ladder(lists)) if lists else [None]
        self.depths = [None] if index.rerank is None else [depth for depth in _DEPTHS if depth <= m] or [m]
        width = min(m, _ALONE if index.rerank is None else self.depths[-1] + 1)  # type: ignore[operator]
        codes = None if index.rerank is None else 0

        def ranks(width: int, probes: int | None, depth: int | None) -> F64:
            found = index.search(sample.queries, width, nprobe=probes, rerank=depth, threads=threads)
            return sample.ranks(found.ids)

        self.ranks = [ranks(width, probes, codes) for probes in self.probes]
        self.fine = None
        if index.rerank is not None:
            depth = min(m, _FINE)
            self.fine = ranks(min(depth, _ALONE), self.probes[-1], depth) <= sample.k

    def recall(self, number: int, depth: int | None) -> tuple[float, float]:
        """Mean over the queries with this number of probes, and the lower end of its interval."""
        hits = self.ranks[number] <= (self.sample.k if depth is None else depth)
        each = self.sample.recalls(hits if self.fine is None else hits & self.fine)
        mean = float(each.mean())
        return mean, mean - _SIGMAS * float(each.std()) / math.sqrt(len(each))

    def between(self, number: int, lows: list[float], target: float | None) -> float | None:
        """Where between the last two numbers of lists the target is reached."""
        probes = self.probes[number]
        if probes is None or target is None or not number or lows[number] < target:
            return probes
        before = self.probes[number - 1]
        assert before is not None
        share = (target - lows[number - 1]) / max(lows[number] - lows[number - 1], 1e-9)
        return float(before * (probes / before) ** share)


class _Cost:
    """The model of the time, fitted to the index of the sample, and its terms for n vectors."""

    def __init__(self, index: Index, sample: Sample, n: int) -> None:
        self.m, self.n, self.lists = len(sample.x), n, 0
        reranks = index.rerank is not None
        deep = min(_DEPTHS[-1], self.m)

        def run(probes: int | None, depth: int) -> float:
            rerank = depth if reranks else None
            seconds = _cpu(lambda: index.search(sample.queries, 10, nprobe=probes, rerank=rerank, threads=1))
            return seconds / len(sample.queries)

        if index.partition is None:
            self.prepare, self.list = 0.0, run(None, 10)
            at: int | None = None
            base = self.list
        else:
            self.lists = index.stats()["lists"]
            probes = sorted({min(each, self.lists) for each in _TIMED})
            times = [run(each, 10) for each in probes]
            self.prepare, self.list = _line(np.array(probes, np.float64), np.array(times))
            at, base = probes[-1], times[-1]
        self.candidate = max(0.0, run(at, deep) - base) / max(deep - 10, 1) if reranks else 0.0

    def microseconds(self, probes: float | None, depth: int | None) -> float:
        rerank = self.candidate * (depth or 0)
        if probes is None:
            return 1e6 * (self.list * self.n / self.m + rerank)
        lists = self.lists / max(1, IVF().lists(self.m)) * IVF().lists(self.n)
        longer = (self.n / lists) / (self.m / self.lists)
        return 1e6 * (self.prepare * lists / self.lists + probes * self.list * longer + rerank)


def _cpu(run: Callable[[], object]) -> float:
    """CPU seconds of a run: the least of some rounds."""
    rounds: list[float] = []
    while len(rounds) < _ROUNDS or (sum(rounds) < _ENOUGH_SECONDS and len(rounds) < _MOST_ROUNDS):
        start = time.thread_time()
        run()
        rounds.append(time.thread_time() - start)
    return min(rounds)


def _line(x: F64, y: F64) -> tuple[float, float]:
    """Intercept and slope, neither negative, with the least relative errors."""
    if len(x) == 1:
        return 0.0, float(y[0] / x[0])
    weight = 1 / np.maximum(y, 1e-12)
    slope = float(np.polyfit(x, y, 1, w=weight)[0])
    slope = max(slope, 0.0)
    return max(0.0, float(np.average(y - slope * x, weights=weight**2))), slope


def _ladder(lists: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, ... and all lists."""
    steps = {step for i in range(32) for step in (1 << i, 3 << i)}
    return [*sorted(step for step in steps if step < lists), lists]
