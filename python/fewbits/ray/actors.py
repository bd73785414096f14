"""The actors of a fleet: they are started, called, and replaced when they are dead for good."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from ..numeric.arrays import I64
from ..shards.buckets import bucket_of
from ..shards.manifest import Manifest
from .package import ray
from .scatter import MissingShardsError, Scatter
from .worker import Worker

_CALLS = 4  # that an actor works on at a time


@dataclass(frozen=True)
class Table:
    """What a search reads once: the shards of one epoch. workers: by shard and replica."""

    manifest: Manifest
    workers: list[list[Any]]

    def shards_of(self, ids: I64) -> I64:
        ends = np.array([shard.end_bucket for shard in self.manifest.shards])
        return np.searchsorted(ends, bucket_of(ids, self.manifest.buckets), side="right")


class Actors:
    """Starts `replicas` actors per shard. threads: of a search in one of them. num_cpus: that Ray reserves for each.
    timeout: seconds to wait for their start, and for calls that nobody gave a time."""

    def __init__(self, replicas: int, threads: int, num_cpus: float, timeout: float) -> None:
        self.replicas, self.num_cpus, self.timeout = replicas, num_cpus, timeout
        self._threads, self._reviving, self._ended = threads, Lock(), False

    def started(self, manifest: Manifest) -> Table:
        """Actors for all shards, ready to be searched."""
        workers = [
            [self.start(manifest, shard, replica) for replica in range(self.replicas)]
            for shard in range(len(manifest.shards))
        ]
        calls = {worker.state.remote(): shard for shard, replicas in enumerate(workers) for worker in replicas}
        late = ray.wait(list(calls), num_returns=len(calls), timeout=self.timeout)[1]
        if late:
            missing = sorted({calls[call] for call in late})
            raise MissingShardsError(f"serve: no actor for the shards {missing} in {self.timeout} s", missing)
        try:
            ray.get(list(calls))
        except ray.exceptions.RayActorError as error:
            raise error.__cause__ or RuntimeError(f"serve: {error}") from None
        return Table(manifest, workers)

    def start(self, manifest: Manifest, shard: int, replica: int, node: str | None = None) -> Any:
        where: Any = "SPREAD"
        if node is not None:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            where = NodeAffinitySchedulingStrategy(node, soft=True)
        actor = _remote_worker().options(
            num_cpus=self.num_cpus,
            max_restarts=-1,
            max_task_retries=-1,
            max_concurrency=_CALLS,
            scheduling_strategy=where,
        )
        return actor.remote(manifest.folder, manifest.epoch, shard, manifest.shards[shard], replica == 0, self._threads)

    def ask(self, table: Table, shards: Iterable[int], replica: int, call: Callable[[Any, int], Any]) -> Scatter:
        """Calls one replica of each of these shards."""
        scatter = Scatter(
            lambda shard, _: table.workers[shard][replica],
            call,
            lambda shard, _, dead: self.revive(table, shard, replica, dead),
            shards,
        )
        scatter.run(self.timeout, None)
        return scatter

    def revive(self, table: Table, shard: int, replica: int, dead: Any) -> None:
        """Replaces an actor that Ray does not start again, unless another thread has done so."""
        with self._reviving:
            if self._ended:
                raise RuntimeError("this fleet is closed")
            if table.workers[shard][replica] is dead:
                table.workers[shard][replica] = self.start(table.manifest, shard, replica)

    def end(self, table: Table) -> None:
        """Ends all actors; none is started in their place."""
        with self._reviving:
            self._ended = True
        for replicas in table.workers:
            for worker in replicas:
                ray.kill(worker)


@lru_cache(maxsize=1)
def _remote_worker() -> Any:
    return ray.remote(Worker)
