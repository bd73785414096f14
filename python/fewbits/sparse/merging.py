"""What `fb.merge` does with sparse indexes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..index.notes import merged_notes
from ..index.turns import in_state, state_of
from ..numeric.arrays import F32
from .bm25 import Bm25
from .csr import Csr, canonical
from .index import SparseIndex


def merged(indexes: Sequence[SparseIndex], on_conflict: str) -> SparseIndex:
    """A new index of all vectors, with the settings of the first.

    Values stay as they are where the first index has the largest scale of every term, as copies of one index have; else
    all are coded once more, in units of the largest.
    """
    states = [state_of(index) for index in indexes]
    first = states[0]
    vocabulary, numbers = _vocabulary([state.bm25 for state in states])
    own = [_renumbered(state.engine.scales(), terms) for state, terms in zip(states, numbers, strict=True)]
    scales = np.zeros(max(map(len, own)), np.float32)
    for of_index in own:
        scales[: len(of_index)] = np.maximum(scales[: len(of_index)], of_index)
    known = len(own[0]) == len(scales) and bool((own[0] >= scales).all())
    engine = first.engine if known else _empty(scales)
    for state, terms in list(zip(states, numbers, strict=True))[int(known) :]:
        ids = state.engine.ids()
        offsets, columns, values = state.engine.reconstruct(ids)
        rows = Csr(offsets, columns, values) if terms is None else canonical(offsets, terms[columns], values, "indexes")
        engine = engine.added(*rows, ids, replace=on_conflict == "replace")
    bm25 = first.bm25 if first.bm25 is None else first.bm25.with_vocabulary(vocabulary)
    return in_state(indexes[0], replace(first, engine=engine, bm25=bm25, notes=merged_notes(states)))


def _vocabulary(all_bm25: Sequence[Bm25 | None]) -> tuple[dict[str, int] | None, list[NDArray[np.int64] | None]]:
    """The tokens of all, and for each index the new numbers of its terms; None where they stay."""
    first = all_bm25[0]
    for bm25 in all_bm25[1:]:
        if first is None or bm25 is None:
            if first is not bm25:
                raise ValueError("indexes: expected all of vectors or all of texts, got both")
        elif not first.same_statistics(bm25):
            raise ValueError(
                "indexes: expected texts weighed by the same statistics: copies of one BM25 index, filled separately"
            )
    if first is None or first.vocabulary is None:
        return None, [None] * len(all_bm25)
    whole = dict(first.vocabulary)
    numbers: list[NDArray[np.int64] | None] = [None]
    for bm25 in all_bm25[1:]:
        assert bm25 is not None
        tokens = bm25.vocabulary or {}
        numbers.append(np.array([whole.setdefault(token, len(whole)) for token in tokens], np.int64))
    return whole, numbers


def _renumbered(scales: F32, terms: NDArray[np.int64] | None) -> F32:
    if terms is None or not len(scales):
        return scales
    moved = np.zeros(int(terms[: len(scales)].max()) + 1, np.float32)
    moved[terms[: len(scales)]] = scales
    return moved


def _empty(scales: F32) -> _core.SparseEngine:
    """An engine without vectors that has these scales: those of a vector that has gone."""
    terms = np.flatnonzero(scales).astype(np.uint32)
    row = Csr(np.array([0, len(terms)]), terms, scales[terms] * np.float32(255))
    return _core.SparseEngine().added(*row, np.zeros(1, np.int64)).removed(np.zeros(1, np.int64)).compacted()
