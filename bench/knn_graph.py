"""The graph of the k nearest other vectors: fb.knn_graph against pynndescent, by CPU time and recall.

python bench/knn_graph.py DATA_FOLDER|N [--dim 384] [--k 15] [--peer]

N: that many generated vectors (fewbits.bench.datasets.synthetic). Recall is that of 500 vectors drawn at random,
against exact search; fewbits is asked for a recall of .96. pynndescent compiles its functions at a first run on 2,000
vectors, which is not counted. CPU seconds of the whole process, one thread each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fewbits as fb
from fewbits.bench.datasets import synthetic

_SAMPLE = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=15)
    parser.add_argument("--peer", action="store_true", help="pynndescent too")
    arguments = parser.parse_args()
    if arguments.data.isdigit():
        x = np.ascontiguousarray(synthetic(int(arguments.data), arguments.dim).base, np.float32)
    else:
        x = np.load(Path(arguments.data) / "base.npy").astype(np.float32)
    k = arguments.k
    picked = np.sort(np.random.default_rng(0).choice(len(x), _SAMPLE, replace=False))
    exact = fb.exact_search(x, x[picked], k + 1, metric="cosine").ids
    truth = [ids[ids != own][:k] for ids, own in zip(exact, picked, strict=True)]
    print(f"{arguments.data}: n {len(x):,}, d {x.shape[1]}, cosine, k {k}, 1 thread, {fb.isa()}", flush=True)

    def report(name: str, graph: Callable[[], np.ndarray]) -> None:
        start = time.process_time()
        ids = graph()
        seconds = time.process_time() - start
        recall = np.mean([np.isin(true, ids[own]).mean() for true, own in zip(truth, picked, strict=True)])
        print(f"{name:12} {seconds:7.1f} s of CPU time, recall {recall:.4f}", flush=True)

    report("fewbits", lambda: fb.knn_graph(x, k, metric="cosine", recall=0.96, threads=1).ids)
    if arguments.peer:
        from pynndescent import NNDescent

        def descent(rows: np.ndarray) -> np.ndarray:
            graph = NNDescent(rows, metric="cosine", n_neighbors=k + 1, n_jobs=1, random_state=0).neighbor_graph[0]
            own = np.arange(len(rows))[:, None]
            return np.stack([ids[ids != number][:k] for ids, number in zip(graph, own, strict=True)])

        descent(x[:2000])
        report("pynndescent", lambda: descent(x))


if __name__ == "__main__":
    main()
