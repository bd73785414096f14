"""The actor that holds one shard: it searches, and returns from a change once it is on the disk."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from threading import Lock
from typing import Any

from ..index.index import Index
from ..index.result import KeyedResult
from ..index.turns import continued, state_of
from ..numeric.arrays import F32, I64
from ..shards.manifest import Shard
from .durable import Log
from .package import ray

_FILTERS = 8  # prepared filters that are kept


class Worker:
    """One replica of a shard. All replicas read one file; only the first writes it, and it does so before the others
    hear of a change, so that a replica that starts again has everything that was acknowledged."""

    def __init__(self, folder: str, epoch: int, number: int, shard: Shard, writes: bool, threads: int) -> None:
        self._log = Log(folder, epoch, number, shard)
        self._index = self._log.index()
        self._writes, self._threads, self._turn = writes, threads, Lock()
        self._filters: OrderedDict[str, Any] = OrderedDict()

    def search(self, queries: F32, k: int, options: dict[str, Any], filter: tuple[str, bytes] | None) -> KeyedResult:
        found = self._index.search(queries, k, keys=True, filter=self._filter(filter), threads=self._threads, **options)
        assert isinstance(found, KeyedResult)
        return found

    def contains(self, ids: I64) -> Any:
        return state_of(self._index).trained("contains").contains(ids)

    def add(self, vectors: F32, ids: I64) -> str | None:
        """Adds or replaces vectors, so that a call can be repeated. Returns the file that has the change."""
        with self._turn:
            after = continued(self._index)
            after.add(vectors, ids=ids, on_conflict="replace", threads=self._threads, progress=False)
            return self._commit(after)

    def remove(self, ids: I64) -> str | None:
        with self._turn:
            after = continued(self._index)
            after.remove(ids)
            return self._commit(after)

    def state(self) -> dict[str, Any]:
        stats = self._index.stats()
        return {
            "n": len(self._index),
            "next_id": state_of(self._index).next_id,
            "bytes": int(stats.bytes_per_vector * stats.n + stats.bytes_fixed),
            "pid": os.getpid(),
            "node": ray.get_runtime_context().get_node_id(),
        }

    def _commit(self, after: Index) -> str | None:
        """Makes a change visible, once it is durable."""
        file = self._log.write(after) if self._writes else None
        self._index = after
        return file

    def _filter(self, given: tuple[str, bytes] | None) -> Any:
        if given is None:
            return None
        digest, stored = given
        if digest not in self._filters:
            self._filters[digest] = pickle.loads(stored)
            while len(self._filters) > _FILTERS:
                self._filters.popitem(last=False)
        return self._filters[digest]
