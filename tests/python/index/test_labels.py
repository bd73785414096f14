"""Labels: filters by label find what filters by ids find, bit for bit, and labels change no other result."""

from __future__ import annotations

import copy
import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fewbits as fb
from support import format_reader
from support.changes import CODECS, DIM, added, asked, full, trained
from support.data import F32, brute_force, vectors

N, LISTS = 6000, 30
INDEXES: dict[str, dict[str, Any]] = {
    "float": {"codec": fb.Float()},
    "staged": {"codec": fb.Scalar(4, staged=True)},
    "ivf-pq4-scalar8": {"partition": fb.IVF(LISTS), "codec": fb.PQ(16, bits=4), "rerank": fb.Scalar(8)},
    "ivf-staged": {"partition": fb.IVF(LISTS), "codec": fb.Scalar(4, staged=True)},
    "ivf-rabitq": {"partition": fb.IVF(LISTS), "codec": fb.RaBitQ(3)},
    "spill-pq8": {"partition": fb.IVF(LISTS, spill=1.7), "codec": fb.PQ(8)},
}
WANTED: list[Any] = [0, 3, -9, [3, 5], [0, 1, 2, 3], np.arange(-20, 20), [99], [], [0, 0], np.uint8(7)]


@pytest.fixture(scope="module")
def x() -> F32:
    return vectors(N, 32)


@pytest.fixture(scope="module")
def labels() -> NDArray[np.int64]:
    """Of shares from a half to 1 / 3000, in no order."""
    random = np.random.default_rng(4)
    return random.choice([0, 1, 2, 3, 5, 7, -9], N, p=[0.5, 0.3, 0.12, 0.05, 0.02, 0.0097, 0.0003])


def options(index: fb.Index) -> list[dict[str, Any]]:
    ways: list[dict[str, Any]] = [{}, {"threads": 1}, {"threads": 3, "k": 40}]
    if index.partition is not None:
        ways += [{"nprobe": p, "threads": 2} for p in (1, 5, LISTS)] + [{"nprobe": LISTS, "patience": 2}]
    return ways + ([] if index.rerank is None else [{"rerank": 0}])


def assert_label_is_ids(index: fb.Index, held: dict[int, int], queries: F32) -> None:
    """held: id -> label."""
    ids, own = np.array(list(held), np.int64), np.array(list(held.values()), np.int64)
    np.testing.assert_array_equal(index.labels(ids), own)
    for wanted in WANTED:
        allowed = ids[np.isin(own, wanted)]
        prepared = fb.Filter.label(wanted)
        for way in options(index):
            others = asked(index, queries) if way.get("rerank") != 0 else {}
            found = index.search(queries, filter=prepared, **way, **others)
            same = index.search(queries, filter=fb.Filter(allowed), **way, **others)
            np.testing.assert_array_equal(found.ids, same.ids)
            np.testing.assert_array_equal(found.scores, same.scores)
            one = {name: each[3] for name, each in others.items()}
            alone = index.search(queries[3], filter=prepared, **way, **one)
            np.testing.assert_array_equal(alone.ids, found.ids[3])
            assert np.isin(found.ids, [*allowed, -1]).all()


@pytest.mark.parametrize("name", INDEXES)
def test_a_filter_by_label_is_one_by_ids(
    x: F32, labels: NDArray[np.int64], queries: F32, metric: str, name: str
) -> None:
    index = fb.Index(32, metric=metric, **INDEXES[name]).build(x, labels=labels)
    assert_label_is_ids(index, dict(enumerate(labels.tolist())), queries)


