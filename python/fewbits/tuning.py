"""fb.tune: the cheapest nprobe and rerank that reach a recall, measured, and kept as the index's defaults.

Recall rises with either, so for each depth of rerank the least nprobe is found by bisection; the depths that need
different ones are then timed against each other. The target is held against the lower end of a confidence interval, so
that it holds for other queries of the same distribution too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .index import Index
from .inputs import F32, I64, real_number, thread_count, whole_number
from .inputs import queries as as_queries
from .measures import exact_search, in_full, require_index
from .multivector import MultiVectorIndex, chamfer
from .sets import Sets, read_sets

_SIGMAS = 1.645  # of a one-sided 95 % interval
_ROUNDS = 5
_FINE = 0.04  # lists more or less, as a share, that are not worth another search


class Tuned(NamedTuple):
    """What `fb.tune` found: the settings (None where the index has no such part), the mean recall on the queries it was
    given, the lower end of its 95 % interval, and queries a second on one thread."""

    nprobe: int | None
    rerank: int | None
    recall: float
    recall_low: float
    queries_per_second: float


class _Setting(NamedTuple):
    nprobe: int | None
    rerank: int | None
    recall: float
    low: float


class Unreachable(ValueError):
    """The recall asked for is beyond what the index's codes can do; says how far they go."""


def tune(
    index: Index | MultiVectorIndex,
    queries: Any,
    k: int = 10,
    *,
    recall: float = 0.95,
    x: Any = None,
    threads: int | None = None,
) -> Tuned:
    """Finds the cheapest nprobe and rerank with this recall@k and makes them the index's defaults (`save` keeps them).

    queries: (n, dim), held out: not vectors of the index, not what it will be judged by; some hundreds or more. recall:
    in 0..1, of the true k nearest; the lower end of a 95 % interval has to reach it. x: the vectors themselves, whose
    row numbers are the ids. Without x truth is what the index's finest codes give when all is read, which measures what
    nprobe and rerank lose, not what the codes lose. With a `MultiVectorIndex` queries and x are sets, as its `search`
    and `add` take them, and truth is by Chamfer similarity.

    Raises ValueError saying how much can be reached if recall can not; the defaults then stay.

    >>> fb.tune(index, queries, k=10, recall=0.95)
    Tuned(nprobe=24, rerank=100, recall=0.957, recall_low=0.951, queries_per_second=8400.0)
    """
    k = whole_number(k, "k", 1)
    target = share(recall)
    count = thread_count(threads)
    if isinstance(index, MultiVectorIndex):
        return _tune_multivector(index, queries, k, target, x, count or None)
    require_index(index)
    matrix, _ = as_queries(np.atleast_2d(queries), index.dim, nonzero=index.metric == "cosine")
    if not len(matrix) or not len(index):
        raise ValueError(f"tune: expected queries and vectors, got {len(matrix)} queries, {len(index)} vectors")
    if x is None:
        truth = in_full(index, matrix, k, count or None).ids
    else:
        truth = exact_search(x, matrix, k, metric=index.metric, threads=count or None).ids
    return tune_to(index, matrix, truth, k, target, count or None, own=None)


def _tune_multivector(
    index: MultiVectorIndex, queries: Any, k: int, target: float, x: Any, threads: int | None
) -> Tuned:
    sets, _ = read_sets(queries, index.dim, "queries")
    if len(sets.offsets) < 2 or not len(index):
        raise ValueError(
            f"tune: expected queries and documents, got {len(sets.offsets) - 1} queries, {len(index)} documents"
        )
    if x is None:
        truth = index.rank_all(sets, k, threads=threads).ids
    else:
        scores = chamfer(sets, x, threads=threads)
        truth = np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int64)
    return tune_to(index, sets, truth, k, target, threads, own=None)


def share(recall: float) -> float:
    number = real_number(recall, "recall", 0.0)
    if number > 1:
        raise ValueError(f"recall: expected a number in 0..1, got {recall!r}")
    return number


