"""Parts of an index: `empty`, `take`, `training_id`, `probe`, `search(lists=, keys=)`; the order of equal scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.shards import gather
from support.changes import CODECS, DIM, added, trained
from support.data import F32, vectors

METRICS = ["l2", "ip", "cosine"]


def doubled(n: int = 600) -> F32:
    """Vectors that each occur three times."""
    return np.tile(vectors(n // 3, DIM, seed=2), (3, 1))


def settings(index: fb.Index, nprobe: int) -> dict[str, Any]:
    wide: dict[str, Any] = {} if index.partition is None else {"nprobe": nprobe}
    return wide | ({} if index.rerank is None else {"rerank": 0})


def by_score_and_id(found: fb.SearchResult, metric: str, k: int) -> tuple[Any, Any]:
    order = np.lexsort((found.ids, found.scores if metric == "l2" else -found.scores), axis=1)[:, :k]
    return np.take_along_axis(found.ids, order, 1), np.take_along_axis(found.scores, order, 1)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", CODECS)
def test_equal_scores_are_ordered_by_id(name: str, metric: str) -> None:
    x, ids = doubled(), np.random.default_rng(1).permutation(5000)[:600]
    empty = trained(name, metric)
    once = added(fb.Index.from_bytes(empty.to_bytes()), x, ids=ids)
    steps = fb.Index.from_bytes(empty.to_bytes())
    for rows in np.array_split(np.random.default_rng(2).permutation(600), 7):
        added(steps, x[rows], ids=ids[rows])
    q = vectors(9, DIM, seed=5)
    for nprobe in (1, 2, 10):
        everything = once.search(q, 600, **settings(once, nprobe))
        for k in (1, 2, 4, 10, 50):
            one, other = once.search(q, k, **settings(once, nprobe)), steps.search(q, k, **settings(once, nprobe))
            np.testing.assert_array_equal(one.ids, other.ids)
            np.testing.assert_array_equal(one.scores, other.scores)
            if "codec" in CODECS[name] and not getattr(CODECS[name]["codec"], "staged", False):
                wanted = by_score_and_id(everything, metric, k)
                np.testing.assert_array_equal(one.ids, wanted[0])
                np.testing.assert_array_equal(one.scores, wanted[1])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", CODECS)
def test_parts_answer_as_the_whole(name: str, metric: str) -> None:
    x, ids = doubled(), np.random.default_rng(1).permutation(5000)[:600]
    whole = added(trained(name, metric), x, ids=ids)
    parts = [whole.take(own) for own in np.array_split(np.random.default_rng(3).permutation(ids), 4)]
    parts.append(whole.empty())
    q = vectors(9, DIM, seed=5)
    for nprobe in (1, 2, 10):
        read: dict[str, Any] = settings(whole, nprobe)
        if "nprobe" in read:
            read["lists"] = whole.empty().probe(q, read.pop("nprobe"))
        for k in (1, 3, 10):
            wanted = whole.search(q, k, **settings(whole, nprobe))
            found = gather([part.search(q, k, keys=True, **read) for part in parts], k)
            np.testing.assert_array_equal(found.ids, wanted.ids)
            np.testing.assert_array_equal(found.scores, wanted.scores)
            again = whole.search(q, k, **read)
            np.testing.assert_array_equal(again.ids, wanted.ids)


@pytest.mark.parametrize("name", CODECS)
def test_bytes_of_parts_depend_on_their_vectors_alone(name: str) -> None:
    x, ids = vectors(300, DIM, seed=3), 7 + np.random.default_rng(1).permutation(900)[:300]
    empty = trained(name)
    assert empty.empty().to_bytes() == trained(name).to_bytes()
    once = added(trained(name), x, ids=ids)
    steps = added(trained(name), vectors(50, DIM, seed=9))
    steps.remove(np.arange(50))
    for rows in np.array_split(np.random.default_rng(2).permutation(300), 5):
        added(steps, x[rows], ids=ids[rows])
    assert once.empty().to_bytes() == empty.to_bytes() == steps.empty().to_bytes()
    wanted = np.sort(ids)[::3]
    taken = once.take(wanted)
    assert taken.to_bytes() == steps.take(wanted[::-1]).to_bytes()
    assert taken.to_bytes() == steps.take(ids).take(wanted).to_bytes()
    assert taken.to_bytes() == fb.merge([steps.take(wanted[:40]), once.take(wanted[40:])]).take(wanted).to_bytes()
    np.testing.assert_array_equal(taken.ids(), wanted)
    np.testing.assert_array_equal(taken.reconstruct(wanted), once.reconstruct(wanted))
    assert len(once) == 300
    assert np.setdiff1d(added(taken, x[:5]).ids(), wanted).tolist() == list(range(wanted[-1] + 1, wanted[-1] + 6))


def test_taken_ids_far_apart() -> None:
    index = trained("ivf-rabitq").add(vectors(4, DIM), ids=[0, 5, 2**40, 2**61])
    far, near = index.take([5, 2**61]), index.take([2**40, 2**61])
    assert far.ids().tolist() == [5, 2**61]
    assert near.ids().tolist() == [2**40, 2**61]
    assert index.take([2**61]).stats().bytes_per_vector < far.stats().bytes_per_vector
    for part in (far, near):
        np.testing.assert_array_equal(part.reconstruct(part.ids()), index.reconstruct(part.ids()))
        assert fb.Index.from_bytes(part.to_bytes()).ids().tolist() == part.ids().tolist()


def test_taking_refuses() -> None:
    index = trained("float32").add(vectors(20, DIM))
    index.remove([4])
    with pytest.raises(ValueError, match="ids: 4 is not in the index"):
        index.take([3, 4])
    with pytest.raises(ValueError, match="unique ids, got 3"):
        index.take([3, 3])
    with pytest.raises(TypeError, match="whole numbers"):
        index.take([0.5])
    with pytest.raises(fb.NotTrainedError):
        fb.Index(DIM, metric="l2", codec=fb.PQ(4)).empty()


def test_training_id_is_that_of_merging() -> None:
    one = trained("ivf-pq4-scalar8")
    same = [trained("ivf-pq4-scalar8").add(vectors(30, DIM)), fb.Index.from_bytes(one.to_bytes()), one.empty()]
    for other in same:
        assert other.training_id == one.training_id
        fb.merge([one, other])
    fb.tune(one.add(vectors(300, DIM, seed=4)), vectors(20, DIM), recall=0.5)
    assert one.training_id == same[0].training_id
    others = [trained("ivf-rabitq"), fb.Index(DIM, metric="l2", seed=5, **CODECS["ivf-pq4-scalar8"])]
    others[1].train(vectors(400, DIM))
    for other in others:
        assert other.training_id != one.training_id
        with pytest.raises(ValueError, match="another training"):
            fb.merge([one, other])


def test_documents_are_taken_too() -> None:
    sets = [vectors(5, DIM, seed=seed) for seed in range(40)]
    index = fb.MultiVectorIndex(DIM).build(sets)
    part = index.take([3, 5, 8])
    assert part.ids().tolist() == [3, 5, 8]
    assert part.training_id == index.training_id
    assert part.search([sets[5]], k=1).ids.tolist() == [[5]]
    for ours, theirs in zip(part.reconstruct([8, 3]), index.reconstruct([8, 3]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(index.empty()) == 0


def test_parts_of_an_automatic_index_share_its_training() -> None:
    x = vectors(20_000, DIM)
    index = fb.Index(DIM, metric="l2", codec="auto").add(x[:300], progress=False)
    parts = [index.empty(), index.take(np.arange(10))]
    parts[0].add(x[:17_000], ids=np.arange(1000, 18_000), progress=False)
    assert {part.training_id for part in parts} == {index.training_id}
    assert len(fb.merge(parts).compact(progress=False)) == 17_010
    assert index.add(x[300:], progress=False).training_id != parts[0].training_id


def test_given_lists_are_checked() -> None:
    index, flat = trained("ivf-rabitq").add(vectors(90, DIM)), trained("float32").add(vectors(90, DIM))
    q = vectors(6, DIM, seed=5)
    probes = index.probe(q, nprobe=2)
    assert probes.lists.shape == probes.scores.shape == (6, 2)
    assert index.probe(q[0], nprobe=99).lists.shape == (4,)
    with pytest.raises(ValueError, match="no partition"):
        flat.probe(q)
    with pytest.raises(ValueError, match="no partition"):
        flat.search(q, lists=probes)
    with pytest.raises(TypeError, match=r"lists: expected what Index\.probe returns"):
        index.search(q, lists=probes.lists)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nprobe: expected without lists"):
        index.search(q, lists=probes, nprobe=2)
    with pytest.raises(ValueError, match=r"shape \(queries, nprobe\)"):
        index.search(q[:3], lists=probes)
    with pytest.raises(ValueError, match=r"lists: got [4-7], but the index has lists 0 to 3"):
        index.search(q, lists=probes._replace(lists=probes.lists + 4))
    with pytest.raises(ValueError, match="is given twice"):
        index.search(q, lists=probes._replace(lists=probes.lists * 0))
    with pytest.raises(ValueError, match="finite scores"):
        index.search(q, lists=probes._replace(scores=probes.scores * np.float32(np.nan)))
    with pytest.raises(ValueError, match="keys: expected without scorer"):
        index.search(q, keys=True, scorer=lambda queries, ids: ids)
    with pytest.raises(TypeError, match="keys: expected True or False"):
        index.search(q, keys=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("allowed", [4, 40])
def test_given_lists_with_filters_read_those_lists(allowed: int) -> None:
    index = trained("ivf-staged", "ip").add(vectors(400, DIM))
    q = vectors(6, DIM, seed=5)
    probes, everything = index.probe(q, nprobe=2), index.probe(q, nprobe=4)
    filters = [fb.Filter(np.arange(row, 400, 400 // allowed)) for row in range(6)]
    found = index.search(q, 400, lists=probes)
    for row, own in enumerate(index.search(q, 400, lists=probes, filter=filters, keys=True).ids):
        wanted = [id for id in found.ids[row] if id >= row and (id - row) % (400 // allowed) == 0]
        assert own[own >= 0].tolist() == wanted
    one = index.search(q, 20, lists=everything, filter=filters)
    np.testing.assert_array_equal(one.ids, index.search(q, 20, nprobe=4, filter=filters).ids)
