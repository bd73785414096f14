"""What search returns: the oracle, the same bits by every road, order, padding, codes as good as they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import F32, brute_force, overlap, vectors
from support.parts import ALL_CODECS, ALL_SCORED


@pytest.mark.parametrize("rerank", [fb.Float(), fb.Float(16)])
@pytest.mark.parametrize(("name", "metric"), ALL_SCORED)
def test_all_lists_and_float_rerank_equal_brute_force(
    base: F32, queries: F32, metric: str, name: str, rerank: fb.Float
) -> None:
    codec = ALL_CODECS[name].codec
    x = base.astype(np.float16).astype(np.float32)  # so that half precision loses nothing
    index = fb.Index(32, metric=metric, partition=fb.IVF(12), codec=codec, rerank=rerank).build(x)
    ids, scores = index.search(queries, k=10, nprobe=12, rerank=len(x))
    truth, exact = brute_force(x, queries, 10, metric)
    if metric == "cosine" and rerank.bits == 16:  # normalised rows do round
        assert overlap(ids, truth) > 0.98
        np.testing.assert_allclose(scores, exact, rtol=2e-3)
    else:
        np.testing.assert_array_equal(ids, truth)
        np.testing.assert_allclose(scores, exact, rtol=1e-5)


@pytest.mark.parametrize(("name", "metric"), ALL_SCORED)
@pytest.mark.parametrize("partition", [None, fb.IVF(12)])
def test_recall_of_the_codes_alone(base: F32, queries: F32, metric: str, name: str, partition: fb.IVF | None) -> None:
    codec, min_recall = ALL_CODECS[name]
    index = fb.Index(32, metric=metric, partition=partition, codec=codec).build(base)
    found = index.search(queries, k=10, nprobe=None if partition is None else 12)
    truth, exact = brute_force(base, queries, 10, metric)
    assert overlap(found.ids, truth) >= min_recall
    spread = np.abs(exact).mean()
    assert np.abs(found.scores - exact).mean() < 0.5 * spread


@pytest.mark.parametrize("transform", [fb.RandomRotation(3), fb.PCA(32), fb.OPQ(iterations=3), fb.Identity()])
def test_rotations_keep_scores(base: F32, queries: F32, metric: str, transform: fb.RandomRotation) -> None:
    codec = fb.PQ(16) if isinstance(transform, fb.OPQ) else fb.Float()
    rerank = fb.Float() if isinstance(transform, fb.OPQ) else None
    index = fb.Index(32, metric=metric, transform=transform, codec=codec, rerank=rerank).build(base)
    ids, scores = index.search(queries, k=10, rerank=None if rerank is None else len(base))
    truth, exact = brute_force(base, queries, 10, metric)
    assert overlap(ids, truth) > 0.99
    np.testing.assert_allclose(scores, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "metric"), ALL_SCORED)
def test_batch_and_single_and_any_threads_give_the_same_bits(base: F32, queries: F32, metric: str, name: str) -> None:
    codec = ALL_CODECS[name].codec
    index = fb.Index(32, metric=metric, partition=fb.IVF(20), codec=codec, rerank=fb.Scalar(8)).build(base)
    for rerank in (0, 50):
        batch = index.search(queries, k=7, nprobe=5, rerank=rerank, threads=1)
        threaded = index.search(queries, k=7, nprobe=5, rerank=rerank, threads=3)
        np.testing.assert_array_equal(batch.ids, threaded.ids)
        np.testing.assert_array_equal(batch.scores, threaded.scores)
        for number in (0, 17, 39):
            ids, scores = index.search(queries[number], k=7, nprobe=5, rerank=rerank)
            np.testing.assert_array_equal(ids, batch.ids[number])
            np.testing.assert_array_equal(scores, batch.scores[number])


def test_shapes_and_types(base: F32, queries: F32) -> None:
    index = fb.Index(32, metric="l2").build(base)
    result = index.search(queries, k=3)
    assert result.ids.shape == result.scores.shape == (40, 3)
    assert result.ids.dtype == np.int64
    assert result.scores.dtype == np.float32
    assert result.counts.tolist() == [3] * 40
    single = index.search(queries[0])
    assert single.ids.shape == single.scores.shape == (10,)
    assert int(single.counts) == 10
    assert index.search(queries[:0], k=4).ids.shape == (0, 4)
    ids, scores = index.search(queries[:1].tolist(), k=np.int64(2))
    assert ids.shape == (1, 2)
    assert scores[0, 0] <= scores[0, 1]


def test_best_first_and_unique(base: F32, queries: F32, metric: str) -> None:
    index = fb.Index(32, metric=metric, partition=fb.IVF(10), codec=fb.PQ(8, bits=4)).build(base)
    ids, scores = index.search(queries, k=50)
    steps = np.diff(scores, axis=1)
    assert (steps >= 0).all() if metric == "l2" else (steps <= 0).all()
    assert all(len(set(row.tolist())) == 50 for row in ids)


def test_more_results_than_vectors_are_padded(metric: str) -> None:
    x = vectors(5, 8)
    index = fb.Index(8, metric=metric, codec=fb.Scalar(8)).build(x)
    result = index.search(x[:2], k=9)
    assert result.counts.tolist() == [5, 5]
    assert (result.ids[:, 5:] == -1).all()
    assert (result.scores[:, 5:] == (np.inf if metric == "l2" else -np.inf)).all()
    assert sorted(result.ids[0, :5].tolist()) == [0, 1, 2, 3, 4]


def test_too_few_in_the_lists_read_are_padded(base: F32, queries: F32) -> None:
    index = fb.Index(32, metric="l2", partition=fb.IVF(64)).build(base)
    result = index.search(queries, k=500, nprobe=1)
    assert (result.counts < 500).all()
    for ids, count in zip(result.ids, result.counts, strict=True):
        assert (ids[:count] >= 0).all()
        assert (ids[count:] == -1).all()


def test_empty_index_pads_and_untrained_index_raises(queries: F32, base: F32) -> None:
    index = fb.Index(32, metric="ip", codec=fb.PQ(4))
    with pytest.raises(fb.NotTrainedError, match=r"search.*train"):
        index.search(queries)
    index.train(base)
    result = index.search(queries, k=3)
    assert (result.ids == -1).all()
    assert np.isneginf(result.scores).all()


def test_every_search_argument_has_an_effect(base: F32, queries: F32) -> None:
    index = fb.Index(32, metric="l2", partition=fb.IVF(40), codec=fb.PQ(4, bits=4), rerank=fb.Scalar(8)).build(base)
    start = index.search(queries, k=5, nprobe=1, rerank=10)
    assert not np.array_equal(start.ids, index.search(queries, k=5, nprobe=10, rerank=10).ids)
    assert not np.array_equal(start.ids, index.search(queries, k=5, nprobe=1, rerank=80).ids)
    assert not np.array_equal(start.scores, index.search(queries, k=5, nprobe=1, rerank=0).scores)
    assert index.search(queries, k=6, nprobe=1, rerank=10).ids.shape == (40, 6)
    truth, _ = brute_force(base, queries, 5, "l2")
    rising = [overlap(index.search(queries, k=5, nprobe=p, rerank=200).ids, truth) for p in (1, 4, 16, 40)]
    assert rising == sorted(rising)
    assert rising[-1] > 0.9


def test_search_arguments_that_do_nothing_here_are_refused(base: F32, queries: F32) -> None:
    index = fb.Index(32, metric="l2").build(base)
    with pytest.raises(ValueError, match=r"nprobe.*no partition"):
        index.search(queries, nprobe=4)
    with pytest.raises(ValueError, match=r"rerank.*no rerank store"):
        index.search(queries, rerank=4)
    with pytest.raises(ValueError, match="min_score: under metric 'l2' expected max_distance"):
        index.search(queries, min_score=0.5)


def test_cosine_ignores_lengths(base: F32, queries: F32) -> None:
    lengths = np.random.default_rng(5).choice([0.25, 1.0, 8.0], size=(len(base), 1)).astype(np.float32)
    plain = fb.Index(32, metric="cosine", partition=fb.IVF(8), codec=fb.Scalar(8)).build(base)
    scaled = fb.Index(32, metric="cosine", partition=fb.IVF(8), codec=fb.Scalar(8)).build(base * lengths)
    one, other = plain.search(queries, nprobe=8), scaled.search(queries * np.float32(4), nprobe=8)
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-6)


def test_search_while_adding(base: F32, queries: F32) -> None:
    from concurrent.futures import ThreadPoolExecutor

    index = fb.Index(32, metric="l2").build(base[:500])
    states = [fb.Index(32, metric="l2").build(base[:n]).search(queries).ids for n in range(500, 1001, 100)]
    with ThreadPoolExecutor(3) as pool:
        found = [pool.submit(lambda: index.search(queries).ids) for _ in range(20)]
        for begin in range(500, 1000, 100):
            index.add(base[begin : begin + 100])
        seen = [future.result() for future in found]
    assert all(any(np.array_equal(ids, state) for state in states) for ids in seen)


@pytest.mark.parametrize("dim", [1, 2, 3, 7, 9, 17, 33, 65, 129, 257])
def test_odd_dimensions(dim: int, metric: str) -> None:
    x, q = vectors(600, dim), vectors(10, dim, seed=2)
    parts: list[fb.Scalar | fb.PQ] = [
        fb.Scalar(8),
        fb.Scalar(4),
        fb.PQ(max(1, dim // 2), bits=4),
        fb.PQ(max(1, dim // 3)),
    ]
    truth, exact = brute_force(x, q, 5, metric)
    for codec in parts:
        index = fb.Index(dim, metric=metric, partition=fb.IVF(4), codec=codec, rerank=fb.Float()).build(x)
        ids, scores = index.search(q, k=5, nprobe=4, rerank=600)
        np.testing.assert_allclose(scores, exact, rtol=1e-4, atol=1e-5)
        if dim > 1 or metric == "l2":  # in one dimension directions are all alike
            assert overlap(ids, truth) > 0.95


@pytest.mark.parametrize("parts", [{}, {"codec": fb.Float(16)}, {"codec": fb.PQ(8), "rerank": fb.Float()}], ids=str)
def test_cosines_are_at_most_one(parts: dict[str, Any]) -> None:
    x = vectors(400, 16)
    both = np.concatenate([x, -x])
    index = fb.Index(16, metric="cosine", **parts).build(both, progress=False)
    for found in (index.search(x, k=800), fb.exact_search(both, x, 800, metric="cosine")):
        assert found.scores.max() == 1
        assert found.scores.min() == -1
        assert np.array_equal(found.ids[:, 0], np.arange(400))
    assert np.isneginf(index.search(x[0], k=900).scores[800:]).all()
