"""Approximate search of a sparse index, fb.tune and fb.merge of sparse indexes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fewbits as fb


def rows(n: int, terms: int, nonzeros: int, seed: int) -> list[dict[int, float]]:
    random = np.random.default_rng(seed)
    columns = np.minimum(random.zipf(1.2, (n, nonzeros)) - 1, terms - 1)
    values = random.gamma(2.0, 0.5, (n, nonzeros)) + 0.01
    return [dict(zip(c.tolist(), v.tolist(), strict=True)) for c, v in zip(columns, values, strict=True)]


X = rows(3000, 300, 12, 0)
Q = rows(60, 300, 8, 1)
INDEX = fb.SparseIndex().build(X)
EXACT = INDEX.search(Q, 10)


def test_all_of_the_mass_is_exact() -> None:
    found = INDEX.search(Q, 10, mass=1.0)
    assert np.array_equal(found.ids, EXACT.ids)
    assert np.array_equal(found.scores, EXACT.scores)


@pytest.mark.parametrize("mass", [0.01, 0.4, 0.8, 0.99])
def test_candidates_are_those_of_the_heaviest_terms_with_scores_of_all(mass: float) -> None:
    scales = INDEX._state.engine.scales()
    for query in Q[:20]:
        weights = {term: value * float(scales[term]) for term, value in query.items() if scales[term] > 0}
        total, kept, part = sum(weights.values()), 0.0, {}
        for term in sorted(weights, key=lambda term: (-weights[term], term)):
            if kept >= mass * total * (1 + 1e-4):
                break
            kept += weights[term]
            part[term] = query[term]
        found = INDEX.search(query, 10, mass=mass, rerank=40)
        assert np.array_equal(found.scores[found.ids >= 0], INDEX.score(query, found.ids[found.ids >= 0]))
        assert (np.diff(found.scores) <= 0).all()
        by_part = INDEX.search(part, 60)
        cut = by_part.scores[min(39, int(by_part.counts) - 1)]
        candidates = by_part.ids[by_part.scores >= cut * (1 - 1e-4)]
        assert np.isin(found.ids[found.ids >= 0], candidates).all()
        sure = by_part.ids[by_part.scores > cut * (1 + 1e-4)]
        if len(sure):
            best = sure[np.argmax(INDEX.score(query, sure))]
            assert found.scores[0] >= INDEX.score(query, [int(best)])[0]


def test_filters_and_min_score_hold_with_less_mass() -> None:
    allowed = np.arange(0, 3000, 7)
    found = INDEX.search(Q, 10, mass=0.6, filter=allowed)
    assert np.isin(found.ids, [*allowed, -1]).all()
    least = float(np.median(EXACT.scores))
    cut = INDEX.search(Q, 10, mass=0.6, min_score=least)
    whole = INDEX.search(Q, 10, mass=0.6)
    assert np.array_equal(cut.counts, (whole.scores >= np.float32(least)).sum(axis=1))
    assert 0 < cut.counts.sum() < 600


def test_tune_finds_a_setting_and_keeps_it() -> None:
    index = fb.SparseIndex().build(X)
    tuned = fb.tune(index, Q, recall=0.9)
    assert tuned.mass is not None
    assert 0 < tuned.mass <= 1
    assert tuned.recall_low >= 0.9
    assert tuned.truth == "codes"
    assert tuned.nprobe is None
    for same in (index, fb.open(index.to_bytes())):
        assert isinstance(same, fb.SparseIndex)
        expected = INDEX.search(Q, 10, mass=tuned.mass, rerank=tuned.rerank)
        assert np.array_equal(same.search(Q, 10).ids, expected.ids)
        assert np.array_equal(same.search(Q, 10, mass=1.0).ids, EXACT.ids)
    index.add([{0: 1.0}])
    assert index._state.defaults.mass == tuned.mass
    assert fb.tune(index, Q, recall=1.0).recall_low == 1.0


def test_what_is_refused() -> None:
    for options in ({"mass": 0}, {"mass": 1.1}, {"mass": "a"}, {"rerank": 20}, {"mass": 0.5, "rerank": 5}):
        with pytest.raises((TypeError, ValueError), match=r"mass|rerank"):
            INDEX.search(Q, 10, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="x: expected None for a sparse index"):
        fb.tune(INDEX, Q, x=np.eye(3))
    with pytest.raises(ValueError, match="expected queries and vectors"):
        fb.tune(fb.SparseIndex(), Q)


def test_parts_of_one_index_merge_without_a_change_of_any_code() -> None:
    file = fb.SparseIndex().build(X).to_bytes()
    one, two = fb.SparseIndex.from_bytes(file), fb.SparseIndex.from_bytes(file)
    one.remove(np.arange(1000, 3000))
    two.remove(np.arange(1000))
    merged = fb.merge([one, two])
    found = merged.search(Q, 10)
    assert np.array_equal(found.scores, EXACT.scores)
    assert np.array_equal(merged.ids(), np.arange(3000))
    assert len(one) == 1000
    with pytest.raises(ValueError, match="is in the index already"):
        fb.merge([one, fb.SparseIndex.from_bytes(file)])
    replaced = fb.merge([one, fb.SparseIndex().build([{0: 9.0}], ids=[5])], on_conflict="replace")
    assert len(replaced) == 1000
    assert replaced.search({0: 1.0}, 1).ids.tolist() == [5]
    np.testing.assert_allclose(replaced.search({0: 1.0}, 1).scores, [9.0], rtol=1e-5)


def test_indexes_of_their_own_scales_merge_without_cutting_values() -> None:
    whole = fb.SparseIndex().build(X)
    parts = [fb.SparseIndex().build(X[a : a + 1000], ids=np.arange(a, a + 1000)) for a in (0, 1000, 2000)]
    merged = fb.merge(parts)
    scales = whole._state.engine.scales()
    np.testing.assert_allclose(merged._state.engine.scales(), scales, rtol=1e-6)
    most = sum(scales[term] for term in X[17])
    for row in (17, 1500, 2999):
        _, terms, values = merged.reconstruct([row])
        assert sorted(X[row]) == terms.tolist()
        for term, value in zip(terms.tolist(), values.tolist(), strict=True):
            assert abs(value - X[row][term]) <= 1.01 * scales[term]  # coded twice: half a unit each time
    np.testing.assert_allclose(merged.search(Q, 10).scores, EXACT.scores, atol=8 * most)
    assert len(fb.merge([fb.SparseIndex(), parts[0]])) == 1000
    assert len(fb.merge([parts[0], fb.SparseIndex()])) == 1000


def test_texts_merge_by_token() -> None:
    texts = ["a cat", "a dog and a cat", "rain in spain"]
    file = fb.SparseIndex.bm25(texts).to_bytes()
    one, two = fb.SparseIndex.from_bytes(file), fb.SparseIndex.from_bytes(file)
    one.add(["snow in june"], ids=[10])
    two.remove([0, 1, 2])
    two.add(["hail and snow in march"], ids=[20])
    merged = fb.merge([one, two])
    again: Any = fb.open(merged.to_bytes())
    for same in (merged, again):
        assert sorted(same.search("snow", 3).ids.tolist()) == [-1, 10, 20]
        assert same.search("march", 2).ids.tolist() == [20, -1]
        assert same.search("june", 2).ids.tolist() == [10, -1]
        assert same.search("cat", 1).ids.tolist() == [0]
    fresh = fb.SparseIndex.from_bytes(file).add(["hail and snow in march"], ids=[20])
    np.testing.assert_allclose(merged.score("hail in", [20]), fresh.score("hail in", [20]), rtol=0.01)
    with pytest.raises(ValueError, match="same statistics"):
        fb.merge([one, fb.SparseIndex.bm25(["other texts"])])
    with pytest.raises(ValueError, match="all of vectors or all of texts"):
        fb.merge([one, fb.SparseIndex().build(X[:5], ids=np.arange(100, 105))])
    with pytest.raises(TypeError, match=r"sequence of fewbits\.SparseIndex"):
        fb.merge([one, fb.Index(2, metric="ip").add(np.eye(2))])  # type: ignore[list-item]