@pytest.mark.parametrize("name", INDEXES)
def test_labels_change_no_other_result(x: F32, labels: NDArray[np.int64], queries: F32, name: str) -> None:
    index = fb.Index(32, metric="cosine", **INDEXES[name]).build(x, labels=labels)
    plain = fb.Index(32, metric="cosine", **INDEXES[name]).build(x)
    for way in options(index):
        one, two = index.search(queries, **way), plain.search(queries, **way)
        np.testing.assert_array_equal(one.ids, two.ids)
        np.testing.assert_array_equal(one.scores, two.scores)
    everywhere = {} if index.partition is None else {"nprobe": LISTS}
    for wanted in (0, 3, [1, 2]):
        one = index.search(queries, filter=fb.Filter.label(wanted), **everywhere)
        two = plain.search(queries, filter=np.isin(labels, wanted), **everywhere)
        np.testing.assert_array_equal(one.ids, two.ids)
        np.testing.assert_array_equal(one.scores, two.scores)


def test_the_nearest_of_a_label_are_found(x: F32, labels: NDArray[np.int64], queries: F32, metric: str) -> None:
    index = fb.Index(32, metric=metric, partition=fb.IVF(LISTS), codec=fb.Float()).build(x, labels=labels)
    for wanted in (0, 3, 5, -9):
        allowed = np.flatnonzero(labels == wanted)
        found = index.search(queries, k=10, nprobe=LISTS, filter=fb.Filter.label(wanted))
        truth, _ = brute_force(x[allowed], queries, 10, metric)
        assert found.counts.tolist() == [min(10, len(allowed))] * len(queries)
        np.testing.assert_array_equal(found.ids[:, : truth.shape[1]], allowed[truth])


@pytest.mark.parametrize("name", CODECS)
def test_any_history(name: str, tmp_path: Path) -> None:
    x, queries, random = vectors(900, DIM, seed=3), vectors(9, DIM, seed=5), np.random.default_rng(1)
    own = random.choice([0, 3, 5, 7, -9], 900)
    index, held = trained(name), {}

    def add(first: int, last: int, ids: NDArray[np.int64], **how: Any) -> None:
        added(index, x[first:last], ids=ids, labels=own[first:last], **how)
        held.update(zip(ids.tolist(), own[first:last].tolist(), strict=True))

    add(0, 400, np.arange(400))
    add(400, 450, np.arange(10**12, 10**12 + 50))
    assert_label_is_ids(index, held, queries)
    assert index.remove(np.arange(100, 250)) == 150
    held = {i: label for i, label in held.items() if not 100 <= i < 250}
    add(450, 500, np.arange(60, 110), on_conflict="replace")
    assert_label_is_ids(index, held, queries)
    path = tmp_path / "a.fb"
    index.save(path)
    add(500, 700, np.arange(5000, 5200))
    index.sync(path)
    index.remove(range(5000, 5010))
    held = {i: label for i, label in held.items() if not 5000 <= i < 5010}
    index.sync(path)
    for same in (
        index,
        fb.open(path, mmap=True, verify=True),
        fb.open(path, mmap=False),
        fb.Index.from_bytes(index.to_bytes()),
        pickle.loads(pickle.dumps(index)),
        index.take(list(held)),
    ):
        assert_label_is_ids(same, held, queries)  # type: ignore[arg-type]
    other = added(index.empty(), x[700:], ids=np.arange(9000, 9200), labels=own[700:])
    index = fb.merge([index, other])
    held |= dict(zip(range(9000, 9200), own[700:].tolist(), strict=True))
    assert_label_is_ids(index, held, queries)
    before = full(index, queries)
    index.compact()
    assert index.stats().segments == 1
    np.testing.assert_array_equal(full(index, queries).scores, before.scores)
    assert_label_is_ids(index, held, queries)
    taken = index.take(sorted(held)[::2]).to_bytes()
    assert taken == fb.Index.from_bytes(index.to_bytes()).take(sorted(held)[::2][::-1]).to_bytes()


