"""The share of exact neighbours in the probed lists, compared with faiss's partition, and the cost of training.

With --read: how much has to be read for a recall, with and without second lists and patience.

python bench/partition.py DATA_FOLDER [--nlist 1024] [--read]

Both sides train on the same vectors with one thread; CPU seconds. With --read, codes are 4-bit PQ of dim / 4 and an
8-bit rerank store (100 candidates); settings are chosen by queries_train.npy and reported for the test queries. Times
are CPU time per query, asked one at a time, the median of rounds in which all settings take turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np

import fewbits as fb
from loading import Data, load


class Way(NamedTuple):
    """How an index is searched for a recall."""

    name: str
    index: fb.Index
    settings: dict[str, int]


def smallest(recall: Callable[[int], float], target: float, most: int) -> int:
    """The smallest number whose recall reaches the target."""
    low, high = 0, 1
    while high < most and recall(high) < target:
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if recall(middle) >= target else (middle, high)
    return high


def chosen(name: str, index: fb.Index, train: Data, target: float, patient: bool) -> Way:
    lists = index.stats().lists

    def recall(**settings: int) -> float:
        return train.recall(index.search(train.queries, 10, rerank=100, threads=1, **settings).ids)

    if not patient:
        return Way(name, index, {"nprobe": smallest(lambda n: recall(nprobe=n), target, lists)})
    patience = smallest(lambda p: recall(nprobe=lists, patience=p), target, lists - 1)
    nprobe = smallest(lambda n: recall(nprobe=n, patience=patience), target, lists)
    return Way(name, index, {"nprobe": nprobe, "patience": patience})


def microseconds(ways: list[Way], queries: Any, rounds: int = 7) -> list[float]:
    """Per query and way."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, times in zip(ways, taken, strict=True):
            start = time.process_time()
            for query in queries:
                way.index.search(query, 10, rerank=100, threads=1, **way.settings)
            times.append((time.process_time() - start) / len(queries) * 1e6)
    return [float(np.median(times)) for times in taken]


def read(data: Data, folder: str, nlist: int) -> None:
    queries = np.ascontiguousarray(np.load(Path(folder) / "queries_train.npy"), np.float32)
    train = Data("train", data.base, queries, np.asarray(fb.exact_search(data.base, queries, 10, metric="ip").ids))
    n, dim = data.base.shape
    print(f"{data.name}: n {n:,}, d {dim}, nlist {nlist}, 1 thread, {fb.isa()}")
    indexes = {}
    for spill in (1.0, 1.5, 2.0):
        start = time.process_time()
        partition = fb.IVF(nlist, spill=spill)
        index = fb.Index(dim, metric="ip", partition=partition, codec=fb.PQ(dim // 4, bits=4), rerank=fb.Scalar(8))
        indexes[spill] = index.build(data.base, progress=False, threads=1)
        seconds = time.process_time() - start
        print(f"spill {spill}: {index.stats().bytes_per_vector:.1f} bytes per vector, build {seconds:.1f} s CPU")
    for target in (0.90, 0.95):
        ways = [
            chosen(f"spill {spill}{', patience' * patient}", index, train, target, patient)
            for spill, index in indexes.items()
            for patient in (False, True)
        ]
        print(f"recall@10 {target} on the train queries; on the test queries:")
        for way, time_taken in zip(ways, microseconds(ways, data.queries[:300]), strict=True):
            settings = {"nprobe": 0, "patience": 0} | way.settings
            codes = way.index._engine.entries_read(data.queries, 10, rerank=100, threads=1, **settings)
            found = way.index.search(data.queries, 10, rerank=100, threads=1, **way.settings)
            print(
                f"  {way.name:20} {way.settings}: recall {data.recall(found.ids):.4f}, "
                f"codes read {codes.mean() / n:6.2%} of n, {time_taken:5.0f} us",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--nlist", type=int, default=1024)
    parser.add_argument("--read", action="store_true")
    arguments = parser.parse_args()
    data = load(arguments.data)
    if arguments.read:
        read(data, arguments.data, arguments.nlist)
    else:
        compare(data, arguments.nlist)


def compare(data: Data, nlist: int) -> None:
    n, dim = data.base.shape
    faiss.omp_set_num_threads(1)
    print(f"{data.name}: n {n:,}, d {dim}, nlist {nlist}, 1 thread, {fb.isa()}")
    for metric in ("ip", "l2"):
        truth = data.neighbors
        if metric == "l2":
            truth = fb.exact_search(data.base, data.queries, 10, metric=metric).ids
        scored = data._replace(neighbors=np.asarray(truth))
        start = time.process_time()
        index = fb.Index(dim, metric=metric, partition=fb.IVF(nlist), codec=fb.Float(32))
        index.build(data.base, progress=False, threads=1)
        seconds = time.process_time() - start
        kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
        start = time.process_time()
        peer = faiss.index_factory(dim, f"IVF{nlist},Flat", kind)
        peer.train(data.base)
        peer.add(data.base)
        peer_seconds = time.process_time() - start
        print(f"{metric}: build {seconds:.1f} s, faiss {peer_seconds:.1f} s CPU")
        for nprobe in (1, 2, 4, 8, 16, 32, 64):
            peer.nprobe = nprobe
            mine = scored.recall(index.search(data.queries, 10, nprobe=nprobe, threads=1).ids)
            other = scored.recall(peer.search(data.queries, 10)[1])
            print(f"  nprobe {nprobe:3}: recall@10 {mine:.4f}, faiss {other:.4f}", flush=True)


if __name__ == "__main__":
    main()
