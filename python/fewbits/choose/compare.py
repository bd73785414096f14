"""fb.build by measurement: configurations are compared on a sample, the best are built, tuned and measured.

1. Every candidate (candidates.py) is built for a sample, and its recall and time among all vectors are predicted from
   that (trial.py).
2. The best codes are tried with other numbers of lists, and the best that leave room with a second list per vector.
3. The fastest that are predicted to reach the recall, of unlike codes, are built of all vectors and tuned with the
   queries. Their times are measured against each other; of times within 5 % the one predicted to be faster is kept, so
   that noise seldom decides.
4. Codes of product quantization that rank alone are distilled (distil.py), and the result is kept if it is better.
"""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..evaluation.truth import Nearest, without
from ..index.index import Index
from ..index.tried import Tried, Tries
from ..index.turns import frozen, replace_state, state_of
from ..input.progress import Progress, ProgressArgument
from ..input.rows import Rows
from ..numeric.arrays import I64
from .asked import TUNED_K, Asked, Tuning, reached, truth_of, tuning_queries
from .candidates import Candidate, Setting, candidates, larger, on_disk, with_other_lists, with_second_lists
from .distil import distilled
from .sample import Sample
from .trial import Prediction, predicted
from .tuning import Unreachable, keep, tune_to

_SAMPLES = {"normal": (32_768, 256), "thorough": (131_072, 512)}  # vectors, queries
_BUILDS = {"normal": 2, "thorough": 4}
_LISTS_TRIED = {"normal": 1, "thorough": 3}  # configurations that are tried with other numbers of lists
_CLOSE = 1.4  # a configuration predicted to take this many times the time of the best is not built
_SAME = 0.95  # a later configuration has to take this share of the time of an earlier one, or less
_AS_GOOD = 0.002  # recall that is worth less than time
_ROUNDS = 9


class Found(NamedTuple):
    """Settings and their recall with the tuning queries."""

    nprobe: int | None
    rerank: int | None
    patience: int | None
    recall: float


@dataclass(frozen=True, eq=False)
class Built:
    """An index of all vectors, whose defaults reach `found` (if there is no target: what it finds in all lists)."""

    index: Index
    prediction: Prediction
    found: Found
    reaches: bool
    note: str = ""
    microseconds: float = math.inf


class Measure(NamedTuple):
    """The queries to tune with, their true neighbours, and their own ids, if they are vectors of x."""

    tuning: Tuning
    truth: Nearest
    own: I64 | None


class Task(NamedTuple):
    """What is to be built, from what, and for which recall (None: the highest). rule: what would be chosen without
    measuring, which is always one of those compared."""

    given: Setting
    rule: Candidate
    rows: Rows
    ids: ArrayLike | None
    labels: ArrayLike | None
    asked: Asked
    target: float | None
    effort: str
    progress: ProgressArgument


def compared(task: Task) -> Index:
    given, rows = task.given, task.rows
    tuning = tuning_queries(rows, task.asked.to_tune, given.seed)
    size, count = _SAMPLES[task.effort]
    picked = np.linspace(0, len(tuning.queries) - 1, min(len(tuning.queries), count)).astype(np.int64)
    own = None if tuning.own is None else tuning.own[picked]
    sample = Sample(rows, given.metric, tuning.queries[picked], own, size, TUNED_K, given.seed, given.threads or 0)
    predictions = _predictions(task, sample)
    built = _built(task, predictions, tuning)
    best = _best(built, task.target)
    why = [
        f"effort {task.effort!r}: {len(predictions)} configurations compared on {len(sample.x):,} of {given.n:,} "
        f"vectors with {len(picked):,} queries; the best of {len(built)} that were built is kept",
    ]
    why += [best.note] if best.note else []
    why += list(state_of(best.index).why)
    why += _of_target(task, sample, best, tuning.kind)
    tries = Tries(task.effort, len(sample.x), len(picked), _table(predictions, built, best, given))
    replace_state(best.index, "build", lambda now: now.explained(tuple(why), tries))
    return best.index


