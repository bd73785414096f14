"""The time in which a query chooses lists among many, and the recall that codes of centroids cost.

python bench/probing.py DATA_ROOT [--lists 65536]

glove100: lists by k-means. Vectors of 384 dimensions: those of summaries40k, medquad and scifact, and mixtures of
vectors that are near each other; centroids are some of the vectors. Recall@10 is the share of the true neighbours whose
lists are chosen; its loss is against the lists with the best centroids by exact search. CPU time on one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from fewbits import _core

_QUERIES, _TIMED, _ROUNDS, _MIXED = 500, 200, 5, 120_000
F32 = NDArray[np.float32]


class Lists(NamedTuple):
    name: str
    centroids: F32
    queries: F32
    neighbor_lists: NDArray[Any]  # (queries, 10): the lists of the true neighbours


def read(path: Path) -> F32:
    return np.load(path).astype(np.float32)


def nearest(centroids: F32, x: F32, count: int) -> NDArray[Any]:
    """Numbers of the centroids with the best directions."""
    units = centroids / np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-30)
    return np.asarray(fb.exact_search(units, x, count, metric="ip").ids)


def lists_of(name: str, x: F32, queries: F32, centroids: F32) -> Lists:
    neighbors = np.asarray(fb.exact_search(x, queries, 10, metric="ip").ids)
    return Lists(name, centroids, queries, nearest(centroids, x[neighbors.ravel()], 1).reshape(neighbors.shape))


def glove(root: Path, lists: int) -> Lists:
    x, queries = read(root / "glove100/base.npy"), read(root / "glove100/queries.npy")[:_QUERIES]
    return lists_of("glove100", x, queries, _core.kmeans(x, lists, spherical=True))


def texts(root: Path, lists: int) -> Lists:
    real = np.concatenate([read(root / name / "base.npy") for name in ("summaries40k", "medquad", "scifact")])
    random = np.random.default_rng(0)
    groups = _core.assign(real, _core.kmeans(real[:20_000], 512, spherical=True, iterations=3), spherical=True)
    order = np.argsort(groups, kind="stable")
    place = np.empty(len(real), np.int64)
    place[order] = np.arange(len(real))
    one = random.integers(0, len(real), _MIXED)
    other = order[np.clip(place[one] + random.integers(-40, 41, _MIXED), 0, len(real) - 1)]
    share = random.random((_MIXED, 1), np.float32) * 0.5 + 0.3
    mixed = share * real[one] + (1 - share) * real[other]
    x = np.concatenate([real, mixed / np.linalg.norm(mixed, axis=1, keepdims=True)]).astype(np.float32)
    centroids = np.ascontiguousarray(x[random.permutation(len(x))[:lists]])
    return lists_of("texts", x, read(root / "summaries40k/queries.npy")[:_QUERIES], centroids)


def engine(centroids: F32) -> Any:
    """Of an index with these lists and without vectors."""
    lists, dim = centroids.shape
    params = {"dim": dim, "metric": 1, "transform.kind": 0, "transform.out_dim": dim, "rerank.kind": 0}
    params |= {"partition.kind": 1, "partition.nlist": lists, "partition.residual": 0}
    params |= {"codec.kind": 1, "codec.bits": 32}
    return _core.Engine(params, {"partition.centroids": centroids})


def milliseconds(run: Any) -> float:
    """CPU time per query: the median of rounds."""
    taken = []
    for _ in range(_ROUNDS):
        start = time.thread_time()
        run()
        taken.append((time.thread_time() - start) / _TIMED * 1e3)
    return float(np.median(taken))


def report(given: Lists) -> None:
    index, queries = engine(given.centroids), given.queries
    some = queries[:_TIMED]
    for nprobe in (16, 64, 256):
        chosen = index.probe(queries, nprobe, threads=1)[0]
        best = nearest(given.centroids, queries, nprobe)
        recall, full = (
            float(np.mean([np.isin(own, of).mean() for own, of in zip(given.neighbor_lists, found, strict=True)]))
            for found in (chosen, best)
        )
        alone = milliseconds(lambda n=nprobe: [index.probe(query[None], n, threads=1) for query in some])
        batch = milliseconds(lambda n=nprobe: index.probe(some, n, threads=1))
        print(
            f"{given.name}, {given.centroids.shape[1]} dimensions, nprobe {nprobe:3}: alone {alone:.3f} ms, in a batch "
            f"{batch:.3f} ms, recall {recall:.4f}, loss {full - recall:+.4f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--lists", type=int, default=65_536)
    arguments = parser.parse_args()
    print(f"{arguments.lists:,} lists, 1 thread, {fb.isa()}")
    for make in (texts, glove):
        report(make(arguments.root, arguments.lists))


if __name__ == "__main__":
    main()
