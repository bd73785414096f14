"""The gain of anisotropic encoding and its best weight: an ablation on queries that no test uses.

python bench/score_aware.py DATA_FOLDER [--bytes 16,48] [--bits 8]

Queries are the folder's training queries if it has any, otherwise held-out rows of the base; every third row of a large
base is indexed. Weights are given as multiples of the default's distance from 1, which is plain PQ.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import fewbits as fb
from fewbits.bench.measure import recall_of

QUERIES = 800
LARGE = 100_000
MULTIPLES = (0.0, 0.5, 1.0, 2.0)


def held_out(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    base = np.load(folder / "base.npy").astype(np.float32)
    if (folder / "queries_train.npy").exists():
        return base, np.load(folder / "queries_train.npy")[:QUERIES].astype(np.float32)
    rows = np.random.default_rng(5).choice(len(base), QUERIES, replace=False)
    kept = np.delete(base, rows, axis=0)
    return kept[:: 3 if len(kept) > LARGE else 1].copy(), base[rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--bytes", default="16,48")
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    base, queries = held_out(arguments.data)
    n, dim = base.shape
    exact = fb.exact_search(base, queries, 10, metric="ip").ids
    print(f"{arguments.data.name}: n {n:,}, d {dim}, {len(queries)} held-out queries, PQ of {arguments.bits} bits")
    for size in map(int, arguments.bytes.split(",")):
        m = size * 8 // arguments.bits
        default = fb.PQ(m, bits=arguments.bits).eta(dim, "ip")
        for multiple in MULTIPLES:
            weight = 1 + multiple * (default - 1)
            codec = fb.PQ(m, bits=arguments.bits, score_aware=weight if multiple else False)
            index = fb.Index(dim, metric="ip", partition=fb.IVF(), codec=codec)
            index.build(base, progress=False, threads=arguments.threads)
            ids = index.search(queries, 10, nprobe=n, threads=arguments.threads).ids
            note = {0.0: "  (plain PQ)", 1.0: "  (default)"}.get(multiple, "")
            print(f"{size:4} bytes, weight {weight:5.2f}: recall@10 {recall_of(ids, exact):.4f}{note}", flush=True)


if __name__ == "__main__":
    main()
