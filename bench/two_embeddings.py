"""Two embeddings: short codes of a small one in memory, and a large one on disk that ranks the candidates.

    python bench/two_embeddings.py FOLDER ... [--small 64] [--bytes 8,16,32]

FOLDER: vectors with judgements (bench/judged.py), which are the large embedding. The small one is their projection onto
their first principal components. Of the clean test queries: nDCG@10, and the share of the exact ten nearest of the
large embedding that is found; bytes per vector in memory and on disk. Beside them: the small codes alone, codes of the
large embedding of as many bytes, and these with the same vectors on disk.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from judged import Judged, load

DEPTHS = (20, 50, 100, 200)
F32 = NDArray[np.float32]


def projection(base: F32, dim: int) -> F32:
    """Onto the first principal components, (d, dim)."""
    _, vectors = np.linalg.eigh(base.T.astype(np.float64) @ base)
    return np.asarray(vectors[:, ::-1][:, :dim], np.float32)


class Bench:
    def __init__(self, data: Judged) -> None:
        self.data, self.queries = data, data.test[data.clean]
        self.exact = fb.exact_search(data.base, self.queries, 10, metric="cosine", threads=1).ids
        print(f"{data.name}: n {len(data.base):,}, d {data.base.shape[1]}, {len(self.queries)} clean test queries")
        print(f"{'':52} {'memory':>8} {'disk':>6} {'nDCG@10':>8} {'R@10':>6}", flush=True)

    def row(self, name: str, index: fb.Index, queries: F32, **settings: Any) -> None:
        ids = index.search(queries, 10, threads=1, **settings).ids
        ndcg = fb.evaluate(ids, None, self.data.clean_qrels)["ndcg"]
        found = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(ids, self.exact, strict=True)])
        stats = index.stats()
        disk = stats.bytes_on_disk_per_vector if settings.get("rerank", 0) else 0
        print(f"{name:52} {stats.bytes_per_vector:8.0f} {disk:6.0f} {ndcg:8.4f} {found:6.3f}", flush=True)

    def run(self, small: int, size: int) -> None:
        base, onto = self.data.base, projection(self.data.base, small)
        dim = base.shape[1]
        codes = {"metric": "cosine", "transform": fb.OPQ(), "codec": fb.PQ(2 * size, bits=4)}
        quiet: dict[str, Any] = {"progress": False, "threads": 1}
        store = fb.Float(16, on_disk=True)
        two = fb.Index(small, rerank=fb.Float(16, dim=dim, on_disk=True), **codes)
        two.build(base @ onto, rerank_vectors=base, **quiet)
        one = fb.Index(dim, rerank=store, **codes).build(base, **quiet)
        projected = self.queries @ onto
        self.row(f"codes of {small} dimensions", two, projected, rerank=0)
        for depth in DEPTHS:
            self.row(f"  and {depth} candidates", two, projected, rerank=depth, rerank_queries=self.queries)
        self.row(f"codes of {dim} dimensions", one, self.queries, rerank=0)
        for depth in DEPTHS:
            self.row(f"  and {depth} candidates", one, self.queries, rerank=depth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--small", type=int, default=64, help="dimensions of the small embedding")
    parser.add_argument("--bytes", default="8,16,32", help="of its codes")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        bench = Bench(load(folder))
        whole = fb.Index(bench.data.base.shape[1], metric="cosine").build(bench.data.base, progress=False, threads=1)
        bench.row("the large embedding in float32", whole, bench.queries)
        for size in map(int, arguments.bytes.split(",")):
            bench.run(arguments.small, size)


if __name__ == "__main__":
    main()
