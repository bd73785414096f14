"""The recurrent binarizer's trainer: gradients, what is exported, that it helps and never hurts, upgrades, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.train.binarizer import Binarizer, Sign, embed, normalized
from support.data import F32, brute_force, overlap, vectors

DIM = 24
SMOOTH = Sign(np.tanh, lambda z: 1 - np.tanh(z) ** 2)


def unit(x: Any) -> F32:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def trained(x: F32, **settings: Any) -> fb.RecurrentBinary:
    return fb.train.recurrent_binary(x, **({"steps": 60, "hidden": 16, "progress": False} | settings))


def recall(codec: fb.RecurrentBinary, x: F32, q: F32, **parts: Any) -> float:
    index = fb.Index(x.shape[1], metric="cosine", codec=codec, **parts).build(x)
    return overlap(index.search(q, 10).ids, brute_force(x, q, 10, "cosine")[0])


@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize("hidden", [0, 5])
def test_gradients_through_a_smooth_sign(bits: int, hidden: int) -> None:
    random = np.random.default_rng(bits)
    base, back = random.normal(size=(6, 4)), random.normal(size=(4, 6))
    net = Binarizer(base, back, bits, hidden, 0, SMOOTH)
    for array in net.parameters:
        array += 0.3 * random.normal(size=array.shape)
    x = normalized(random.normal(size=(9, 4)))[0]
    of_z, of_b = random.normal(size=(2, 9, 6))

    def loss() -> float:
        z, b, _ = net.forward(x, training=True)
        return float((z * of_z).sum() + (b * of_b).sum())

    gradients = net.backward(of_z, of_b, net.forward(x, training=True)[2])
    assert len(gradients) == len(net.parameters)
    for array, gradient in zip(net.parameters, gradients, strict=True):
        assert gradient.shape == array.shape
        flat, step = array.reshape(-1), 1e-6
        for place in random.choice(flat.size, min(6, flat.size), replace=False).tolist():
            kept = flat[place]
            flat[place] = kept + step
            above = loss()
            flat[place] = kept - step
            numeric = (above - loss()) / (2 * step)
            flat[place] = kept
            assert gradient.reshape(-1)[place] == pytest.approx(numeric, rel=1e-4, abs=1e-6)


def test_signs_pass_gradients_where_projections_are_small() -> None:
    net = Binarizer(np.eye(2), np.eye(2), 1, 0, 0)
    x = np.array([[0.5, -3.0]])
    _, b, cache = net.forward(x, training=True)
    np.testing.assert_array_equal(b, [[1, -1]])
    np.testing.assert_array_equal(net.forward(np.zeros((1, 2)))[1], [[1, 1]])  # sgn(0) = +1
    (gradient,) = net.backward(np.zeros((1, 2)), np.ones((1, 2)), cache)
    np.testing.assert_array_equal(gradient, [[0.5, -3.0], [0, 0]])


def test_what_is_exported_is_what_was_trained() -> None:
    """Batch norm folded; numpy's codes and the core's."""
    random = np.random.default_rng(0)
    net = Binarizer(*(random.normal(size=s).astype(np.float32) for s in ((30, DIM), (DIM, 30))), 3, 11, 0)
    x = unit(vectors(300, DIM))
    for array in net.parameters:
        array += np.float32(0.2) * random.normal(size=array.shape).astype(np.float32)
    for _ in range(30):
        net.forward(x, training=True)
    z, b, _ = net.forward(x)
    folded = embed(net.arrays(), 3, x)
    np.testing.assert_allclose(folded[0], z, rtol=1e-3, atol=1e-4)
    assert (folded[1] == b).mean() > 0.999
    codec = fb.RecurrentBinary(3, dim=30, maps=net.arrays())
    index = fb.Index(DIM, metric="cosine", codec=codec).build(x)
    expected = normalized(z)[0] @ normalized(b)[0].T
    found = index.search(x, len(x))
    assert np.abs(found.scores - np.take_along_axis(expected, found.ids, axis=1)).max() < 0.01 or (
        np.quantile(np.abs(found.scores - np.take_along_axis(expected, found.ids, axis=1)), 0.99) < 0.01
    )


@pytest.mark.parametrize(("symmetric", "gain"), [(False, 0.03), (True, 0.005)])
def test_training_finds_more_of_what_was_held_out(symmetric: bool, gain: float) -> None:
    x, q = vectors(2500, DIM), vectors(200, DIM, seed=5)
    plain = recall(fb.RecurrentBinary(1, symmetric=symmetric), x, q)
    assert recall(trained(x, bits=1, symmetric=symmetric, steps=150), x, q) > plain + gain


def test_no_steps_are_the_start_and_training_is_never_below_it() -> None:
    x, q = vectors(1500, DIM), vectors(100, DIM, seed=5)
    start = trained(x, steps=0, hidden=0)
    assert recall(start, x, q) == pytest.approx(recall(fb.RecurrentBinary(2), x, q), abs=0.06)
    # A temperature at which nothing can be learnt: the start is kept where every step hurts.
    hurt = trained(x, hidden=0, temperature=1e-4, steps=8)
    assert recall(hurt, x, q) > recall(start, x, q) - 0.02


def test_fewer_and_more_dimensions_than_the_input() -> None:
    x, q = vectors(1500, DIM), vectors(100, DIM, seed=5)
    recalls = [recall(trained(x, dim=dim, steps=20), x, q) for dim in (12, 24, 48)]
    assert recalls == sorted(recalls)
    near = fb.Index(DIM, metric="cosine", codec=trained(x, steps=5)).build(x).reconstruct(np.arange(100))
    assert (unit(near) * unit(x[:100])).sum(1).mean() > 0.85


def test_the_same_seed_gives_the_same_maps() -> None:
    x = vectors(300, DIM)
    one, two, other = (trained(x, steps=5, seed=seed) for seed in (3, 3, 4))
    assert one.maps is not None
    assert two.maps is not None
    assert other.maps is not None
    for name, array in one.maps.items():
        np.testing.assert_array_equal(array, two.maps[name])
    assert not np.array_equal(one.maps["base"], other.maps["base"])


def test_progress_and_ctrl_c() -> None:
    seen: list[tuple[str, float]] = []
    trained(vectors(200, DIM), steps=4, progress=lambda stage, fraction: seen.append((stage, fraction)))
    assert seen == [("recurrent binarizer", f) for f in (0.25, 0.5, 0.75, 1.0)]

    def interrupt(stage: str, fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(vectors(200, DIM), progress=interrupt)


def test_pairs_teach_what_embeddings_do_not_know() -> None:
    """Queries are documents in another language: half of their dimensions say nothing."""
    random = np.random.default_rng(1)
    x = random.normal(size=(1500, DIM)).astype(np.float32)
    noise = 2.5 * random.normal(size=(2, 1500, DIM)).astype(np.float32) * (np.arange(DIM) >= DIM // 2)
    codec = trained(x, bits=2, pairs=(x + noise[0], np.arange(1500)), steps=150)

    def mrr(one: fb.RecurrentBinary) -> float:
        index = fb.Index(DIM, metric="cosine", codec=one).build(x)
        ids = index.search((x + noise[1])[:400], 10).ids
        return float((np.array(ids == np.arange(400)[:, None]) / np.arange(1, 11)).sum(1).mean())

    assert mrr(codec) > mrr(trained(x, bits=2, steps=150)) + 0.05


def test_new_queries_search_old_codes() -> None:
    old_x, old_q = unit(vectors(2000, DIM)), unit(vectors(200, DIM, seed=5))
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(32, 32)))[0][:DIM].astype(np.float32)
    x, q = unit(old_x @ turn), unit(old_q @ turn)  # another embedding, of 32 dimensions
    old = trained(old_x, steps=60)
    new = trained(x, compatible_with=old, old=old_x, steps=60)
    assert new.maps is not None
    assert old.maps is not None
    assert new.maps["base"].shape == (DIM, 32)

    def scores(queries: tuple[Any, Any], base: tuple[Any, Any]) -> Any:
        z = embed(queries[0].maps, 2, queries[1])[0]
        return z @ normalized(embed(base[0].maps, 2, base[1])[1])[0].T

    exact = brute_force(x, q, 10, "cosine")[0]

    def found(queries: tuple[Any, Any], base: tuple[Any, Any]) -> float:
        return overlap(np.argsort(-scores(queries, base), axis=1)[:, :10], exact)

    before = found((old, old_q), (old, old_x))
    assert found((new, q), (old, old_x)) > before - 0.02
    assert found((new, q), (new, x)) > before - 0.02
    free = trained(x, dim=DIM, steps=60)
    assert found((free, q), (old, old_x)) < 0.1  # what is not trained for it can not do it


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bits": 5}, r"bits: expected a whole number in 1\.\.4, got 5"),
        ({"dim": 0}, "dim: expected"),
        ({"steps": -1}, "steps: expected"),
        ({"temperature": 0.0}, "temperature"),
        ({"pairs": (vectors(70, DIM), np.arange(69))}, "70 anchors and 69 rows"),
        ({"pairs": (vectors(70, DIM), np.full(70, 900))}, r"expected rows of x, 0\.\.199"),
        ({"pairs": (vectors(3, DIM), np.arange(3))}, "at least 64"),
        ({"pairs": (vectors(70, 9), np.arange(70))}, r"pairs\[0\]: expected shape \(n, 24\)"),
        ({"old": vectors(200, DIM)}, "expected both or neither"),
        ({"compatible_with": "old", "old": vectors(199, DIM)}, "old: expected a row for each of the 200"),
    ],
)
def test_refuses(settings: dict[str, Any], message: str) -> None:
    x = vectors(200, DIM)
    with pytest.raises((ValueError, TypeError), match=message):
        trained(x, **settings)


def test_refuses_what_can_not_be_compatible() -> None:
    x = vectors(200, DIM)
    with pytest.raises(ValueError, match="at least 64 vectors"):
        trained(x[:63])
    with pytest.raises(TypeError, match=r"fb\.train\.recurrent_binary returned"):
        trained(x, compatible_with=fb.RecurrentBinary(2), old=x)
    with pytest.raises(ValueError, match="same size"):
        trained(x, compatible_with=trained(x, steps=0), old=x, bits=1)
    with pytest.raises(ValueError, match=r"old: expected shape \(n, 24\)"):
        trained(x, compatible_with=trained(x, steps=0), old=x[:, :20])


@pytest.mark.parametrize("n", [64, 2000])
def test_embeddings_of_rows_in_another_order_are_refused(n: int) -> None:
    """Whatever the embeddings have in common: the same space turned, or half of the dimensions and noise."""
    random = np.random.default_rng(0)
    x = vectors(n, DIM)
    old = trained(vectors(200, DIM), steps=0)
    half = np.where(np.arange(DIM) < DIM // 2, x, vectors(n, DIM, seed=9))
    for embedding in (x, half, x + random.normal(size=x.shape).astype(np.float32)):
        trained(x, compatible_with=old, old=embedding, steps=0)
        with pytest.raises(
            ValueError, match=r"old: row \d+ is of another item than row \d+ of x; expected the same order"
        ):
            trained(x, compatible_with=old, old=embedding[random.permutation(n)], steps=0)