def _predictions(task: Task, sample: Sample) -> list[Prediction]:
    """Of all candidates, the best first."""
    given, shown = task.given, Progress(task.progress)
    tried = list(dict.fromkeys([*candidates(given, task.effort), task.rule]))
    found: list[Prediction] = []

    def tried_too(candidate: Candidate) -> Prediction:
        fastest = min((each.microseconds for each in found if each.reaches), default=math.inf)
        return predicted(candidate, given, sample, task.target, task.asked.to_fit, fastest)

    with shown:
        hook = shown.stage("comparing")
        for number, candidate in enumerate(tried):
            hook(number / (len(tried) + 3))
            found.append(tried_too(candidate))
        ranked = _ordered(found, task.target)
        second = with_second_lists([each.candidate for each in ranked], given)
        found += [] if second is None else [tried_too(second)]
        for best in ranked[: _LISTS_TRIED[task.effort]]:
            for candidate in with_other_lists(best.candidate, given):
                if candidate not in (each.candidate for each in found):
                    found.append(tried_too(candidate))
        hook(1.0)
    return _ordered(found, task.target)


def _ordered(found: list[Prediction], target: float | None) -> list[Prediction]:
    """The fastest that reach the target first; then by recall, where a little recall is worth less than time."""
    if target is not None:
        return sorted(found, key=lambda p: (not p.reaches, p.microseconds if p.reaches else -p.low))
    top = max(p.low for p in found)
    as_good = [p for p in found if p.low >= top - _AS_GOOD]
    others = [p for p in found if p.low < top - _AS_GOOD]
    return sorted(as_good, key=lambda p: p.microseconds) + sorted(others, key=lambda p: -p.low)


def _built(task: Task, predictions: list[Prediction], tuning: Tuning) -> list[Built]:
    """Indexes of all vectors, in the order of the predictions."""
    built: list[Built] = []
    measure: Measure | None = None
    tried = 0
    for prediction in _of_other_codes_first(predictions):
        close = prediction.microseconds <= _CLOSE * predictions[0].microseconds
        done = any(each.reaches for each in built)
        if tried == _BUILDS[task.effort] or (done and not (close and prediction.reaches)):
            continue
        tried += 1
        index = _index(task, prediction.candidate)
        if measure is None:
            measure = Measure(tuning, *truth_of(index, task.rows, task.ids, tuning, task.given.threads))
        built.append(_tuned(task, index, prediction, measure))
        built += _distilled(task, built[-1], measure)
    return _timed(built, tuning, task.target is None)


def _of_other_codes_first(predictions: list[Prediction]) -> list[Prediction]:
    """The best of each codes, then the others: predictions for the same codes in other lists err together."""
    firsts: dict[Candidate, Prediction] = {}
    for each in predictions:
        firsts.setdefault(replace(each.candidate, lists=0.0, spill=1.0), each)
    best = list(firsts.values())
    return [*best, *(each for each in predictions if each not in best)]


def _index(task: Task, candidate: Candidate) -> Index:
    index = candidate.index(task.given, task.given.n)
    fit = task.asked.to_fit if index.transform.needs_queries else None
    return index.build(
        task.rows.array,
        task.ids,
        labels=task.labels,
        queries=fit,
        progress=task.progress,
        threads=task.given.threads,
    )


def _tuned(task: Task, index: Index, prediction: Prediction, measure: Measure, note: str = "") -> Built:
    tuning, truth, own = measure
    if task.target is None:
        return Built(index, prediction, _in_full(index, measure, task.given.threads), True, note)
    try:
        found = tune_to(index, tuning.queries, truth, TUNED_K, task.target, task.given.threads, own)
    except Unreachable as error:
        keep(index, error.best)
        best = error.best
        return Built(index, prediction, Found(best.nprobe, best.rerank, best.patience, best.recall), False, note)
    return Built(index, prediction, Found(found.nprobe, found.rerank, found.patience, found.recall), True, note)


