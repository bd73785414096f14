"""Shared by the parts of bench/binary.py: the data sets, ranking measures of ids, and the peers' indexes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb

OPQ_ITERATIONS = 5
Search = Callable[[Any], NDArray[np.int64]]  # queries -> ids (n, 10)


class Data(NamedTuple):
    name: str
    base: NDArray[np.float32]
    queries: NDArray[np.float32]
    exact: NDArray[np.int64]
    qrels: NDArray[np.int64] | None  # query, row, relevance
    clean: NDArray[np.int64] | None  # queries that resemble no training query
    pairs: tuple[NDArray[np.float32], NDArray[np.int64]] | None


def load(folder: str) -> Data:
    path = Path(folder)

    def unit(name: str) -> NDArray[np.float32]:
        x = np.load(path / f"{name}.npy").astype(np.float32)
        return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)

    judged = (path / "qrels_test.npy").exists()
    base, queries = unit("base"), unit("queries_test" if judged else "queries")
    exact = fb.exact_search(base, queries, 10, metric="cosine").ids
    if not judged:
        return Data(path.name, base, queries, exact, None, None, None)
    train = np.load(path / "qrels_train.npy")
    train = train[train[:, 2] > 0]
    pairs = unit("queries_train")[train[:, 0].astype(int)], train[:, 1].astype(np.int64)
    clean = np.load(path / "queries_test_clean.npy")
    return Data(path.name, base, queries, exact, np.load(path / "qrels_test.npy"), clean, pairs)


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def recall(data: Data, ids: NDArray[np.int64]) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids, data.exact, strict=True)]) / 10)


def ndcg(data: Data, ids: NDArray[np.int64], clean: bool) -> float:
    if data.qrels is None:
        return float("nan")
    qrels = data.qrels[np.isin(data.qrels[:, 0], data.clean)] if clean else data.qrels
    return float(fb.evaluate(ids, None, qrels, k=10)["ndcg"])


def ours(data: Data, codec: Any, **parts: Any) -> tuple[float, Search]:
    index = fb.Index(data.base.shape[1], metric="cosine", codec=codec, **parts).build(data.base, progress=False)
    return index.stats()["bytes_per_vector"], lambda q: index.search(q, 10, threads=1).ids


def theirs(data: Data, bits: int, centroids: Any, lists: Any) -> Any:
    import rabitqlib

    index = rabitqlib.IvfIndex(data.base.shape[1], len(data.base), len(centroids), bits, "ip")
    index.build(data.base, np.ascontiguousarray(centroids), lists.astype(np.uint32))
    return index


def ids_of(found: Any) -> NDArray[np.int64]:
    return np.asarray(found[0]).astype(np.int64)


def faiss_index(data: Data, factory: str) -> tuple[float, Search]:
    """An index with the transform and codes of a factory string. OPQ iterates as often as ours does here."""
    import faiss

    index = faiss.index_factory(data.base.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    first = faiss.downcast_VectorTransform(index.chain.at(0))
    if isinstance(first, faiss.OPQMatrix):
        first.niter = OPQ_ITERATIONS
    index.train(data.base)
    index.add(data.base)
    return faiss.downcast_index(index.index).code_size, lambda q: index.search(q, 10)[1]


def peers(data: Data, bits: int) -> Iterator[tuple[str, tuple[float, Search]]]:
    """The peers that are installed and support this number of bits per dimension."""
    dim = data.base.shape[1]
    if installed("faiss"):
        yield "faiss RaBitQ", faiss_index(data, f"RR,RaBitQ{bits}" if bits > 1 else "RR,RaBitQ")
    if installed("turbovec") and bits in (2, 3, 4) and dim % 8 == 0:
        import turbovec

        turbo = turbovec.TurboQuantIndex(dim, bits)
        turbo.add(data.base)
        yield "turbovec", (dim * bits / 8 + 4, lambda q: np.asarray(turbo.search(q, 10)[1]).astype(np.int64))
    if installed("rabitqlib"):
        index = theirs(data, bits, np.zeros((1, dim), np.float32), np.zeros(len(data.base), np.uint32))
        size = dim * bits / 8 + (12 if bits == 1 else 20)
        yield "rabitqlib", (size, lambda q: ids_of(index.search(q, 10, 1)))
