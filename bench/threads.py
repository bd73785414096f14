"""A batch on several threads compared with the same batch on one, in alternation.

python bench/threads.py DATA_FOLDER [--threads 2] [--nprobe 16 64] [--rounds 15]

IVF, 4-bit PQ with two dimensions per code, 8-bit rerank of 40; wall and CPU time, medians.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import fewbits as fb
from loading import load
from peers import nlist_for


def milliseconds(index: fb.Index, queries: np.ndarray, nprobe: int, threads: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    index.search(queries, 10, nprobe=nprobe, rerank=40, threads=threads)
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--nprobe", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    data = load(arguments.data)
    n, dim = data.base.shape
    index = fb.Index(
        dim, metric="ip", partition=fb.IVF(nlist_for(n)), codec=fb.PQ(dim // 2, bits=4), rerank=fb.Scalar(8)
    ).build(data.base, progress=False)
    print(f"{data.name}: n {n:,}, d {dim}, a batch of {len(data.queries)}, ms on 1 and on {arguments.threads} threads")
    for nprobe in arguments.nprobe:
        rounds = [
            [milliseconds(index, data.queries, nprobe, threads) for threads in (1, arguments.threads)]
            for _ in range(arguments.rounds)
        ]
        (wall, cpu), (wall_many, cpu_many) = np.median(rounds, axis=0)
        gain = np.median([one[0] / many[0] for one, many in rounds])
        print(
            f"nprobe {nprobe:4}: wall {wall:7.1f} {wall_many:7.1f}   CPU {cpu:7.1f} {cpu_many:7.1f}   {gain:.2f} times"
        )


if __name__ == "__main__":
    main()
