"""Clustered vectors with a decaying spectrum, for codecs and lists to find something; and exact search by numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def vectors(n: int, dim: int, seed: int = 0, clusters: int = 24) -> F32:
    random = np.random.default_rng(seed)
    shape = np.random.default_rng(99)  # the same distribution whatever the seed
    centers = shape.normal(size=(clusters, dim)) * 0.8
    spectrum = np.linspace(1.5, 0.3, dim)
    x = centers[random.integers(clusters, size=n)] + random.normal(size=(n, dim)) * spectrum
    return (x + 0.2).astype(np.float32)


def two_sided(n: int, asked: int, dim: int = 32, seed: int = 0) -> tuple[F32, F32]:
    """Vectors, and queries of another kind: the directions in which vectors vary most matter least to them."""
    random, shape = np.random.default_rng(seed), np.random.default_rng(98)
    basis = np.linalg.qr(shape.normal(size=(dim, dim)))[0]
    x = random.normal(size=(n, dim)) * np.linspace(2.0, 0.5, dim)
    q = random.normal(size=(asked, dim)) * np.linspace(0.05, 1.0, dim) ** 2
    return (x @ basis).astype(np.float32), (q @ basis).astype(np.float32)


def brute_force(x: F32, q: F32, k: int, metric: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Exact search in float64, by numpy alone."""
    x64, q64 = x.astype(np.float64), q.astype(np.float64)
    if metric == "cosine":
        x64 = x64 / np.linalg.norm(x64, axis=1, keepdims=True)
        q64 = q64 / np.linalg.norm(q64, axis=1, keepdims=True)
    if metric == "l2":
        scores = ((q64[:, None, :] - x64[None]) ** 2).sum(axis=2)
        order = np.argsort(scores, axis=1, kind="stable")[:, :k]
    else:
        scores = q64 @ x64.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


def overlap(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    hits = sum(len(set(a.tolist()) & set(b.tolist())) for a, b in zip(found, truth, strict=True))
    return hits / truth.size
