"""The index of a collection at one version: a file, and the log of what came after it.

The index file `vectors-G.fb` of generation G is never changed. Vectors that are added later are in the table `pending`,
ids that are removed in `removed`; a process applies both to its copy in memory. `fold` writes the file of the next
generation and empties the log, in one transaction: until it commits, the old file and the log are what counts.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..index.index import Index, growing_in_compact, is_due
from ..index.turns import frozen, state_of
from ..numeric.arrays import F32, I64

_REMOVED_SHARE = 0.2  # from which on a file is written without them
_BATCH_BYTES = 1 << 25  # of a row of `pending`: SQLite's rows have at most 1e9


@dataclass(frozen=True)
class View:
    """last_id, last_removed: up to where the log is applied."""

    version: int
    generation: int
    index: Index  # never changed once it is part of a view
    last_id: int = 0
    last_removed: int = 0


def index_file(folder: Path, generation: int) -> Path:
    return folder / f"vectors-{generation}.fb"


def version_of(connection: sqlite3.Connection) -> tuple[int, int]:
    """Version and generation."""
    version, generation = connection.execute("SELECT version, generation FROM state").fetchone()
    return version, generation


def caught_up(connection: sqlite3.Connection, folder: Path, view: View | None) -> View:
    """The view of what this transaction sees, from an earlier one or from the file."""
    version, generation = version_of(connection)
    if view is None or view.generation != generation:
        view = View(-1, generation, growing_in_compact(Index.open(index_file(folder, generation))))
    if view.version == version:
        return view
    index, last_id = frozen(view.index), view.last_id
    for ids, vectors in _pending(connection, last_id, index.dim):
        index.add(vectors, ids=ids, progress=False)
        last_id = int(ids[-1])
    return with_removed(connection, replace(view, index=index, last_id=last_id))


def with_removed(connection: sqlite3.Connection, view: View) -> View:
    """The view without what this transaction has removed, at its version."""
    version, _ = version_of(connection)
    removed = connection.execute("SELECT number, id FROM removed WHERE number > ? ORDER BY number", [view.last_removed])
    rows = np.array(removed.fetchall(), np.int64).reshape(-1, 2)
    if not len(rows):
        return replace(view, version=version)
    index = frozen(view.index)
    index.remove(rows[:, 1])
    return replace(view, version=version, index=index, last_removed=int(rows[-1, 0]))


def with_added(view: View, vectors: F32, ids: I64) -> View:
    """The view after new vectors, which it may refuse."""
    index = frozen(view.index)
    index.add(vectors, ids=ids, progress=False)
    return replace(view, index=index, last_id=int(ids[-1]))


def log_added(connection: sqlite3.Connection, vectors: F32, ids: I64) -> None:
    rows = max(1, _BATCH_BYTES // (vectors[0].nbytes + ids.itemsize))
    for first in range(0, len(ids), rows):
        own, x = ids[first : first + rows], vectors[first : first + rows]
        batch = (int(own[-1]), len(own), own.astype("<i8").tobytes(), x.astype("<f4").tobytes())
        connection.execute("INSERT INTO pending VALUES (?, ?, ?, ?)", batch)


def log_removed(connection: sqlite3.Connection, ids: list[int]) -> None:
    connection.executemany("INSERT INTO removed (id) VALUES (?)", [(id,) for id in ids])


def advance(connection: sqlite3.Connection) -> None:
    """Another version."""
    connection.execute("UPDATE state SET version = version + 1")


def logged(connection: sqlite3.Connection) -> int:
    """The length of the log, in vectors and ids."""
    lengths = "SELECT (SELECT coalesce(sum(n), 0) FROM pending) + (SELECT count(*) FROM removed)"
    return int(connection.execute(lengths).fetchone()[0])


def fold(connection: sqlite3.Connection, folder: Path, view: View) -> None:
    """Writes a caught-up view as the file of the next generation, and empties the log, once this is committed.

    An index with codec="auto" is coded anew here, so that a process that applies the log need not do it."""
    index = frozen(view.index)
    if index.stats().removed_share > _REMOVED_SHARE or is_due(state_of(index)):
        index.compact(progress=False)
    index.save(index_file(folder, view.generation + 1))
    connection.execute("DELETE FROM pending")
    connection.execute("DELETE FROM removed")
    connection.execute("UPDATE state SET version = version + 1, generation = ?", [view.generation + 1])


def remove_old_files(folder: Path, generation: int) -> None:
    """Of earlier generations; processes that have one open keep it."""
    for file in folder.iterdir():
        found = re.fullmatch(r"vectors-(\d+)\.fb", file.name)
        if found and int(found[1]) < generation:
            file.unlink(missing_ok=True)


def _pending(connection: sqlite3.Connection, after: int, dim: int) -> Iterator[tuple[I64, F32]]:
    """The batches after an id."""
    rows = connection.execute("SELECT ids, vectors FROM pending WHERE last_id > ? ORDER BY last_id", [after])
    for ids, vectors in rows:
        yield np.frombuffer(ids, "<i8"), np.frombuffer(vectors, "<f4").reshape(-1, dim)
