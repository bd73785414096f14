"""The given queries of fb.build, split into those that codes are fitted to and those that settings are chosen with."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..evaluation.originals import Originals
from ..evaluation.truth import Nearest
from ..index.index import Index
from ..index.turns import state_of
from ..input.checks import thread_count
from ..input.queries import as_queries
from ..input.rows import Rows
from ..numeric.arrays import F32, I64
from .tuning import Unreachable, keep, tune_to

TUNING_QUERIES = 1000
TUNED_K = 10
_TUNING_SHARE = 3  # one in this many given queries is for tuning, the others are for the fit


class Asked(NamedTuple):
    """The given queries: those for fitting codes, and those for choosing settings; None: not given."""

    to_fit: F32 | None
    to_tune: F32 | None


class Tuning(NamedTuple):
    """The queries that settings are chosen with, in words as well. own: if they are vectors of x, their row numbers."""

    queries: F32
    own: I64 | None
    kind: str


def asked(queries: Any, dim: int, metric: str, tunes: bool, seed: int) -> Asked:
    """tunes: whether settings or configurations will be chosen with them. The split is drawn by the seed: a file may
    have easy queries first."""
    if queries is None:
        return Asked(None, None)
    if metric == "l2" and not tunes:
        raise ValueError("queries: under metric 'l2' they are only used to reach a recall, got recall=None")
    given = as_queries(queries, dim, nonzero=metric == "cosine")[0]
    if not len(given):
        raise ValueError(f"queries: expected at least 1, got shape {given.shape}")
    if not tunes:
        return Asked(given, None)
    given = given[np.random.default_rng(seed).permutation(len(given))]
    if metric == "l2":  # nothing is fitted to them
        return Asked(None, given[-TUNING_QUERIES:])
    tuning = max(1, min(TUNING_QUERIES, len(given) // _TUNING_SHARE))
    fitting = given[:-tuning]
    return Asked(fitting if len(fitting) else None, given[-tuning:])


def tuning_queries(rows: Rows, given: F32 | None, seed: int, count: int = TUNING_QUERIES) -> Tuning:
    """The given queries, or else `count` vectors of x, none of which will be its own neighbour."""
    if given is not None:
        return Tuning(given, None, f"{len(given):,} of the given queries, held out of the fit")
    n = len(rows)
    picked = np.sort(np.random.default_rng(seed).choice(n, min(n, count), replace=False))
    kind = f"{len(picked):,} vectors of x as queries; queries of another kind find less: give queries=, or fb.tune"
    return Tuning(np.asarray(rows.array[picked], np.float32), picked, kind)


def truth_of(
    index: Index, rows: Rows, ids: ArrayLike | None, tuning: Tuning, threads: int | None, k: int = TUNED_K
) -> tuple[Nearest, I64 | None]:
    """The exact neighbours of the queries among the vectors of the index; and their own ids, if they are some."""
    own = tuning.own
    if own is not None and ids is not None:
        own = np.asarray(ids, np.int64)[own]
    return Nearest(Originals(index, rows.array, ids), tuning.queries, k, thread_count(threads), own), own


def tuned_for(
    index: Index,
    rows: Rows,
    ids: ArrayLike | None,
    target: float,
    given: F32 | None,
    threads: int | None,
    k: int = TUNED_K,
    count: int = TUNING_QUERIES,
) -> str:
    """Tunes recall@k with the given queries, or else with `count` vectors of the index; returns what was reached, in
    words."""
    if len(rows) == 1:
        return f"recall {target:g} asked for: a single vector is always found"
    tuning = tuning_queries(rows, given, state_of(index).description.seed, count)
    truth, own = truth_of(index, rows, ids, tuning, threads, k)
    try:
        found = tune_to(index, tuning.queries, truth, k, target, threads, own)
    except Unreachable as error:
        warnings.warn(f"fb.build: {error}", UserWarning, stacklevel=3)
        keep(index, error.best)
        return f"all is read by default: {error} (measured with {tuning.kind})"
    return reached(target, found, tuning.kind)


def reached(target: float, found: Any, kind: str) -> str:
    """In words. found: settings with their recall."""
    values = [(name, getattr(found, name)) for name in ("nprobe", "patience", "rerank")]
    settings = [f"{name}={value}" for name, value in values if value]
    text = f"{' and '.join(settings) or 'a full scan'} reach {found.recall:.3f}"
    return f"recall {target:g} asked for: {text} (measured with {kind})"
