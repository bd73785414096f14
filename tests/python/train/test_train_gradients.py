"""The analytic gradients of fb.train against finite differences, and the invariants of each loss."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import fewbits as fb
from fewbits.train.adam import Adam
from fewbits.train.kernels import distillation_loss, list_loss, margin_loss, pair_loss, softmax_loss
from fewbits.train.losses import distillation, margin, ranking_loss
from fewbits.train.query_map import FullMap, LowRankMap, NoMap, QueryMap
from fewbits.train.scorer import CodeScorer, Lists, VectorScorer, products
from support.data import F32, vectors
from support.gradients import numeric

random = np.random.default_rng(0)
STARTS = np.array([0, 9, 9, 21])
GRADES = np.array([0, 2, 0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0], np.float64)
TEACHER = random.normal(size=21)
LOSSES = {name: (ranking_loss(name, 0.7), GRADES) for name in ("lambda", "softmax", "mann_whitney", "listnet")}
LOSSES["distillation"] = (distillation(0.1), TEACHER)
LOSSES["margin"] = (margin(0.7, 1.9), TEACHER)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    loss, target = LOSSES[name]
    scores = random.normal(size=21)
    gradient = np.zeros(21)
    value = loss(scores, target, STARTS, gradient)
    assert value > 0
    for place, expected in numeric(lambda: loss(scores, target, STARTS, np.zeros(21)), scores, 1e-5, 21):
        assert gradient[place] == pytest.approx(expected, abs=1e-7)
    for first, last in pairwise(STARTS):
        assert gradient[first:last].sum() == pytest.approx(0, abs=1e-12)  # only differences of scores matter


@pytest.mark.parametrize("name", ["lambda", "softmax", "mann_whitney", "listnet"])
def test_a_step_raises_the_margin_of_positives(name: str) -> None:
    loss, grades = LOSSES[name]
    scores, gradient = random.normal(size=21), np.zeros(21)
    loss(scores, grades, STARTS, gradient)
    assert gradient[GRADES == 0] @ np.ones(int((GRADES == 0).sum())) > 0
    assert loss(scores - 0.1 * gradient, grades, STARTS, np.zeros(21)) < loss(scores, grades, STARTS, np.zeros(21))


def test_lambda_weights_are_of_reciprocal_ranks_and_cut() -> None:
    """One positive at position 2 among two negatives, by hand; behind the cut nothing has a weight."""
    scores, grades, starts = np.array([0.3, -0.1, 0.2]), np.array([0.0, 1.0, 0.0]), np.array([0, 3])
    pairs = [(abs(1 / 2 - 1), 0.4), (abs(1 / 2 - 1 / 3), 0.3)]
    expected = np.mean([weight * np.log1p(np.exp(difference)) for weight, difference in pairs])
    assert pair_loss(scores, grades, starts, 1.0, True, 200, np.zeros(3)) == pytest.approx(expected)
    tail = pair_loss(np.zeros(4), np.array([0.0, 0, 0, 1]), np.array([0, 4]), 1.0, True, 2, np.zeros(4))
    assert tail == pytest.approx(np.mean([1, 1 / 2, 0]) * np.log(2))


def test_positives_compete_in_listnet_but_not_in_softmax() -> None:
    scores, starts, grades = np.array([2.0, 0.0, -1.0]), np.array([0, 3]), np.array([1.0, 1.0, 0.0])
    coupled, decoupled = np.zeros(3), np.zeros(3)
    list_loss(scores, grades, starts, 1.0, coupled)
    softmax_loss(scores, grades, starts, 1.0, decoupled)
    assert coupled[0] > 0  # the better positive is pulled down to the other
    assert decoupled[0] < 0
    shares = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(coupled, shares - grades / 2)
    apart = -np.log(np.exp(scores[:2]) / (np.exp(scores[:2]) + np.exp(-1.0)))
    assert softmax_loss(scores, grades, starts, 1.0, np.zeros(3)) == pytest.approx(apart.mean())


def test_listnet_orders_several_grades() -> None:
    scores, starts, grades = np.zeros(3), np.array([0, 3]), np.array([3.0, 1.0, 0.0])
    for _ in range(400):
        gradient = np.zeros(3)
        list_loss(scores, grades, starts, 1.0, gradient)
        scores -= gradient
    assert scores[0] - scores[1] == pytest.approx(np.log(3), abs=0.02)
    assert scores[1] > scores[2] + 3


def test_the_margin_loss_is_the_mean_over_pairs() -> None:
    scores, teacher = random.normal(size=9), random.normal(size=9)
    margins = [
        ((scores[i] - scores[j]) / 0.7 - (teacher[i] - teacher[j]) / 1.9) ** 2
        for i in range(9)
        for j in range(9)
        if i != j
    ]
    value = margin_loss(scores, teacher, np.array([0, 9]), 0.7, 1.9, np.zeros(9))
    assert value == pytest.approx(np.mean(margins))
    for constant in (0.0, 5.0):  # of a teacher that tells nothing apart
        gradient = np.zeros(9)
        assert margin_loss(np.ones(9), np.full(9, constant), np.array([0, 9]), 0.7, 1.9, gradient) < 1e-25
        np.testing.assert_allclose(gradient, 0, atol=1e-12)


def test_losses_bear_extreme_scores_and_lists_without_pairs() -> None:
    scores, starts = np.array([1e4, -1e4, 0.0]), np.array([0, 3])
    for grades in ([0.0, 1, 0], [0.0, 0, 0], [1.0, 1, 1]):
        for value in (
            pair_loss(scores, np.array(grades), starts, 1.0, False, 9, np.zeros(3)),
            softmax_loss(scores, np.array(grades), starts, 1.0, np.zeros(3)),
            distillation_loss(scores, np.array(grades), starts, 1.0, np.zeros(3)),
            list_loss(scores, np.array(grades), starts, 1.0, np.zeros(3)),
            margin_loss(scores, np.array(grades), starts, 1.0, 1.0, np.zeros(3)),
        ):
            assert np.isfinite(value)


@pytest.fixture(scope="module", params=["flat-4", "flat-8", "ivf-4", "ivf-8", "flat-8-cone", "ivf-4-cone"])
def index(request: pytest.FixtureRequest) -> fb.Index:
    kind, bits, *cone = request.param.split("-")
    partition = fb.IVF(nlist=5) if kind == "ivf" else None
    codec = fb.PQ(m=5, bits=int(bits))  # of 13 dimensions: subspaces of unequal widths
    index = fb.Index(13, metric="ip", transform=fb.OPQ(iterations=2), partition=partition, codec=codec)
    index.build(vectors(400, 13) + (3 if cone else 0), progress=False)
    assert ("codec.direction" in index.stats()["bytes"]["fixed"]) == bool(cone)
    return index


def some_lists(n: int) -> Lists:
    rows = np.concatenate([np.arange(9), random.permutation(n)[:12]])
    return Lists(rows, STARTS)


def test_scores_are_the_index_s(index: fb.Index) -> None:
    assert index._engine is not None
    q, lists = vectors(3, 13, seed=4), some_lists(400)
    code, vector = CodeScorer(index._engine), VectorScorer(index._engine, "ip")
    decoded = index.reconstruct(code.ids)
    expected = np.einsum("ij,ij->i", q[lists.query], decoded[lists.rows])
    for scores in (code.scores(q, lists), vector.scores(q, lists), products(q, decoded, lists)):
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("query_map", ["none", "full", "low-rank"])
def test_gradients_of_codebook_and_maps(index: fb.Index, query_map: str) -> None:
    assert index._engine is not None
    q, lists = vectors(3, 13, seed=4), some_lists(400)
    maps: dict[str, QueryMap] = {
        "none": NoMap(),
        "full": FullMap(np.eye(13) + random.normal(size=(13, 13)) / 9),
        "low-rank": LowRankMap(random.normal(size=(3, 13)), random.normal(size=(13, 3)) / 9),
    }
    own, scorer = maps[query_map], CodeScorer(index._engine)
    loss, spread = ranking_loss("softmax", 5.0), np.zeros(21)

    def value() -> float:
        return loss(scorer.scores(own.apply(q), lists), GRADES, STARTS, np.zeros(21))

    loss(scorer.scores(own.apply(q), lists), GRADES, STARTS, spread)
    of_scorer, of_mapped = scorer.gradients(own.apply(q), lists, spread)
    for parameter, gradient in zip(
        scorer.parameters + own.parameters, of_scorer + own.gradients(q, of_mapped), strict=True
    ):
        scale = float(np.abs(gradient).max())
        for place, expected in numeric(value, parameter, 0.02):
            assert gradient.reshape(-1)[place] == pytest.approx(expected, rel=0.02, abs=0.01 * scale)


def test_codewords_of_no_listed_vector_get_exactly_nothing(index: fb.Index) -> None:
    assert index._engine is not None
    q, lists = vectors(3, 13, seed=4), some_lists(400)
    scorer = CodeScorer(index._engine)
    (of_book,), _ = scorer.gradients(q, lists, random.normal(size=21))
    used = {(s, int(code)) for row in lists.rows for s, code in enumerate(scorer.codes[row])}
    for s in range(scorer.m):
        for code in range(of_book.shape[1]):
            assert (s, code) in used or not of_book[s, code].any()


def test_a_codeword_that_every_listed_vector_has_gets_nothing(index: fb.Index) -> None:
    """For then it moves all scores of the query alike; lists of one query."""
    assert index._engine is not None
    scorer = CodeScorer(index._engine)
    shared = np.flatnonzero(scorer.codes[:, 0] == np.bincount(scorer.codes[:, 0]).argmax())[:6]
    lists, q = Lists(shared, np.array([0, len(shared)])), vectors(1, 13, seed=4)
    gradient = np.zeros(len(shared))
    ranking_loss("lambda", 1.0)(scorer.scores(q, lists), np.eye(len(shared))[0], lists.starts, gradient)
    (of_book,), _ = scorer.gradients(q, lists, gradient)
    np.testing.assert_allclose(of_book[0], 0, atol=1e-6)


def test_vector_scorer_orders_as_l2_does() -> None:
    x, q = vectors(200, 13), vectors(2, 13, seed=4)
    index = fb.Index(13, metric="l2", codec=fb.Float(32)).build(x, progress=False)
    assert index._engine is not None
    lists = Lists(np.tile(np.arange(200), 2), np.array([0, 200, 400]))
    scores = VectorScorer(index._engine, "l2").scores(q, lists).reshape(2, 200)
    np.testing.assert_array_equal(np.argsort(-scores, axis=1)[:, :10], index.search(q, 10).ids)


def test_maps_start_as_the_identity_and_keep_their_rank() -> None:
    q: F32 = vectors(4, 13)
    np.testing.assert_array_equal(FullMap(np.eye(13)).apply(q), q)
    low = LowRankMap(random.normal(size=(3, 13)), np.zeros((13, 3)))
    np.testing.assert_array_equal(low.apply(q), q)
    low.parameters[1] += random.normal(size=(13, 3)).astype(np.float32)
    added = low.apply(np.eye(13, dtype=np.float32)) - np.eye(13)
    assert np.linalg.matrix_rank(added, tol=1e-4) == 3


def test_adam_steps_are_of_the_rate_whatever_the_scale() -> None:
    for scale in (1e-6, 1.0, 1e6):
        parameter = np.zeros(3, np.float32)
        Adam([parameter], [0.1]).step([np.array([1, -2, 3], np.float32) * np.float32(scale)])
        np.testing.assert_allclose(parameter, [-0.1, 0.1, -0.1], rtol=1e-4)
