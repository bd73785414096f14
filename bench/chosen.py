"""How close `fb.build` comes to the best configuration of a grid search, at equal recall and bytes, by paired CPU time.

python bench/chosen.py DATA_FOLDER --bytes 560 [--recall 0.95] [--effort normal] [--folder GRID]

Every configuration of the grid is tuned with the queries that `fb.build` is given, and then measured with others: those
of the test split. (Of a folder without queries to train with, vectors that are taken out of the base are the sample.)
The chosen index and the fastest of the grid that reach the recall are then measured in alternating rounds. Indexes of
the grid are kept in --folder, from which a second run takes them.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from loading import Data, load

_SAMPLE = 3000
_TUNING = 1000
_FINALISTS = 3
_PROBES = 16
_HOPELESS = 3.0
_TOLERANCE = 0.005  # the recall of other queries may be this much below the target


class Task(NamedTuple):
    """Vectors, queries to build with, and other queries to measure with."""

    data: Data
    sample: NDArray[np.float32]


class Row(NamedTuple):
    label: str
    index: fb.Index
    recall: float
    microseconds: float


def task_of(folder: str) -> Task:
    data, train = load(folder), Path(folder) / "queries_train.npy"
    if train.exists():
        sample = np.load(train)
        order = np.random.default_rng(0).permutation(len(sample))  # the file may have easy ones first
        return Task(data, np.ascontiguousarray(sample[order], np.float32))
    out = np.random.default_rng(0).permutation(len(data.base))[:_SAMPLE]
    base = np.delete(data.base, out, axis=0)
    truth = fb.exact_search(base, data.queries, 10, metric="ip").ids
    return Task(data._replace(base=base, neighbors=truth), data.base[out])


def grid(n: int, dim: int) -> dict[str, dict[str, Any]]:
    """The configurations that are tried, of all sizes."""
    lists = fb.IVF().lists(n)
    rows: dict[str, dict[str, Any]] = {}

    def add(nlist: int, **parts: Any) -> None:
        partition = fb.IVF(nlist) if nlist else None
        rows[", ".join(f"{part}" for part in (*parts.values(), partition) if part is not None)] = {
            "partition": partition,
            **parts,
        }

    for nlist in (lists, 2 * lists):
        add(nlist, transform=None, codec=fb.PQ(dim // 2, bits=4), rerank=fb.Scalar(8))
    add(lists, transform=None, codec=fb.PQ(dim // 4, bits=4), rerank=fb.Scalar(8))
    add(0, codec=fb.PQ(dim // 2, bits=4), rerank=fb.Scalar(8))
    for bits in (1, 2):
        add(lists, codec=fb.RaBitQ(bits), rerank=fb.Scalar(8))
    for alone in (fb.RaBitQ(4), fb.RaBitQ(6), fb.Scalar(8)):
        add(lists, codec=alone)
    add(lists // 2, codec=fb.Scalar(8))
    for m in (dim // 4, dim // 6):
        add(lists, transform=fb.OPQ(), codec=fb.PQ(m, bits=4), rerank=fb.Scalar(8))
    return rows


def slow(index: fb.Index, queries: NDArray[np.float32], best: float) -> bool:
    """Whether it cannot be the best: a search of few lists takes much longer than the best so far at its recall."""
    options = {} if index.partition is None else {"nprobe": _PROBES}
    start = time.thread_time()
    index.search(queries, 10, threads=1, **options)
    return (time.thread_time() - start) / len(queries) * 1e6 > _HOPELESS * best


def opened(label: str, parts: dict[str, Any], task: Task, recall: float, folder: Path, best: float) -> fb.Index:
    """The built and tuned index, from its file if there is one. best: microseconds of the fastest so far."""
    path = folder / (re.sub(r"[^\w]+", "-", label) + ".fb")
    if not path.exists():
        index = fb.Index(task.data.base.shape[1], metric="ip", **parts)
        index.build(task.data.base, progress=False, threads=1)
        try:
            if slow(index, task.sample[-_TUNING:], best):
                raise ValueError(f"a search of {_PROBES} lists takes far longer than the fastest so far")
            fb.tune(index, task.sample[-_TUNING:], recall=recall, x=task.data.base, threads=1)
        except ValueError as error:
            print(f"  {label}: {error}", flush=True)
            fb.Index(1, metric="ip").build(np.ones((1, 1), np.float32)).save(path)
            return fb.open(path)  # type: ignore[return-value]
        index.save(path)
    return fb.open(path)  # type: ignore[return-value]


def cpu_microseconds(index: fb.Index, queries: NDArray[np.float32]) -> float:
    start = time.thread_time()
    index.search(queries, 10, threads=1)
    return (time.thread_time() - start) / len(queries) * 1e6


def measured(label: str, index: fb.Index, data: Data, rounds: int = 3) -> Row:
    recall = data.recall(index.search(data.queries, 10, threads=1).ids)
    return Row(label, index, recall, min(cpu_microseconds(index, data.queries) for _ in range(rounds)))


def searched(task: Task, limit: float, recall: float, folder: Path) -> list[Row]:
    """The configurations of the grid within `limit` bytes that reach the recall, fastest first."""
    rows = []
    for label, parts in grid(*task.data.base.shape).items():
        best = min((row.microseconds for row in rows if row.recall >= recall - _TOLERANCE), default=float("inf"))
        index = opened(label, parts, task, recall, folder, best)
        if len(index) == 1 or index.stats().bytes_per_vector > limit:
            continue
        row = measured(label, index, task.data)
        rows.append(row)
        show(row)
    return sorted((row for row in rows if row.recall >= recall - _TOLERANCE), key=lambda row: row.microseconds)


def show(row: Row) -> None:
    stats = row.index.stats()
    print(
        f"{row.microseconds:9.1f} us  recall@10 {row.recall:.4f}  {stats.bytes_per_vector:6.1f} B  {row.label}",
        flush=True,
    )


def compare(rows: list[Row], queries: NDArray[np.float32], rounds: int) -> list[float]:
    """Median CPU microseconds per query of alternating rounds."""
    times = np.array(
        [[cpu_microseconds(row.index, queries) for row in (rows if turn % 2 else rows[::-1])] for turn in range(rounds)]
    )
    times[::2] = times[::2, ::-1]
    return [float(each) for each in np.median(times, axis=0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--bytes", type=float, required=True)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--effort", default="normal")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="keep the indexes of the grid here (default: do not keep them)")
    arguments = parser.parse_args()
    task = task_of(arguments.data)
    n, dim = task.data.base.shape
    print(f"{task.data.name}: n {n:,}, d {dim}, {len(task.sample):,} queries to build with, 1 thread, {fb.isa()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        best = searched(task, arguments.bytes, arguments.recall, folder)[:_FINALISTS]
        if arguments.effort == "none":
            return
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            index = fb.build(
                task.data.base,
                metric="ip",
                bytes_per_vector=arguments.bytes,
                recall=arguments.recall,
                queries=task.sample,
                effort=arguments.effort,
                progress=False,
                threads=1,
            )
        seconds = time.process_time() - start
        print(index.explain(), flush=True)
        chosen = measured(f"chosen with effort={arguments.effort!r} in {seconds:.0f} s of CPU", index, task.data)
        rows = [chosen, *best]
        times = compare(rows, task.data.queries, arguments.rounds)
        print(f"\nmedians of {arguments.rounds} alternating rounds:")
        for row, microseconds in zip(rows, times, strict=True):
            show(row._replace(microseconds=microseconds))
        if best:
            print(f"chosen / best of the grid: {times[0] / min(times[1:]):.2f}")


if __name__ == "__main__":
    main()
