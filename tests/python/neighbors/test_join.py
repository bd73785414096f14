"""fb.join against a comparison of all pairs in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import F32, vectors

X, Y = vectors(120, 12, seed=1), vectors(700, 12, seed=2)
METRICS = ("l2", "ip", "cosine")
THRESHOLD = {"l2": {"max_distance": 9.0}, "ip": {"min_score": 5.0}, "cosine": {"min_score": 0.5}}


def table(metric: str) -> F32:
    """All scores, larger is better."""
    if metric == "l2":
        return -np.square(X[:, None] - Y).sum(axis=2)
    x, y = (each / np.linalg.norm(each, axis=1, keepdims=True) if metric == "cosine" else each for each in (X, Y))
    return x @ y.T


def of(pairs: Any) -> set[tuple[int, int]]:
    return set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


@pytest.mark.parametrize("metric", METRICS)
def test_all_within_a_threshold(metric: str) -> None:
    scores = table(metric)
    pairs = fb.join(X, Y, metric=metric, **THRESHOLD[metric], threads=1)
    limit = -9.0 if metric == "l2" else THRESHOLD[metric]["min_score"]
    surely, perhaps = (set(zip(*np.nonzero(scores >= limit + margin), strict=True)) for margin in (1e-4, -1e-4))
    assert surely <= of(pairs) <= perhaps
    assert max(np.bincount(pairs.left)) > 16  # more than the first candidates
    expected = scores[pairs.left, pairs.right] * (-1 if metric == "l2" else 1)
    np.testing.assert_allclose(pairs.scores, expected, rtol=1e-4, atol=1e-4)
    assert (np.diff(pairs.left) >= 0).all()
    same = pairs.left[1:] == pairs.left[:-1]
    assert ((np.diff(pairs.scores) * (1 if metric == "l2" else -1))[same] >= 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_the_k_nearest(metric: str) -> None:
    best = np.argsort(-table(metric), axis=1, kind="stable")[:, :3]
    pairs = fb.join(X, Y, metric=metric, k=3)
    np.testing.assert_array_equal(pairs.left, np.repeat(np.arange(120), 3))
    assert (pairs.right.reshape(-1, 3) == best).mean() > 0.99
    both = fb.join(X, Y, metric=metric, k=3, **THRESHOLD[metric])
    assert of(both) == of(pairs) & of(fb.join(X, Y, metric=metric, **THRESHOLD[metric]))


@pytest.mark.parametrize("metric", METRICS)
def test_scores_of_candidates_of_an_index_are_exact(metric: str) -> None:
    index = fb.Index(12, metric=metric, codec=fb.Scalar(4)).build(Y, progress=False)
    exact, coded = fb.join(X, Y, metric=metric, k=3), fb.join(X, Y, metric=metric, k=3, index=index)
    assert len(of(exact) & of(coded)) > 0.97 * len(of(exact))
    found = dict(zip(zip(exact.left, exact.right, strict=True), exact.scores, strict=True))
    for left, right, score in zip(*coded, strict=True):
        assert score == pytest.approx(found.get((left, right), score), rel=1e-5)
    near = fb.join(X, Y, metric=metric, index=index, **THRESHOLD[metric])
    assert of(near) <= of(fb.join(X, Y, metric=metric, **THRESHOLD[metric]))


def test_extremes() -> None:
    assert len(fb.join(X, Y, metric="l2", max_distance=0.0).left) == 0
    assert of(fb.join(X, X, metric="l2", max_distance=0.0)) == {(i, i) for i in range(120)}
    assert len(fb.join(X, Y, metric="l2", max_distance=1e9).left) == 120 * 700
    assert len(fb.join(X, Y, metric="l2", k=10_000).left) == 120 * 700
    assert len(fb.join(X[:0], Y, metric="l2", k=3).left) == 0
    assert len(fb.join(X, Y[:0], metric="l2", k=3).left) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "neither"),
        ({"min_score": 0.5}, ValueError, "max_distance"),
        ({"k": 0}, ValueError, "k: expected"),
        ({"k": 2, "metric": "dot"}, ValueError, "metric"),
        ({"k": 2, "x": X[:, :5]}, ValueError, r"x: expected shape \(n, 12\)"),
        ({"k": 2, "y": Y[0]}, ValueError, r"y: expected shape"),
        ({"k": 2, "index": fb.Index(12, metric="l2").add(Y[:5])}, ValueError, "index: expected one of the 700 rows"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fb.join(**({"x": X, "y": Y, "metric": "l2"} | arguments))
