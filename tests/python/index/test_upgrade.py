"""One index while its embedding is replaced: codes of both encoders side by side, and queries of the newer one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import fewbits as fb
from fewbits.index.upgrades import encoder_of
from support.data import F32, brute_force, overlap, vectors

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


def test_an_embedding_that_knows_more_gains_with_every_part_that_is_replaced() -> None:
    """The older one has half of the directions, and noise."""
    x, q = vectors(N, NEW), vectors(150, NEW, seed=5)
    random = np.random.default_rng(0)
    strongest = np.linalg.eigh(x.T @ x)[1][:, NEW // 2 :].astype(np.float32)
    old_x, old_q = (y @ strongest + random.normal(size=(len(y), NEW // 2)).astype(np.float32) / 4 for y in (x, q))
    settings: dict[str, Any] = {"bits": 2, "steps": 40, "progress": False}
    exact = brute_force(x, q, 10, "cosine")[0]
    old = fb.train.recurrent_binary(old_x, dim=NEW, **settings)
    index = fb.Index(NEW // 2, metric="cosine", codec=old).build(old_x, progress=False)
    recalls = [overlap(index.search(old_q, 10).ids, exact)]
    new = fb.train.recurrent_binary(x, compatible_with=index, old=old_x, **settings)
    assert new.maps is not None
    assert new.maps["weight"][0] < 1  # old codes say less of a vector than new ones
    index.upgrade(new)
    ids = random.permutation(N)
    for part in (ids[:0], ids[: N // 2], ids[N // 2 :]):
        index.add(x[part], ids=part, on_conflict="replace")
        recalls.append(overlap(index.search(q, 10).ids, exact))
    assert recalls[1] > recalls[0] - 0.02
    assert recalls[1:] == sorted(recalls[1:])
    assert recalls[3] > recalls[1] + 0.05  # what only the newer one knows is in its codes


def test_upgrades_follow_each_other(tmp_path: Path, world: World) -> None:
    """Weights multiply, and a file keeps them."""
    w = world
    first = fb.Index(OLD, metric="cosine", codec=w.old).build(w.old_x, progress=False).upgrade(w.new)
    first.save(tmp_path / "a.fb")
    kept = encoder_of(fb.Index.open(tmp_path / "a.fb"))
    assert w.new.maps is not None
    assert kept.maps is not None
    np.testing.assert_array_equal(kept.maps["weight"], w.new.maps["weight"])
    again = after(fb.open(tmp_path / "a.fb"), w.x, w.x)
    assert again.maps is not None
    assert again.maps["weight"][0] == pytest.approx(w.new.maps["weight"][0], abs=0.03)  # of the same embedding
    upgraded = fb.open(tmp_path / "a.fb").upgrade(again)
    assert found(upgraded, w) > found(first, w) - 0.02


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
            old = fb.train.recurrent_binary(w.old_x, steps=3, hidden=hidden, bits=bits, progress=False)
            fb.Index(OLD, metric="cosine", codec=old).build(w.old_x).save(tmp_path / "old.fb")
            opened = fb.open(tmp_path / "old.fb")
            new = after(opened, w.old_x, w.x, bits=bits)
            same = after(old, w.old_x, w.x, bits=bits)
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
