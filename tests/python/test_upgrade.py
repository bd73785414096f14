"""One index while its embedding is replaced: codes of both encoders side by side, and queries of the newer one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import fewbits as fb
from conftest import F32, brute_force, overlap, vectors

OLD, NEW, N = 24, 32, 1500


class World(NamedTuple):
    """Two embeddings of the same things, and codecs of both."""

    old_x: F32
    old_q: F32
    x: F32
    q: F32
    old: fb.RecurrentBinary
    new: fb.RecurrentBinary


@pytest.fixture(scope="module")
def world() -> World:
    old_x, old_q = vectors(N, OLD), vectors(150, OLD, seed=5)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(NEW, NEW)))[0][:OLD].astype(np.float32)
    x, q = old_x @ turn, old_q @ turn
    old = fb.train.recurrent_binary(old_x, steps=40, progress=False)
    return World(old_x, old_q, x, q, old, after(old, old_x, x))


def after(old: fb.RecurrentBinary | fb.Index, old_x: F32, x: F32, **settings: Any) -> fb.RecurrentBinary:
    return fb.train.recurrent_binary(x, compatible_with=old, old=old_x, steps=40, progress=False, **settings)


def index_of(w: World) -> fb.Index:
    return fb.Index(OLD, metric="cosine", codec=w.old).build(w.old_x, progress=False)


def found(index: fb.Index, w: World) -> float:
    return overlap(index.search(w.q, 10).ids, brute_force(w.x, w.q, 10, "cosine")[0])


def test_recall_holds_while_codes_are_replaced(world: World, tmp_path: Path) -> None:
    w = world
    index = index_of(w)
    before = overlap(index.search(w.old_q, 10).ids, brute_force(w.x, w.q, 10, "cosine")[0])
    index.upgrade(w.new)
    assert index.dim == NEW
    assert index.codec == w.new
    assert len(index) == N
    assert found(index, w) > before - 0.02
    ids = np.random.default_rng(0).permutation(N)
    for part in (ids[: N // 2], ids[N // 2 :]):
        index.add(w.x[part], ids=part, on_conflict="replace")
        assert len(index) == N
        assert found(index, w) > before - 0.02
        index.save(tmp_path / "both.fb")
        opened = fb.open(tmp_path / "both.fb")
        assert opened.dim == NEW
        np.testing.assert_array_equal(opened.search(w.q, 10).scores, index.search(w.q, 10).scores)
    index.compact()
    whole = fb.Index(NEW, metric="cosine", codec=w.new).build(w.x)
    np.testing.assert_array_equal(index.search(w.q, 10).scores, whole.search(w.q, 10).scores)


def test_scores_are_those_of_each_encoders_codes(world: World) -> None:
    w = world
    index = index_of(w)
    old = index.search(w.old_q, N)
    index.upgrade(w.new)
    alone = index.search(w.q, N)
    index.add(w.x[:10], ids=np.arange(N, N + 10))
    both = index.search(w.q, N + 10)
    for row in range(len(w.q)):
        kept = both.ids[row] < N
        np.testing.assert_array_equal(both.ids[row][kept], alone.ids[row])
        np.testing.assert_array_equal(both.scores[row][kept], alone.scores[row])
    assert np.abs(np.sort(alone.ids) - np.sort(old.ids)).max() == 0
    assert index.reconstruct([0, N]).shape == (2, NEW)


def test_an_index_from_a_file_can_be_upgraded(world: World, tmp_path: Path) -> None:
    """Its encoder is in the file; hidden parts too."""
    w = world
    for hidden in (0, 6):
        for bits in (1, 3):
            old = fb.train.recurrent_binary(w.old_x, steps=3, hidden=hidden, bits_per_dim=bits, progress=False)
            fb.Index(OLD, metric="cosine", codec=old).build(w.old_x).save(tmp_path / "old.fb")
            opened = fb.open(tmp_path / "old.fb")
            new = after(opened, w.old_x, w.x, bits_per_dim=bits)
            same = after(old, w.old_x, w.x, bits_per_dim=bits)
            assert new.maps is not None
            assert same.maps is not None
            for name, array in new.maps.items():
                np.testing.assert_array_equal(array, same.maps[name])
            assert opened.upgrade(new).dim == NEW
            assert found(opened, w) > 0.2


def test_lists_are_found_by_new_queries(world: World, tmp_path: Path) -> None:
    """Their centroids become those of the newer embedding, and new codes join lists by them."""
    w = world
    index = fb.Index(OLD, metric="cosine", codec=w.old, partition=fb.IVF(12)).build(w.old_x, progress=False)
    truth = brute_force(w.x, w.q, 10, "cosine")[0]
    whole, before = (overlap(index.search(w.old_q, 10, nprobe=p).ids, truth) for p in (12, 3))
    assert before < whole
    index.upgrade(w.new)
    ids = np.random.default_rng(0).permutation(N)
    for part in (ids[:0], ids[: N // 2], ids[N // 2 :]):
        index.add(w.x[part], ids=part, on_conflict="replace")
        assert overlap(index.search(w.q, 10, nprobe=3).ids, truth) > before - 0.02
        assert overlap(index.search(w.q, 10, nprobe=12).ids, truth) > whole - 0.02
        index.save(tmp_path / "lists.fb")
        np.testing.assert_array_equal(
            fb.open(tmp_path / "lists.fb").search(w.q, 10, nprobe=3).ids, index.search(w.q, 10, nprobe=3).ids
        )


def test_refuses_what_it_can_not_search(world: World) -> None:
    w = world
    index = index_of(w)
    free = fb.train.recurrent_binary(w.x, dim=OLD, steps=0, progress=False)
    with pytest.raises(TypeError, match="compatible_with"):
        index.upgrade(free)
    with pytest.raises(TypeError, match="compatible_with"):
        index.upgrade("new")  # type: ignore[arg-type]
    other = fb.train.recurrent_binary(w.old_x, steps=0, seed=9, progress=False)
    with pytest.raises(ValueError, match="another encoder"):
        index.upgrade(after(other, w.old_x, w.x))
    reranked = fb.Index(OLD, metric="cosine", codec=w.old, rerank=fb.Scalar(8)).build(w.old_x)
    with pytest.raises(ValueError, match="rerank=None"):
        reranked.upgrade(w.new)
    with pytest.raises(ValueError, match="trained RecurrentBinary"):
        fb.Index(OLD, metric="cosine", codec=fb.RecurrentBinary(2)).build(w.old_x).upgrade(w.new)
    with pytest.raises(fb.NotTrainedError):
        fb.Index(OLD, metric="l2", codec=fb.PQ(4)).upgrade(w.new)
    assert index.dim == OLD
    assert overlap(index.search(w.old_q, 5).ids, index_of(w).search(w.old_q, 5).ids) == 1
    index.upgrade(w.new)
    with pytest.raises(ValueError, match="another encoder"):
        index.upgrade(w.new)  # it is compatible with the first
