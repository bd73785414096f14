"""Filters and thresholds: the best among the allowed, never too few, the same by every way of saying it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import fewbits as fb
from support.data import F32, brute_force, vectors

N, DIM, LISTS = 3000, 32, 20
INDEXES: dict[str, dict[str, Any]] = {
    "float": {"codec": fb.Float()},
    "ivf-float": {"partition": fb.IVF(LISTS), "codec": fb.Float()},
    "ivf-pq4-float": {"partition": fb.IVF(LISTS), "codec": fb.PQ(16, bits=4), "rerank": fb.Float()},
    "ivf-staged-float": {"partition": fb.IVF(LISTS), "codec": fb.Scalar(4, staged=True), "rerank": fb.Float()},
}


def everything(index: fb.Index) -> dict[str, Any]:
    options = {} if index.partition is None else {"nprobe": LISTS}
    return options | ({} if index.rerank is None else {"rerank": N})


def masks(x: F32) -> dict[str, NDArray[np.bool_]]:
    random = np.random.default_rng(3)
    near = x @ x[0]
    return {
        "none": np.zeros(N, np.bool_),
        "one": np.arange(N) == 77,
        "few": random.random(N) < 0.01,
        "tenth": random.random(N) < 0.1,
        "half": random.random(N) < 0.5,
        "near": near > np.quantile(near, 0.9),
        "far": near < np.quantile(near, 0.1),
        "all": np.ones(N, np.bool_),
    }


@pytest.mark.parametrize("name", INDEXES)
def test_full_probing_finds_the_best_of_the_allowed(base: F32, queries: F32, metric: str, name: str) -> None:
    index = fb.Index(DIM, metric=metric, **INDEXES[name]).build(base)
    for mask in masks(base).values():
        allowed = np.flatnonzero(mask)
        found = index.search(queries, k=12, filter=mask, **everything(index))
        assert found.counts.tolist() == [min(12, len(allowed))] * len(queries)
        truth, exact = brute_force(base[allowed], queries, 12, metric)
        np.testing.assert_allclose(found.scores[:, : truth.shape[1]], exact, rtol=1e-4, atol=1e-4)
        assert np.isin(found.ids, [*allowed, -1]).all()


@pytest.mark.parametrize("name", INDEXES)
def test_all_ways_of_saying_it_are_one(base: F32, queries: F32, name: str) -> None:
    numba = pytest.importorskip("numba")
    index = fb.Index(DIM, metric="l2", **INDEXES[name]).build(base)
    index.remove([9, 10])

    @numba.cfunc("boolean(int64)")  # type: ignore[untyped-decorator]
    def third(i: int) -> bool:
        return i % 3 == 0

    mask = np.arange(N) % 3 == 0
    ways: list[Any] = [mask, np.flatnonzero(mask), np.flatnonzero(mask).astype(np.uint16), third]
    ways += [fb.Filter(way) for way in ways] + [fb.Filter.deny(np.flatnonzero(~mask)), mask[:-1]]
    expected = index.search(queries, k=9, filter=mask)
    assert not (expected.ids == 9).any()
    for way in ways:
        for options in ({}, {"threads": 1}, {"threads": 3}):
            found = index.search(queries, k=9, filter=way, **options)
            np.testing.assert_array_equal(found.ids, expected.ids)
            np.testing.assert_array_equal(found.scores, expected.scores)
        single = index.search(queries[7], k=9, filter=way)
        np.testing.assert_array_equal(single.ids, expected.ids[7])


def test_a_prepared_filter_follows_the_index(base: F32, queries: F32) -> None:
    index = fb.Index(DIM, metric="l2", codec=fb.Float()).build(base[:100])
    other = fb.Index(DIM, metric="l2", codec=fb.Float()).build(base[100:200])
    even = fb.Filter(np.arange(400) % 2 == 0)
    assert set(index.search(queries, 50, filter=even).ids.ravel().tolist()) == set(range(0, 100, 2))
    index.remove([4])
    assert 4 not in index.search(queries, 50, filter=even).ids
    index.add(base[200:300])
    assert set(index.search(queries, 99, filter=even).ids.ravel().tolist()) == set(range(0, 200, 2)) - {4}
    assert (other.search(base[100:101], 1, filter=even).ids == 0).all()
    index.add(base[:1], ids=[4])
    assert 4 in index.search(queries, 100, filter=even).ids


def test_a_filter_a_query(base: F32, queries: F32) -> None:
    index = fb.Index(DIM, metric="ip", **INDEXES["ivf-pq4-float"]).build(base)
    low, high = fb.Filter(np.arange(N) < 1500), fb.Filter.deny(range(1500))
    chosen = [low if i % 3 else high for i in range(len(queries))]
    found = index.search(queries, k=5, filter=chosen)
    for i, one in enumerate(chosen):
        np.testing.assert_array_equal(found.ids[i], index.search(queries[i], k=5, filter=one).ids)
    with pytest.raises(ValueError, match=r"filter: expected one per query \(40\), got 1"):
        index.search(queries, filter=[low])


@pytest.mark.parametrize("kind", ["few", "tenth", "half", "near", "far"])
def test_recall_with_a_filter_is_as_without(base: F32, queries: F32, metric: str, kind: str) -> None:
    index = fb.Index(DIM, metric=metric, partition=fb.IVF(60), codec=fb.Float()).build(base)
    mask = masks(base)[kind]
    plain = fb.recall(index, queries, 5, nprobe=8)
    everything_found = index.search(queries, 5, nprobe=60, filter=mask).ids
    found = index.search(queries, 5, nprobe=8, filter=mask).ids
    hits = [len(set(a.tolist()) & set(b.tolist()) - {-1}) for a, b in zip(found, everything_found, strict=True)]
    assert sum(hits) / (everything_found >= 0).sum() > plain - 0.03


@pytest.mark.parametrize("name", INDEXES)
def test_thresholds(base: F32, queries: F32, metric: str, name: str) -> None:
    index = fb.Index(DIM, metric=metric, **INDEXES[name]).build(base)
    options = everything(index)
    plain = index.search(queries, k=30, **options)
    limit = float(np.median(plain.scores[:, 15]))
    found = index.search(
        queries, k=30, **options, **({"max_distance": limit} if metric == "l2" else {"min_score": limit})
    )
    good = plain.scores <= limit if metric == "l2" else plain.scores >= limit
    assert found.counts.tolist() == good.sum(axis=1).tolist()
    assert 0 < good.sum() < good.size
    np.testing.assert_array_equal(found.ids, np.where(good, plain.ids, -1))
    np.testing.assert_array_equal(found.scores[good], plain.scores[good])
    assert np.isinf(found.scores[~good]).all()
    reach: dict[str, Any] = {"max_distance": 0.0} if metric == "l2" else {"min_score": 1e30}
    assert (index.search(queries, k=3, **reach).ids == -1).all()


def test_thresholds_include_the_limit_itself() -> None:
    x = np.array([[0.0], [0.1], [0.2], [0.3]], np.float32)
    index = fb.Index(1, metric="ip", codec=fb.Float()).build(x)
    q = np.ones((1, 1), np.float32)
    assert index.search(q, 4, min_score=float(np.float32(0.2))).counts.tolist() == [2]
    assert index.search(q, 4, min_score=0.2).counts.tolist() == [2]  # the float32 is above 0.2
    assert index.search(q, 4, min_score=0.1 + 2e-9).counts.tolist() == [2]  # the float32 is below


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: fb.Filter(np.ones((2, 2), np.bool_)), ValueError, r"mask of shape \(n,\), got \(2, 2\)"),
    (lambda: fb.Filter([1.5]), TypeError, "expected a boolean mask, ids"),
    (lambda: fb.Filter([-1]), ValueError, "filter: ids: expected whole numbers >= 0, got -1"),
    (lambda: fb.Filter(lambda i: True), TypeError, "expected a boolean mask, ids"),
    (lambda: fb.Filter.deny([[1]]), ValueError, r"filter: ids: expected shape \(n,\)"),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG)
def test_wrong_filters(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_wrong_predicates_and_thresholds(base: F32, queries: F32) -> None:
    numba = pytest.importorskip("numba")

    @numba.cfunc("boolean(int32)")  # type: ignore[untyped-decorator]
    def narrow(i: int) -> bool:
        return i > 3

    with pytest.raises(TypeError, match="boolean\\(int64\\)"):
        fb.Filter(narrow)
    cosine = fb.Index(DIM, metric="cosine", codec=fb.Float()).build(base)
    with pytest.raises(ValueError, match="max_distance: under metric 'cosine' expected min_score"):
        cosine.search(queries, max_distance=1)
    with pytest.raises(ValueError, match="min_score: expected a finite number"):
        cosine.search(queries, min_score=float("nan"))
    with pytest.raises(TypeError, match="min_score"):
        cosine.search(queries, min_score="high")  # type: ignore[arg-type]


def test_filters_pickle_and_copy() -> None:
    x = vectors(300, 8)
    index = fb.Index(8, metric="l2").add(x)
    mask = np.arange(250) % 3 == 0
    for prepared in (fb.Filter(mask), fb.Filter([7, 3, 299]), fb.Filter([]), fb.Filter.deny(np.arange(290))):
        expected = index.search(x[:20], filter=prepared)
        for again in (pickle.loads(pickle.dumps(prepared)), copy.copy(prepared), copy.deepcopy(prepared)):
            found = index.search(x[:20], filter=again)
            assert np.array_equal(found.ids, expected.ids)
    own = np.arange(5)
    prepared = fb.Filter(own)
    own[:] = 200 + np.arange(5)  # the filter is what it was made from
    assert set(index.search(x[0], 5, filter=pickle.loads(pickle.dumps(prepared))).ids) == set(range(5))


def test_pickled_filters_are_small() -> None:
    mask = np.zeros(10**6, np.bool_)
    assert len(pickle.dumps(fb.Filter(mask))) < 1000
    mask[500_000:580_000] = True
    assert len(pickle.dumps(fb.Filter(mask))) < 80_000 / 8 + 1000
    for of_ids in (fb.Filter.allow, fb.Filter.deny):
        assert len(pickle.dumps(of_ids(np.arange(10_000)))) < 10_000 / 8 + 1000
        assert len(pickle.dumps(of_ids(np.arange(10_000) * 1000))) < 41_000
    index = fb.Index(4, metric="l2", codec=fb.Float()).add(np.eye(4, dtype=np.float32), ids=[3, 2**33, 2**40, 2**61])
    for ids in ([], [3], [2**33, 2**61]):
        for prepared in (fb.Filter.allow(ids), fb.Filter.deny(ids)):
            again = pickle.loads(pickle.dumps(prepared))
            wanted = index.search(np.ones(4), 4, filter=prepared).ids
            assert index.search(np.ones(4), 4, filter=again).ids.tolist() == wanted.tolist()


@given(st.sets(st.integers(0, 400)), st.integers(0, 2**62 - 500))
@settings(max_examples=50, deadline=None)
def test_a_pickled_filter_has_the_same_ids(ids: set[int], first: int) -> None:
    own = np.array(sorted(ids), np.int64) + first
    for prepared in (fb.Filter.allow(own), fb.Filter.deny(own)):
        again = pickle.loads(pickle.dumps(prepared))
        assert repr(again) == repr(prepared)
        (kind, numbers), (other_kind, other) = prepared._core.given(), again._core.given()
        assert kind == other_kind
        assert numbers is not None
        assert other is not None
        assert np.sort(other).tolist() == np.sort(numbers).tolist()


def test_filters_say_what_they_are() -> None:
    numba = pytest.importorskip("numba")
    assert repr(fb.Filter(np.arange(2000) < 1200)) == "Filter(<mask of 2,000, 1,200 allowed>)"
    assert repr(fb.Filter([4, 2])) == "Filter.allow(<2 ids>)"
    assert repr(fb.Filter.deny([3])) == "Filter.deny(<1 ids>)"
    assert repr(fb.Filter.label([7, 8])) == "Filter.label(<2 labels>)"
    assert repr(fb.Filter(numba.cfunc("boolean(int64)")(lambda i: i > 3))) == "Filter(<predicate>)"


def test_a_filter_of_code_does_not_pickle() -> None:
    numba = pytest.importorskip("numba")
    prepared = fb.Filter(numba.cfunc("boolean(int64)")(lambda i: i > 3))
    for action in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="predicate is code of this process"):
            action(prepared)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.int8])
def test_a_mask_of_numbers_is_not_taken_for_ids(dtype: type) -> None:
    x = vectors(1000, 8)
    index = fb.Index(8, metric="l2").add(x)
    mask = (np.arange(1000) % 2).astype(dtype)
    for wrong in (mask, mask.tolist(), [5, 6, 5]):
        for call in (lambda f: index.search(x[0], filter=f), fb.Filter, fb.Filter.deny):
            with pytest.raises(ValueError, match=r"filter: expected ids without repetition.*mask\.astype\(bool\)"):
                call(wrong)
    assert index.search(x[1], 1, filter=mask.astype(bool)).ids[0] == 1


def test_allow_is_the_filter_itself_and_deny_the_rest(base: F32, queries: F32) -> None:
    index = fb.Index(32, metric="l2", codec=fb.Float()).add(base, progress=False)
    ids = np.arange(0, 3000, 7)
    for own in (ids, np.isin(np.arange(3000), ids)):
        allowed = index.search(queries, 5, filter=fb.Filter.allow(own))
        np.testing.assert_array_equal(allowed.ids, index.search(queries, 5, filter=fb.Filter(own)).ids)
    denied = index.search(queries, 3000, filter=fb.Filter.deny(ids))
    assert not np.isin(ids, denied.ids).any()
    assert denied.counts.tolist() == [3000 - len(ids)] * len(queries)
