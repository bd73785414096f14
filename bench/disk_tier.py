"""Reranking from disk, with the page cache cold and warm: milliseconds per query, compared with the tier in memory.

python bench/disk_tier.py DATA_FOLDER [--nprobe 32] [--rerank 100] [--directory DIR]

Cold means that the file's pages were dropped (posix_fadvise) before each query; the directory must be on a real disk.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

import fewbits as fb
from loading import Data, load


def drop_cache(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def milliseconds(path: Path, data: Data, nprobe: int, rerank: int, cold: bool) -> tuple[float, float]:
    times, ids = [], []
    index = fb.open(path)
    for query in data.queries[:100]:
        if cold:
            del index  # mapped pages cannot be dropped
            drop_cache(path)
            index = fb.open(path)
        start = time.perf_counter()
        ids.append(index.search(query, 10, nprobe=nprobe, rerank=rerank, threads=1).ids)
        times.append(time.perf_counter() - start)
    first = data._replace(neighbors=data.neighbors[:100])
    return float(np.median(times)) * 1e3, first.recall(np.array(ids))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--nprobe", type=int, default=32)
    parser.add_argument("--rerank", type=int, default=100)
    parser.add_argument("--directory", default=None)
    arguments = parser.parse_args()
    data = load(arguments.data)
    n, dim = data.base.shape
    print(
        f"{data.name}: n {n:,}, d {dim}, nprobe {arguments.nprobe}, rerank {arguments.rerank}, 1 thread, medians of 100"
    )
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        for on_disk in (False, True):
            rerank = fb.Float(bits=16, on_disk=on_disk)
            index = fb.Index(dim, metric="ip", partition=fb.IVF(), codec=fb.PQ(dim // 4, bits=4), rerank=rerank)
            path = Path(folder) / f"{on_disk}.fb"
            index.build(data.base, progress=False).save(path)
            for cold in (False, True):
                ms, recall = milliseconds(path, data, arguments.nprobe, arguments.rerank, cold)
                tier, cache = "on disk" if on_disk else "mapped", "cold" if cold else "warm"
                print(f"rerank {tier:8} cache {cache}: {ms:8.3f} ms per query, recall@10 {recall:.3f}", flush=True)


if __name__ == "__main__":
    main()
