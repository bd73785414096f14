"""The settings of a search: what was asked, the defaults of the index, and errors of those that it cannot follow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..input.checks import whole_number
from ..numeric.arrays import F32
from ..spec.ivf import MAX_NLIST
from .result import Probes
from .state import State

_MAX_RESULTS = 2**40  # per query: far beyond any memory
_RERANK_PER_RESULT = 10  # candidates, if no depth is given or stored
_MIN_RERANK = 100


def result_count(k: object) -> int:
    count = whole_number(k, "k", 1)
    if count > _MAX_RESULTS:
        raise ValueError(f"k: expected at most {_MAX_RESULTS}, got {count}")
    return count


def lists_to_read(state: State, nprobe: int | None) -> int:
    if nprobe is None:
        return max(1, state.defaults.nprobe)
    if state.description.partition is None:
        raise ValueError(f"nprobe: this index has no partition, so every vector is scanned; got nprobe={nprobe!r}")
    return min(whole_number(nprobe, "nprobe", 1), MAX_NLIST)


def given_lists(state: State, lists: object, nprobe: int | None, single: bool) -> tuple[NDArray[np.uint32], F32] | None:
    if lists is None:
        return None
    if not isinstance(lists, Probes):
        raise TypeError(f"lists: expected what Index.probe returns, got {lists!r}")
    if state.description.partition is None:
        raise ValueError("lists: this index has no partition, so every vector is scanned")
    if nprobe is not None:
        raise ValueError(f"nprobe: expected without lists, which say what is read; got nprobe={nprobe!r}")
    numbers, scores = np.asarray(lists.lists, np.uint32), np.asarray(lists.scores, np.float32)
    return (np.atleast_2d(numbers), np.atleast_2d(scores)) if single else (numbers, scores)


def lists_in_vain(state: State, patience: int | None, *, by_default: bool) -> int:
    """How many lists a query reads without a new result until it stops; 0: it does not stop.

    by_default : whether the index's defaults say what is read.
    """
    if patience is None:
        return state.defaults.patience if by_default else 0
    if state.description.partition is None:
        raise ValueError(
            f"patience: this index has no partition, so every vector is scanned; got patience={patience!r}"
        )
    return min(whole_number(patience, "patience", 0), MAX_NLIST)


def rerank_depth(state: State, rerank: int | None, k: int) -> int:
    if state.description.rerank is None:
        if rerank is not None and whole_number(rerank, "rerank", 0):
            raise ValueError(f"rerank: this index has no rerank store (Index(rerank=...)), got rerank={rerank}")
        return 0
    return candidates(state, rerank, k)


def candidates(state: State, rerank: int | None, k: int) -> int:
    """How many candidates are reranked for k results. rerank: as requested; None: the default, stored or not."""
    if rerank is None:
        stored = state.defaults.rerank
        return max(stored, k) if stored else max(_MIN_RERANK, _RERANK_PER_RESULT * k)
    depth = whole_number(rerank, "rerank", 0)
    if 0 < depth < k:
        raise ValueError(f"rerank: expected 0 or at least k={k} candidates, got {depth}")
    return depth


def candidates_in_words(stored: int) -> str:
    """How many are reranked by default. stored: the depth that tuning has kept; 0: none."""
    return f"{stored:,}" if stored else f"max({_MIN_RERANK}, {_RERANK_PER_RESULT} k)"
