"""fb.train.repconc: the transport plan against its formula, gradients against finite differences, and what it promises
of an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.numeric.moments import without
from fewbits.train.assignment import balanced, nearest, squared_distances, transport
from fewbits.train.joint import Batch, CodesSettings, JointDescent
from fewbits.train.losses import distillation, ranking_loss
from fewbits.train.query_map import FullMap
from fewbits.train.scorer import CodeScorer, Lists, VectorScorer, unpacked
from fewbits.train.settings import Settings
from fewbits.train.teacher import Teacher
from support.data import vectors
from support.gradients import numeric
from support.training_data import DIM, TRAIN, World, build, unseen_ndcg, world

N, K = 2048, 64
W = world()


@pytest.fixture(scope="module")
def distances() -> Any:
    """Of clustered points, which the nearest codewords share unevenly."""
    random = np.random.default_rng(0)
    points = random.normal(size=(1, N, 6)) * np.array([2, 1, 1, 0.5, 0.5, 0.2])
    book = points[:, random.permutation(N)[:K]] + 0.3
    return squared_distances(points.astype(np.float32), book.astype(np.float32))


def shares(codes: Any) -> Any:
    return np.bincount(codes[0], minlength=K) * K / N


def test_distances_are_squared_ones() -> None:
    parts, book = vectors(3 * 7, 4).reshape(3, 7, 4), vectors(3 * 5, 4, seed=1).reshape(3, 5, 4)
    expected = np.square(book[:, :, None] - parts[:, None]).sum(axis=3)
    np.testing.assert_allclose(squared_distances(parts, book), expected, rtol=1e-4, atol=1e-4)


def test_the_plan_is_sinkhorn_s(distances: Any) -> None:
    """Rows and columns scaled in turn, as the paper's code does it."""
    wide = distances[0].astype(np.float64)
    middle = (wide.max() + wide.min()) / 2
    q = np.exp(-(wide - middle) / (wide.max() - middle + 1e-5) / 0.05)
    q /= q.sum()
    for _ in range(100):
        q /= q.sum(axis=1, keepdims=True) * K
        q /= q.sum(axis=0, keepdims=True) * N
    np.testing.assert_allclose(transport(distances[0], 0.05), q, rtol=1e-2, atol=1e-9)
    np.testing.assert_allclose(transport(distances[0], 0.05).sum(axis=0), 1 / N, rtol=1e-9)


def test_codewords_are_used_evenly_when_epsilon_is_small(distances: Any) -> None:
    """Counts of the codes, not of the plan: its own marginals say little."""
    assert np.abs(shares(balanced(distances, 0.003)) - 1).mean() < 0.25
    assert np.abs(shares(nearest(distances)) - 1).mean() > 0.4


def test_the_plan_bears_degenerate_batches() -> None:
    for case in (np.zeros((1, 4, 9)), np.full((1, 4, 9), 1e30), np.eye(4)[None] * 1e-30):
        codes = balanced(case.astype(np.float32), 0.003)
        assert ((codes >= 0) & (codes < 4)).all()


def joint(index: fb.Index, epsilon: float = 0.0, reconstruction: float = 0.7, w: World = W) -> JointDescent:
    engine = index._engine
    assert engine is not None
    settings = Settings("softmax", 1, 1, 8, None, 20, None, 1, 0.1, 0, 1)
    vectors_in_order = w.x[engine.codes()[0]]
    teacher = Teacher(vectors_in_order, "ip", 1)
    eye = np.eye(DIM, dtype=np.float32)
    return JointDescent(engine, teacher, FullMap(eye), CodesSettings(epsilon, reconstruction), settings)


