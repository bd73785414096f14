"""Recall and ranking measures against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import F32, brute_force, overlap, vectors


def test_exact_search_equals_numpy(base: F32, queries: F32, metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for block_floats in (1 << 22, 32 * 257):
        monkeypatch.setattr("fewbits.input.rows.BLOCK_FLOATS", block_floats)
        ids, scores = fb.exact_search(base, queries, 7, metric=metric)
        truth, exact = brute_force(base, queries, 7, metric)
        np.testing.assert_array_equal(ids, truth)
        np.testing.assert_allclose(scores, exact, rtol=1e-5)
    single = fb.exact_search(base.astype(np.float16), queries[0], k=3, metric=metric)
    assert single.ids.shape == (3,)
    few = fb.exact_search(base[:2], queries, 5, metric=metric)
    assert few.counts.tolist() == [2] * 40


def test_exact_search_ties_go_to_the_smaller_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.input.rows.BLOCK_FLOATS", 8)
    x = np.ones((9, 4), np.float32)
    for metric in ("l2", "ip", "cosine"):
        assert fb.exact_search(x, x[0], 4, metric=metric).ids.tolist() == [0, 1, 2, 3]


def test_recall_three_ways(base: F32, queries: F32, metric: str) -> None:
    index = fb.Index(32, metric=metric, partition=fb.IVF(16), codec=fb.PQ(8, bits=4), rerank=fb.Scalar(8)).build(base)
    truth, _ = brute_force(base, queries, 10, metric)
    expected = overlap(index.search(queries, nprobe=2, rerank=20).ids, truth)
    assert fb.recall(index, queries, truth=truth, nprobe=2, rerank=20) == pytest.approx(expected)
    assert fb.recall(index, queries, x=base, nprobe=2, rerank=20) == pytest.approx(expected)
    own = fb.recall(index, queries, nprobe=2, rerank=20)
    assert expected - 0.05 < own < 1
    assert fb.recall(index, queries, nprobe=16, rerank=3000) == 1
    assert fb.recall(index, queries[0], truth=truth[:1]) in [n / 10 for n in range(11)]


def test_recall_counts_ties() -> None:
    x = np.repeat(vectors(30, 8), 4, axis=0)
    index = fb.Index(8, metric="l2").build(x[::-1].copy())
    assert fb.recall(index, x[:20], k=2, x=x[::-1]) == 1
    assert fb.recall(index, x[:20], k=2, truth=fb.exact_search(x[::-1], x[:20], 120, metric="l2").ids[:, 2:]) == 0


def test_recall_refuses(base: F32, queries: F32) -> None:
    index = fb.Index(32, metric="l2").build(base)
    with pytest.raises(ValueError, match="truth or x"):
        fb.recall(index, queries, truth=[[1]], x=base)
    for truth in (np.zeros((40, 9), int), np.zeros((39, 10), int), np.zeros((40, 10))):
        with pytest.raises(ValueError, match="truth: expected whole numbers of shape"):
            fb.recall(index, queries, truth=truth)
    with pytest.raises(ValueError, match="row numbers"):
        fb.recall(index, queries, x=base[:100])
    with pytest.raises(ValueError, match="at least one"):
        fb.recall(index, queries[:0])


def test_measures_by_hand() -> None:
    ids = np.array([[5, 3, 9, 1], [7, 8, 2, 4], [6, 0, 1, 2]])
    qrels = [[0, 3, 1], [0, 1, 2], [0, 77, 1], [1, 2, 1], [2, 99, 3], [2, 5, 0]]
    found = fb.evaluate(ids, None, qrels, k=3)
    first = (1 / math.log2(3)) / (
        3 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    )  # 3 at rank 2; 1 at rank 4 is cut
    second = 1 / math.log2(4)
    assert found["ndcg"] == pytest.approx((first + second + 0) / 3)
    assert found["mrr"] == pytest.approx((1 / 2 + 1 / 3 + 0) / 3)
    assert found["recall"] == pytest.approx((1 / 3 + 1 + 0) / 3)
    wider = fb.evaluate(ids, None, qrels, k=4)
    assert wider["recall"] == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_perfect_ranking_and_padding() -> None:
    qrels = [[0, 4, 2], [0, 8, 1], [3, 1, 1]]
    perfect = np.array([[4, 8, -1], [-1, -1, -1], [-1, -1, -1], [1, 0, -1]])
    assert fb.evaluate(perfect, None, qrels, k=3) == {"ndcg": 1.0, "mrr": 1.0, "recall": 1.0}
    assert fb.evaluate(-np.ones_like(perfect), None, qrels, k=3) == {"ndcg": 0.0, "mrr": 0.0, "recall": 0.0}


def test_evaluate_an_index(base: F32, queries: F32) -> None:
    index = fb.Index(32, metric="ip").build(base)
    truth, _ = brute_force(base, queries, 10, "ip")
    qrels = np.array([[query, document, 1] for query in range(40) for document in truth[query, :3]])
    assert fb.evaluate(index, queries, qrels) == {"ndcg": 1.0, "mrr": 1.0, "recall": 1.0}
    assert fb.evaluate(index, queries, qrels, k=2)["recall"] == pytest.approx(2 / 3)


WRONG: list[tuple[Any, type[Exception], str]] = [
    (np.zeros((3, 2), int), ValueError, r"\(n, 3\)"),
    (np.zeros((0, 3), int), ValueError, r"\(n, 3\)"),
    (np.zeros((3, 3)), TypeError, "float64"),
    ([[0, 1, -1]], ValueError, ">= 0"),
    ([[9, 1, 1]], ValueError, "below 2, got 9"),
    ([[0, 1, 0]], ValueError, "at least one relevant"),
]


@pytest.mark.parametrize(("qrels", "error", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_judgements(qrels: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fb.evaluate(np.zeros((2, 5), int), None, qrels)


def test_wrong_results() -> None:
    with pytest.raises(ValueError, match="queries: expected None"):
        fb.evaluate(np.zeros((2, 5), int), np.zeros((2, 5)), [[0, 1, 1]])
    with pytest.raises(ValueError, match="results: expected"):
        fb.evaluate(np.zeros(5, int), None, [[0, 1, 1]])
