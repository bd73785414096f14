"""What training fits: determinism, rotations that are rotations and lower the error, levels, few vectors."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits import _core
from fewbits.numeric.directions import principal_directions
from fewbits.spec import opq
from fewbits.spec.parts import Fitting, Model
from fewbits.spec.scalar import level_table
from support.data import F32, brute_force, overlap, vectors


def coding_error(x: F32, codec: fb.PQ) -> float:
    model = Model({"dim": x.shape[1], "metric": 0, "transform.kind": 0, "transform.out_dim": x.shape[1]})
    model.params["partition.kind"] = 0
    model.put("codec", codec.fit(x, Fitting("l2")))
    rows, a, _ = _core.encode(model.params, model.arrays, "codec", x)
    return float(np.mean((_core.decode(model.params, model.arrays, "codec", rows, a) - x) ** 2))


@pytest.fixture(scope="module")
def correlated() -> F32:
    """A strong spectrum in a basis that the axes hide: what OPQ is for."""
    random = np.random.default_rng(3)
    basis = np.linalg.qr(random.normal(size=(24, 24)))[0]
    x: F32 = (random.normal(size=(4000, 24)) * 0.8 ** np.arange(24) @ basis).astype(np.float32)
    return x


@pytest.mark.parametrize(("m", "bits"), [(6, 4), (5, 4), (24, 4), (3, 8)])
def test_opq_is_a_rotation_that_lowers_the_error(correlated: F32, m: int, bits: int) -> None:
    codec = fb.PQ(m, bits=bits)
    turn = opq.best_rotation(correlated, codec, 8, Fitting("l2"))
    np.testing.assert_allclose(turn @ turn.T, np.eye(24), atol=1e-5)
    plain, rotated = coding_error(correlated, codec), coding_error(correlated @ turn.T, codec)
    assert rotated < (0.85 * plain if m < 24 else 1.02 * plain)


def test_opq_error_never_rises(correlated: F32) -> None:
    descent = opq.Alternation(correlated, fb.PQ(6, bits=4), np.eye(24, dtype=np.float32), Fitting("l2"))
    errors = []
    for _ in range(6):
        descent.run(1, 0, 1)
        errors.append(descent.error)
    assert all(later <= earlier * 1.001 for earlier, later in pairwise(errors))
    assert errors[-1] < errors[0]


def test_allocation_balances_the_groups(correlated: F32) -> None:
    order = opq.allocated(correlated, 6)
    np.testing.assert_allclose(order @ order.T, np.eye(24), atol=1e-5)
    logs = np.log(np.var(correlated @ order.T, axis=0)).reshape(6, 4).sum(axis=1)
    unbalanced = np.log(np.var(correlated @ principal_directions(correlated)[0].T, axis=0)).reshape(6, 4).sum(axis=1)
    assert np.ptp(logs) < 0.2 * np.ptp(unbalanced)


def test_pca_keeps_what_it_should(correlated: F32) -> None:
    directions, moments = principal_directions(correlated)
    np.testing.assert_allclose(directions @ directions.T, np.eye(24), atol=1e-6)
    expected = np.linalg.eigvalsh(correlated.astype(np.float64).T @ correlated)[::-1]
    np.testing.assert_allclose(moments, expected, rtol=1e-3)
    index = fb.Index(24, metric="l2", transform=fb.PCA(12)).build(correlated)
    lost = ((index.reconstruct(np.arange(4000)) - correlated) ** 2).sum()
    np.testing.assert_allclose(lost, expected[12:].sum(), rtol=1e-3)


def test_opq_helps_recall(correlated: F32) -> None:
    queries = correlated[:50] + np.float32(0.01)
    truth, _ = brute_force(correlated, queries, 10, "l2")
    recalls = []
    for transform in (None, fb.OPQ()):
        index = fb.Index(24, metric="l2", transform=transform, partition=fb.IVF(8), codec=fb.PQ(6, bits=4))
        index.build(correlated)
        recalls.append(overlap(index.search(queries, nprobe=8).ids, truth))
    assert recalls[1] > recalls[0] + 0.03


def test_score_aware_encoding_helps_inner_products() -> None:
    x, queries = vectors(6000, 64, seed=8), vectors(200, 64, seed=9)
    for metric, m in (("ip", 32), ("cosine", 32), ("cosine", 64)):
        truth, _ = brute_force(x, queries, 10, metric)
        recalls = {}
        for aware in (False, None):
            index = fb.Index(64, metric=metric, codec=fb.PQ(m, bits=4, score_aware=aware)).build(x)
            recalls[aware] = overlap(index.search(queries).ids, truth)
        assert recalls[None] > recalls[False] + 0.01, (metric, recalls)


def test_score_aware_is_for_inner_products(base: F32, queries: F32) -> None:
    found = [
        fb.Index(32, metric="l2", codec=fb.PQ(8, bits=4, score_aware=aware)).build(base).search(queries).scores
        for aware in (None, False)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    with pytest.raises(ValueError, match=r"score_aware.*l2"):
        fb.Index(32, metric="l2", codec=fb.PQ(8, score_aware=3.0))


def test_level_tables() -> None:
    values = np.random.default_rng(0).normal(size=(4000, 8)).astype(np.float32)
    uniform, _ = level_table(values, "uniform")
    optimal, largest = level_table(values, "lloyd-max")
    for table in (uniform, optimal):
        assert table.dtype == np.uint8
        assert (np.diff(table.astype(int)) > 0).all()
        assert (table[::-1] == 127 - table).all()
        assert table[-1] == 127
    assert np.diff(uniform.astype(int)).max() <= 9
    assert np.diff(optimal.astype(int))[7] < np.diff(optimal.astype(int))[0]  # finer where values are dense
    assert 2.4 < largest < 3.0  # 2.73 for a normal distribution
    for few in (np.zeros((3, 2), np.float32), np.ones((50, 2), np.float32)):
        assert (np.diff(level_table(few, "lloyd-max")[0].astype(int)) > 0).all()


def test_lloyd_max_lowers_the_error(correlated: F32) -> None:
    errors = {}
    for levels in ("uniform", "lloyd-max"):
        index = fb.Index(24, metric="l2", codec=fb.Scalar(4, levels=levels)).build(correlated)
        errors[levels] = ((index.reconstruct(np.arange(4000)) - correlated) ** 2).mean()
    assert errors["lloyd-max"] < errors["uniform"]


PARTS: dict[str, dict[str, Any]] = {
    "scalar8": {"codec": fb.Scalar(8)},
    "scalar4": {"codec": fb.Scalar(4, levels="lloyd-max"), "transform": fb.RandomRotation()},
    "staged": {"codec": fb.Scalar(4, staged=True), "partition": fb.IVF()},
    "opq": {"codec": fb.PQ(4), "transform": fb.OPQ(), "partition": fb.IVF(4), "rerank": fb.Scalar(8)},
    "opq-less": {"codec": fb.PQ(4, bits=4), "transform": fb.OPQ(dim=6), "rerank": fb.PQ(8)},
    "pca": {"codec": fb.Float(16), "transform": fb.PCA(5), "partition": fb.IVF(2)},
}


@pytest.mark.parametrize("n", [1, 2, 3, 20])
@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS.keys())
def test_works_with_what_there_is(n: int, parts: dict[str, Any], metric: str) -> None:
    x = vectors(n, 8, seed=n)
    index = fb.Index(8, metric=metric, **parts).build(x)
    result = index.search(x, k=4, nprobe=None if "partition" not in parts else 100)
    assert result.counts.tolist() == [min(n, 4)] * n
    if n <= 3 and "pca" not in str(parts) and parts.get("rerank") and metric != "ip":
        assert result.ids[:, 0].tolist() == list(range(n))


def test_vectors_all_alike(metric: str) -> None:
    x = np.full((300, 8), 0.5, np.float32)
    for parts in PARTS.values():
        index = fb.Index(8, metric=metric, **parts).build(x)
        nprobe = 300 if "partition" in parts else None
        assert index.search(x[:2], k=300, nprobe=nprobe).counts.tolist() == [300, 300]


def test_same_seed_same_index_for_any_threads(base: F32, queries: F32) -> None:
    def make(seed: int, threads: int) -> fb.SearchResult:
        index = fb.Index(
            32, metric="cosine", transform=fb.OPQ(iterations=4), partition=fb.IVF(16), codec=fb.PQ(8, bits=4), seed=seed
        )
        return index.build(base, threads=threads).search(queries)

    one, same, other = make(1, 1), make(1, 2), make(2, 1)
    np.testing.assert_array_equal(one.ids, same.ids)
    np.testing.assert_array_equal(one.scores, same.scores)
    assert not np.array_equal(one.scores, other.scores)


def test_dense_maps_stop_at_2048_dimensions() -> None:
    for transform in (fb.OPQ(), fb.PCA(64)):
        with pytest.raises(ValueError, match=r"2048.*got 2049.*RandomRotation"):
            fb.Index(2049, metric="ip", transform=transform, codec=fb.PQ(64))
    x = vectors(50, 2500)
    index = fb.Index(2500, metric="ip", transform=fb.RandomRotation(), codec=fb.Scalar(8)).build(x)
    assert index.search(x[:1], k=3).counts.tolist() == [3]


def test_default_lists() -> None:
    assert [fb.IVF().lists(n) for n in (1, 99, 250, 10_000, 1_000_000)] == [1, 1, 2, 100, 2000]
    assert fb.IVF(7).lists(10) == 7
    x = vectors(1000, 8)
    assert fb.Index(8, metric="l2", partition=fb.IVF()).build(x).stats()["lists"] == 10
    sampled = fb.Index(8, metric="l2", partition=fb.IVF()).train(x[:300], expected=2000)
    assert sampled.stats()["lists"] == 20


def test_centroids_are_half_precision_where_that_costs_nothing() -> None:
    def centroid_bytes(x: F32) -> int:
        index = fb.Index(8, metric="l2", partition=fb.IVF(4)).build(x)
        return int(index.stats()["bytes"]["fixed"]["partition.centroids"])

    x = vectors(400, 8)
    assert centroid_bytes(x) == 4 * 8 * 2
    assert centroid_bytes(x + 1000) == 4 * 8 * 2  # about their center
    ip = fb.Index(8, metric="ip", partition=fb.IVF(4)).build(x + 1000)
    assert ip.stats()["bytes"]["fixed"]["partition.centroids"] == 4 * 8 * 4  # the offset would eat the precision
    assert centroid_bytes(x * 1e6) == 4 * 8 * 4  # out of range


def test_training_twice_and_after_adding(base: F32, queries: F32) -> None:
    index = fb.Index(32, metric="l2", codec=fb.PQ(4)).train(base[:200])
    index.train(base)
    np.testing.assert_array_equal(
        index.add(base).search(queries).ids, fb.Index(32, metric="l2", codec=fb.PQ(4)).build(base).search(queries).ids
    )
    for action in (index.train, index.build):
        with pytest.raises(ValueError, match="expected an empty index, got one that holds 3000"):
            action(base)


FEW: dict[str, tuple[dict[str, Any], int, str]] = {  # parts, vectors that are too few, and for what
    "pq": ({"codec": fb.PQ(4, bits=4)}, 15, "the 16 codewords of PQ"),
    "rerank pq": ({"codec": fb.RaBitQ(1), "rerank": fb.PQ(4, bits=8)}, 255, "the 256 codewords of PQ"),
    "scalar": ({"codec": fb.Scalar(4)}, 15, "the 16 needed to estimate the range"),
    "pca": ({"codec": fb.Float(), "transform": fb.PCA(20)}, 19, "the 20 directions"),
    "opq": ({"codec": fb.PQ(4, bits=4), "transform": fb.OPQ(iterations=1)}, 31, "the 32 directions"),
    "lists": ({"codec": fb.Float(), "partition": fb.IVF(40)}, 39, "the 40 lists"),
}


@pytest.mark.parametrize("name", FEW)
def test_training_on_too_few_vectors_for_many_is_said_once(base: F32, name: str) -> None:
    parts, few, what = FEW[name]
    message = rf"{few} vectors to train on are fewer than {what}.* for an index of 1,200 vectors"
    for fill in ("train", "build"):
        index = fb.Index(32, metric="l2", **parts)
        getattr(index, fill)(base[:few], progress=False)  # which may be all there is
        index.add(base[few : 3 * few], ids=np.arange(10_000, 10_000 + 2 * few), progress=False)
        before = len(index)
        more = base[: 1200 - before]
        with pytest.raises(UserWarning, match=message):  # an error under pytest: nothing has changed
            index.add(more, ids=np.arange(20_000, 20_000 + len(more)), progress=False)
        assert len(index) == before
        with pytest.warns(UserWarning, match=message) as caught:
            index.add(more, ids=np.arange(20_000, 20_000 + len(more)), progress=False)
        assert caught[0].filename == __file__
        index.add(base[:100], ids=np.arange(30_000, 30_100), progress=False)
    index = fb.Index(32, metric="l2", **parts)
    with pytest.warns(UserWarning, match=message) as caught:
        index.train(base[:few], expected=1200, progress=False)
    assert caught[0].filename == __file__
    index.add(base, progress=False)  # it was said
    fb.Index(32, metric="l2", **parts).train(base[: few + 1], progress=False).add(base, progress=False)


def test_codecs_that_fit_nothing_want_no_sample(base: F32) -> None:
    for parts in (
        {"codec": fb.Float()},
        {"codec": fb.RaBitQ(2)},
        {"codec": fb.Float(), "transform": fb.RandomRotation()},
    ):
        fb.Index(32, metric="l2", **parts).train(base[:1], expected=10**6).add(base)  # type: ignore[arg-type]
