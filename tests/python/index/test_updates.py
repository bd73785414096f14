"""Adding, replacing, removing, merging: the index is at every moment what a fresh one of the same vectors would be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fewbits as fb
from support.changes import CODECS, DIM, added, assert_same, full, trained
from support.data import vectors


@pytest.mark.parametrize("name", CODECS)
def test_any_history_searches_like_a_fresh_build(name: str, metric: str) -> None:
    x = vectors(400, DIM, seed=3)
    index, fresh = trained(name, metric), trained(name, metric)
    added(added(index, x[:150]), x[150:200])
    assert index.remove(np.arange(20, 60)) == 40
    added(index, x[:30], ids=np.arange(180, 210), on_conflict="replace")
    assert len(index) == 170
    keep = np.r_[0:20, 60:180]
    added(fresh, np.concatenate([x[keep], x[:30]]), ids=np.r_[keep, 180:210])
    assert_same(index, fresh)
    assert_same(index.compact(), fresh)
    assert index.stats()["removed"] == 0


def test_every_small_add_is_searchable_and_segments_stay_few() -> None:
    x = vectors(600, DIM, seed=3)
    index = trained("ivf-pq4-scalar8")
    for i in range(len(x)):
        index.add(x[i : i + 1])
    assert index.stats()["segments"] <= 11
    assert sum(index.stats()["segment_sizes"]) == 600
    assert_same(index, trained("ivf-pq4-scalar8").add(x))
    assert all(i in index for i in range(600))


def test_errors_leave_the_index_as_it_was() -> None:
    x = vectors(50, DIM, seed=3)
    index = trained("ivf-pq4-scalar8").add(x[:40])
    before = trained("ivf-pq4-scalar8").add(x[:40])
    with pytest.raises(ValueError, match=r"not in the index, got 39 in row 1"):
        index.add(x[:2], ids=[100, 39])
    with pytest.raises(ValueError, match=r"unique ids, got 7 in rows 0 and 1"):
        index.add(x[:2], ids=[7, 7], on_conflict="replace")
    with pytest.raises(ValueError, match=r"on_conflict: expected 'error' or 'replace', got 'skip'"):
        index.add(x[:2], ids=[100, 101], on_conflict="skip")
    with pytest.raises(ValueError, match="'replace' needs ids"):
        index.add(x[:2], on_conflict="replace")
    with pytest.raises(TypeError, match="ids: expected whole numbers"):
        index.remove([1.5])
    with pytest.raises(ValueError, match="finite"):
        index.add(np.full((1, DIM), np.nan), ids=[3], on_conflict="replace")
    assert_same(index, before)
    assert index.remove([]) == 0
    assert index.remove([40, 41]) == 0
    assert len(index) == 40


def test_removed_ids_are_gone_everywhere(tmp_path: Path) -> None:
    index = trained("ivf-pq8-opq").add(vectors(100, DIM, seed=3))
    assert index.remove([5, 5, 6, 1000]) == 2
    index.save(tmp_path / "a.fb")
    for one in (index, fb.open(tmp_path / "a.fb", verify=True)):
        assert len(one) == 98
        assert 5 not in one
        assert 7 in one
        with pytest.raises(ValueError, match="5 is not in the index"):
            one.reconstruct([7, 5])
        assert not np.isin(full(one, vectors(20, DIM), 98).ids, [5, 6, -1]).any()
        assert one.stats()["removed"] == 2
        assert one.stats()["removed_share"] == 0.02
        assert "2 vectors still take bytes" in one.explain()
        one.add(vectors(1, DIM, seed=9), ids=[5])  # free again
        assert 5 in one
        one.add(vectors(1, DIM, seed=9))
        assert 100 in one
        assert one.remove(range(101)) == 100
        assert len(one) == 0
        assert (full(one, vectors(2, DIM)).ids == -1).all()
        assert one.add(vectors(1, DIM)).search(vectors(1, DIM), 1).ids.tolist() == [[101]]


def test_merge() -> None:
    x = vectors(300, DIM, seed=3)
    monday, tuesday = trained("ivf-pq4-scalar8"), trained("ivf-pq4-scalar8")
    monday.add(x[:100]).remove([3])
    tuesday.add(x[100:], ids=np.arange(100, 300))
    whole = fb.merge([monday, tuesday])
    fresh = trained("ivf-pq4-scalar8").add(x)
    fresh.remove([3])
    assert_same(whole, fresh)
    assert_same(whole.compact(), fresh)
    whole.remove(range(300))
    assert len(monday) == 99
    assert len(tuesday) == 200
    with pytest.raises(ValueError, match="is in the index already"):
        fb.merge([monday, tuesday, monday])
    assert_same(fb.merge([monday, tuesday, monday], on_conflict="replace"), fresh)
    with pytest.raises(ValueError, match="index 1 has another training"):
        fb.merge([monday, trained("float32")])
    with pytest.raises(TypeError, match=r"sequence of fewbits\.Index"):
        fb.merge([])
    with pytest.raises(fb.NotTrainedError):
        fb.merge([monday, fb.Index(DIM, metric="l2", codec=fb.PQ(4))])


def test_compact_and_add_stopped_leave_the_index_as_it_was() -> None:
    x = vectors(600, DIM, seed=6)
    index = trained("ivf-pq4-scalar8")
    for first in range(0, 400, 100):
        index.add(x[first : first + 100])
    index.remove(range(50))
    before = index.to_bytes()

    def interrupt(stage: str, fraction: float) -> None:
        if stage in ("compacting", "ordering"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.compact(progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        index.add(x[400:], progress=interrupt)
    assert index.to_bytes() == before
    seen: list[float] = []
    index.compact(progress=lambda stage, fraction: seen.append(fraction))
    assert seen
    assert max(seen) == 1.0
    assert len(index.stats()["segment_sizes"]) == 1


@pytest.mark.parametrize("lists", [None, 8])
def test_ids_of_any_history(lists: int | None, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    index = fb.Index(16, metric="l2", codec=fb.PQ(4), partition=None if lists is None else fb.IVF(lists))
    assert index.ids().shape == (0,)
    assert list(index.ids(block=3)) == []
    own: set[int] = set()

    def check() -> None:
        ids = index.ids()
        assert ids.dtype == np.int64
        assert ids.tolist() == sorted(own)
        for block in (1, 7, 1000, 10**9):
            parts = list(index.ids(block=block))
            assert all(len(part) == block for part in parts[:-1])
            assert sorted(np.concatenate([np.empty(0, np.int64), *parts]).tolist()) == sorted(own)

    index.train(vectors(300, 16), progress=False)
    check()
    for _ in range(6):
        index.add(vectors(50, 16))
        own |= set(range(index.ids().max() - 49, index.ids().max() + 1))
        new = random.choice(2**40, 40, replace=False)
        index.add(vectors(40, 16), ids=new)
        own |= set(new.tolist())
        check()
        gone = random.choice(sorted(own), 30, replace=False)
        index.remove(gone)
        own -= set(gone.tolist())
        check()
    index.save(tmp_path / "x.fb")
    index = fb.open(tmp_path / "x.fb")
    check()
    index.compact()
    check()
    for wrong, error in ((0, ValueError), (-1, ValueError), (2.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="block: expected a whole number"):
            index.ids(block=wrong)


def test_blocks_of_ids_are_of_one_moment() -> None:
    index = fb.Index(16, metric="l2").add(vectors(100, 16))
    blocks = index.ids(block=30)
    first = next(blocks)
    index.remove(np.arange(50, 100))
    index.add(vectors(10, 16))
    assert sorted([*first, *np.concatenate(list(blocks))]) == list(range(100))
    assert fb.MultiVectorIndex(16).build([vectors(3, 16)] * 5, ids=[9, 2, 4, 7, 1]).ids().tolist() == [1, 2, 4, 7, 9]


@pytest.mark.parametrize("again", ["train", "build"])
def test_ids_are_never_given_twice_even_by_a_new_training(again: str) -> None:
    index = trained("float32").add(vectors(30, DIM))
    index.remove(range(30))
    getattr(index, again)(vectors(40, DIM), progress=False)
    index.add(vectors(1, DIM))
    assert (30 if again == "train" else 70) in index
    assert not any(i in index for i in range(30))