def test_what_is_stored(x: F32, labels: NDArray[np.int64], tmp_path: Path) -> None:
    index = fb.Index(32, metric="l2", partition=fb.IVF(LISTS), codec=fb.PQ(8)).build(x, labels=labels)
    stats = index.stats()
    index.save(tmp_path / "a.fb")
    params, arrays = format_reader.read(tmp_path / "a.fb")
    lists = arrays["seg0.lists"].astype(np.int64)
    own = np.repeat(arrays["seg0.labels.values"], np.diff([*arrays["seg0.labels.rows"].tolist(), N]))
    np.testing.assert_array_equal(own, labels[arrays["seg0.ids"]])
    runs = 0
    for begin, end in itertools.pairwise(lists):
        assert (np.diff(own[begin:end]) >= 0).all()
        runs += len(np.unique(own[begin:end]))
    assert params["segments"] == 1
    assert stats.label_runs == runs == len(arrays["seg0.labels.values"])
    assert stats.bytes.per_vector["labels.rows"] == 4 * runs
    assert stats.bytes.per_vector["labels.values"] == 8 * runs
    assert f"{runs} runs of vectors with one label" in index.explain()
    plain = fb.Index(32, metric="l2", partition=fb.IVF(LISTS), codec=fb.PQ(8)).build(x).stats()
    assert stats.bytes.total == plain.bytes.total + 12 * runs
    assert plain.label_runs == 0


def test_labels_may_be_any_int64_and_all_different() -> None:
    x = vectors(300, 8)
    own = np.random.default_rng(2).permutation(np.r_[np.arange(298) * 2**54 - 2**61, -(2**63), 2**63 - 1])
    index = fb.Index(8, metric="l2").add(x[:200], labels=own[:200]).add(x[200:], labels=own[200:].tolist())
    np.testing.assert_array_equal(index.labels(np.arange(300)), own)
    for i in (0, 7, 299):
        assert index.search(x[0], 3, filter=fb.Filter.label(int(own[i]))).ids.tolist() == [i, -1, -1]


def test_a_prepared_filter_follows_the_index() -> None:
    x = vectors(300, 8)
    index = fb.Index(8, metric="l2").add(x[:100], labels=np.arange(100) % 2)
    odd = fb.Filter.label(1)
    assert set(index.search(x[0], 200, filter=odd).ids.tolist()) == set(range(1, 100, 2)) | {-1}
    index.remove([3])
    index.add(x[100:110], labels=[1] * 10)
    assert set(index.search(x[0], 200, filter=odd).ids.tolist()) == set(range(1, 100, 2)) - {3} | {*range(100, 110), -1}
    index.add(x[:1], ids=[1], labels=[0], on_conflict="replace")
    assert 1 not in index.search(x[0], 200, filter=odd).ids
    both = [odd if i % 2 else fb.Filter.deny([0]) for i in range(9)]
    found = index.search(x[:9], 5, filter=both)
    for i, own in enumerate(both):
        np.testing.assert_array_equal(found.ids[i], index.search(x[i], 5, filter=own).ids)
    for again in (pickle.loads(pickle.dumps(odd)), copy.copy(odd), copy.deepcopy(odd)):
        np.testing.assert_array_equal(index.search(x, 5, filter=again).ids, index.search(x, 5, filter=odd).ids)


def test_coded_anew_with_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.index.index.ENOUGH", 2000)
    x, own = vectors(2500, 40), np.random.default_rng(3).integers(-3, 3, 2500)
    index = fb.Index(40, metric="cosine", codec="auto")
    for begin in range(0, 2500, 500):
        index.add(x[begin : begin + 500], labels=own[begin : begin + 500])
    assert not isinstance(index.codec, fb.Float)
    np.testing.assert_array_equal(index.labels(np.arange(2500)), own)
    found = index.search(x[:20], 5, filter=fb.Filter.label(2)).ids
    np.testing.assert_array_equal(found, index.search(x[:20], 5, filter=np.flatnonzero(own == 2)).ids)


