"""How mean, length, spread and query scale affect each codec: the tables of docs/accuracy.md, in markdown.

python bench/accuracy.py [DATA_FOLDER] [--n 10000] [--queries 500] [--threads 1] [--metrics l2,cosine,ip]

A folder has base.npy and queries.npy; without one the vectors are synthetic: 100 clusters in 64 dimensions with a
decaying spectrum. Both are centred and transformed into every shape. Recall@10 is relative to exact float search in the
same shape, without and with lists (all of them probed): "flat / lists".
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from fewbits.bench.measure import recall_of
from fewbits.spec.codec import Codec
from fewbits.spec.transform import Transform
from loading import load

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Change = Callable[[F64], F64]

K = 10
SEED = 0
DIM, CLUSTERS = 64, 100
CONE = 0.75


class Coded(NamedTuple):
    name: str
    codec: Codec
    transform: Transform | None = None
    metrics: tuple[str, ...] = ("l2", "ip", "cosine")


class Shape(NamedTuple):
    """change: applied to vectors and queries; vectors, queries: then applied to one of them alone."""

    name: str
    metric: str
    change: Change = lambda x: x
    vectors: Change = lambda x: x
    queries: Change = lambda x: x


def coded(dim: int) -> list[Coded]:
    turned = fb.RandomRotation()
    return [
        Coded("`Float(16)`", fb.Float(16)),
        Coded("`Scalar(8)`", fb.Scalar(8)),
        Coded("`Scalar(8)`, rotated", fb.Scalar(8), turned),
        Coded("`Scalar(4)`", fb.Scalar(4)),
        Coded("`PQ(d/2)`", fb.PQ(dim // 2)),
        Coded("`PQ(d/2)`, OPQ", fb.PQ(dim // 2), fb.OPQ(iterations=5)),
        Coded("`PQ(d/2, bits=4)`", fb.PQ(dim // 2, bits=4)),
        Coded("`RaBitQ(1)`", fb.RaBitQ(1)),
        Coded("`RaBitQ(2)`", fb.RaBitQ(2)),
        Coded("`RaBitQ(4)`", fb.RaBitQ(4)),
        Coded("`RaBitQ(4, staged=True)`", fb.RaBitQ(4, staged=True)),
        Coded("`RaBitQ(8)`", fb.RaBitQ(8)),
        Coded("`RecurrentBinary(2)`", fb.RecurrentBinary(2), metrics=("cosine",)),
    ]


# --- data ----------------------------------------------------------------------------------------------------------


def synthetic(n: int, queries: int) -> tuple[F64, F64]:
    random = np.random.default_rng(SEED)
    centers = 0.8 * random.normal(size=(CLUSTERS, DIM))
    spectrum = np.linspace(1.5, 0.3, DIM)
    x, q = (
        centers[random.integers(CLUSTERS, size=rows)] + spectrum * random.normal(size=(rows, DIM))
        for rows in (n, queries)
    )
    return x, q


def given(folder: str, n: int, queries: int) -> tuple[F64, F64]:
    data = load(folder)
    return data.base[:n].astype(np.float64), data.queries[:queries].astype(np.float64)


def unit(x: F64) -> F64:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def direction(dim: int) -> F64:
    return unit(np.random.default_rng(SEED + 1).normal(size=(1, dim)))


def flattened(x: F64) -> F64:
    """Unit vectors orthogonal to `direction`, so that a cone about it has the same neighbours."""
    u = direction(x.shape[1])
    return unit(x - (x @ u.T) * u)


def in_cone(x: F64) -> F64:
    return np.asarray(np.sqrt(CONE) * direction(x.shape[1]) + np.sqrt(1 - CONE) * flattened(x))


def one_long(x: F64) -> F64:
    x = x.copy()
    x[7] *= 10
    return x


def log_normal(x: F64) -> F64:
    return np.asarray(x * np.exp(0.6 * np.random.default_rng(SEED + 2).normal(size=(len(x), 1))))


def one_column(x: F64, factor: float, plus: float) -> F64:
    x = x.copy()
    x[:, 3] = x[:, 3] * factor + plus
    return x


def shapes(deviation: float) -> list[Shape]:
    """deviation: the standard deviation of the data, the unit of shifts."""
    return [
        Shape("centred", "l2"),
        Shape("all columns + 100 sd", "l2", lambda x: x + 100 * deviation),
        Shape("one column + 2,000 sd (a year)", "l2", lambda x: one_column(x, 1, 2000 * deviation)),
        Shape("one vector x 10", "l2", vectors=one_long),
        Shape("log-normal lengths", "l2", log_normal),
        Shape("one column x 30", "l2", lambda x: one_column(x, 30, 0)),
        Shape("on the sphere", "cosine", flattened),
        Shape("in a cone of .75", "cosine", in_cone),
        Shape("one column x 30", "cosine", lambda x: one_column(x, 30, 0)),
        Shape("centred", "ip"),
        Shape("query x .01", "ip", queries=lambda q: 0.01 * q),
        Shape("one vector x 10", "ip", vectors=one_long),
    ]


# --- tables --------------------------------------------------------------------------------------------------------


def recalls(
    one: Coded, shape: Shape, x: F32, q: F32, exact: NDArray[np.int64], threads: int
) -> tuple[str, list[float]]:
    """Bytes per vector without lists, including ids, and recall without and with lists."""
    dim, found, size = x.shape[1], [], 0.0
    for partition in (None, fb.IVF()):
        index = fb.Index(dim, metric=shape.metric, transform=one.transform, codec=one.codec, partition=partition)
        index.build(x, progress=False, threads=threads)
        size = size or float(index.stats()["bytes_per_vector"])
        found.append(recall_of(index.search(q, K, nprobe=len(x) if partition else None, threads=threads).ids, exact))
    return f"{size:.0f}", found


def table(metric: str, x: F64, q: F64, codecs: list[Coded], threads: int) -> None:
    columns = [shape for shape in shapes(float(x.std())) if shape.metric == metric]
    data = [moved(shape, x, q) for shape in columns]
    truths = [fb.exact_search(vectors, queries, K, metric=metric, threads=threads).ids for vectors, queries in data]
    print(f"\n| {metric} | bytes | {' | '.join(shape.name for shape in columns)} |")
    print(f"|---|---|{'---|' * len(columns)}")
    for one in codecs:
        if metric not in one.metrics:
            continue
        cells, sizes = [], []
        for shape, (vectors, queries), exact in zip(columns, data, truths, strict=True):
            size, found = recalls(one, shape, vectors, queries, exact, threads)
            sizes.append(size)
            cells.append(" / ".join(f"{value:.3f}".removeprefix("0") for value in found))
        size = " to ".join(dict.fromkeys(sorted({sizes[0], max(sizes, key=float)}, key=float)))
        print(f"| {one.name} | {size} | {' | '.join(cells)} |", flush=True)


def moved(shape: Shape, x: F64, q: F64) -> tuple[F32, F32]:
    vectors, queries = shape.vectors(shape.change(x)), shape.queries(shape.change(q))
    return vectors.astype(np.float32), queries.astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="real data: base.npy and queries.npy")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--metrics", default="l2,cosine,ip")
    parser.add_argument("--without", help="leave out codecs whose name contains this; OPQ takes long at 384 dimensions")
    arguments = parser.parse_args()
    if arguments.folder:
        x, q = given(arguments.folder, arguments.n, arguments.queries)
    else:
        x, q = synthetic(arguments.n, arguments.queries)
    middle = x.mean(axis=0)
    x, q = x - middle, q - middle
    name = arguments.folder.rstrip("/").rpartition("/")[2] if arguments.folder else "synthetic"
    print(f"{name}: n {len(x):,}, d {x.shape[1]}, {len(q)} queries, {arguments.threads} threads, {fb.isa()}")
    codecs = [one for one in coded(x.shape[1]) if not arguments.without or arguments.without not in one.name]
    for metric in arguments.metrics.split(","):
        table(metric, x, q, codecs, arguments.threads)


if __name__ == "__main__":
    main()
