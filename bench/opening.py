"""Opening a large file and searching it for the first time, with the page cache cold and warm.

python bench/opening.py [--n 1200000] [--dim 384] [--rounds 7] [--directory DIR]

IVF, 4-bit PQ, float16 rerank rows in the same file; generated vectors. Wall time of one thread, medians. Cold: the
file's pages were dropped (posix_fadvise) just before; the directory must be on a real disk.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

import fewbits as fb
from disk_tier import drop_cache

BLOCK = 50_000
OPTIONS = {"k": 10, "nprobe": 32, "rerank": 100, "threads": 1}


def blocks(n: int, dim: int) -> Iterator[np.ndarray]:
    """Overlapping clusters, block by block."""
    random = np.random.default_rng(0)
    centers = random.normal(size=(1000, dim)).astype(np.float32)
    for first in range(0, n, BLOCK):
        count = min(BLOCK, n - first)
        yield centers[random.integers(len(centers), size=count)] + random.normal(size=(count, dim)).astype(np.float32)


def milliseconds(path: Path, queries: np.ndarray, cold: bool) -> list[float]:
    """Times of opening, of the first search, and of the hundredth."""
    if cold:
        drop_cache(path)
    times = [time.perf_counter()]
    index = fb.open(path)
    times.append(time.perf_counter())
    index.search(queries[:1], **OPTIONS)
    times.append(time.perf_counter())
    for i in range(1, 99):
        index.search(queries[i : i + 1], **OPTIONS)
    last = time.perf_counter()
    index.search(queries[99:], **OPTIONS)
    return [1e3 * (b - a) for a, b in pairwise(times)] + [1e3 * (time.perf_counter() - last)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_200_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--directory", default=None)
    arguments = parser.parse_args()
    dim = arguments.dim
    queries = next(blocks(100, dim))
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        path = Path(folder) / "index.fb"
        parts = {"partition": fb.IVF(1024), "codec": fb.PQ(dim // 4, bits=4), "rerank": fb.Float(16)}
        index = fb.Index(dim, metric="ip", **parts).build(blocks(arguments.n, dim), progress=False)  # type: ignore[arg-type]
        index.save(path)
        del index
        print(f"n {arguments.n:,}, d {dim}, {path.stat().st_size / 1e9:.2f} GB, {OPTIONS}")
        for cold in (True, False):
            rounds = [milliseconds(path, queries, cold) for _ in range(arguments.rounds)]
            opened, first, hundredth = (statistics.median(column) for column in zip(*rounds, strict=True))
            cache = "cold" if cold else "warm"
            print(
                f"{cache}: open {opened:.2f} ms, first search {first:.1f} ms, the hundredth {hundredth:.2f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