@pytest.mark.parametrize("mean", [0.0, 1.5])
@pytest.mark.parametrize("lists", [None, 6])
def test_gradients(lists: int | None, mean: float) -> None:
    """With the codes held: of codebook and query map as they are; of the documents' map straight through, that is, of
    the loss in which decoded vectors move as the vectors do."""
    w = world(mean=mean)
    descent = joint(build(w, fb.PQ(5, bits=4), lists=lists), w=w)
    assert (descent.direction is not None) == (mean > 0)
    descent.documents += 0.1 * vectors(DIM, DIM, seed=5) / np.sqrt(DIM)
    rows, queries = np.arange(0, 300, 7), 3 * w.queries[:4]
    grades = (np.arange(4 * len(rows)).reshape(4, -1) % 11 == 0).astype(np.float64)
    wanted = (queries @ w.x[rows].T).astype(np.float64)
    losses = [(ranking_loss("softmax", 1.0), grades, 1.0), (distillation(0.3), wanted, 0.5)]
    batch = Batch(queries, rows, losses)
    codes = descent.codes(descent.mapped(rows)[1])
    _, (of_documents, of_book, of_map) = descent.gradients(batch, codes)
    for parameter, gradient in ((descent.book, of_book), (descent.query_map.parameters[0], of_map)):
        check(lambda: descent.gradients(batch, codes)[0], parameter, gradient)
    start = descent.whole_of(rows)[1]
    begun = descent.mapped(rows)[1]
    chosen = descent.whole(np.take_along_axis(descent.book, codes[:, :, None], axis=1))

    def straight_through() -> float:
        v, whole = descent.mapped(rows)[1], descent.whole_of(rows)[1]
        coded = without(chosen, descent.direction) + (start - begun)  # with what is kept along the direction
        decoded = coded + (whole - start) + (0 if descent.origins is None else descent.origins[rows])
        scores = (descent.query_map.apply(queries) @ descent.of_queries @ decoded.T).astype(np.float64).ravel()
        starts = np.arange(5) * len(rows)
        total = sum(w * loss(scores, t.ravel(), starts, np.zeros(scores.size)) for loss, t, w in losses)
        return float(total + 0.7 * np.square(chosen - v).sum() / (len(rows) * descent.energy))

    check(straight_through, descent.documents, of_documents)


def check(function: Any, parameter: Any, gradient: Any) -> None:
    scale = float(np.abs(gradient).max())
    assert scale > 0
    for place, expected in numeric(function, parameter, 0.01):
        assert gradient.reshape(-1)[place] == pytest.approx(expected, rel=0.02, abs=0.01 * scale)


def train(index: fb.Index, labels: bool = False, w: World = W, **settings: Any) -> fb.train.TrainingReport:
    positives = w.positives[w.positives[:, 0] < TRAIN] if labels else None
    settings = {"x": w.x, "epochs": 2, "pseudo_queries": 300, "validation": 0.3, "threads": 1} | settings
    return fb.train.repconc(index, w.queries[:TRAIN], positives, progress=False, **settings)


