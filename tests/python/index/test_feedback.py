"""fb.feedback: Rocchio's formula, written out."""

from __future__ import annotations

import numpy as np
import pytest

import fewbits as fb
from support.data import vectors

DIM = 16
X, Q = vectors(800, DIM), vectors(9, DIM, seed=1)
METRICS = ("cosine", "ip", "l2")


def built(metric: str) -> fb.Index:
    return fb.Index(DIM, metric=metric, partition=fb.IVF(4), codec=fb.Scalar(8), rerank=fb.Float(16)).build(
        X, ids=np.arange(len(X)) * 3, progress=False
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("how", ["mean", "softmax"])
def test_it_is_the_formula(metric: str, how: str) -> None:
    index = built(metric)
    moved = fb.feedback(index, Q, 4, alpha=0.7, beta=0.4, weights=how)
    for query, new in zip(Q, moved, strict=True):
        found = index.search(query, 4)
        gaps = -np.abs(found.scores - found.scores[0]).astype(np.float64)
        weight = np.exp(gaps / 0.02) if how == "softmax" else np.ones(4)
        mean = (weight / weight.sum()) @ index.reconstruct(found.ids)
        own = query / np.linalg.norm(query) if metric == "cosine" else query
        np.testing.assert_allclose(new, 0.7 * own + 0.4 * mean, rtol=1e-5, atol=1e-6)


def test_nothing_mixed_in_is_the_query() -> None:
    index = built("cosine")
    assert np.array_equal(fb.feedback(index, Q, k=0), Q)
    assert np.array_equal(fb.feedback(index, Q, beta=0), Q)
    assert np.array_equal(fb.feedback(fb.Index(DIM, metric="cosine"), Q), Q)


def test_a_batch_is_its_queries() -> None:
    index = built("cosine")
    batch = fb.feedback(index, Q, threads=3)
    assert all(np.array_equal(fb.feedback(index, query, threads=1), new) for query, new in zip(Q, batch, strict=True))


def test_fewer_than_k_are_averaged() -> None:
    index = fb.Index(DIM, metric="ip").add(X[:2], progress=False)
    np.testing.assert_allclose(fb.feedback(index, Q, 5, alpha=0, beta=1)[0], X[:2].mean(axis=0), rtol=1e-6)


def test_the_setting_of_an_average() -> None:
    index = fb.Index(DIM, metric="ip").add(X, progress=False)
    new = fb.feedback(index, Q[0], 3, alpha=1 / 4, beta=3 / 4)
    found = index.search(Q[0], 3).ids
    np.testing.assert_allclose(new, np.mean([Q[0], *X[found]], axis=0), rtol=1e-5)


def test_towards_given_results() -> None:
    index = built("ip")
    found = index.search(Q, 8)
    assert np.array_equal(fb.feedback(index, Q, 3, results=found), fb.feedback(index, Q, 3))
    assert np.array_equal(fb.feedback(index, Q[0], 3, results=index.search(Q[0], 8)), fb.feedback(index, Q[0], 3))
    last = fb.feedback(index, Q, 1, alpha=0, beta=1, results=(found.ids[:, 5:], found.scores[:, 5:]))
    np.testing.assert_allclose(last, index.reconstruct(found.ids[:, 5]), rtol=1e-6)
    with pytest.raises(ValueError, match="results: expected no nprobe and rerank with it"):
        fb.feedback(index, Q, results=found, nprobe=2)
    with pytest.raises(ValueError, match="expected ids and scores of 9 queries"):
        fb.feedback(index, Q, results=index.search(Q[0], 8))


def test_what_is_refused() -> None:
    index = built("cosine")
    with pytest.raises(TypeError, match=r"index: expected a fewbits\.Index or SparseIndex"):
        fb.feedback(fb.MultiVectorIndex(DIM), Q)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="weights: expected 'mean' or 'softmax'"):
        fb.feedback(index, Q, weights="max")
    with pytest.raises(ValueError, match="alpha"):
        fb.feedback(index, Q, alpha=-1)
    with pytest.raises(ValueError, match="k"):
        fb.feedback(index, Q, k=-1)


def test_the_result_is_not_the_input() -> None:
    same = fb.feedback(built("cosine"), Q, k=0)
    assert not np.shares_memory(same, Q)
