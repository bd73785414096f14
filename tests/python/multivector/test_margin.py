"""Ranking of candidates that stops early: the rule, its fit to queries, and what it keeps on other queries."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.choose.margin import LEAST_RANKED, fitted, needed, of_results
from fewbits.index.turns import replace_state

DIM, DEPTH = 16, 60
F32 = np.ndarray


def unit(count: int, rng: np.random.Generator) -> F32:
    x = rng.standard_normal((count, DIM)).astype(np.float32)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


WORDS = unit(200, np.random.default_rng(7))


def sets(n: int, seed: int, low: int = 4, high: int = 14) -> list[F32]:
    """Sets of tokens near common ones, as words are; some documents are of few of them, which makes neighbours."""
    rng = np.random.default_rng(seed)
    topics = np.random.default_rng(8).integers(0, 200, (40, 25))
    return [
        WORDS[rng.choice(topics[rng.integers(40)], size)] + 0.2 * unit(size, rng) for size in rng.integers(low, high, n)
    ]


DOCUMENTS, QUERIES = sets(500, 1), sets(200, 2, 2, 7)
ENCODERS = {"fde": fb.FDE(DIM, 10, 3, 8), "lemur": fb.LEMUR(features=256, sample=2048)}


@pytest.fixture(scope="module", params=ENCODERS)
def index(request: pytest.FixtureRequest) -> fb.MultiVectorIndex:
    encoder = ENCODERS[request.param]
    return fb.MultiVectorIndex(DIM, encoder=encoder, codec=fb.Scalar(8), tokens=fb.Scalar(8)).build(DOCUMENTS)


def candidates(index: fb.MultiVectorIndex, queries: Any, **settings: Any) -> tuple[F32, F32, F32]:
    """Ids and estimates, in the order in which candidates are ranked, and their scores."""
    found = index.search(queries, DEPTH, rerank=0, **settings)
    return found.ids, found.scores, index.score(queries, found.ids)


def by_rule(estimates: F32, scores: F32, k: int, margin: float, min_score: float = -math.inf) -> int:
    """How many candidates of one query are ranked, as the documentation has it."""
    for place in range(len(scores)):
        if not np.isfinite(scores[place]):
            return place
        ranked = scores[:place].astype(float)
        errors = ranked - estimates[:place]
        if place >= max(k, LEAST_RANKED):
            beaten = max(np.sort(ranked)[-k], min_score)
            if estimates[place] + errors.mean() + margin * errors.std() < beaten - 1e-9:
                return place
    return len(scores)


def best(ids: F32, scores: F32, k: int) -> tuple[F32, F32]:
    order = np.lexsort((ids, -scores))[:k]
    return np.pad(ids[order], (0, k - len(order)), constant_values=-1), scores[order]


@pytest.mark.parametrize("settings", [{}, {"filter": fb.Filter(np.arange(0, 500, 3))}], ids=["all", "filter"])
@pytest.mark.parametrize(("k", "margin"), [(1, 0.0), (1, 1.5), (10, 0.5), (10, 2.0), (25, 1.0), (10, 100.0)])
def test_ranking_stops_where_the_rule_says(
    index: fb.MultiVectorIndex, k: int, margin: float, settings: dict[str, Any]
) -> None:
    ids, estimates, scores = candidates(index, QUERIES, **settings)
    found = index.search(QUERIES, k, rerank=DEPTH, margin=margin, **settings)
    for q in range(len(QUERIES)):
        ranked = by_rule(estimates[q], scores[q], k, margin)
        right, values = best(ids[q, :ranked], scores[q, :ranked], k)
        np.testing.assert_array_equal(found.ids[q], right)
        np.testing.assert_array_equal(found.scores[q, : len(values)], values)


def test_a_least_score_stops_it_too(index: fb.MultiVectorIndex) -> None:
    ids, estimates, scores = candidates(index, QUERIES)
    least = float(np.sort(scores, axis=1)[:, -4].mean())
    found = index.search(QUERIES, 10, rerank=DEPTH, margin=1, min_score=least)
    fewer = 0
    for q in range(len(QUERIES)):
        ranked = by_rule(estimates[q], scores[q], 10, 1, least)
        fewer += ranked < by_rule(estimates[q], scores[q], 10, 1)
        enough = scores[q, :ranked] >= least
        right, _ = best(ids[q, :ranked][enough], scores[q, :ranked][enough], 10)
        np.testing.assert_array_equal(found.ids[q], right)
    assert fewer > 10


def test_the_bits_depend_on_neither_threads_nor_batches(index: fb.MultiVectorIndex) -> None:
    whole = index.search(QUERIES, 10, rerank=DEPTH, margin=1.0, threads=1)
    threaded = index.search(QUERIES, 10, rerank=DEPTH, margin=1.0, threads=3)
    np.testing.assert_array_equal(whole.ids, threaded.ids)
    np.testing.assert_array_equal(whole.scores, threaded.scores)
    for q in range(0, len(QUERIES), 17):
        one = index.search(QUERIES[q], 10, rerank=DEPTH, margin=1.0)
        np.testing.assert_array_equal(one.ids, whole.ids[q])
        np.testing.assert_array_equal(one.scores, whole.scores[q])
    everything = index.search(QUERIES, 10, rerank=DEPTH, margin=math.inf)
    plain = index.search(QUERIES, 10, rerank=DEPTH)
    np.testing.assert_array_equal(everything.ids, plain.ids)
    np.testing.assert_array_equal(everything.scores, plain.scores)
    assert (whole.ids != plain.ids).any()


def test_what_each_candidate_needs_is_where_the_rule_stops(index: fb.MultiVectorIndex) -> None:
    _, estimates, scores = candidates(index, QUERIES)
    scores[3, 40:] = -np.inf  # padding
    for k in (1, 10, 20):
        least = needed(estimates, scores, k)
        assert (least[:, 1:] >= least[:, :-1]).all()
        for margin in (0.3, 1.0, 2.0):
            ranked = (np.isfinite(scores) & (least <= margin)).sum(axis=1)
            expected = [by_rule(*each, k, margin) for each in zip(estimates, scores, strict=True)]
            np.testing.assert_array_equal(ranked, expected)


def kept(index: fb.MultiVectorIndex, queries: list[F32], k: int, margin: float) -> float:
    whole = index.search(queries, k, rerank=DEPTH).ids
    found = index.search(queries, k, rerank=DEPTH, margin=margin).ids
    return float((whole[:, :, None] == found[:, None, :]).any(axis=2).mean())


def margin_for(index: fb.MultiVectorIndex, share: float, k: int = 10) -> float:
    """Of 100 queries, with which this share of their results is ranked."""
    _, estimates, scores = candidates(index, QUERIES[:100])
    margins = of_results(needed(estimates, scores, k), scores, k)
    return max(0.0, float(margins[math.ceil(share * len(margins)) - 1]))


@pytest.mark.parametrize(("share", "most"), [(0.9, 0.65), (0.97, 0.85), (0.995, 1.0)])
def test_a_margin_covers_other_queries_with_fewer_candidates(
    index: fb.MultiVectorIndex, share: float, most: float
) -> None:
    margin = margin_for(index, share)
    _, estimates, scores = candidates(index, QUERIES[100:])
    assert kept(index, QUERIES[100:], 10, margin) > share - 0.02
    assert (needed(estimates, scores, 10) <= margin).mean() < most
    for k in (1, 5, 20):
        assert kept(index, QUERIES[100:], k, margin) > share - 0.05


def test_a_margin_outlives_changes(index: fb.MultiVectorIndex) -> None:
    other = fb.MultiVectorIndex.from_bytes(index.to_bytes())
    margin = margin_for(other, 0.998)
    other.add(sets(500, 3))
    other.remove(np.arange(0, 500, 2))
    assert kept(other, QUERIES[100:], 10, margin) > 0.985


def test_the_least_margin_that_is_good_enough() -> None:
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((300, 80)).astype(np.float32)
    estimates = -np.sort(-truth, axis=1)
    scores = (estimates + 0.4 * rng.standard_normal(truth.shape)).astype(np.float32)
    scores[5:9, 50:] = -np.inf
    ids = np.arange(300 * 80).reshape(300, 80)
    right = np.take_along_axis(ids, np.argsort(-scores, axis=1)[:, :10], axis=1)
    least = needed(estimates, scores, 10)

    def recall(found: F32) -> float:
        return float((right[:, :, None] == found[:, None, :]).any(axis=2).mean())

    found = [fitted(ids, estimates, scores, 10, lambda given, low=low: recall(given) >= low) for low in (0.9, 0.99, 1)]
    for low, each in zip((0.9, 0.99, 1), found, strict=True):
        assert each is not None
        margin, ranked = each
        assert ranked == (np.isfinite(scores) & (least <= margin)).sum(axis=1).mean()
        for limit, enough in ((margin, True), (margin - 1e-9, False)):
            order = np.argsort(-np.where(least <= limit, scores, -np.inf), axis=1)[:, :10]
            assert (recall(np.take_along_axis(ids, order, axis=1)) >= low) == enough
    assert found[0] < found[1] < found[2]
    assert fitted(ids, estimates, scores, 10, lambda given: False) is None


def test_tune_finds_a_margin_that_files_keep(tmp_path: Path) -> None:
    index = fb.MultiVectorIndex(DIM, encoder=ENCODERS["lemur"], codec=fb.RaBitQ(2), tokens=fb.Scalar(8))
    index.build(DOCUMENTS)
    found = fb.tune(index, QUERIES[:150], recall=0.97, x=DOCUMENTS)
    assert found.recall_low >= 0.97
    assert found.margin is not None
    assert dict(found.settings())["margin"] == found.margin
    assert f"margin of {found.margin:g} deviations" in index.explain()
    held_out = QUERIES[150:]
    by_default = index.search(held_out, 10)
    given = index.search(held_out, 10, rerank=found.rerank, margin=found.margin)
    np.testing.assert_array_equal(by_default.ids, given.ids)
    index.save(tmp_path / "a.fb")
    opened = fb.MultiVectorIndex.open(tmp_path / "a.fb")
    np.testing.assert_array_equal(opened.search(held_out, 10).scores, given.scores)
    whole = opened.search(held_out, 10, margin=math.inf)
    np.testing.assert_array_equal(whole.scores, opened.search(held_out, 10, rerank=found.rerank).scores)
    opened.sync(tmp_path / "a.fb")
    replace_state(opened, "tune", lambda now: now.with_defaults(None, 40, 0, None))
    opened.sync(tmp_path / "a.fb")
    del opened
    again = fb.MultiVectorIndex.open(tmp_path / "a.fb")
    np.testing.assert_array_equal(again.search(held_out, 10).scores, again.search(held_out, 10, rerank=40).scores)


def test_wrong_margins(index: fb.MultiVectorIndex, tmp_path: Path) -> None:
    for margin, error in ((-0.1, ValueError), (math.nan, ValueError), ("1", TypeError), (True, TypeError)):
        with pytest.raises(error, match="margin"):
            index.search(QUERIES, margin=margin)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="margin: expected none with rerank=0"):
        index.search(QUERIES, rerank=0, margin=1)
    single = fb.Index(DIM, metric="ip").build(np.concatenate(DOCUMENTS), progress=False)
    assert single._engine is not None
    with pytest.raises(ValueError, match="default"):
        single._engine.set_default("default.margin", 1)
