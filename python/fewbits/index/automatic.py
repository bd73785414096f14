"""Coding an index with codec="auto" anew, from the float16 vectors that it holds (spec/automatic.py has the rule)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..input.ids import vector_ids
from ..input.lazy import LazyMatrix
from ..input.progress import Progress
from ..input.rows import Rows
from ..numeric.arrays import I64
from .filling import encoded, publish
from .state import State


class Stored(LazyMatrix):
    """The vectors of these ids, decoded as they are read."""

    def __init__(self, engine: _core.Engine, ids: I64, dim: int) -> None:
        super().__init__((len(ids), dim), np.dtype(np.float32))
        self._engine, self._ids = engine, ids

    def rows(self, begin: int, end: int) -> NDArray[Any]:
        return self._engine.reconstruct(self._ids[begin:end])

    def _picked(self, picked: NDArray[Any]) -> NDArray[Any]:
        return self._engine.reconstruct(self._ids[picked])


def translated(
    before: State,
    builder: _core.Builder,
    ids: ArrayLike | None,
    now: State,
    directory: bytes | None,
    threads: int,
    progress: Progress,
) -> _core.Builder:
    """The vectors of a builder, which were coded for a state that has been coded anew meanwhile, as codes of `now`."""
    engine = before.trained("add").copy()
    first, n = engine.next_id, len(builder)
    publish(engine, builder, "replace", threads, Progress(False))
    own = np.arange(first, first + n) if ids is None else vector_ids(ids, n)
    vectors = Rows(Stored(engine, own, before.description.dim), before.description.dim)
    labels = engine.labels(own) if engine.labelled else None
    return encoded(
        now.trained("add"),
        iter([vectors]),
        n,
        ids,
        labels=labels,
        new=False,
        directory=directory,
        nonzero=before.description.metric == "cosine",
        threads=threads,
        progress=progress,
    )[0]
