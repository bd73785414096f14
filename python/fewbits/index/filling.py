"""From vectors to codes: the part of `add` and `build` that changes nothing yet, and therefore blocks no other call."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..input.ids import check_unique, vector_ids
from ..input.packed import warn_if_packed
from ..input.progress import Progress
from ..input.rows import Rows
from ..numeric.arrays import F32, I64


def encoded(
    engine: _core.Engine,
    source: Iterator[Rows],
    n: int | None,
    ids: ArrayLike | None,
    *,
    new: bool,
    directory: bytes | None,
    nonzero: bool,
    first: Callable[[F32, str], None] | None = None,
    threads: int,
    progress: Progress,
) -> _core.Builder:
    """Codes all vectors of the source. n: their number, if known. new: whether ids must not be in the index yet.
    directory: for codes that are kept on disk. first: checks the first block, given the name of its input."""
    own = checked_ids(engine, ids, n, new)
    builder = engine.builder(n or 0, directory=directory)
    with progress:
        hook = progress.stage("adding")
        for rows in source:
            warn_if_packed(rows.array, "x", stacklevel=3)
            for block in rows.blocks(nonzero=nonzero):
                done = len(builder)
                if first is not None and not done:
                    first(block, rows.name)
                if own is not None and done + len(block) > len(own):
                    raise ValueError(f"ids: expected one per vector, got {len(own)} ids and more vectors")
                builder.append(block, None if own is None else own[done : done + len(block)], threads=threads)
                hook(len(builder) / n if n else 0.0)
    if own is not None and len(own) != len(builder):
        raise ValueError(f"ids: expected one per vector ({len(builder)}), got {len(own)}")
    return builder


def checked_ids(engine: _core.Engine, ids: ArrayLike | None, n: int | None, new: bool) -> I64 | None:
    """ids as the core takes them. n: the expected number, if known. new: whether they must not be in the index yet."""
    if ids is None:
        return None
    own = vector_ids(ids, n)
    check_unique(own)
    if new:
        _check_new(engine, own)
    return own


def publish(engine: _core.Engine, builder: _core.Builder, on_conflict: str, threads: int, progress: Progress) -> None:
    if len(builder):
        with progress:
            engine.publish(builder, on_conflict=on_conflict, threads=threads, progress=progress.stage("ordering"))


def _check_new(engine: _core.Engine, ids: I64) -> None:
    known = engine.contains(ids) if len(engine) else np.zeros(len(ids), np.bool_)
    if known.any():
        row = int(np.argmax(known))
        raise ValueError(f"ids: expected ids that are not in the index, got {int(ids[row])} in row {row}")
