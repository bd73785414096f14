"""fb.tune: measures which nprobe, patience and rerank reach a recall at the least cost, and makes them the defaults.

Recall grows with all of them, so for each depth of rerank the smallest nprobe is found by bisection; depths that need
different nprobe are then timed against each other. For the fastest of them, the least patience that reaches the recall
is found, and then the fewest lists with it; this is timed against the same depth without patience. Where candidates
are ranked by tokens, margins with which ranking stops early are fitted (margin.py), and the best is timed last. The
target is compared with the lower end of a confidence interval, so that it also holds for other queries of the same
distribution.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..evaluation.measures import in_full, ranking_queries, require_index
from ..evaluation.originals import Originals, row_ids
from ..evaluation.truth import Listed, Nearest, Truth, without
from ..index.index import Index
from ..index.state import in_thousandths
from ..index.turns import frozen, replace_state
from ..input.checks import real_number, thread_count, whole_number
from ..input.queries import as_queries
from ..input.sets import Sets, read_sets
from ..multivector.chamfer import chamfer
from ..multivector.index import MultiVectorIndex
from ..numeric.arrays import F32, I64
from ..sparse.index import SparseIndex
from .lossy import warn_if_lossy
from .margin import LEAST_RANKED, fitted
from .tuning_sparse import tune_sparse

_SIGMAS = 1.645  # standard errors of a one-sided 95 % interval
_ROUNDS = 5
_FINE = 0.04  # relative precision of nprobe and patience
_MIN_PATIENCE = 2
_DEEPER = (1, 2, 4)  # times as many candidates, of which a margin leaves out as many as it can


class Tuned(NamedTuple):
    """What `fb.tune` found.

    Attributes
    ----------
    nprobe, rerank : int or None
        The settings; None if the index has no such part. For a sparse index rerank is None where exact search is best.
    patience : int or None
        As in `Index.search`; None: queries read nprobe lists.
    recall : float
        Mean recall on the queries that were given.
    recall_low : float
        Lower end of its 95 % interval.
    queries_per_second : float
        On one thread.
    truth : {"exact", "codes"}
        What recall is measured against: exact search over the vectors (if x was given), or an exhaustive search of the
        index's own codes, which does not show what the codes lose.
    mass : float or None
        For a sparse index: the share of a query's weights that finds candidates; 1 is exact.
    margin : float or None
        As in `MultiVectorIndex.search`; None: all candidates are ranked.
    """

    nprobe: int | None
    rerank: int | None
    patience: int | None
    recall: float
    recall_low: float
    queries_per_second: float
    truth: str
    mass: float | None = None
    margin: float | None = None

    def settings(self) -> list[tuple[str, int | float | None]]:
        """Return the settings by name.

        Returns
        -------
        list of (str, int, float or None)

        Examples
        --------
        >>> dict(fb.tune(index, queries, k=10, recall=0.9, x=x).settings())
        {'nprobe': ..., 'patience': ..., 'rerank': ..., 'mass': None, 'margin': None}
        """
        return [(name, getattr(self, name)) for name in ("nprobe", "patience", "rerank", "mass", "margin")]


class _Setting(NamedTuple):
    nprobe: int | None
    rerank: int | None
    patience: int | None
    recall: float
    low: float


class Unreachable(ValueError):
    """The requested recall is higher than the codes of the index can reach; `best` has the highest recall."""

    def __init__(self, message: str, best: _Setting) -> None:
        super().__init__(message)
        self.best = best


def tune(
    index: Index | MultiVectorIndex | SparseIndex,
    queries: Any,
    k: int = 10,
    *,
    recall: float = 0.95,
    x: Any = None,
    x_ids: ArrayLike | None = None,
    rerank_queries: Any = None,
    threads: int | None = None,
) -> Tuned:
    """Find the cheapest nprobe, patience, rerank and margin with this recall@k and make them the index's defaults.

    `save` keeps them.

    Parameters
    ----------
    index : Index, MultiVectorIndex or SparseIndex
        Of a sparse index, mass and rerank are tuned, against its exact search.
    queries : (n, dim) array
        Held-out queries: neither vectors of the index nor queries that it will be evaluated on; at least several
        hundred. For the other kinds, what their `search` takes.
    k : int
        Results per query.
    recall : float
        In 0..1; the target for the lower end of a 95 % interval.
    x : (m, dim) array, optional
        The vectors of the index. Recall is then that of the true k nearest by exact search, as in `fb.recall` (for
        sets, by Chamfer similarity). Without x, recall is relative to an exhaustive search of the index's finest codes:
        this shows what these settings lose, not what the codes lose. If the index has two embeddings, the
        vectors of the rerank store, which rank.
    x_ids : (m,) array of int, optional
        The id of each row of x; None: row numbers.
    rerank_queries : (n, rerank.dim) array, optional
        As in `Index.search`, for an index of two embeddings.
    threads : int, optional
        None: all CPUs.

    Returns
    -------
    Tuned
        The settings, their recall, and what it was measured against.

    Raises
    ------
    ValueError
        If the recall cannot be reached (the message says what can; the defaults are unchanged), or if x does not match
        the index.

    Warns
    -----
    UserWarning
        Without x, if the finest codes have fewer than 8 bits per dimension: true recall can then be far lower.

    Examples
    --------
    >>> fb.tune(index, queries, k=10, recall=0.95, x=x)
    Tuned(nprobe=..., rerank=..., patience=..., recall=0.9..., recall_low=0.9..., queries_per_second=..., ...)
    """
    k = whole_number(k, "k", 1)
    target = share(recall)
    count = thread_count(threads)
    if x_ids is not None and x is None:
        raise ValueError("x_ids: expected x with them, got x=None")
    if rerank_queries is not None and not isinstance(index, Index):
        raise ValueError(f"rerank_queries: expected None for a {type(index).__name__}, which has one embedding")
    if isinstance(index, SparseIndex):
        if x is not None:
            raise ValueError("x: expected None for a sparse index, whose exact search is the truth")
        found = tune_sparse(index, queries, k, target, count or None, _times)
        return Tuned(
            None,
            found.rerank,
            None,
            found.recall,
            found.low,
            found.queries_per_second,
            "codes",
            found.mass,
        )
    if isinstance(index, MultiVectorIndex):
        return _tune_multivector(index, queries, k, target, x, x_ids, count or None)
    require_index(index)
    matrix, _ = as_queries(np.atleast_2d(queries), index.dim, nonzero=index.metric == "cosine")
    seen = frozen(index)  # one state, even if the index changes meanwhile
    if not len(matrix) or not len(seen):
        raise ValueError(f"tune: expected queries and vectors, got {len(matrix)} queries, {len(seen)} vectors")
    ranking = ranking_queries(seen, matrix, rerank_queries)
    others = None if ranking is matrix else ranking
    truth: Truth
    if x is None:
        warn_if_lossy(seen, stacklevel=2)
        truth = Listed(in_full(seen, matrix, k, count or None, others).ids, "codes")
    else:
        truth = Nearest(Originals(seen, x, x_ids, ranking=True).check(), ranking, k, count)
    tuned = tune_to(seen, matrix, truth, k, target, count or None, own=None, rerank_queries=others)
    keep(index, tuned)
    return tuned


def _tune_multivector(
    index: MultiVectorIndex,
    queries: Any,
    k: int,
    target: float,
    x: Any,
    x_ids: ArrayLike | None,
    threads: int | None,
) -> Tuned:
    sets, _ = read_sets(queries, index.dim, "queries")
    seen = frozen(index)  # one state, even if the index changes meanwhile
    if len(sets.offsets) < 2 or not len(seen):
        raise ValueError(
            f"tune: expected queries and documents, got {len(sets.offsets) - 1} queries, {len(seen)} documents"
        )
    if x is None:
        warn_if_lossy(seen, stacklevel=3)
        truth = Listed(seen.rank_all(sets, k, threads=threads).ids, "codes")
    else:
        truth = Listed(_best_documents(seen, sets, k, x, x_ids, threads), "exact")
    tuned = _with_margin(seen, sets, truth, k, target, tune_to(seen, sets, truth, k, target, threads, own=None))
    keep(index, tuned)
    return tuned


def _with_margin(index: MultiVectorIndex, queries: Sets, truth: Truth, k: int, target: float, tuned: Tuned) -> Tuned:
    """A margin, with the depth found or a larger one, that reaches the recall as well, if it does so faster."""
    assert tuned.rerank is not None
    lists: dict[str, Any] = {"nprobe": tuned.nprobe, "patience": tuned.patience}

    def search(rerank: int | None, margin: float, threads: int | None = None) -> I64:
        return index.search(queries, k, rerank=rerank, margin=margin, threads=threads, **lists).ids

    tried: list[tuple[float, int, float]] = []  # candidates ranked, of how many, and with which margin
    for depth in {min(tuned.rerank * times, len(index)) for times in _DEEPER}:
        if depth > max(k, LEAST_RANKED):
            found = index.search(queries, depth, rerank=0, **lists)
            scores = index.score(queries, found.ids)
            fit = fitted(found.ids, found.scores, scores, k, lambda ids: _measured(truth, ids)[1] >= target)
            tried += [] if fit is None else [(fit[1], depth, in_thousandths(fit[0]) / 1000)]
    if not tried:
        return tuned
    _, depth, margin = min(tried)
    recall, low = _measured(truth, search(depth, margin))
    whole, stopped = _times([lambda: search(tuned.rerank, math.inf, 1), lambda: search(depth, margin, 1)])
    if stopped >= whole or low < target:
        return tuned
    speed = _count(queries) / max(stopped, 1e-9)
    return tuned._replace(rerank=depth, recall=recall, recall_low=low, queries_per_second=speed, margin=margin)


def _best_documents(
    index: MultiVectorIndex, queries: Sets, k: int, x: Any, x_ids: ArrayLike | None, threads: int | None
) -> I64:
    """Ids of the k best documents by exact Chamfer similarity, among those documents of x that the index has."""
    scores = np.atleast_2d(chamfer(queries, x, threads=threads))
    ids = row_ids(x_ids, scores.shape[1])
    held = np.array([int(number) in index for number in ids])
    if held.sum() < len(index):
        raise ValueError(
            f"x: expected a set for each of the {len(index):,} documents of the index, got {int(held.sum()):,} of them"
        )
    order = np.argsort(-scores[:, held], axis=1, kind="stable")[:, :k]
    return np.asarray(ids[held][order], np.int64)


def share(recall: float) -> float:
    number = real_number(recall, "recall", 0.0)
    if number > 1:
        raise ValueError(f"recall: expected a number in 0..1, got {recall!r}")
    return number


def tune_to(
    index: Index | MultiVectorIndex,
    queries: F32 | Sets,
    truth: Truth,
    k: int,
    target: float,
    threads: int | None,
    own: I64 | None,
    rerank_queries: F32 | None = None,
) -> Tuned:
    """own: if the queries are vectors of the index, their ids, which are removed from the results. rerank_queries: for
    an index of two embeddings."""
    more: dict[str, Any] = {} if rerank_queries is None else {"rerank_queries": rerank_queries}

    def search(setting: _Setting, used: int | None = threads) -> I64:
        extra = 0 if own is None else 1
        rerank = setting.rerank if setting.rerank is None else max(setting.rerank, k + extra)
        found = index.search(
            queries, k + extra, nprobe=setting.nprobe, rerank=rerank, patience=setting.patience, threads=used, **more
        ).ids
        return found if own is None else without(found, own, k)

    def measured(nprobe: int | None, rerank: int | None, patience: int | None = None) -> _Setting:
        setting = _Setting(nprobe, rerank, patience, 0.0, 0.0)
        recall, low = _measured(truth, search(setting))
        return setting._replace(recall=recall, low=low)

    def fastest(settings: list[_Setting]) -> tuple[_Setting, float]:
        seconds = _times([lambda setting=setting: search(setting, 1) for setting in settings])  # type: ignore[misc]
        chosen = int(np.argmin(seconds))
        return settings[chosen], seconds[chosen]

    good: list[_Setting] = []
    best = None
    for depth in _depths(index, k):
        setting = _min_nprobe(index, lambda nprobe, depth=depth: measured(nprobe, depth), target)  # type: ignore[misc]
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
            f"when all vectors are scanned; use larger codes or a rerank store, or a lower recall",
            best,
        )
    chosen, seconds = fastest(good)
    patient = _least_patience(index, measured, chosen, target)
    if patient is not None:
        chosen, seconds = fastest([chosen, patient])
    keep(index, chosen)
    return Tuned(*chosen, queries_per_second=_count(queries) / max(seconds, 1e-9), truth=truth.kind)


def _measured(truth: Truth, found: I64) -> tuple[float, float]:
    """Recall, and the lower end of its interval."""
    each = truth.recall_of_each(found)
    return float(each.mean()), float(each.mean() - _SIGMAS * each.std() / len(each) ** 0.5)


def _count(queries: F32 | Sets) -> int:
    return len(queries.offsets) - 1 if isinstance(queries, Sets) else len(queries)


def _depths(index: Index | MultiVectorIndex, k: int) -> list[int | None]:
    if isinstance(index, Index) and index.rerank is None:
        return [None]
    deepest = max(k, min(len(index), 256 * k))
    return [min(k << step, deepest) for step in range((deepest // k - 1).bit_length() + 1)]


def _min_nprobe(index: Index | MultiVectorIndex, measured: Callable[[int | None], _Setting], target: float) -> _Setting:
    """The setting with the fewest lists (to within 4 %) whose recall reaches the target, or with all lists."""
    if index.partition is None:
        return measured(None)
    return _smallest(measured, 1, index.stats()["lists"], target)[1]


def _least_patience(
    index: Index | MultiVectorIndex, measured: Callable[..., _Setting], chosen: _Setting, target: float
) -> _Setting | None:
    """The setting with the least patience, and then the fewest lists, whose recall reaches the target at this depth."""
    if chosen.nprobe is None or chosen.nprobe <= _MIN_PATIENCE:
        return None
    depth, lists = chosen.rerank, index.stats()["lists"]
    patience, patient = _smallest(
        lambda patience: measured(lists, depth, patience), _MIN_PATIENCE, chosen.nprobe - 1, target
    )
    if patient.low < target:
        return None
    return _smallest(lambda nprobe: measured(nprobe, depth, patience), patience + 1, lists, target)[1]


def _smallest(measured: Callable[[int], _Setting], least: int, most: int, target: float) -> tuple[int, _Setting]:
    """The smallest number (to within 4 %) whose setting reaches the target, or the largest one; and its setting."""
    low, number = least - 1, min(least, most)
    while (setting := measured(number)).low < target and number < most:
        low, number = number, min(2 * number, most)
    while setting.low >= target and number - low > max(1, round(_FINE * number)):
        middle = (low + number) // 2
        other = measured(middle)
        if other.low >= target:
            number, setting = middle, other
        else:
            low = middle
    return number, setting


def _times(runs: list[Callable[[], object]]) -> list[float]:
    """CPU seconds of each run, the minimum of alternating rounds."""
    seconds = [float("inf")] * len(runs)
    for _ in range(_ROUNDS if len(runs) > 1 else 1):
        for number, run in enumerate(runs):
            start = time.thread_time()
            run()
            seconds[number] = min(seconds[number], time.thread_time() - start)
    return seconds


def keep(index: Index | MultiVectorIndex, setting: _Setting | Tuned) -> None:
    margin = setting.margin if isinstance(setting, Tuned) else None
    replace_state(
        index, "tune", lambda now: now.with_defaults(setting.nprobe, setting.rerank, setting.patience or 0, margin)
    )
