"""From 1 M to 10 M vectors that are never all in memory: streaming build, save, reopen, search, update, and again.

    python bench/scale.py [--sizes 1000000 10000000] [--directory DIR] [--threads 1]
    python bench/scale.py --wide [--directory DIR]

The vectors are a seeded mixture, generated block by block when needed. The index holds 4-bit PQ codes in memory and the
original float32 vectors on disk, so that its results can be compared with the input bit by bit; after the update of 10
M they exceed 4 GiB. Each size runs in a process of its own. --wide exceeds 4 GiB in a minute. Memory is the peak of
anonymous memory; times are CPU time; recall@10 is relative to an exact scan.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from build_memory import MIB, Peak, anonymous_bytes

F32 = NDArray[np.float32]
DIM, CLUSTERS, BLOCK = 96, 2_000, 65_536
QUERIES, K, RERANK = 200, 10, 100
WANTED = 0.95
MORE = 0.12  # as a share of n: added after reopening


class Mixture:
    """Overlapping clusters of different sizes; row i does not depend on which other rows are generated."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.seed = seed
        self.spread = np.exp(-np.arange(DIM, dtype=np.float32) / 16)  # as in embeddings, few directions dominate
        self.centers = (1.5 * self.spread * random.standard_normal((CLUSTERS, DIM))).astype(np.float32)
        self.shares = np.cumsum(random.exponential(size=CLUSTERS))

    def draw(self, n: int, *which: int) -> F32:
        random = np.random.default_rng((self.seed, *which))
        cluster = np.searchsorted(self.shares, random.random(n) * self.shares[-1])
        x = random.standard_normal((n, DIM), dtype=np.float32)
        x *= self.spread
        x += self.centers[cluster]
        return x

    def blocks(self, first: int, last: int) -> Iterator[F32]:
        """Rows first..last; block b of all rows is draw b."""
        for number in range(first // BLOCK, -(-last // BLOCK)):
            start = number * BLOCK
            yield self.draw(BLOCK, number)[max(0, first - start) : last - start]

    def queries(self) -> F32:
        return self.draw(QUERIES, 0, 1)


class Steps:
    """Prints the cost of each step: CPU time, and memory in addition to that held before it."""

    def __init__(self) -> None:
        self.peak, self.base = Peak(), anonymous_bytes()
        self.peak.start()

    def run(self, name: str, step: object) -> object:
        assert callable(step)
        self.peak.bytes = anonymous_bytes()
        start = time.process_time()
        result = step()
        took = time.process_time() - start
        memory = (self.peak.bytes - self.base) * MIB
        print(f"  {name:34} {took:9.1f} s CPU   peak {memory:7,.0f} MiB", flush=True)
        return result


def exact(mixture: Mixture, q: F32, first: int, last: int) -> fb.SearchResult:
    """The K nearest of rows first..last, block by block."""
    ids, scores = np.full((len(q), K), -1, np.int64), np.full((len(q), K), np.inf, np.float32)
    row = first
    for block in mixture.blocks(first, last):
        found = fb.exact_search(block, q, K, metric="l2", threads=1)
        ids, scores = closest(ids, scores, found.ids + row, found.scores)
        row += len(block)
    return fb.SearchResult(ids, scores)


def closest(
    ids: NDArray[np.int64], scores: F32, more_ids: NDArray[np.int64], more_scores: F32
) -> tuple[NDArray[np.int64], F32]:
    both, all_scores = np.hstack([ids, more_ids]), np.hstack([scores, more_scores])
    order = np.argsort(all_scores, axis=1, kind="stable")[:, :K]
    return np.take_along_axis(both, order, axis=1), np.take_along_axis(all_scores, order, axis=1)


def recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    return sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)) / truth.size


def searched(index: fb.Index, q: F32, truth: NDArray[np.int64]) -> int:
    """Prints the time per query at the smallest nprobe that reaches the wanted recall, and returns that nprobe."""
    options = {"rerank": RERANK, "threads": 1}
    lists = index.stats()["lists"]
    for nprobe in sorted({min(lists, round(2 ** (step / 2))) for step in range(40)}):
        found = recall(index.search(q, K, nprobe=nprobe, **options).ids, truth)
        if found >= WANTED:
            break
    batch = cpu_ms(lambda: index.search(q, K, nprobe=nprobe, **options)) / len(q)
    single = cpu_ms(lambda: [index.search(one, K, nprobe=nprobe, **options) for one in q]) / len(q)
    print(
        f"  search: recall@10 {found:.3f} at nprobe {nprobe} of {lists}: "
        f"{batch:.3f} ms per query in a batch of {len(q)}, {single:.3f} one by one",
        flush=True,
    )
    return nprobe


def cpu_ms(run: object) -> float:
    assert callable(run)
    times = []
    for _ in range(5):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


def small_adds(index: fb.Index, random: np.random.Generator) -> None:
    """Adds rows a few at a time: the time of each call, merging included, and the resulting index."""
    for rows, calls in ((1, 1000), (10, 500), (100, 200)):
        x = random.standard_normal((calls, rows, DIM), dtype=np.float32)
        times = []
        for block in x:
            start = time.process_time()
            index.add(block, threads=1)
            times.append(1e3 * (time.process_time() - start))
        print(
            f"  {calls:,} adds of {rows:3}: {np.mean(times):.2f} ms per call, median {np.median(times):.2f}, "
            f"slowest {np.max(times):.1f}; then {len(index.stats()['segment_sizes'])} segments",
            flush=True,
        )


