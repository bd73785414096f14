"""The loss from 8-bit tables: codes scanned with them, compared with the same codes scored by float tables.

python bench/tables.py DATA_FOLDER ... [--bytes 32]

A scan reads tables that are rounded to 8 bits; float scores are those of the reconstructed vectors, in numpy. Recall@10
relative to exact search and, if a folder has judgements, nDCG@10 of all and of the clean test queries.
"""

from __future__ import annotations

import argparse

import numpy as np

import fewbits as fb
from binary_data import Data, load, ndcg, recall


def by_float_tables(index: fb.Index, data: Data) -> np.ndarray:
    decoded = index.reconstruct(np.arange(len(data.base)))
    scores = data.queries @ decoded.T
    return np.argsort(-scores, axis=1, kind="stable")[:, :10]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--bytes", type=int, default=32)
    arguments = parser.parse_args()
    print(f"{'data':14} {'codec':10} {'tables':8} {'recall@10':>10} {'nDCG@10':>8} {'clean':>8}")
    for folder in arguments.folders:
        data = load(folder)
        dim = data.base.shape[1]
        for bits in (4, 8):
            codec = fb.PQ(min(arguments.bytes * 8 // bits, dim), bits=bits)
            index = fb.Index(dim, metric="ip", codec=codec).build(data.base, progress=False)
            found = {"bytes": index.search(data.queries, 10).ids, "float": by_float_tables(index, data)}
            for kind, ids in found.items():
                ranked = f"{ndcg(data, ids, False):8.4f} {ndcg(data, ids, True):8.4f}"
                print(
                    f"{data.name:14} {f'PQ{codec.m}x{bits}':10} {kind:8} {recall(data, ids):10.4f} {ranked}", flush=True
                )


if __name__ == "__main__":
    main()