def uneven() -> World:
    """Documents are large in directions that queries hardly ask for: codes that reconstruct them are ill spent."""
    scale = np.where(np.arange(DIM) < DIM // 2, 3, 1).astype(np.float32)
    return World(W.x * scale, W.queries / scale**2, W.positives)


@pytest.mark.parametrize("lists", [None, 6])
def test_codes_that_are_learnt_make_an_ordinary_index(lists: int | None, tmp_path: Path) -> None:
    w = uneven()
    index = build(w, fb.PQ(8, bits=4), lists=lists, rerank=fb.Scalar(8))
    before, stats = unseen_ndcg_of_codes(index, w), index.stats()
    report = train(index, True, w, epochs=2, batch_size=16, reconstruction=0.1, pseudo_queries=100)
    assert [stage.name for stage in report.stages] == ["codes", "labels (softmax)"]
    assert report.stages[0].kept
    assert unseen_ndcg_of_codes(index, w) > before + 0.1
    assert index.stats()["bytes_per_vector"] == pytest.approx(stats["bytes_per_vector"], abs=0.1)
    assert "vectors are mapped" in index.explain()
    index.save(tmp_path / "a.fb")
    opened = fb.open(tmp_path / "a.fb", verify=True)
    for one, other in zip(index.search(w.queries), opened.search(w.queries), strict=True):
        np.testing.assert_array_equal(one, other)
    index.add(w.x[:100], ids=np.arange(len(w.x), len(w.x) + 100))  # by the nearest codeword, as all others
    assert index._engine is not None
    ids, _, codes = index._engine.codes()
    order = np.argsort(ids)
    np.testing.assert_array_equal(codes[order][-100:], codes[order][:100])
    assert np.square(index.reconstruct(np.arange(len(w.x))) - w.x).mean() < 1e-3  # rerank's codes know of no map
    more = np.concatenate([w.x, w.x[:100]])
    fb.train.jpq(index, w.queries[:TRAIN], x=more, epochs=1, pseudo_queries=100, progress=False)


def test_an_index_codes_by_the_nearest_codeword_whatever_the_batch() -> None:
    """The plan is for training: with it, codes would depend on what is coded together."""
    descent = joint(build(W, fb.PQ(8, bits=4)), epsilon=0.003)
    ids, _, packed = descent.engine().codes()
    rows = descent.row_of(ids)
    v = descent.mapped(rows)[1]
    expected = nearest(squared_distances(descent.parts(v), descent.book)).T
    assert np.mean(unpacked(packed, 8, 4) == expected) > 0.999  # sums of floats are not in the same order
    assert np.mean(expected == descent.codes(v).T) < 0.98


def unseen_ndcg_of_codes(index: fb.Index, w: World) -> float:
    unseen = w.positives[TRAIN:] - [TRAIN, 0]
    found = index.search(w.queries[TRAIN:], 10, rerank=0).ids
    return fb.evaluate(found, None, np.concatenate([unseen, np.ones((len(unseen), 1), np.int64)], axis=1))["ndcg"]


def test_scores_of_a_mapped_index_are_those_of_the_trainers() -> None:
    index = build(W, fb.PQ(8, bits=4))
    descent = joint(index)
    descent.documents += 0.2 * vectors(DIM, DIM, seed=5) / np.sqrt(DIM)
    index._engine = descent.engine()
    ids, scores = index.search(W.queries[:5], 20)
    code = CodeScorer(index._engine)
    rows = np.array([np.flatnonzero(code.ids == number)[0] for number in ids.ravel()])
    lists = Lists(rows, np.arange(6) * 20)
    for scorer in (code, VectorScorer(index._engine, "ip")):
        np.testing.assert_allclose(scorer.scores(W.queries[:5], lists), scores.ravel(), atol=0.02)


def test_same_seed_same_result() -> None:
    indexes = [build(W, fb.PQ(8, bits=4), lists=6) for _ in range(2)]
    reports = [train(index, epochs=1, threads=threads) for index, threads in zip(indexes, (1, 3), strict=True)]
    assert reports[0].stages == reports[1].stages
    for one, other in zip(*(index.search(W.queries) for index in indexes), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_learnt_changes_no_bit() -> None:
    index = build(W, fb.PQ(8, bits=4))
    engine = index._engine
    assert not train(index, rate=0).changed
    assert index._engine is engine


def test_ctrl_c_and_errors_leave_a_whole_index() -> None:
    index = build(W, fb.PQ(8, bits=4))
    engine, before = index._engine, unseen_ndcg(index, W)

    def stop(error: type[BaseException]) -> Any:
        def hook(stage: str, fraction: float) -> None:
            raise error("from the hook")

        return hook

    with pytest.raises(RuntimeError, match="hook"):
        fb.train.repconc(index, x=W.x, progress=stop(RuntimeError))
    assert index._engine is engine
    report = fb.train.repconc(index, x=W.x, progress=stop(KeyboardInterrupt))
    assert report.interrupted
    assert len(report.stages) == 1
    assert unseen_ndcg(index, W) == before


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"x": None}, ValueError, "x: expected the float vectors"),
        ({"epsilon": -1}, ValueError, "epsilon"),
        ({"reconstruction": -1}, ValueError, "reconstruction"),
        ({"index": fb.Index(DIM, metric="ip")}, ValueError, "repconc: expected an index with a PQ codec"),
        ({"index": fb.Index(DIM, metric="l2", codec=fb.PQ(4))}, ValueError, "repconc: expected metric"),
    ],
)
def test_refusals(changed: Any, error: type[Exception], message: str) -> None:
    arguments: Any = {"index": build(W, fb.PQ(8, bits=4)), "x": W.x} | changed
    with pytest.raises(error, match=message):
        fb.train.repconc(arguments.pop("index"), **arguments)
