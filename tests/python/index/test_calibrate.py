"""fb.train.calibrate and search(min_probability=...): a monotone model, kept with the index."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import fewbits as fb
from fewbits.index.calibration import Moments, features
from fewbits.index.turns import replace_state
from fewbits.kinds import QUERY_MAPS
from fewbits.numeric.logistic import logistic, loss
from fewbits.spec.parts import Model
from support.data import F32, vectors

N, DIM = 1200, 24
X = vectors(N, DIM)
METRICS = ("cosine", "ip", "l2")


def labelled(n: int, seed: int) -> tuple[F32, list[np.ndarray]]:
    """Queries near a vector, by much or by little noise: the vector is the relevant one."""
    random = np.random.default_rng(seed)
    rows = random.integers(N, size=n)
    noise = random.uniform(0.2, 2.5, size=(n, 1))
    return (X[rows] + noise * random.normal(size=(n, DIM))).astype(np.float32), [np.array([row]) for row in rows]


def built(metric: str, calibrated: int = 300) -> fb.Index:
    index = fb.Index(DIM, metric=metric, codec=fb.PQ(8, bits=4), rerank=fb.Scalar(8)).build(X, progress=False)
    if calibrated:
        fb.train.calibrate(index, *labelled(calibrated, seed=1))
    return index


def precision_recall_area(probabilities: np.ndarray, relevant: np.ndarray) -> float:
    order = np.argsort(-probabilities.ravel(), kind="stable")
    hits = relevant.ravel()[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].sum() / hits.sum())


@pytest.mark.parametrize("metric", METRICS)
def test_held_out_results_are_separated_better_than_by_score_and_probabilities_are_right(metric: str) -> None:
    queries, positives = labelled(1500, seed=2)
    found = built(metric).search(queries, 10, min_probability=0)
    relevant = found.ids == np.array(positives)
    p = found.probabilities
    by_score = precision_recall_area(found.scores * (-1 if metric == "l2" else 1), relevant)
    assert precision_recall_area(p, relevant) > by_score + 0.02
    bins = np.minimum((p * 10).astype(int), 9)
    error = sum(abs(p[bins == b].mean() - relevant[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    assert error < 0.02


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_is_that_of_the_scores_and_only_the_end_is_cut(metric: str) -> None:
    index = built(metric)
    queries, _ = labelled(60, seed=3)
    plain, cut = index.search(queries, 12), index.search(queries, 12, min_probability=0.3)
    whole = index.search(queries, 12, min_probability=0)
    assert np.array_equal(whole.ids, plain.ids)
    assert np.array_equal(whole.scores, plain.scores)
    assert (np.diff(whole.probabilities, axis=1) <= 0).all()
    assert 0 < cut.counts.sum() < plain.counts.sum()
    kept = np.arange(12) < cut.counts[:, None]
    assert np.array_equal(kept, whole.probabilities >= np.float32(0.3))
    assert np.array_equal(cut.ids[kept], plain.ids[kept])
    assert (cut.ids[~kept] == -1).all()
    assert (cut.probabilities[~kept] == 0).all()
    assert np.isinf(cut.scores[~kept]).all()


def test_a_batch_is_its_queries_and_k_does_not_matter() -> None:
    index = built("cosine")
    queries, _ = labelled(20, seed=4)
    batch = index.search(queries, 8, min_probability=0, threads=3)
    for i, query in enumerate(queries):
        alone = index.search(query, 8, min_probability=0, threads=1)
        assert alone.probabilities.shape == (8,)
        assert np.array_equal(alone.probabilities, batch.probabilities[i])
        one = index.search(query, 1, min_probability=0)
        assert np.array_equal(one.probabilities, batch.probabilities[i][:1])
        assert np.array_equal(
            index.search(query, 1, rerank=1, min_probability=0).ids, index.search(query, 1, rerank=1).ids
        )


def test_it_is_kept_in_the_file_and_by_changes_of_the_contents() -> None:
    index = built("cosine")
    queries, _ = labelled(20, seed=4)
    before = index.search(queries, 5, min_probability=0.2)
    for same in (fb.Index.from_bytes(index.to_bytes()), pickle.loads(pickle.dumps(index))):
        after = same.search(queries, 5, min_probability=0.2)
        assert np.array_equal(before.probabilities, after.probabilities)
        assert same.to_bytes() == index.to_bytes()
    again = pickle.loads(pickle.dumps(before))
    assert np.array_equal(again.probabilities, before.probabilities)
    index.add(X[:5] * 0.9, progress=False)
    index.remove([1, 2])
    assert index.compact().search(queries, 5, min_probability=0.2).probabilities.shape == (20, 5)
    assert "calibrated on 300 queries" in index.explain()


def test_another_score_needs_another_fit() -> None:
    index = fb.Index(DIM, metric="ip", codec=fb.PQ(8, bits=4)).build(X, progress=False)
    queries, positives = labelled(400, seed=1)
    fb.train.calibrate(index, queries[:200], positives[:200])
    index.search(queries, 5, min_probability=0.5)
    double = Model({"query.kind": QUERY_MAPS["full"]}, {"query.matrix": 2 * np.eye(DIM, dtype=np.float32)})
    replace_state(index, "train", lambda now: now.scored_by(double))
    for same in (index, fb.Index.from_bytes(index.to_bytes())):
        with pytest.raises(ValueError, match="min_probability: the scores of the index have changed"):
            same.search(queries, 5, min_probability=0.5)
        assert "to be refitted" in same.explain()
    fb.train.calibrate(index, queries[:200], positives[:200])
    index.search(queries, 5, min_probability=0.5)


def test_features_and_moments_are_what_they_say() -> None:
    queries, _ = labelled(7, seed=5)
    for metric in METRICS:
        index = fb.Index(DIM, metric=metric, codec=fb.Float()).add(X, progress=False)
        found = index.search(queries, 6)
        x = features(found, queries, metric, Moments.of(X[:1024], metric))
        sample = index.score(queries, np.arange(1024)) * (-1.0 if metric == "l2" else 1.0)
        s = found.scores * (-1.0 if metric == "l2" else 1.0)
        np.testing.assert_allclose(x[..., 0], s)
        deviations = (s - sample.mean(axis=1, keepdims=True)) / sample.std(axis=1, keepdims=True)
        np.testing.assert_allclose(x[..., 1], deviations, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(x[..., 2], s - s[:, :1])
        np.testing.assert_allclose(x[..., 3], np.tile(-np.log(np.arange(2, 8)), (7, 1)))
        np.testing.assert_allclose(x[..., 4], np.tile((s[:, 0] - s[:, 1])[:, None], 6))


def test_the_fit_is_a_minimum_within_its_bounds() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 3))
    y = (random.random(500) < 1 / (1 + np.exp(-(x @ [1.0, -0.5, 0.3] - 1)))).astype(float)
    low = np.array([0.0, 0.0, -np.inf])
    w = logistic(x, y, low)
    assert w[1] == 0
    a, ridge = np.concatenate([x, np.ones((500, 1))], axis=1), np.array([1, 1, 1, 1e-9])
    for i in range(4):
        for step in (1e-3, -1e-3):
            other = w.copy()
            other[i] += step
            assert (i == 1 and step < 0) or loss(a, y, ridge, other) > loss(a, y, ridge, w)


def test_constant_features_leave_a_function_of_the_score_alone() -> None:
    random = np.random.default_rng(1)
    s = random.normal(size=400)
    y = (random.random(400) < 1 / (1 + np.exp(-2 * s))).astype(float)
    both = logistic(np.stack([s, np.zeros(400)], axis=1), y, np.zeros(2))
    alone = logistic(s[:, None], y, np.zeros(1))
    np.testing.assert_allclose(both[[0, 2]], alone, rtol=1e-6)
    assert both[1] == 0


def test_what_is_refused() -> None:
    index = built("cosine", calibrated=0)
    queries, positives = labelled(50, seed=1)
    with pytest.raises(ValueError, match=r"call fb\.train\.calibrate first"):
        index.search(queries, min_probability=0.5)
    before = index.to_bytes()
    with pytest.raises(ValueError, match="positives: expected some relevant and some other"):
        fb.train.calibrate(index, -queries[:1], np.array([[0, index.search(queries[0]).ids[0]]]))
    assert index.to_bytes() == before
    fb.train.calibrate(index, queries, positives)
    with pytest.raises(ValueError, match=r"min_probability: expected a number in 0\.\.1"):
        index.search(queries, min_probability=1.5)
    with pytest.raises(ValueError, match="min_probability: expected without min_score"):
        index.search(queries, min_probability=0.5, min_score=0.1)


@pytest.mark.parametrize(
    "change",
    [
        {"weights": [1, 2]},
        {"weights": [-1, 0, 0, 0, 0, 0]},
        {"mean": "AAAA"},
        {"mean": 3},
        {"factor": "!"},
        {"fingerprint": 7},
        {"k": None},
    ],
)
def test_a_damaged_calibration_is_a_corrupt_file(change: dict[str, object]) -> None:
    index = built("cosine")
    meta = json.loads(index._engine.meta or index._meta(index._state))
    meta["calibration"] |= change
    damaged = index._engine.to_bytes(json.dumps(meta).encode())
    with pytest.raises(fb.CorruptIndexError, match="description of the index is not readable"):
        fb.open(damaged)
