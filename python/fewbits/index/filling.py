"""From vectors to codes: the part of `add` and `build` that changes nothing yet, and therefore blocks no other call."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..input.beside import NAME, Beside
from ..input.blocks import all_rows, is_blocks
from ..input.ids import check_unique, vector_ids
from ..input.labels import vector_labels
from ..input.packed import warn_if_packed
from ..input.progress import Progress
from ..input.rows import Rows, check_scale
from ..numeric.arrays import F32, I64

NEEDS_IDS = "on_conflict: 'replace' needs ids; vectors without ids get new ones"


def encoded(
    engine: _core.Engine,
    source: Iterator[Rows],
    n: int | None,
    ids: ArrayLike | None,
    *,
    labels: ArrayLike | None = None,
    others: Beside | None = None,
    new: bool,
    needed: bool = False,
    directory: bytes | None,
    nonzero: bool,
    first: Callable[[F32, str], None] | None = None,
    threads: int,
    progress: Progress,
) -> tuple[_core.Builder, I64 | None]:
    """Codes all vectors of the source; also returns their ids, unless they get new ones.

    n: their number, if known. ids: of all, if the source has none. labels: of all. others: the other embedding, if the
    index has two. new: whether ids must not be in the index yet. needed: whether there must be ids. directory: for
    codes that are kept on disk. first: checks the first block, given the name of its input.
    """
    own, own_labels = checked_ids(engine, ids, n, new), checked_labels(engine, labels, n)
    builder = engine.builder(n or 0, directory=directory)
    with progress:
        hook = progress.stage("adding")
        streamed: list[I64] = []
        for rows in _numbered(source, own):
            warn_if_packed(rows.array, "x", stacklevel=3)
            if needed and rows.ids is None:
                raise ValueError(NEEDS_IDS)
            if own is None and rows.ids is not None:
                streamed.append(rows.ids)
                if new:
                    _check_new(engine, rows.ids)
            for of_block, block, other in _blocks(rows, others, nonzero):
                if first is not None and not len(builder):
                    first(block, rows.name)
                    if other is not None and not nonzero:
                        check_scale(other, NAME)
                block_labels = _labels_of_next(len(block), own_labels, len(builder))
                builder.append(block, of_block, labels=block_labels, rerank_vectors=other, threads=threads)
                hook(len(builder) / n if n else 0.0)
    if streamed:
        own = np.concatenate(streamed)
        check_unique(own)
    for name, given in (("ids", own), ("labels", own_labels)):
        if given is not None and len(given) != len(builder):
            raise ValueError(f"{name}: expected one per vector ({len(builder)}), got {len(given)}")
    if others is not None:
        others.check_end()
    return builder, own


def collected(x: object, dim: int, ids: ArrayLike | None, *, nonzero: bool) -> tuple[F32, I64 | None]:
    """All vectors of x in one matrix, and their ids, unless they get new ones."""
    n = None if is_blocks(x) else len(Rows(x, dim))
    own = None if ids is None else vector_ids(ids, n)
    streamed: list[I64] = []
    blocks = [np.zeros((0, dim), np.float32)]
    for rows in _numbered(all_rows(x, dim, numbered=True), own):
        blocks += [block.copy() for block in rows.blocks(nonzero=nonzero)]  # a source may reuse one buffer
        if own is None and rows.ids is not None:
            streamed.append(rows.ids)
    vectors = np.concatenate(blocks)
    own = np.concatenate(streamed) if streamed else own
    if own is not None:
        check_unique(own)
        if len(own) != len(vectors):
            raise ValueError(f"ids: expected one per vector ({len(vectors)}), got {len(own)}")
    return vectors, own


def _numbered(source: Iterator[Rows], ids: I64 | None) -> Iterator[Rows]:
    """The source, with these ids if there are any."""
    done = 0
    for rows in source:
        if ids is not None:
            if rows.ids is not None:
                raise ValueError("ids: expected None, as the blocks of x have ids of their own")
            if done + len(rows) > len(ids):
                raise ValueError(f"ids: expected one per vector, got {len(ids)} ids and more vectors")
            rows.ids = ids[done : done + len(rows)]
        done += len(rows)
        yield rows


def _labels_of_next(n: int, labels: I64 | None, done: int) -> I64 | None:
    if labels is not None and done + n > len(labels):
        raise ValueError(f"labels: expected one per vector, got {len(labels)} labels and more vectors")
    return None if labels is None else labels[done : done + n]


def _blocks(rows: Rows, others: Beside | None, nonzero: bool) -> Iterator[tuple[I64 | None, F32, F32 | None]]:
    """Blocks of rows, with their ids and the rows beside them, if there are any."""
    for ids, block in rows.numbered_blocks(nonzero=nonzero):
        if others is None:
            yield ids, block, None
            continue
        done = 0
        for part, other in others.parts(block):
            yield None if ids is None else ids[done : done + len(part)], part, other
            done += len(part)


def checked_ids(engine: _core.Engine, ids: ArrayLike | None, n: int | None, new: bool) -> I64 | None:
    """ids as the core takes them. n: the expected number, if known. new: whether they must not be in the index yet."""
    if ids is None:
        return None
    own = vector_ids(ids, n)
    check_unique(own)
    if new:
        _check_new(engine, own)
    return own


def checked_labels(engine: _core.Engine, labels: ArrayLike | None, n: int | None) -> I64 | None:
    """labels as the core takes them, which all vectors of an index have, or none. n: the expected number, if known."""
    own = None if labels is None else vector_labels(labels, n)
    if engine.labelled is not None and engine.labelled != (own is not None):
        raise ValueError(
            "labels: expected one per vector, as the vectors in the index have labels; got none"
            if engine.labelled
            else "labels: expected none, as the vectors in the index have none; add all of them with labels"
        )
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
