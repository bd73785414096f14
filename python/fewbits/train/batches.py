"""How queries are grouped into batches: at random, or by topic, so that the results of one query are near misses for
the others (Hofstaetter et al., "Efficiently Teaching an Effective Dense Retriever with Balanced Topic Aware Sampling",
2021: "TAS")."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..numeric.arrays import F32, I64


class Batches:
    """Batches that contain every query once per epoch."""

    def __init__(self, size: int, topics: int | None, random: np.random.Generator, threads: int) -> None:
        self.size, self.topics, self.random, self.threads = size, topics, random, threads
        self.centroids: F32 | None = None  # of the topics, from the first queries passed

    def count(self, n: int) -> int:
        return -(-n // self.size)

    def of(self, queries: F32) -> list[I64]:
        """Row numbers per batch. Topics are in a new random order; a batch may contain the end of one topic and the
        start of the next."""
        order = self.random.permutation(len(queries))
        if self.topics is not None:
            topic = self._topics(queries)
            place = self.random.permutation(self.topics)
            order = order[np.argsort(place[topic[order]], kind="stable")]
        batches = [order[first : first + self.size] for first in range(0, len(order), self.size)]
        if self.topics is not None:
            batches = [batches[at] for at in self.random.permutation(len(batches))]
        return batches

    def _topics(self, queries: F32) -> I64:
        if self.centroids is None:
            assert self.topics is not None
            seed = int(self.random.integers(2**31))
            self.centroids = _core.kmeans(queries, min(self.topics, len(queries)), seed=seed, threads=self.threads)
        return _core.assign(queries, self.centroids, threads=self.threads).astype(np.int64)
