"""Changes of a fleet: every id goes to the shard of its bucket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..numeric.arrays import I64
from .actors import Actors, Table
from .scatter import MissingShardsError


def known(actors: Actors, table: Table, ids: I64) -> Any:
    """Which of the ids the shards have."""
    found = np.zeros(len(ids), np.bool_)
    places = _places(table, ids)
    scatter = actors.ask(table, places, 0, lambda worker, shard: worker.contains.remote(ids[places[shard]]))
    if scatter.missing():
        raise MissingShardsError(f"ids: {scatter.reasons()}; nothing was changed", scatter.missing())
    for shard, answer in scatter.answers.items():
        found[places[shard]] = answer
    return found


def change(
    actors: Actors, table: Table, ids: I64, call: Callable[[Any, I64], Any], note: Callable[[dict[int, str]], None]
) -> None:
    """Changes the first replica of each shard, which writes it down, then the manifest, then the other replicas.

    call(worker, rows): starts the change of these rows of ids. note(files): says in the manifest which files have it.
    """
    places = _places(table, ids)
    lost: dict[int, str] = {}
    for replica in range(actors.replicas):
        scatter = actors.ask(table, places, replica, lambda worker, shard: call(worker, places[shard]))
        if replica == 0:
            note(scatter.answers)
        lost |= dict.fromkeys(scatter.missing(), scatter.reasons())
    if lost:
        raise MissingShardsError(f"change: {'; '.join(sorted(set(lost.values())))}", sorted(lost))


def _places(table: Table, ids: I64) -> dict[int, I64]:
    """For each shard that has some of the ids, their rows."""
    of = table.shards_of(ids)
    return {shard: np.flatnonzero(of == shard) for shard in np.unique(of).tolist()}
