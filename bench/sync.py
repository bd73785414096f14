"""What `index.sync` costs, against `save`: bytes written, seconds, and opening the file with its log.

    python bench/sync.py [--n 1000000] [--syncs 1000] [--batch 100]

Vectors are random: neither bytes nor seconds depend on them. Bytes are those that the kernel counts for this process
(``/proc/self/io``, wchar), seconds are medians and, of syncs, also the sum, which contains the folding of the log.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fewbits as fb


def written() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("wchar")).split()[1])


def opening(path: str, trials: int = 200) -> float:
    """Median seconds of `fb.open`."""
    return float(np.median([seconds(lambda: fb.open(path)) for _ in range(trials)]))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def run(n: int, dim: int, batch: int, syncs: int, folder: str) -> None:
    rng = np.random.default_rng(0)
    index = fb.Index(dim, metric="l2", partition=fb.IVF(1024), codec=fb.PQ(dim // 2, bits=4), rerank=fb.Scalar(8))
    index = index.train(rng.standard_normal((65_536, dim), dtype=np.float32), expected=n, progress=False)
    for first in range(0, n, 50_000):
        block = rng.standard_normal((min(50_000, n - first), dim), dtype=np.float32)
        index.add(block, progress=False)
    index.compact(progress=False)
    path = str(Path(folder) / "index.fb")
    before = written()
    saves = [seconds(lambda: index.save(path)) for _ in range(3)]
    save_bytes, save_seconds = (written() - before) / len(saves), float(np.median(saves))
    clean = opening(path)

    times, sizes, log = [], [], 0
    for _ in range(syncs):
        index.add(rng.standard_normal((batch, dim), dtype=np.float32), progress=False)
        index.remove(rng.integers(0, n, 3))
        before = written()
        times.append(seconds(lambda: index.sync(path)))
        sizes.append(written() - before)
        log = max(log, os.path.getsize(path + ".log"))
    after = opening(path)
    same = fb.open(path).to_bytes() == index.to_bytes()
    other = str(Path(folder) / "other.fb")
    index.save(other)
    print(f"{n:,} x {dim}, {syncs:,} syncs of {batch} vectors and 3 removals; {os.cpu_count()} CPUs")
    print(f"  save            {save_bytes:14,.0f} bytes   {1e3 * save_seconds:9.3f} ms")
    for name, of in (("median", np.median), ("mean", np.mean), ("largest", np.max)):
        print(
            f"  sync, {name:<8}  {of(sizes):14,.0f} bytes   {1e3 * of(times):9.3f} ms   "
            f"{save_bytes / of(sizes):8.1f}x fewer   {save_seconds / of(times):8.1f}x less"
        )
    print(f"  longest log     {log:14,} bytes")
    print(f"  open            {1e3 * clean:9.3f} ms clean   {1e3 * after:9.3f} ms with the log ({after / clean:.2f}x)")
    print(f"  open            {1e3 * opening(other):9.3f} ms of the same index, saved;   equal: {same}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=96)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--syncs", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(arguments.n, arguments.dim, arguments.batch, arguments.syncs, folder)


if __name__ == "__main__":
    main()