def test_blocks_and_iterables() -> None:
    x, own = vectors(300, 8), np.arange(300) // 7
    index = fb.Index(8, metric="l2").add((x[i : i + 90] for i in range(0, 300, 90)), labels=own)
    np.testing.assert_array_equal(index.labels(np.arange(300)), own)
    with pytest.raises(ValueError, match="labels: expected one per vector, got 299 labels and more vectors"):
        index.add((x[i : i + 90] for i in range(0, 300, 90)), labels=own[:299])
    with pytest.raises(ValueError, match=r"labels: expected one per vector \(300\), got 301"):
        index.add((x[i : i + 90] for i in range(0, 300, 90)), labels=[*own, 1])
    assert len(index) == 300


WRONG: list[tuple[Any, type[Exception], str]] = [
    ([1.5] * 10, TypeError, "labels: expected whole numbers .int64., got dtype float64"),
    ([True] * 10, TypeError, "labels: expected whole numbers .int64., got dtype bool"),
    (["a"] * 10, TypeError, "labels: expected whole numbers"),
    ([[1]] * 10, ValueError, r"labels: expected shape \(n,\), got \(10, 1\)"),
    ([1] * 9, ValueError, r"labels: expected one per vector \(10\), got 9"),
    (7, ValueError, r"labels: expected shape \(n,\), got \(\)"),
    (np.full(10, 2**63, np.uint64), ValueError, "labels: expected whole numbers below 2"),
]


@pytest.mark.parametrize(("given", "error", "message"), WRONG)
def test_wrong_labels(given: Any, error: type[Exception], message: str) -> None:
    x = vectors(20, 8)
    index = fb.Index(8, metric="l2").add(x[:10], labels=range(10))
    before = index.to_bytes()
    with pytest.raises(error, match=message):
        index.add(x[10:], labels=given)
    assert index.to_bytes() == before
    with pytest.raises(error, match=message):
        fb.Index(8, metric="l2", partition=fb.IVF(2)).build(x[10:], labels=given)


def test_wrong_filters_and_indexes() -> None:
    x = vectors(20, 8)
    plain, labelled = fb.Index(8, metric="l2").add(x), fb.Index(8, metric="l2").add(x, labels=[4] * 20)
    for wrong in (1.5, True, [[1]], "a", 2**64):
        error = ValueError if wrong == [[1]] else TypeError
        with pytest.raises(error, match="filter: labels: expected"):
            fb.Filter.label(wrong)
    with pytest.raises(ValueError, match="filter: got labels, but the vectors of this index have none"):
        plain.search(x, filter=fb.Filter.label(4))
    with pytest.raises(ValueError, match="labels: the vectors of this index have none"):
        plain.labels([1])
    with pytest.raises(ValueError, match="20 is not in the index"):
        labelled.labels([1, 20])
    with pytest.raises(ValueError, match="as the vectors in the index have labels; got none"):
        labelled.add(x)
    with pytest.raises(ValueError, match="labels: expected none, as the vectors in the index have none"):
        plain.add(x, labels=[4] * 20)
    with pytest.raises(ValueError, match="labels: expected for all vectors or none"):
        fb.merge([plain, labelled], on_conflict="replace")
    assert (len(plain), len(labelled)) == (20, 20)
    assert (labelled.empty().search(x, 2, filter=fb.Filter.label(4)).ids == -1).all()
    assert labelled.empty().add(x).stats().label_runs == 0
    assert plain.empty().add(x, labels=range(20)).stats().label_runs == 20
    assert labelled.labels([]).shape == (0,)


def test_other_kinds_of_index_have_no_labels() -> None:
    x = vectors(30, 8)
    documents = fb.MultiVectorIndex(8, encoder=fb.FDE(8, 2, 2, 4), codec=fb.Scalar(8))
    documents.build([x[i : i + 3] for i in range(20)])
    with pytest.raises(ValueError, match="filter: got labels, but the vectors of this index have none"):
        documents.search([x[:3]], filter=fb.Filter.label(1))
    words = fb.SparseIndex().add([{1: 0.5, 3: 2.0}, {3: 1.0}])
    with pytest.raises(ValueError, match="filter: got labels, but the vectors of a sparse index have none"):
        words.search([{3: 1.0}], filter=fb.Filter.label(1))