def check_vectors(index: fb.Index, mixture: Mixture, n: int) -> None:
    """Checks that rows from every tenth of the file are read back as given: no offset wraps."""
    compared = 0
    for first in np.linspace(0, n - 100, 40).astype(int):
        given = np.concatenate(list(mixture.blocks(first, first + 100)))
        np.testing.assert_array_equal(index.reconstruct(range(first, first + 100)), given)
        compared += len(given)
    print(f"  {compared:,} vectors from all over the file read back, identical bit by bit", flush=True)


def measure(n: int, directory: str, threads: int) -> None:
    mixture = Mixture(7)
    total = n + round(MORE * n)
    path = Path(directory) / "scale.fb"
    print(f"{n:,} x {DIM}, then {total:,}; {threads} thread", flush=True)
    q = mixture.queries()
    before, after = exact(mixture, q, 0, n), exact(mixture, q, n, total)
    steps = Steps()
    parts = {"partition": fb.IVF(), "codec": fb.PQ(DIM // 2, bits=4), "rerank": fb.Float(on_disk=True)}

    def build() -> fb.Index:
        index = fb.Index(DIM, metric="l2", **parts)  # type: ignore[arg-type]
        return index.build(mixture.blocks(0, n), expected=n, threads=threads, progress=False)

    def reopened(index: fb.Index) -> fb.Index:
        index.save(path)
        return fb.open(path)

    steps.run("generating the vectors only", lambda: [len(block) for block in mixture.blocks(0, n)])
    index = steps.run("build", build)
    assert isinstance(index, fb.Index)
    index = steps.run("save, open", lambda: reopened(index))
    assert isinstance(index, fb.Index)
    in_memory = index.stats()["bytes_per_vector"]
    print(f"  file {path.stat().st_size / 1e9:.2f} GB; in memory {in_memory:.1f} bytes per vector", flush=True)
    steps.run("verify, every byte", lambda: fb.verify(path))
    searched(index, q, before.ids)
    check_vectors(index, mixture, n)
    added = mixture.blocks(n, total)
    steps.run(f"add {total - n:,}", lambda: index.add(added, threads=threads, progress=False))
    both = closest(before.ids, before.scores, after.ids, after.scores)[0]
    searched(index, q, both)
    removed = np.random.default_rng(3).choice(n, n // 100, replace=False)
    removed = np.setdiff1d(removed, both)
    steps.run(f"remove {len(removed):,}", lambda: index.remove(removed))
    steps.run("compact", lambda: index.compact(threads=threads))
    index = steps.run("save, open", lambda: reopened(index))
    assert isinstance(index, fb.Index)
    print(f"  file {path.stat().st_size / 1e9:.2f} GB, {len(index):,} vectors")
    assert index.remove(removed[:1000]) == 0
    searched(index, q, both)
    small_adds(index, np.random.default_rng(5))
    steps.peak.running = False


def beyond_4_gib(directory: str) -> None:
    """A file of 6.9 GB whose rerank rows alone, of 64 KiB each, exceed 4 GiB: all parts of it are read back."""
    n, dim, step = 70_000, 16_384, 256
    path = Path(directory) / "wide.fb"
    pattern = np.arange(dim, dtype=np.float32) % 7

    def rows(first: int, last: int) -> F32:
        block = np.tile(pattern, (last - first, 1))
        block[:, 0], block[:, 1] = np.divmod(np.arange(first, last), 256)
        return block

    index = fb.Index(dim, metric="l2", codec=fb.Float(16), rerank=fb.Float(on_disk=True))
    index.add((rows(first, min(n, first + step)) for first in range(0, n, step)), threads=1, progress=False)
    index.save(path)
    index = fb.open(path)
    fb.verify(path)
    print(f"{len(index):,} x {dim:,}: file {path.stat().st_size / 1e9:.2f} GB, verified", flush=True)
    for first in np.linspace(0, n - 10, 30).astype(int):
        np.testing.assert_array_equal(index.reconstruct(range(first, first + 10)), rows(first, first + 10))
    wanted = np.array([0, 1, n // 2, n - 2, n - 1])
    found = index.search(np.concatenate([rows(i, i + 1) for i in wanted]), 1, rerank=100, threads=1)
    np.testing.assert_array_equal(found.ids[:, 0], wanted)
    np.testing.assert_array_equal(found.scores[:, 0], 0)
    print("  vectors from all over it read back and found, identical bit by bit", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--directory", default=None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wide", action="store_true", help="run only this: few rows of many dimensions, beyond 4 GiB")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.wide:
        with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
            beyond_4_gib(folder)
        return
    if arguments.measure:
        measure(arguments.sizes[0], arguments.measure, arguments.threads)
        return
    for n in arguments.sizes:
        with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
            options = ["--sizes", str(n), "--threads", str(arguments.threads), "--measure", folder]
            subprocess.run([sys.executable, __file__, *options], check=True)


if __name__ == "__main__":
    main()
