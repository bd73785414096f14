"""Builds every configuration of a ladder and measures them all in the same way.

Recall is measured with every list probed, so it shows what the codes keep. Speed is measured at the index's own default
nprobe and, as a curve, over a sweep of nprobe: nothing is tuned on the queries. Every index is saved and searched from
its mapped file, as a user would do, with a warm page cache.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb

from ..input.progress import Progress, ProgressArgument
from ..spec.ivf import default_nprobe
from .datasets import Dataset
from .ladder import Config, Rerank

I64 = NDArray[np.int64]
_LATENCY_QUERIES = 200
_ENOUGH_SECONDS = 0.2  # a batch is repeated until this much time has been measured
_MAX_REPEATS = 5
_CHECKED_QUERIES = 32
_SAME_NEIGHBORS = 0.98  # below this, the given neighbors belong to another metric (rounding changes a few)
_NDCG_DEPTH = 10


@dataclass(frozen=True)
class Point:
    """A setting of a search: how many lists are probed, recall, and speed (the median of repeated runs)."""

    nprobe: int
    recall: float
    queries_per_second: float
    slowest: float
    fastest: float


@dataclass(frozen=True)
class Measurement:
    label: str
    family: str
    rerank: Rerank
    bytes_per_vector: float  # in memory: codes, rows, ids, factors, padding
    disk_bytes_per_vector: float
    fixed_bytes: int  # codebooks, maps, centroids
    file_bytes: int
    build_seconds: float
    nlist: int
    recall: float  # at k, all lists probed
    recall_deep: float  # at 10 k
    ndcg: float | None  # at 10, if there are judgements
    served: Point  # at the default nprobe
    latency_ms: float  # median on one thread, one query at a time, at the default nprobe
    sweep: tuple[Point, ...]
    code: str  # of Python, with $NPROBE for the setting of a search

    def total_bytes(self, n: int) -> float:
        """Bytes in memory per vector of an index of n, fixed ones too."""
        return self.bytes_per_vector + self.fixed_bytes / n


def run(
    data: Dataset,
    configs: Sequence[Config],
    *,
    k: int = 10,
    threads: int | None = None,
    seed: int = 0,
    announce: Callable[[str], None] = lambda line: None,
    progress: bool | None = None,
) -> tuple[Measurement, ...]:
    """Measures `configs` on `data`, one after the other; `announce` is called with a line for each."""
    truth = ground_truth(data, 10 * k, threads, announce)
    rows = []
    with tempfile.TemporaryDirectory(prefix="fewbits-bench-") as folder:
        for number, config in enumerate(configs, 1):
            with _named_progress(progress, f"[{number}/{len(configs)}] {config.label}") as shown:
                row = measure(data, config, truth, Path(folder), k=k, threads=threads, seed=seed, progress=shown)
            rows.append(row)
            announce(
                f"[{number}/{len(configs)}] {config.label:<24} {row.bytes_per_vector:7.1f} B/vector"
                f"  recall@{k} {row.recall:.3f}  built in {row.build_seconds:.1f} s"
            )
    return tuple(rows)


@contextmanager
def _named_progress(progress: bool | None, name: str) -> Iterator[Callable[[str, float], None]]:
    """A bar that says what is measured in front of what is being done for it."""
    with Progress(progress) as bar:
        yield lambda stage, fraction: bar.stage(f"{name}: {stage}")(fraction)


def ground_truth(data: Dataset, depth: int, threads: int | None, announce: Callable[[str], None] = print) -> I64:
    """The exact `depth` nearest rows of every query: from the data set if deep enough and right, otherwise searched."""
    depth = min(depth, len(data))
    if data.neighbors is not None and data.neighbors.shape[1] >= depth:
        given = np.asarray(data.neighbors[:, :depth], np.int64)
        few = slice(0, _CHECKED_QUERIES)
        exact = fb.exact_search(data.base, data.queries[few], depth, metric=data.metric, threads=threads).ids
        if recall_of(given[few], exact) >= _SAME_NEIGHBORS:
            return given
        announce(f"the data's neighbors are not those of metric {data.metric}: finding the exact ones")
    else:
        announce(f"finding the exact {depth} nearest of {len(data.queries):,} queries")
    return fb.exact_search(data.base, data.queries, depth, metric=data.metric, threads=threads).ids


def recall_of(found: I64, exact: I64) -> float:
    """The share of the exact ids that was found, averaged over the queries."""
    return float(np.mean([np.isin(true, ids).mean() for ids, true in zip(found, exact, strict=True)]))


def measure(
    data: Dataset,
    config: Config,
    truth: I64,
    folder: Path,
    *,
    k: int,
    threads: int | None = None,
    seed: int = 0,
    progress: ProgressArgument = None,
) -> Measurement:
    """Builds one index, saves it in `folder`, and measures it as opened from there. The file is deleted afterwards."""
    index = config.make(data.dim, data.metric, seed)
    started = time.perf_counter()
    index.build(data.base, progress=progress, threads=threads)
    build_seconds = time.perf_counter() - started
    path = folder / "index.fb"
    try:
        index.save(path)
        del index
        if callable(progress):
            progress("searches", 0.0)
        return _measure_opened(fb.Index.open(path), path.stat().st_size, data, config, truth, k, threads, build_seconds)
    finally:
        path.unlink(missing_ok=True)


def _measure_opened(
    index: fb.Index,
    file_bytes: int,
    data: Dataset,
    config: Config,
    truth: I64,
    k: int,
    threads: int | None,
    build_seconds: float,
) -> Measurement:
    stats = index.stats()
    nlist = stats.lists if index.partition is not None else 1
    near = truth[:, :k]

    def point(nprobe: int) -> Point:
        return _point(index, data.queries, near, nprobe, threads)

    full = point(nlist)
    found = _search(index, data.queries, truth.shape[1], nlist, threads)
    sweep = (*(point(nprobe) for nprobe in _powers_of_two(nlist // 2)), full)
    default = default_nprobe(nlist)
    return Measurement(
        label=config.label,
        family=config.family,
        rerank=config.rerank,
        bytes_per_vector=stats.bytes_per_vector,
        disk_bytes_per_vector=stats.bytes_on_disk_per_vector,
        fixed_bytes=stats.bytes_fixed,
        file_bytes=file_bytes,
        build_seconds=build_seconds,
        nlist=nlist,
        recall=full.recall,
        recall_deep=recall_of(found, truth),
        ndcg=None if data.qrels is None else fb.evaluate(found, None, data.qrels, k=_NDCG_DEPTH)["ndcg"],
        served=next((p for p in sweep if p.nprobe == default), None) or point(default),
        latency_ms=_latency_ms(index, data.queries, near.shape[1], default),
        sweep=sweep,
        code=config.code(data.dim, data.metric, near.shape[1]),
    )


def _point(index: fb.Index, queries: Any, near: I64, nprobe: int, threads: int | None) -> Point:
    seconds: list[float] = []
    while len(seconds) <= _MAX_REPEATS and sum(seconds) < _ENOUGH_SECONDS:
        started = time.perf_counter()
        ids = _search(index, queries, near.shape[1], nprobe, threads)
        seconds.append(time.perf_counter() - started)
    warm = seconds[1:] or seconds  # the first also warms caches, which matters only if it is short
    speeds = [len(queries) / each for each in (statistics.median(warm), max(warm), min(warm))]
    return Point(nprobe, recall_of(ids, near), *speeds)


def _latency_ms(index: fb.Index, queries: Any, k: int, nprobe: int) -> float:
    seconds = []
    for query in np.asarray(queries[:_LATENCY_QUERIES], np.float32):
        started = time.perf_counter()
        _search(index, query, k, nprobe, 1)
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds)


def _search(index: fb.Index, queries: Any, k: int, nprobe: int, threads: int | None) -> I64:
    return index.search(queries, k, nprobe=None if index.partition is None else nprobe, threads=threads).ids


def _powers_of_two(end: int) -> list[int]:
    """1, 2, 4, ... up to and including `end`."""
    return [2**i for i in range(32) if 2**i <= end]