def _in_full(index: Index, measure: Measure, threads: int | None) -> Found:
    tuning, truth, own = measure
    extra = own is not None
    ids = index.search(tuning.queries, TUNED_K + extra, threads=threads, **_all_lists(index)).ids
    found = ids if own is None else without(ids, own, TUNED_K)
    return Found(None, None, None, float(truth.recall_of_each(found).mean()))


def _all_lists(index: Index) -> dict[str, Any]:
    return {} if index.partition is None else {"nprobe": index.stats().lists}


def _distilled(task: Task, built: Built, measure: Measure) -> list[Built]:
    index = frozen(built.index)
    note = distilled(index, task.given, task.asked.to_fit, task.rows, task.ids, task.effort, task.progress)
    return [] if note is None else [_tuned(task, index, built.prediction, measure, note)]


def _timed(built: list[Built], tuning: Tuning, in_full: bool) -> list[Built]:
    """With CPU times per query: the least of alternating rounds."""
    seconds = [math.inf] * len(built)
    for _ in range(_ROUNDS):
        for number, each in enumerate(built):
            options = _all_lists(each.index) if in_full else {}
            start = time.thread_time()
            each.index.search(tuning.queries, TUNED_K, threads=1, **options)
            seconds[number] = min(seconds[number], time.thread_time() - start)
    return [
        replace(each, microseconds=1e6 * seconds[number] / len(tuning.queries)) for number, each in enumerate(built)
    ]


def _best(built: list[Built], target: float | None) -> Built:
    """The fastest that reaches the target; without a target, or if none does, that with the highest recall."""
    best = built[0]
    for each in built[1:]:
        if each.reaches and best.reaches and target is not None:
            better = each.microseconds < _SAME * best.microseconds
        else:
            better = (each.reaches, each.found.recall) > (best.reaches, best.found.recall + _AS_GOOD)
        best = each if better else best
    return best


def _of_target(task: Task, sample: Sample, best: Built, kind: str) -> list[str]:
    """What was reached; and if it is not the target, what would be needed."""
    target, found = task.target, best.found
    if target is None:
        return [f"recall {found.recall:.3f} if all is read (measured with {kind})"]
    if best.reaches:
        return [reached(target, found, kind)]
    text = f"recall: {target:g} asked for, these codes reach {found.recall:.3f}"
    needed = [f"all is read by default: {text} (measured with {kind})", *_needed(task, sample, target)]
    warnings.warn("; ".join([f"fb.build: {text} with {task.given.budget:g} bytes", *needed[1:]]), stacklevel=4)
    return needed


def _needed(task: Task, sample: Sample, target: float) -> list[str]:
    """The fewest bytes in memory, and the store on disk, that reach the target by prediction."""
    given, said = task.given, []
    for candidate in larger(given):
        each = predicted(candidate, given, sample, target, None)
        if each.reaches:
            size, label = candidate.bytes_per_vector(given), candidate.label(given.n)
            said.append(f"{size} bytes would reach {each.recall:.3f} ({label}; predicted)")
            break
    store = None if given.disk else on_disk(given)
    if store is not None:
        each = predicted(store, given, sample, target, None)
        label = store.label(given.n)
        said.append(f"with on_disk=True, {given.budget:g} bytes would reach {each.recall:.3f} ({label}; predicted)")
    return said


def _table(predictions: list[Prediction], built: list[Built], best: Built, given: Setting) -> tuple[Tried, ...]:
    rows = []
    for prediction in predictions:
        row = Tried(
            prediction.candidate.label(given.n),
            prediction.candidate.bytes_per_vector(given),
            prediction.recall,
            prediction.microseconds,
        )
        of_it = [each for each in built if each.prediction is prediction]
        if of_it:
            each = best if best in of_it else of_it[-1]
            row = replace(
                row, built_recall=each.found.recall, built_microseconds=each.microseconds, chosen=each is best
            )
        rows.append(row)
    return tuple(rows)
