"""What trainers learn from besides labels of relevance: scores of a teacher, and where two indexes agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.train.examples import judged, split
from support.training_data import TRAIN, build, unseen_ndcg, world

W = world()
QUICK: dict[str, Any] = {"pseudo_queries": 500, "epochs": 6, "threads": 1, "progress": False}


def scored_pairs() -> tuple[np.ndarray, np.ndarray]:
    """Positives and 20 other documents per query, with the scores of a teacher that knows what was asked for."""
    random = np.random.default_rng(1)
    asked = W.positives[:TRAIN, 1]
    others = random.integers(len(W.x), size=(TRAIN, 20))
    others[:, 10:] = fb.exact_search(W.x, W.queries[:TRAIN], 10, metric="ip").ids
    ids = np.concatenate([asked[:, None], others], axis=1)
    grades = (ids == asked[:, None]).astype(np.int64)
    rows = np.stack([np.repeat(np.arange(TRAIN), 21), ids.ravel(), grades.ravel()], axis=1)
    scores = 40 * np.einsum("ijk,ik->ij", W.x[ids], W.x[asked]).ravel() - 7  # of another scale
    return rows, scores


@pytest.mark.parametrize("trainer", [fb.train.jpq, fb.train.adapter])
def test_margins_of_a_teacher_teach(trainer: Any) -> None:
    rows, scores = scored_pairs()
    index = build(W, fb.PQ(12, bits=4))
    before = unseen_ndcg(index, W)
    report = trainer(index, W.queries[:TRAIN], rows, x=W.x, loss="margin", teacher=scores, query_map="full", **QUICK)
    assert any(stage.name == "labels (margin)" and stage.kept for stage in report.stages)
    assert unseen_ndcg(index, W) > before + 0.03


def test_the_order_of_scored_rows_does_not_matter() -> None:
    rows, scores = scored_pairs()
    order = np.random.default_rng(2).permutation(len(rows))
    one, _ = judged(W.queries[:TRAIN], rows, np.arange(len(W.x)), scores)
    two, _ = judged(W.queries[:TRAIN], rows[order], np.arange(len(W.x)), scores[order])
    for examples in (one, two):
        first, last = examples.starts[3], examples.starts[4]
        by_row = np.argsort(examples.rows[first:last])
        assert len(np.unique(examples.rows[first:last])) == last - first
        expected = 40 * W.x[examples.rows[first:last]] @ W.x[W.positives[3, 1]] - 7
        np.testing.assert_allclose(examples.scores[first:last], expected, rtol=1e-5)
        assert (examples.grades[first:last] > 0).sum() == 1
        assert by_row.size == last - first
    train, held = split(one, 0.15, 0)
    assert len(held) == round(0.15 * TRAIN)  # negatives in common do not link queries
    assert len(train.scores) == len(train.rows)


def test_what_is_refused_of_teachers() -> None:
    rows, scores = scored_pairs()
    index = build(W, fb.PQ(4, bits=4))
    engine = index._engine
    for options, message in (
        ({"loss": "margin"}, "loss='margin' and the teacher's scores together, got loss='margin' and no teacher"),
        ({"teacher": scores}, "together, got loss='softmax' and teacher"),
        ({"loss": "margin", "teacher": scores[1:]}, r"a score for each of the 8400 rows of positives, shape \(8400,\)"),
        ({"loss": "margin", "teacher": np.full(len(rows), np.nan)}, "expected finite scores, got nan"),
        ({"loss": "margin", "teacher": ["a"] * len(rows)}, "a score for each"),
        ({"loss": "other"}, "loss: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            fb.train.jpq(index, W.queries[:TRAIN], rows, x=W.x, **options, **QUICK)
    with pytest.raises(ValueError, match="expected positives with it"):
        fb.train.jpq(index, W.queries[:TRAIN], x=W.x, loss="margin", teacher=scores, **QUICK)
    assert index._engine is engine


def test_pseudo_labels_are_where_both_indexes_agree() -> None:
    sparse = fb.SparseIndex().build([{0: 1.0}, {0: 0.5, 1: 1.0}, {1: 0.5}, {2: 1.0}], ids=[10, 11, 12, 13])
    dense = fb.Index(2, metric="ip").add(np.array([[1, 0], [0, 1], [0.5, 0.4], [-1, -1]]), ids=[10, 11, 12, 13])
    asked = [{0: 1.0}, {1: 1.0}, {2: 1.0}, {9: 1.0}]
    queries = np.array([[1, 0.1], [1, 0], [1, 0.2], [1, 1]], np.float32)
    for k, agree in ((1, 1), (2, 2), (2, 4), (4, 3)):
        expected = [
            [row, int(i)]
            for row in range(4)
            for i in sparse.search(asked[row], k).ids
            if i >= 0 and i in dense.search(queries[row], agree).ids
        ]
        found = fb.train.pseudo_labels(sparse, dense, asked, queries, k=k, agree=agree)
        assert found.dtype == np.int64
        assert found.tolist() == expected
    assert fb.train.pseudo_labels(sparse, dense, asked, queries, k=1, agree=1).tolist() == [[0, 10]]


def test_what_pseudo_labels_refuse() -> None:
    sparse = fb.SparseIndex().build([{0: 1.0}])
    dense = fb.Index(2, metric="ip").add(np.eye(2))
    with pytest.raises(TypeError, match=r"sparse: expected a fewbits\.SparseIndex"):
        fb.train.pseudo_labels(dense, dense, [{0: 1.0}], np.eye(2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"dense: expected a fewbits\.Index"):
        fb.train.pseudo_labels(sparse, sparse, [{0: 1.0}], np.eye(2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected a vector for each of the 1 texts, got 2"):
        fb.train.pseudo_labels(sparse, dense, [{0: 1.0}], np.eye(2))
    for wrong in ({"k": 0}, {"agree": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            fb.train.pseudo_labels(sparse, dense, [{0: 1.0}], np.eye(2)[:1], **wrong)
