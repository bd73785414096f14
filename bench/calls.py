"""Calls per second from several Python threads: what a server that answers one query per call can expect.

Every thread calls `search` with one query and threads=1 on the same index, while another may add vectors. Rounds with
one and with several threads alternate; calls are counted over wall time, and CPU time is per call.

$ python bench/calls.py --threads 2
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time

import numpy as np

import fewbits as fb


def calls(index: fb.Index, queries: np.ndarray, threads: int, seconds: float, writer: bool) -> tuple[float, float]:
    """Calls per second of wall time, and CPU seconds per call."""
    counts, stop = [0] * threads, threading.Event()

    def read(number: int) -> None:
        at = number
        while not stop.is_set():
            index.search(queries[at % len(queries)], k=10, threads=1)
            counts[number] += 1
            at += threads

    def write() -> None:
        while not stop.is_set():
            index.add(queries[:1], ids=[10**9], on_conflict="replace", progress=False, threads=1)
            time.sleep(0.01)

    workers = [threading.Thread(target=read, args=(i,)) for i in range(threads)]
    workers += [threading.Thread(target=write)] * writer
    start, cpu = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    time.sleep(seconds)
    stop.set()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - start), (time.process_time() - cpu) / max(1, sum(counts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--nlist", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    x = random.normal(size=(arguments.n, arguments.dim)).astype(np.float32)
    partition = fb.IVF(arguments.nlist, iterations=4)
    index = fb.Index(arguments.dim, metric="ip", partition=partition, codec=fb.RaBitQ(4)).build(x, progress=False)
    print(f"{index!r}, {fb.isa()}; medians of {arguments.rounds} rounds of {arguments.seconds:g} s")
    print("| Python threads | beside a writer | calls/s | CPU us per call |\n|---|---|---|---|")
    ways = [(1, False), (arguments.threads, False), (1, True), (arguments.threads, True)]
    rounds = [[calls(index, x, *way[:1], arguments.seconds, way[1]) for way in ways] for _ in range(arguments.rounds)]
    for way, results in zip(ways, zip(*rounds, strict=True), strict=True):
        rate, cpu = (statistics.median(values) for values in zip(*results, strict=True))
        print(f"| {way[0]} | {'yes' if way[1] else 'no'} | {rate:,.0f} | {cpu * 1e6:.0f} |")


if __name__ == "__main__":
    main()
