"""Indexes that are changed, and what they are compared by."""

from __future__ import annotations

from typing import Any

import numpy as np

import fewbits as fb
from support.data import F32, vectors

DIM = 12
CODECS: dict[str, dict[str, Any]] = {
    "float32": {"codec": fb.Float()},
    "ivf-pq4-scalar8": {"partition": fb.IVF(5), "codec": fb.PQ(6, bits=4), "rerank": fb.Scalar(8)},
    "ivf-pq8-opq": {"partition": fb.IVF(4), "codec": fb.PQ(4), "transform": fb.OPQ(iterations=2)},
    "staged": {"codec": fb.Scalar(4, staged=True)},
    "ivf-staged": {"partition": fb.IVF(4), "codec": fb.Scalar(4, staged=True)},
    "ivf-rabitq": {"partition": fb.IVF(4), "codec": fb.RaBitQ(bits=3)},
    "disk": {"partition": fb.IVF(3), "codec": fb.Scalar(4), "rerank": fb.Float(16, on_disk=True)},
    "two": {"partition": fb.IVF(3), "codec": fb.PQ(6, bits=4), "rerank": fb.Scalar(8, dim=20)},
    "two-disk": {"codec": fb.Scalar(4), "rerank": fb.Float(16, dim=7, on_disk=True)},
}


def other(x: F32, dim: int) -> F32:
    """Another embedding of the same objects: related, but not linearly. Each row depends on that row alone."""
    turn = np.random.default_rng(77).normal(size=(x.shape[1], dim))
    return np.tanh((x[:, :, None].astype(np.float64) * turn).sum(axis=1) / 3).astype(np.float32) + np.float32(0.3)


def beside(index: fb.Index, x: F32) -> dict[str, F32]:
    """What `add` and `build` take with these vectors: the other embedding, if the index has two."""
    dim = None if index.rerank is None else index.rerank.other_dim
    return {} if dim is None else {"rerank_vectors": other(x, dim)}


def added(index: fb.Index, x: F32, **options: Any) -> fb.Index:
    """The index with these vectors, and with their other embeddings if it has two."""
    return index.add(x, **options, **beside(index, x))


def asked(index: fb.Index, q: F32) -> dict[str, F32]:
    """What `search` takes with these queries."""
    others = beside(index, q)
    return {"rerank_queries": others["rerank_vectors"]} if others else {}


def trained(name: str, metric: str = "l2") -> fb.Index:
    index, x = fb.Index(DIM, metric=metric, **CODECS[name]), vectors(400, DIM)
    return index.train(x, **beside(index, x))


def full(index: fb.Index, q: F32, k: int = 10) -> fb.SearchResult:
    everything: dict[str, Any] = {}
    if index.partition is not None:
        everything["nprobe"] = 10_000
    if index.rerank is not None:
        everything["rerank"] = 10_000
    return index.search(q, k, **everything, **asked(index, q))


def assert_same(index: fb.Index, other: fb.Index, k: int = 10) -> None:
    q = vectors(9, DIM, seed=5)
    one, two = full(index, q, k), full(other, q, k)
    np.testing.assert_array_equal(one.scores, two.scores)
    for ids, others, scores in zip(one.ids, two.ids, one.scores, strict=True):
        for score in np.unique(scores[:-1][scores[:-1] != scores[-1]]):  # of equal scores any may be the last
            assert set(ids[scores == score].tolist()) == set(others[scores == score].tolist())
