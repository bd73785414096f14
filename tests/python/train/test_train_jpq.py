"""fb.train.jpq on a small world whose queries are warped: what it gains, what it leaves alone, what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.train.batches import Batches
from fewbits.train.descent import Descent
from fewbits.train.examples import judged, near, split
from fewbits.train.query_map import FullMap, NoMap
from fewbits.train.scorer import CodeScorer, Lists
from fewbits.train.stages import with_positives
from support.data import vectors
from support.training_data import DIM, TRAIN, build, unseen_ndcg, world

W = world()
CODECS = {"pq4": fb.PQ(8, bits=4), "pq8": fb.PQ(4, bits=8)}


def train(index: fb.Index, labels: bool = True, w: Any = W, **settings: Any) -> fb.train.TrainingReport:
    positives = w.positives[w.positives[:, 0] < TRAIN] if labels else None
    settings = {
        "x": w.x,
        "epochs": 2,
        "threads": 1,
        "progress": False,
        "pseudo_queries": 300,
        "validation": 0.3,
    } | settings
    return fb.train.jpq(index, w.queries[:TRAIN], positives, **settings)


def codes(index: fb.Index) -> Any:
    assert index._engine is not None
    return index._engine.codes()[2]


@pytest.mark.parametrize("lists", [None, 6])
@pytest.mark.parametrize("codec", CODECS)
def test_labels_gain_and_codes_stay(codec: str, lists: int | None, tmp_path: Path) -> None:
    index = build(W, CODECS[codec], lists=lists)
    before, was, stats = unseen_ndcg(index, W), codes(index), index.stats()
    fitted = index._engine.arrays()  # type: ignore[union-attr]
    report = train(index, epochs=4)
    assert report.changed
    assert report.after > report.before
    assert unseen_ndcg(index, W) > before + 0.015
    np.testing.assert_array_equal(codes(index), was)
    for name, array in fitted.items():  # rotation, centroids and the codebook that encodes
        np.testing.assert_array_equal(index._engine.arrays()[name], array)  # type: ignore[union-attr]
    assert index.stats()["bytes_per_vector"] == stats["bytes_per_vector"]
    assert "trained for ranking" in index.explain()
    index.save(tmp_path / "a.fb")
    opened = fb.open(tmp_path / "a.fb", verify=True)
    for one, other in zip(index.search(W.queries), opened.search(W.queries), strict=True):
        np.testing.assert_array_equal(one, other)
    index.add(W.x[:100], ids=np.arange(10_000, 10_100))  # encoded as before training
    order = np.argsort(index._engine.codes()[0])  # type: ignore[union-attr]
    np.testing.assert_array_equal(codes(index)[order][-100:], codes(index)[order][:100])


@pytest.mark.parametrize("metric", ["ip", "cosine"])
@pytest.mark.parametrize("given", [True, False])
def test_distillation_gains_with_and_without_queries(metric: str, given: bool) -> None:
    index = build(W, fb.PQ(5, bits=4), metric)
    before = fb.recall(index, W.queries[TRAIN:], x=W.x)
    report = fb.train.jpq(
        index, W.queries[:TRAIN] if given else None, x=W.x, epochs=4, progress=False, pseudo_queries=1000
    )
    assert report.measure.startswith("overlap")
    assert report.after > report.before
    assert fb.recall(index, W.queries[TRAIN:], x=W.x) > before


@pytest.mark.parametrize("lists", [None, 6])
def test_vectors_in_a_cone_gain_as_well(lists: int | None) -> None:
    w = world(mean=1.5)
    index = build(w, CODECS["pq8"], lists=lists)
    assert "codec.direction" in index.stats()["bytes"]["fixed"]
    before = unseen_ndcg(index, w)
    assert train(index, w=w, epochs=4).changed
    assert unseen_ndcg(index, w) > before + 0.01


def test_a_rerank_store_stands_in_for_the_float_vectors() -> None:
    index = build(W, fb.PQ(4, bits=4), rerank=fb.Scalar(8))
    before = fb.recall(index, W.queries[TRAIN:], x=W.x, rerank=0)
    fb.train.jpq(index, epochs=4, progress=False, query_map=None, pseudo_queries=1000)
    assert fb.recall(index, W.queries[TRAIN:], x=W.x, rerank=0) > before + 0.01
    assert "rerank's own codes are as they were" in index.explain()


@pytest.mark.parametrize("scale", [0.01, 28.0])
def test_scale_of_the_embeddings_does_not_matter(scale: float) -> None:
    reports = [train(build(w, CODECS["pq4"]), w=w) for w in (W, world(scale))]
    assert reports[1].after == pytest.approx(reports[0].after, abs=0.03)


def test_same_seed_same_result_for_any_number_of_threads() -> None:
    indexes = [build(W, CODECS["pq4"], lists=6) for _ in range(2)]
    reports = [train(index, epochs=1, threads=threads) for index, threads in zip(indexes, (1, 3), strict=True)]
    assert reports[0].stages == reports[1].stages
    for one, other in zip(*(index.search(W.queries) for index in indexes), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("settings", [{"rate": 0}, {"epochs": 0}])
def test_nothing_learnt_changes_no_bit(settings: Any) -> None:
    index = build(W, CODECS["pq4"])
    before = index.search(W.queries)
    report = train(index, **settings)
    assert not report.changed
    assert report.after == report.before
    for one, other in zip(before, index.search(W.queries), strict=True):
        np.testing.assert_array_equal(one, other)


def test_bad_labels_never_leave_the_index_worse_on_validation() -> None:
    index, random = build(W, CODECS["pq4"]), np.random.default_rng(0)
    noise = np.stack([np.arange(TRAIN), random.integers(len(W.x), size=TRAIN)], axis=1)
    report = fb.train.jpq(index, W.queries[:TRAIN], noise, x=W.x, epochs=1, distillation=0, progress=False)
    assert report.after >= report.before


def test_negatives_are_mined_from_the_index_as_it_is_at_the_step() -> None:
    engine = build(W, CODECS["pq4"])._engine
    assert engine is not None
    descent = Descent(engine, CodeScorer(engine), FullMap(np.eye(DIM)), depth=20, threads=1)
    before = descent.mined(W.queries[:5])
    np.testing.assert_array_equal(descent.mined(W.queries[:5]).rows, before.rows)
    descent.parameters[0][...] *= np.random.default_rng(0).normal(1, 1, descent.parameters[0].shape)
    assert (descent.mined(W.queries[:5]).rows != before.rows).any()


def test_positives_that_are_not_mined_come_behind_all_that_are() -> None:
    """In the positions behind, whatever their ids; a mined positive keeps its position and is no negative."""
    labels = judged(W.queries[:2], [(0, 9, 2), (0, 4, 1), (1, 3, 1)], np.arange(len(W.x)))[0]
    mined = Lists(np.array([8, 9, 7, 5, 6]), np.array([0, 3, 5]))
    lists, grades = with_positives(mined, labels)
    np.testing.assert_array_equal(lists.starts, [0, 4, 7])
    np.testing.assert_array_equal(lists.rows, [8, 9, 7, 4, 5, 6, 3])
    np.testing.assert_array_equal(grades, [0, 2, 0, 1, 0, 0, 1])


def test_labels_move_the_codebook_slowly_beside_a_map() -> None:
    engine = build(W, CODECS["pq4"])._engine
    assert engine is not None
    for query_map, factors in ((FullMap(np.eye(DIM)), [0.1, 1]), (NoMap(), [1])):
        descent = Descent(engine, CodeScorer(engine), query_map, depth=20, threads=1)
        was = np.array(descent.rates)
        descent.hold_codebook()
        np.testing.assert_allclose(np.array(descent.rates) / was, factors)


def test_ctrl_c_keeps_the_best_so_far() -> None:
    index = build(W, CODECS["pq4"])
    before = unseen_ndcg(index, W)

    def stop(stage: str, fraction: float) -> None:
        if stage.startswith("labels") and fraction > 0.6:
            raise KeyboardInterrupt

    report = train(index, progress=stop, epochs=4)
    assert report.interrupted
    assert report.changed
    assert unseen_ndcg(index, W) > before


def test_an_error_leaves_the_index_as_it_was() -> None:
    index = build(W, CODECS["pq4"])
    engine = index._engine

    def fail(stage: str, fraction: float) -> None:
        raise RuntimeError("from the hook")

    with pytest.raises(RuntimeError, match="hook"):
        train(index, progress=fail)
    assert index._engine is engine


def test_a_trained_index_can_be_trained_on() -> None:
    index = build(W, CODECS["pq4"])
    first = train(index, epochs=4, query_map=4, rate=2)
    assert first.changed
    assert train(index, epochs=1, query_map=4).before == pytest.approx(first.after)
    with pytest.raises(ValueError, match="query_map: expected 4, the kind of the map that this index has"):
        train(index)


def test_validation_shares_no_document_and_no_near_duplicate() -> None:
    queries = np.concatenate([W.queries[:100], W.queries[:20] + 1e-4])
    positives = [[i % 60, 200 + i] if i % 3 else [i % 60] for i in range(120)]
    examples, others = judged(queries, positives, np.arange(len(W.x)))
    assert len(examples) == 120
    assert len(others) == 0
    training, held = split(examples, 0.3, 0)
    assert len(held) > 5
    assert not np.intersect1d(training.rows, held.rows).size
    assert not near(training.queries, held.queries).any()


def test_a_batch_is_of_one_topic_and_an_epoch_of_all_queries() -> None:
    random = np.random.default_rng(0)
    centers = random.normal(size=(8, DIM))
    topic = random.integers(8, size=500)
    queries = (centers[topic] + 0.01 * random.normal(size=(500, DIM))).astype(np.float32)
    batches = Batches(16, 8, np.random.default_rng(1), threads=1)
    for _ in range(2):
        parts = batches.of(queries)
        assert len(parts) == batches.count(500)
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(500))
        assert np.mean([len(np.unique(topic[part])) for part in parts]) < 3
    mixed = Batches(16, None, np.random.default_rng(1), threads=1).of(queries)
    assert np.mean([len(np.unique(topic[part])) for part in mixed]) > 5
    assert len(Batches(16, 9, random, threads=1).of(queries[:4])) == 1  # fewer queries than topics


@pytest.mark.parametrize("trainer", [fb.train.jpq, fb.train.adapter, fb.train.repconc])
def test_topics_change_what_is_learnt_and_it_is_still_a_gain(trainer: Any) -> None:
    settings = {"x": W.x, "epochs": 2, "threads": 1, "progress": False, "pseudo_queries": 300, "validation": 0.3}
    found = []
    for topics in (None, 12, 12):
        index = build(W, CODECS["pq4"])
        report = trainer(index, W.queries[:TRAIN], W.positives[:TRAIN], topics=topics, **settings)
        assert report.after > report.before
        found.append(index.search(W.queries).scores)
    np.testing.assert_array_equal(found[1], found[2])
    assert not np.array_equal(found[0], found[1])


def test_forms_of_positives() -> None:
    ids = np.array([7, 5, 9])
    for positives in (
        [[5], [], [7, 9]],
        np.array([[0, 5], [2, 9], [2, 7]]),
        [(0, 5, 1), (2, 7, 1), (2, 9, 1), (1, 9, 0)],
    ):
        examples, others = judged(W.queries[:3], positives, ids)
        assert [sorted(examples.rows[a:b]) for a, b in zip(examples.starts, examples.starts[1:], strict=False)] == [
            [1],
            [0, 2],
        ]
        np.testing.assert_array_equal(others, W.queries[1:2])


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"positives": [(0, 99_999)]}, ValueError, "id 99999 is not in the index"),
        ({"positives": [(TRAIN, 1)]}, ValueError, "query numbers below 400, got 400"),
        ({"positives": [(0, 1, 0)]}, ValueError, "at least one with a grade above 0"),
        ({"positives": [(0, 1)]}, ValueError, "leave none to validate on"),
        ({"positives": np.zeros((3, 5))}, ValueError, r"shape \(3, 5\)"),
        ({"positives": np.zeros((3, 2))}, TypeError, "whole numbers"),
        ({"queries": None, "positives": [(0, 1)]}, ValueError, "expected queries with them"),
        ({"positives": None, "x": None}, ValueError, "expected x="),
        ({"x": W.x[:10]}, ValueError, "10 rows"),
        ({"loss": "hinge"}, ValueError, "'softmax' or .*, got 'hinge'"),
        ({"query_map": 0}, ValueError, "query_map"),
        ({"topics": 0}, ValueError, "topics"),
        ({"query_map": "half"}, TypeError, "query_map"),
        ({"validation": 1.0}, ValueError, "below 1"),
        ({"queries": W.queries[:, :5]}, ValueError, "queries"),
        ({"index": fb.Index(DIM, metric="ip")}, ValueError, "PQ codec"),
        ({"index": fb.Index(DIM, metric="ip", codec=fb.PQ(4))}, fb.NotTrainedError, "empty"),
        ({"index": fb.Index(DIM, metric="l2", codec=fb.PQ(4))}, ValueError, "metric 'ip' or 'cosine'"),
    ],
)
def test_refusals(changed: Any, error: type[Exception], message: str) -> None:
    arguments = {"index": BUILT, "queries": W.queries[:TRAIN], "positives": W.positives[:TRAIN], "x": W.x} | changed
    with pytest.raises(error, match=message):
        fb.train.jpq(arguments.pop("index"), **arguments)  # type: ignore[arg-type]


BUILT = build(W, CODECS["pq4"])


def test_numba_is_not_loaded_before_a_trainer_runs() -> None:
    program = "import sys, fewbits as fb; fb.train.jpq; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_numba_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ImportError, match="pip install numba"):
        fb.train.jpq(BUILT, vectors(10, DIM), x=W.x)
