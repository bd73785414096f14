"""search(scorer=...): a function of the user's ranks the candidates of the index."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import fewbits as fb
from support.data import vectors

DIM = 16
X, Q = vectors(900, DIM), vectors(11, DIM, seed=1)
METRICS = ("cosine", "ip", "l2")


def built(metric: str) -> fb.Index:
    return fb.Index(DIM, metric=metric, partition=fb.IVF(4), codec=fb.Scalar(4), rerank=fb.Scalar(8)).build(
        X, ids=np.arange(len(X)) * 2, progress=False
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_scorer_by_the_index_itself_changes_nothing(metric: str) -> None:
    index, sign = built(metric), -1 if metric == "l2" else 1
    calls = []

    def own(queries: np.ndarray, ids: np.ndarray) -> np.ndarray:
        calls.append(len(ids))
        return np.array([sign * index.score(Q[q], [i])[0] for q, i in zip(queries, ids, strict=True)])

    plain, ranked = index.search(Q, 7), index.search(Q, 7, scorer=own, rerank=20)
    assert calls == [20 * len(Q)]
    assert np.array_equal(plain.ids, ranked.ids)
    assert np.array_equal(plain.scores, sign * ranked.scores)


def test_it_ranks_the_candidates() -> None:
    index = built("l2")
    candidates = index.search(Q, 100).ids
    ranked = index.search(Q, 10, scorer=lambda queries, ids: ids % 97 + queries * 1000.0)
    for query in range(len(Q)):
        best = sorted(candidates[query], key=lambda i: -(i % 97))[:10]
        assert [i % 97 for i in ranked.ids[query]] == [i % 97 for i in best]
        assert ranked.scores[query].tolist() == [i % 97 + query * 1000.0 for i in best]
    alone = index.search(Q[3], 10, scorer=lambda queries, ids: ids % 97)
    assert np.array_equal(alone.ids, ranked.ids[3])


def test_ties_keep_the_order_and_padding_stays_last() -> None:
    index = built("cosine")
    even = index.search(Q, 5, scorer=lambda queries, ids: np.zeros(len(ids)))
    assert np.array_equal(even.ids, index.search(Q, 5).ids)
    few = index.search(Q, 5, filter=[4, 6], scorer=lambda queries, ids: -np.ones(len(ids), int))
    assert (few.counts == 2).all()
    assert (few.scores[:, 2:] == -np.inf).all()
    assert not index.search(Q, 5, filter=[1], scorer=lambda queries, ids: pytest.fail("called")).counts.any()


def test_it_may_use_and_change_the_index() -> None:
    index = built("cosine")

    def scorer(queries: np.ndarray, ids: np.ndarray) -> np.ndarray:
        worker = threading.Thread(target=lambda: index.remove(ids[:1]))
        worker.start()
        worker.join()
        return np.ones(len(ids))

    assert index.search(Q, 3, scorer=scorer).counts.tolist() == [3] * len(Q)
    assert len(index) == len(X) - 1


def test_what_is_refused() -> None:
    index = built("cosine")
    with pytest.raises(TypeError, match="scorer: expected a function"):
        index.search(Q, scorer=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scorer: expected it to return 1100 numbers"):
        index.search(Q, scorer=lambda queries, ids: [1.0])
    with pytest.raises(ValueError, match="scorer: expected finite scores, got nan"):
        index.search(Q, scorer=lambda queries, ids: np.full(len(ids), np.nan))
    with pytest.raises(ValueError, match="rerank: expected at least k=10 candidates"):
        index.search(Q, scorer=lambda queries, ids: ids, rerank=9)
    with pytest.raises(ZeroDivisionError):
        index.search(Q, scorer=lambda queries, ids: 1 / 0)
