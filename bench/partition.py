"""The share of exact neighbours in the probed lists, compared with faiss's partition, and the cost of training.

python bench/partition.py DATA_FOLDER [--nlist 1024]

Both sides train on the same vectors with one thread; CPU seconds.
"""

from __future__ import annotations

import argparse
import time

import faiss
import numpy as np

import fewbits as fb
from loading import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--nlist", type=int, default=1024)
    arguments = parser.parse_args()
    data = load(arguments.data)
    n, dim = data.base.shape
    faiss.omp_set_num_threads(1)
    print(f"{data.name}: n {n:,}, d {dim}, nlist {arguments.nlist}, 1 thread, {fb.isa()}")
    for metric in ("ip", "l2"):
        truth = data.neighbors
        if metric == "l2":
            truth = fb.exact_search(data.base, data.queries, 10, metric=metric).ids
        scored = data._replace(neighbors=np.asarray(truth))
        start = time.process_time()
        index = fb.Index(dim, metric=metric, partition=fb.IVF(arguments.nlist), codec=fb.Float(32))
        index.build(data.base, progress=False, threads=1)
        seconds = time.process_time() - start
        kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
        start = time.process_time()
        peer = faiss.index_factory(dim, f"IVF{arguments.nlist},Flat", kind)
        peer.train(data.base)
        peer.add(data.base)
        peer_seconds = time.process_time() - start
        print(f"{metric}: build {seconds:.1f} s, faiss {peer_seconds:.1f} s CPU")
        for nprobe in (1, 2, 4, 8, 16, 32, 64):
            peer.nprobe = nprobe
            mine = scored.recall(index.search(data.queries, 10, nprobe=nprobe, threads=1).ids)
            other = scored.recall(peer.search(data.queries, 10)[1])
            print(f"  nprobe {nprobe:3}: recall@10 {mine:.4f}, faiss {other:.4f}", flush=True)


if __name__ == "__main__":
    main()
