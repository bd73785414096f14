"""fb.knn_graph and fb.deduplicate against exact search and an explicit search for components."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import brute_force, overlap, vectors

X = vectors(800, 16)


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_small_graphs_are_exact(metric: str) -> None:
    ids, scores = fb.knn_graph(X, 7, metric=metric, threads=1)
    order = brute_force(X, X, len(X), metric)[0]
    truth = np.stack([row[row != own][:7] for own, row in enumerate(order)])
    assert overlap(ids, truth) > 0.999
    assert (ids != np.arange(800)[:, None]).all()
    assert (np.diff(scores) * (1 if metric == "l2" else -1) >= 0).all()


def test_large_graphs_have_the_recall_asked_for() -> None:
    x = vectors(12_000, 32)
    ids, _ = fb.knn_graph(x, 10, metric="l2", recall=0.9, threads=1)
    assert ids.shape == (12_000, 10)
    assert (ids != np.arange(12_000)[:, None]).all()
    rows = np.arange(0, 12_000, 60)
    truth = brute_force(x, x[rows], 11, "l2")[0]
    truth = np.stack([row[row != own][:10] for own, row in zip(rows, truth, strict=True)])
    assert overlap(ids[rows], truth) > 0.88
    exact = fb.knn_graph(x, 10, metric="l2", recall=1.0).ids
    assert overlap(exact[rows], truth) > 0.999


def components(near: Any) -> list[int]:
    """Of every row the first row that links lead to, by search."""
    first = [-1] * len(near)
    for start in range(len(near)):
        stack = [start] if first[start] < 0 else []
        while stack:
            row = stack.pop()
            if first[row] < 0:
                first[row] = start
                stack += np.flatnonzero(near[row]).tolist()
    return first


@pytest.mark.parametrize(("metric", "threshold"), [("l2", 6.0), ("cosine", 0.9), ("ip", 20.0)])
def test_groups_are_the_components(metric: str, threshold: float) -> None:
    x = np.concatenate([X[:100], X[50:60], X[50:60] + np.float32(0.01), np.repeat(X[:1], 40, axis=0)])
    limit = {"max_distance" if metric == "l2" else "min_score": threshold}
    order, scores = brute_force(x, x, len(x), metric)
    table = np.zeros((len(x), len(x)))
    np.put_along_axis(table, order, scores, axis=1)
    near = table <= threshold if metric == "l2" else table >= threshold
    first = fb.deduplicate(x, metric=metric, **limit)
    assert first.tolist() == components(near)
    assert len(np.unique(first)) < len(x) - 20
    index = fb.Index(16, metric=metric).add(x, progress=False)
    np.testing.assert_array_equal(fb.deduplicate(x, metric=metric, index=index, **limit), first)


def test_chains_are_followed_to_their_first_row() -> None:
    x = np.stack([np.arange(50)[::-1], np.zeros(50)], axis=1).astype(np.float32)
    assert (fb.deduplicate(x, metric="l2", max_distance=1.5) == 0).all()
    assert fb.deduplicate(x, metric="l2", max_distance=0.5).tolist() == list(range(50))


WRONG: list[tuple[Any, str]] = [
    (lambda: fb.knn_graph(X, 800, metric="l2"), "k: expected"),
    (lambda: fb.knn_graph(X[:1], metric="l2"), "n >= 2"),
    (lambda: fb.knn_graph(X, metric="l2", recall=0), "recall"),
    (lambda: fb.deduplicate(X, metric="l2"), "max_distance"),
    (lambda: fb.deduplicate(X, metric="l2", min_score=1), "max_distance instead"),
    (lambda: fb.deduplicate(X, metric="ip", min_score=1, index=fb.Index(16, metric="ip")), "index"),
]


@pytest.mark.parametrize(("call", "match"), WRONG, ids=range(len(WRONG)))
def test_wrong_arguments(call: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        call()


def test_copies_do_not_hide_what_is_near_them() -> None:
    a = vectors(30, 8)
    x = np.concatenate([np.repeat(a[:1], 40, axis=0), np.repeat(a[:1] + np.float32(1e-4), 40, axis=0), a[1:]])
    first = fb.deduplicate(x, metric="l2", max_distance=1e-6)
    assert (first[:80] == 0).all()
    assert np.array_equal(first[80:], np.arange(80, len(x)))


def test_the_graph_keeps_its_recall_for_many_neighbours() -> None:
    x = vectors(12_000, 16, clusters=40)
    ids = fb.knn_graph(x, 50, metric="l2", recall=0.9).ids
    rows = np.arange(0, len(x), 60)
    truth = fb.exact_search(x, x[rows], 51, metric="l2").ids
    assert (ids >= 0).all()
    true = [[other for other in found if other != row][:50] for row, found in zip(rows, truth, strict=True)]
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids[rows], true, strict=True)]) / 50 > 0.88
