"""fb.feedback of sparse queries: Rocchio's formula with sums of 1, written out."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fewbits as fb

TERMS = 60


def rows(n: int, seed: int) -> list[dict[int, float]]:
    random = np.random.default_rng(seed)
    return [
        {int(t): float(v) for t, v in zip(random.choice(TERMS, 8, replace=False), random.random(8) + 0.1, strict=True)}
        for _ in range(n)
    ]


X, Q = rows(200, 0), rows(7, 1)
TEXTS = ["a red fox", "red wine and cheese", "the fox and the hound", "cheese", "a hound of the night"]


def shares(indices: Any, data: Any) -> np.ndarray[Any, Any]:
    dense = np.zeros(TERMS)
    dense[np.asarray(indices, np.int64)] = data
    return dense / dense.sum() if dense.any() else dense


def dense_rows(moved: Any) -> np.ndarray[Any, Any]:
    out = np.zeros((len(moved.indptr) - 1, TERMS))
    for row, (a, b) in enumerate(itertools.pairwise(moved.indptr)):
        out[row, moved.indices[a:b]] = moved.data[a:b]
    return out


@pytest.mark.parametrize("how", ["mean", "softmax"])
def test_it_is_the_formula(how: str) -> None:
    index = fb.SparseIndex().build(X, ids=np.arange(len(X)) * 3)
    moved = fb.feedback(index, Q, 4, alpha=0.7, beta=0.4, weights=how)
    for query, new in zip(Q, dense_rows(moved), strict=True):
        found = index.search(query, 4)
        weight = np.exp((found.scores - found.scores[0]).astype(np.float64) / 0.02) if how == "softmax" else np.ones(4)
        offsets, terms, values = index.reconstruct(found.ids)
        parts = [shares(terms[a:b], values[a:b]) for a, b in itertools.pairwise(offsets)]
        wanted = 0.7 * shares(list(query), list(query.values())) + 0.4 * (weight / weight.sum()) @ parts
        np.testing.assert_allclose(new, wanted, rtol=1e-5, atol=1e-7)


def test_an_index_of_texts_takes_the_weights() -> None:
    index = fb.SparseIndex.bm25(TEXTS)
    moved = fb.feedback(index, ["red", "night"], k=1)
    ids, scores = index.search(moved, k=5)
    assert {0, 1, 2} <= set(ids[0].tolist())  # "red" finds documents 0 and 1, and document 0 brings "fox"
    assert not np.isin(2, index.search("red", 5).ids)
    best = index.search("red", 1)
    assert np.isfinite(index.score(moved, best.ids)).all()
    assert scores[0, 0] > 0
    one = fb.feedback(index, "red", k=1)
    assert np.array_equal(one.data, moved.data[: moved.indptr[1]])


def test_a_batch_is_its_queries() -> None:
    index = fb.SparseIndex().build(X)
    batch = dense_rows(fb.feedback(index, Q, threads=3))
    each = [dense_rows(fb.feedback(index, query, threads=1))[0] for query in Q]
    assert np.array_equal(batch, each)


def test_what_finds_nothing_stays() -> None:
    index = fb.SparseIndex().build(X)
    lonely = [{TERMS + 5: 2.0, TERMS + 9: 6.0}, {}]
    moved = fb.feedback(index, lonely)
    assert moved.indptr.tolist() == [0, 2, 2]
    np.testing.assert_array_equal(moved.data, [2, 6])
    assert fb.feedback(index, Q, k=0).data.tolist() == fb.feedback(index, Q, beta=0).data.tolist()
    assert len(fb.feedback(fb.SparseIndex(), Q).data) == sum(map(len, Q))


def test_towards_given_results() -> None:
    index = fb.SparseIndex().build(X)
    found = index.search(Q, 10)
    own, given = fb.feedback(index, Q, 3), fb.feedback(index, Q, 3, results=found)
    assert np.array_equal(own.data, given.data)
    fused = fb.fuse([found, (found.ids[:, ::-1], -found.scores[:, ::-1])], [0, 1])
    assert not np.array_equal(fb.feedback(index, Q, 1, results=fused).data, fb.feedback(index, Q, 1).data)


def test_rows_are_those_of_scipy() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    index = fb.SparseIndex().build(X)
    moved = fb.feedback(index, Q)
    array = sparse.csr_array((moved.data, moved.indices.astype(np.int64), moved.indptr), shape=(len(Q), TERMS))
    assert np.array_equal(index.search(array, 5).ids, index.search(moved, 5).ids)
    assert np.array_equal(dense_rows(fb.feedback(index, array, k=0)), array.toarray())


def test_what_is_refused() -> None:
    index = fb.SparseIndex().build(X)
    with pytest.raises(ValueError, match="nprobe: expected None, as a SparseIndex has no lists"):
        fb.feedback(index, Q, nprobe=3)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="results: expected no nprobe and rerank with it"):
        fb.feedback(index, Q, results=index.search(Q), rerank=30)
    with pytest.raises(TypeError, match="results: expected a SearchResult"):
        fb.feedback(index, Q, results=index.search(Q).ids)
    with pytest.raises(ValueError, match="expected ids and scores of 7 queries"):
        fb.feedback(index, Q, results=index.search(Q[0]))
    with pytest.raises(ValueError, match="1000"):
        fb.feedback(index, Q[0], results=([1000], [1.0]))
