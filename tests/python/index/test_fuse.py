"""fb.fuse and fb.train.fuse, against rankings made by hand and by loops."""

from __future__ import annotations

import numpy as np
import pytest

import fewbits as fb
from support.data import vectors

N, DIM = 600, 16
X, Q = vectors(N, DIM), vectors(30, DIM, seed=1)
LEFT = fb.Index(DIM // 2, metric="cosine").add(X[:, : DIM // 2], progress=False)
RIGHT = fb.Index(DIM // 2, metric="l2", codec=fb.Scalar(8)).build(X[:, DIM // 2 :], progress=False)
HALVES = [Q[:, : DIM // 2], Q[:, DIM // 2 :]]
LISTS = [LEFT.search(HALVES[0], 20), RIGHT.search(HALVES[1], 25)]


def by_loops(lists: list[fb.SearchResult], weights: list[float], how: str, k: int) -> list[list[int]]:
    """The same by dictionaries, query by query; lists[1] holds distances."""
    ranked = []
    for query in range(len(lists[0].ids)):
        total: dict[int, float] = {}
        own = []
        for sign, found in zip((1, -1), lists, strict=True):
            s = sign * found.scores[query].astype(np.float64)
            if how == "rrf":
                values = 1 / (60 + np.arange(1, len(s) + 1))
            elif how == "zscore":
                values = (s - s.mean()) / s.std()
            else:
                values = (s - s.min()) / (s.max() - s.min())
            own.append(dict(zip(found.ids[query].tolist(), values.tolist(), strict=True)))
        for document in [*own[0], *own[1]]:
            total[document] = sum(
                weight * each.get(document, 0.0 if how == "rrf" else min(each.values()))
                for weight, each in zip(weights, own, strict=True)
            )
        ranked.append(sorted(total, key=lambda document: -total[document])[:k])
    return ranked


@pytest.mark.parametrize("how", ["minmax", "zscore", "rrf"])
def test_it_is_the_weighted_sum_of_normalised_scores(how: str) -> None:
    fused = fb.fuse(LISTS, [0.7, 0.3], normalize=how, k=15)
    assert fused.ids.tolist() == by_loops(LISTS, [0.7, 0.3], how, 15)
    assert (np.diff(fused.scores) <= 0).all()


def test_all_the_weight_on_a_list_returns_it() -> None:
    for how in ("minmax", "zscore", "rrf"):
        assert np.array_equal(fb.fuse(LISTS, [1, 0], normalize=how, k=20).ids, LISTS[0].ids)
        assert np.array_equal(fb.fuse(LISTS, [0, 2], normalize=how, k=25).ids, LISTS[1].ids)


def test_affine_maps_of_scores_change_nothing() -> None:
    mapped = (LISTS[0].ids, LISTS[0].scores * 4 - 7)
    for how in ("minmax", "zscore", "rrf"):
        plain, other = fb.fuse(LISTS, normalize=how), fb.fuse([mapped, LISTS[1]], normalize=how)
        np.testing.assert_allclose(plain.scores, other.scores, rtol=1e-5, atol=1e-6)


def test_the_lowest_score_in_theory() -> None:
    fused = fb.fuse([LISTS[0], LISTS[0]], [1, 1], normalize="theoretical", lowest=[-1, -1])
    s = LISTS[0].scores[:, :10]
    np.testing.assert_allclose(fused.scores, 2 * (s + 1) / (s[:, :1] + 1), rtol=1e-6)


def test_documents_of_one_list_are_scored_by_the_other_index() -> None:
    fused = fb.fuse(LISTS, [0.5, 0.5], indexes=[LEFT, RIGHT], queries=HALVES, k=10)
    for query in range(len(Q)):
        pool = np.unique(np.concatenate([LISTS[0].ids[query], LISTS[1].ids[query]]))
        left, right = LEFT.score(HALVES[0][query], pool), -RIGHT.score(HALVES[1][query], pool)
        total = sum(0.5 * (s - s.min()) / (s.max() - s.min()) for s in (left.astype(float), right.astype(float)))
        np.testing.assert_allclose(fused.scores[query], np.sort(total)[::-1][:10], rtol=1e-5)
        assert set(fused.ids[query]) <= set(pool.tolist())
    assert not np.array_equal(fused.ids, fb.fuse(LISTS, [0.5, 0.5], k=10).ids)


def test_a_batch_is_its_queries_and_padding_is_skipped() -> None:
    batch = fb.fuse(LISTS, k=60)
    for query in (0, 7):
        alone = fb.fuse([fb.SearchResult(each.ids[query], each.scores[query]) for each in LISTS], k=60)
        assert np.array_equal(alone.ids, batch.ids[query])
        assert np.array_equal(alone.scores, batch.scores[query])
    assert (batch.counts <= 45).all()
    assert (batch.scores[batch.ids < 0] == -np.inf).all()
    few = LEFT.search(HALVES[0], 5, filter=[3, 4])
    assert fb.fuse([few, LISTS[1]]).counts.tolist() == [10] * len(Q)
    empty = (np.zeros((3, 0), int), np.zeros((3, 0)))
    assert fb.fuse([empty, empty]).counts.tolist() == [0, 0, 0]


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="weights: expected 2"):
        fb.fuse(LISTS, [1, 2, 3])
    with pytest.raises(ValueError, match="weights: expected 2"):
        fb.fuse(LISTS, [0, 0])
    with pytest.raises(ValueError, match="lowest: expected with normalize='theoretical' only"):
        fb.fuse(LISTS, lowest=[0, 0])
    with pytest.raises(ValueError, match="lowest"):
        fb.fuse(LISTS, normalize="theoretical")
    with pytest.raises(ValueError, match="normalize: expected 'minmax'"):
        fb.fuse(LISTS, normalize="max")
    with pytest.raises(ValueError, match="indexes: expected together with queries"):
        fb.fuse(LISTS, indexes=[LEFT, RIGHT])
    with pytest.raises(ValueError, match="indexes: expected None with normalize='rrf'"):
        fb.fuse(LISTS, normalize="rrf", indexes=[LEFT, RIGHT], queries=HALVES)
    with pytest.raises(ValueError, match="the scores of some rise"):
        fb.fuse([(np.array([[1, 2], [3, 4]]), np.array([[1.0, 2.0], [2.0, 1.0]]))])
    with pytest.raises(ValueError, match="expected lists of the same queries"):
        fb.fuse([LISTS[0], (LISTS[1].ids[:3], LISTS[1].scores[:3])])
    with pytest.raises(TypeError, match=r"results\[1\]: expected a SearchResult"):
        fb.fuse([LISTS[0], 3])


def halves_of_relevance(queries: int, seed: int) -> tuple[list[fb.SearchResult], np.ndarray]:
    """Two noisy views of one relevance, the first three times as exact; the best document is relevant."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=(queries, 200))
    lists = []
    for noise in (0.5, 1.5):
        s = truth + noise * random.normal(size=truth.shape)
        order = np.argsort(-s, axis=1)[:, :50]
        lists.append(fb.SearchResult(order, np.take_along_axis(s, order, axis=1).astype(np.float32)))
    best = truth.argmax(axis=1)
    return lists, np.stack([np.arange(queries), best, np.ones_like(best)], axis=1)


def test_the_weight_learned_from_fifty_queries_is_as_good_as_the_best_on_others() -> None:
    learned = fb.train.fuse(*halves_of_relevance(50, seed=0))
    lists, qrels = halves_of_relevance(2000, seed=1)
    by_weight = [fb.evaluate(fb.fuse(lists, [w, 1 - w]).ids, None, qrels)["ndcg"] for w in np.linspace(0, 1, 11)]
    ndcg = fb.evaluate(fb.fuse(lists, learned.weights).ids, None, qrels)["ndcg"]
    assert ndcg > max(by_weight) - 0.01
    assert ndcg > max(by_weight[0], by_weight[-1]) + 0.01
    assert learned.weights[0] > 0.6
    assert sum(learned.weights) == pytest.approx(1)
    assert learned.ndcg >= max(learned.single) - 1e-9
    assert "judged queries" in str(learned)


def test_the_error_of_the_weight_is_its_deviation_over_samples() -> None:
    several = [fb.train.fuse(*halves_of_relevance(60, seed)) for seed in range(30)]
    spread = np.std([each.weights[0] for each in several])
    stated = np.mean([each.standard_error for each in several])
    assert 0.4 * spread < stated < 2.5 * spread


def test_what_training_refuses() -> None:
    lists, qrels = halves_of_relevance(5, seed=0)
    with pytest.raises(ValueError, match="results: expected two lists"):
        fb.train.fuse([*lists, lists[0]], qrels)
    with pytest.raises(ValueError, match="qrels: expected a relevant document"):
        fb.train.fuse(lists, np.array([[0, 1, 0]]))
    with pytest.raises(ValueError, match=r"queries 0\.\.4"):
        fb.train.fuse(lists, np.array([[9, 1, 1]]))


def test_a_list_without_weight_has_no_part_in_the_others() -> None:
    strange = fb.SearchResult(np.full((len(Q), 1), N - 1), np.full((len(Q), 1), 1e6, np.float32))
    lists, indexes, queries = [*LISTS, strange], [LEFT, RIGHT, LEFT], [*HALVES, HALVES[0]]
    two = fb.fuse(LISTS, [0.4, 0.6], indexes=[LEFT, RIGHT], queries=HALVES)
    three = fb.fuse(lists, [0.4, 0.6, 0], indexes=indexes, queries=queries)
    assert np.array_equal(two.ids, three.ids)
    assert np.array_equal(two.scores, three.scores)