def tune_to(
    index: Index | MultiVectorIndex,
    queries: F32 | Sets,
    truth: I64,
    k: int,
    target: float,
    threads: int | None,
    own: I64 | None,
) -> Tuned:
    """own: where the queries are vectors of the index, their ids, which do not count as results."""

    def search(setting: _Setting | tuple[int | None, int | None], used: int | None = threads) -> I64:
        extra = 0 if own is None else 1
        rerank = setting[1] if setting[1] is None else max(setting[1], k + extra)
        found = index.search(queries, k + extra, nprobe=setting[0], rerank=rerank, threads=used).ids
        return found if own is None else without(found, own, k)

    def measured(nprobe: int | None, rerank: int | None) -> _Setting:
        each = recall_of_each(search((nprobe, rerank)), truth)
        return _Setting(
            nprobe, rerank, float(each.mean()), float(each.mean() - _SIGMAS * each.std() / len(each) ** 0.5)
        )

    good: list[_Setting] = []
    best = None
    for depth in _depths(index, k):
        setting = _least_nprobe(index, lambda nprobe, depth=depth: measured(nprobe, depth), target)  # type: ignore[misc]
        best = setting if best is None or setting.low > best.low else best
        if setting.low < target:
            continue
        if good and setting.nprobe == good[-1].nprobe:
            break
        good.append(setting)
    if not good:
        assert best is not None
        raise Unreachable(
            f"recall: {target:g} asked for, these codes reach {best.recall:.3f} (at least {best.low:.3f} at 95 %) "
            f"when all is read; give them more bytes or a rerank store, or ask for less"
        )
    seconds = _times([lambda setting=setting: search(setting, 1) for setting in good])  # type: ignore[misc]
    chosen = int(np.argmin(seconds))
    _keep(index, good[chosen])
    return Tuned(*good[chosen], queries_per_second=len(truth) / max(seconds[chosen], 1e-9))


def without(found: I64, own: I64, k: int) -> I64:
    """The first k results of each query but for the one of its own id."""
    order = np.argsort(found == own[:, None], axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, axis=1)


def recall_of_each(found: I64, truth: I64) -> NDArray[np.float64]:
    hits = [len(np.intersect1d(a, b[b >= 0])) for a, b in zip(found, truth, strict=True)]
    return np.asarray(hits / np.maximum((truth >= 0).sum(axis=1), 1), np.float64)


def _depths(index: Index | MultiVectorIndex, k: int) -> list[int | None]:
    if isinstance(index, Index) and index.rerank is None:
        return [None]
    most = max(k, min(len(index), 256 * k))
    return [min(k << step, most) for step in range((most // k - 1).bit_length() + 1)]


def _least_nprobe(
    index: Index | MultiVectorIndex, measured: Callable[[int | None], _Setting], target: float
) -> _Setting:
    """The setting of fewest lists whose recall reaches the target, within a few per cent, or of all lists."""
    if index.partition is None:
        return measured(None)
    lists = index.stats()["lists"]
    low, nprobe = 0, 1
    while (setting := measured(nprobe)).low < target and nprobe < lists:
        low, nprobe = nprobe, min(2 * nprobe, lists)
    while setting.low >= target and nprobe - low > max(1, round(_FINE * nprobe)):
        middle = (low + nprobe) // 2
        other = measured(middle)
        if other.low >= target:
            nprobe, setting = middle, other
        else:
            low = middle
    return setting


def _times(runs: list[Callable[[], object]]) -> list[float]:
    """Seconds of CPU time of each, the least of alternating rounds."""
    seconds = [float("inf")] * len(runs)
    for _ in range(_ROUNDS if len(runs) > 1 else 1):
        for number, run in enumerate(runs):
            start = time.thread_time()
            run()
            seconds[number] = min(seconds[number], time.thread_time() - start)
    return seconds


def read_all(index: Index, k: int) -> None:
    """Makes the most that `tune` tries the defaults."""
    lists = None if index.partition is None else index.stats()["lists"]
    _keep(index, _Setting(lists, _depths(index, k)[-1], 1.0, 1.0))


def _keep(index: Index | MultiVectorIndex, setting: _Setting) -> None:
    of_encodings = index._index if isinstance(index, MultiVectorIndex) else index
    of_encodings._search_by(setting.nprobe, setting.rerank)
