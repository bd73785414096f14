"""k-means over parts: the same bits for any parts and order, and centroids given to `train`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits import shards
from fewbits.spec.description import Description
from support.data import F32, vectors

DIM = 10
METRICS = ["l2", "ip", "cosine"]


def data(n: int = 3000, seed: int = 0) -> F32:
    random = np.random.default_rng(seed)
    return vectors(20, DIM, seed=9)[random.integers(20, size=n)] + np.float32(0.3) * vectors(n, DIM, seed=10 + seed)


X = data()


def nearest(x: F32, centroids: F32, metric: str) -> Any:
    a, b = x.astype(np.float64), centroids.astype(np.float64)
    if metric == "l2":
        return np.square(a[:, None] - b[None]).sum(axis=2).argmin(axis=1)
    return (a @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T).argmax(axis=1)


def normalized(x: F32, metric: str) -> F32:
    return x / np.linalg.norm(x, axis=1, keepdims=True) if metric == "cosine" else x


def loss(x: F32, centroids: F32, metric: str) -> float:
    lists = nearest(x, centroids, metric)
    if metric == "l2":
        return float(np.square(x - centroids[lists]).sum(axis=1).mean())
    directions = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
    return float(-(x * directions[lists]).sum(axis=1).mean())


@pytest.mark.parametrize("metric", METRICS)
def test_a_step_is_that_of_lloyd(metric: str) -> None:
    extent = float(np.abs(X).max())
    found = shards.kmeans_step(X, X[:8], metric=metric, extent=extent)
    own = normalized(X, metric)
    lists = nearest(own, X[:8], metric)
    assert found.clusters.tolist() == np.unique(lists).tolist()
    assert found.counts.tolist() == np.unique(lists, return_counts=True)[1].tolist()
    after = shards.next_centroids([found], X[:8])
    means = np.stack([own[lists == number].mean(axis=0, dtype=np.float64) for number in range(8)])
    np.testing.assert_allclose(after, means, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("metric", METRICS)
def test_any_parts_in_any_order_give_the_same_bits(metric: str) -> None:
    random, extent = np.random.default_rng(1), float(np.abs(X).max())
    x = X + np.float32(5) if metric == "l2" else X
    extent = float(np.abs(x).max())
    wanted = shards.next_centroids([shards.kmeans_step(x, x[:30], metric=metric, extent=extent)], x[:30])
    for count in (2, 7, 60):
        cuts = np.sort(random.integers(0, len(x), size=count))
        pieces = np.split(x[random.permutation(len(x))], cuts)
        found = [shards.kmeans_step(piece, x[:30], metric=metric, extent=extent, threads=2) for piece in pieces]
        random.shuffle(found)  # type: ignore[arg-type]
        assert shards.next_centroids(iter(found), x[:30]).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("metric", METRICS)
def test_steps_reduce_the_loss_of_vectors_held_out(metric: str) -> None:
    centroids, extent = X[:20].copy(), float(np.abs(X).max())
    test = normalized(data(seed=1), metric)
    before = loss(test, centroids, metric)
    for _ in range(5):
        parts = [shards.kmeans_step(piece, centroids, metric=metric, extent=extent) for piece in np.array_split(X, 3)]
        after = shards.next_centroids(parts, centroids)
        assert loss(normalized(X, metric), after, metric) <= loss(normalized(X, metric), centroids, metric) + 1e-6
        centroids = after
    assert loss(test, centroids, metric) < before - 0.05 * abs(before)


def test_no_cluster_stays_empty() -> None:
    x = np.concatenate([X, X[:1].repeat(500, axis=0)])
    centroids = np.concatenate([X[:4], np.full((12, DIM), 1e6, np.float32)])
    for _ in range(8):
        found = shards.kmeans_step(x, centroids, metric="l2", extent=1e2)
        centroids = shards.next_centroids([found], centroids)
        assert len(np.unique(centroids, axis=0)) == 16
    assert len(shards.kmeans_step(x, centroids, metric="l2", extent=1e2).clusters) == 16
    few = shards.next_centroids([shards.kmeans_step(X[:2], X[:5], metric="l2", extent=1e2)], X[:5])
    assert few.shape == (5, DIM)
    assert np.isfinite(few).all()


def test_what_steps_refuse() -> None:
    nan, found = X.copy(), shards.kmeans_step(X, X[:4], metric="cosine")
    nan[7, 3] = np.nan
    for wrong, message in (
        ({"x": nan}, "row 7"),
        ({"x": X[:, :5]}, r"expected shape \(n, 10\)"),
        ({"centroids": X[0]}, r"centroids: expected shape \(k, dim\)"),
        ({"centroids": nan}, "centroids: expected finite"),
        ({"metric": "dot"}, "metric"),
        ({"metric": "l2", "extent": 0}, "extent: expected a number above 0"),
        ({"metric": "l2", "extent": -1.0}, "extent"),
        ({"metric": "l2", "extent": float(np.abs(X[5:]).max()) / 8}, "extent: expected the largest absolute value"),
    ):
        with pytest.raises(ValueError, match=message):
            shards.kmeans_step(**({"x": X, "centroids": X[:4], "metric": "cosine"} | wrong))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one vector"):
        shards.next_centroids([], X[:4])
    with pytest.raises(ValueError, match="expected those of centroids of shape"):
        shards.next_centroids([found], X[:2])
    with pytest.raises(ValueError, match="of one extent"):
        shards.next_centroids([found, shards.kmeans_step(X, X[:4], metric="l2", extent=100.0)], X[:4])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("parts", [{}, {"transform": fb.PCA(6)}, {"transform": fb.OPQ(iterations=2)}])
def test_train_takes_centroids(metric: str, parts: dict[str, Any]) -> None:
    def index(nlist: int | None = 20) -> fb.Index:
        return fb.Index(DIM, metric=metric, partition=fb.IVF(nlist), codec=fb.PQ(2), **parts)

    x = X + np.float32(3) if metric == "l2" else X
    own = normalized(x, metric)
    centroids = np.stack([own[nearest(own, x[:20], metric) == number].mean(axis=0) for number in range(20)])
    made = index().train(x, centroids=centroids)
    assert made.to_bytes() == index().train(x, centroids=centroids.astype(np.float64)).to_bytes()
    assert made.training_id != index().train(x).training_id
    lists = made.probe(x[:200], 1).lists[:, 0]
    if not isinstance(made.transform, fb.PCA):  # which leaves out some of the distances
        assert (lists == nearest(own[:200], centroids, metric)).mean() > 0.97
    assert index(None).train(x, expected=10**6, centroids=centroids).stats()["bytes_fixed"] < 20_000
    assert len(made.add(x[:50])) == 50


def test_centroids_that_train_refuses() -> None:
    for wrong, message in (
        (X[:5], "centroids: expected 20, one per list, got 5"),
        (X[:20, :4], r"centroids: expected shape \(n, 10\)"),
        (np.full((20, DIM), np.nan), "centroids: expected finite"),
    ):
        index = fb.Index(DIM, metric="l2", partition=fb.IVF(20), codec=fb.PQ(2))
        with pytest.raises(ValueError, match=message):
            index.train(X, centroids=wrong)
        assert not index.is_trained
    with pytest.raises(ValueError, match="no partition"):
        fb.Index(DIM, metric="l2", codec=fb.PQ(2)).train(X, centroids=X[:5])


def test_a_small_sample_suffices_for_lists_that_are_given(recwarn: pytest.WarningsRecorder) -> None:
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(200), codec=fb.Scalar(8))
    index.train(X[:100], expected=10_000, centroids=X[:200])
    assert not [warning for warning in recwarn if "to train on are fewer" in str(warning.message)]


def test_samples_that_are_asked_for_are_not_cut() -> None:
    def size(n: int, dim: int, **settings: Any) -> int:
        return Description(dim=dim, metric="l2", partition=fb.IVF(**settings), codec=fb.PQ(4)).sample_size(n)

    assert size(10**6, 96) == 256 * 2000
    assert size(10**9, 768, nlist=65_536) == 32 * 65_536  # 1 GiB would be five per list
    assert size(10**9, 768, nlist=65_536, sample=4_000_000) == 4_000_000
    assert size(10**9, 768, nlist=4096) == (1 << 28) // 768
    assert size(10**9, 768, nlist=100) == 65_536
