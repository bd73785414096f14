"""Exhaustive scans, ours and faiss's, of codes of the same size: no lists, no rerank.

python bench/flat.py [--n 100000] [--rounds 7]

Random vectors of unit length (512 dimensions for codes, 384 for floats), inner product, one thread. CPU microseconds
per query, medians of alternating runs; the ratio is faiss's time to ours. FEWBITS_ISA=avx2 and FAISS_SIMD_LEVEL=AVX2
limit both to one instruction set.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

import fewbits as fb

F32 = NDArray[np.float32]
K = 10
CODED, WHOLE = 512, 384
Pair = tuple[Callable[[F32], object], Callable[[F32], object]]


def ours(x: F32, codec: Any) -> Callable[[F32], object]:
    index = fb.Index(x.shape[1], metric="ip", codec=codec).build(x, progress=False, threads=1)
    return lambda queries: index.search(queries, K, threads=1)


def theirs(x: F32, index: Any) -> Callable[[F32], object]:
    index.train(x)
    index.add(x)
    return lambda queries: index.search(queries, K)


def pq8(dim: int, m: int) -> Any:
    index = faiss.IndexPQ(dim, m, 8, faiss.METRIC_INNER_PRODUCT)
    index.do_polysemous_training = False
    return index


def microseconds(search: Callable[[F32], object], queries: F32, batch: int) -> float:
    started = time.process_time()
    for first in range(0, len(queries), batch):
        search(queries[first : first + batch])
    return (time.process_time() - started) / len(queries) * 1e6


def compare(name: str, pair: Pair, queries: F32, rounds: int) -> None:
    for batch in (len(queries), 1):
        some = queries if batch > 1 else queries[:32]
        times = [[microseconds(search, some, batch) for search in pair] for _ in range(rounds + 1)][1:]
        mine, other = (statistics.median(column) for column in zip(*times, strict=True))
        kind = f"batch of {batch}" if batch > 1 else "one by one"
        print(f"{name:34} {kind:15} {mine:10.1f} {other:10.1f} {other / mine:7.2f}x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    random = np.random.default_rng(0)

    def unit(n: int, dim: int) -> F32:
        x = random.normal(size=(n, dim)).astype(np.float32)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    x, queries = unit(arguments.n, CODED), unit(64, CODED)
    print(f"n {len(x):,}, k {K}, 1 thread, {fb.isa()}; faiss {faiss.__version__}")
    print(f"{'':34} {'':15} {'fewbits':>10} {'faiss':>10}   ratio")
    for size in (32, 128):
        fast = faiss.IndexPQFastScan(CODED, 2 * size, 4, faiss.METRIC_INNER_PRODUCT)
        pair = ours(x, fb.PQ(2 * size, bits=4)), theirs(x, fast)
        compare(f"4-bit PQ, {size} bytes, PQFastScan", pair, queries, arguments.rounds)
    compare("8-bit PQ, 32 bytes, IndexPQ", (ours(x, fb.PQ(32)), theirs(x, pq8(CODED, 32))), queries, arguments.rounds)
    x, queries = unit(arguments.n, WHOLE), unit(1000, WHOLE)
    flat = ours(x, fb.Float())
    compare("float32, IndexFlatIP", (flat, theirs(x, faiss.IndexFlatIP(WHOLE))), queries, 3)
    compare("float16, our float32 beside it", (ours(x, fb.Float(16)), flat), queries[:64], arguments.rounds)


if __name__ == "__main__":
    main()
