"""Where the time of a single query goes: every row is the difference between two searches that differ in one step.

python bench/latency.py [DATA_FOLDER] [--dim 768] [--nlist 400] [--nprobe 8] [--rounds 15]

Without a folder: 40,000 clustered vectors of --dim dimensions. All searches take turns, one query per call on one
thread, pinned to one CPU; figures are differences between medians of CPU microseconds per query. What is neither scan
nor rerank is the overhead of a query:

python     checks and conversions of `Index.search`, around the core's `search`; of an index without vectors
call       the core's `search` of an index of one vector: crossing into C++, threads, results
tables     the transform, and the codec's tables for the query
lists      choosing the nearest lists among all
reading    reading the chosen lists, if each holds one vector
scan       the codes of the chosen lists
rerank     100 candidates
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from loading import load

F32 = NDArray[np.float32]
Search = Callable[[F32], object]
K = 10
_QUERIES = 100


def arrays(folder: str, dim: int) -> tuple[F32, F32]:
    if folder:
        data = load(folder)
        return data.base, data.queries[:_QUERIES]
    random = np.random.default_rng(0)
    centers = random.normal(size=(400, dim))
    x = centers[random.integers(400, size=40_000)] + random.normal(size=(40_000, dim))
    return x.astype(np.float32), (x[:_QUERIES] + 0.1 * random.normal(size=(_QUERIES, dim))).astype(np.float32)


def core(index: fb.Index, nprobe: int = 1, rerank: int = 0) -> Search:
    """The core's search, for a query that needs no conversion."""
    engine: Any = index._engine
    asked = (nprobe, rerank, [], None, -math.inf, None, 0, None, 1)  # as Index.search passes them
    return lambda query: engine.search(query, K, *asked)


def one_per_list(index: fb.Index) -> fb.Index:
    ids, lists, _ = index._engine.codes()  # type: ignore[union-attr]
    return index.take(ids[np.unique(lists, return_index=True)[1]])


def steps(x: F32, parts: dict[str, Any], nlist: int, nprobe: int) -> dict[str, tuple[Search, Search | None]]:
    """For each step a search that takes it, and one that does not."""
    dim = x.shape[1]
    one = fb.Index(dim, metric="ip").build(x[:1], progress=False)
    flat = fb.Index(dim, metric="ip", **parts).train(x, progress=False, threads=1)
    index, tables, call = fb.Index.from_bytes(flat.to_bytes()), core(flat), core(one)
    found: dict[str, tuple[Search, Search | None]] = {"call": (call, None), "tables": (tables, call)}
    least, options = tables, {}
    if nlist:
        partition = fb.IVF(nlist)
        index = fb.Index(dim, metric="ip", partition=partition, **parts).train(x, progress=False, threads=1)
        options = {"nprobe": nprobe}
        lists = core(index.empty(), nprobe)
    index.add(x, progress=False, threads=1)
    if nlist:
        least = core(one_per_list(index), nprobe)
        found |= {"lists": (lists, tables), "reading": (least, lists)}
    scan = core(index, nprobe)
    found["scan"] = (scan, least)
    if index.rerank is not None:
        found["rerank"] = (core(index, nprobe, 100), scan)
    found["python"] = (lambda query: flat.search(query[0], K, threads=1), tables)
    found["whole"] = (lambda query: index.search(query[0], K, threads=1, **options), None)
    return found


def medians(searches: list[Search], queries: F32, rounds: int) -> dict[Search, float]:
    """CPU microseconds per query."""
    taken: dict[Search, list[float]] = {search: [] for search in searches}
    for turn in range(rounds + 1):
        for search in searches if turn % 2 else searches[::-1]:
            start = time.thread_time()
            for i in range(len(queries)):
                search(queries[i : i + 1])
            if turn:
                taken[search].append((time.thread_time() - start) / len(queries) * 1e6)
    return {search: statistics.median(times) for search, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="")
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--nlist", type=int, default=400)
    parser.add_argument("--nprobe", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    x, queries = arrays(arguments.data, arguments.dim)
    (n, dim), nlist = x.shape, arguments.nlist
    configurations: dict[str, tuple[dict[str, Any], int]] = {
        f"{nlist} lists, PQ(d/2, bits=4), rerank Scalar(8)": (
            {"codec": fb.PQ(dim // 2, bits=4), "rerank": fb.Scalar(8)},
            nlist,
        ),
        f"{nlist} lists, RaBitQ(4)": ({"codec": fb.RaBitQ(4)}, nlist),
        "flat, RaBitQ(4)": ({"codec": fb.RaBitQ(4)}, 0),
    }
    print(f"n {n:,}, d {dim}, k {K}, nprobe {arguments.nprobe}, 1 thread, {fb.isa()}; us of CPU per query")
    for name, (parts, lists) in configurations.items():
        found = steps(x, parts, lists, arguments.nprobe)
        times = medians([*dict.fromkeys(s for pair in found.values() for s in pair if s)], queries, arguments.rounds)
        costs = {step: times[a] - (times[b] if b else 0.0) for step, (a, b) in found.items()}
        whole = costs.pop("whole")
        overhead = sum(cost for step, cost in costs.items() if step not in ("scan", "rerank"))
        cells = [f"{step} {cost:.1f}" for step, cost in costs.items()]
        print(f"{name}: {whole:.1f}, overhead {overhead:.1f}: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
