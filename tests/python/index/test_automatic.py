"""codec="auto": float16 until there is enough to train on, then the codes of a fixed rule, at the same bits always."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import fewbits as fb
from fewbits.spec.automatic import recoded_parts
from support.data import F32, brute_force, overlap, vectors

DIM = 48
ENOUGH = 3000
METRICS = ("l2", "ip", "cosine")


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.index.index.ENOUGH", ENOUGH)


@pytest.fixture(scope="module")
def x() -> F32:
    """In clusters, as embeddings are."""
    centers = vectors(40, DIM, seed=5) * np.float32(2)
    return (centers[np.arange(5000) % 40] + vectors(5000, DIM, seed=6)).astype(np.float32)


def filled(x: F32, metric: str, step: int = 500, threads: int | None = None) -> fb.Index:
    index = fb.Index(DIM, metric=metric, codec="auto", seed=3)
    for begin in range(0, len(x), step):
        index.add(x[begin : begin + step], progress=False, threads=threads)
    return index


def test_begins_as_float16(x: F32) -> None:
    index = filled(x[: ENOUGH - 1], "l2")
    assert index.codec == fb.Float(16)
    assert "codec='auto': float16 until there are 16,384 vectors" in index.explain()
    plain = fb.Index(DIM, metric="l2", codec=fb.Float(16)).add(x[: ENOUGH - 1], progress=False)
    np.testing.assert_array_equal(index.search(x[:50], 5).scores, plain.search(x[:50], 5).scores)


@pytest.mark.parametrize("metric", METRICS)
def test_is_coded_anew_as_the_rule_says(x: F32, metric: str) -> None:
    index = filled(x, metric)
    assert {name: getattr(index, name) for name in recoded_parts(DIM)} == recoded_parts(DIM)
    assert f"coded anew from float16 when there were {ENOUGH:,} vectors" in index.explain()
    np.testing.assert_array_equal(index.ids(), np.arange(len(x)))
    queries = x[::100] + vectors(50, DIM, seed=8) * np.float32(0.3)
    assert overlap(index.search(queries, 10).ids, brute_force(x, queries, 10, metric)[0]) > 0.95
    assert index.stats().bytes_per_vector < 2 * DIM

    start = fb.Index(DIM, metric=metric, codec=fb.Float(16)).add(x[:ENOUGH], progress=False)
    stored = start.reconstruct(np.arange(ENOUGH))
    same = fb.Index(DIM, metric=metric, seed=3, **recoded_parts(DIM))
    same.build(stored, progress=False).add(x[ENOUGH:], progress=False)
    found, expected = (each.search(queries, 10) for each in (index, same))
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_the_rule() -> None:
    short = {"codec": fb.Scalar(8)}
    middle = {"codec": fb.RaBitQ(3), "rerank": fb.Scalar(8)}
    long = {"codec": fb.RaBitQ(2), "rerank": fb.Scalar(8)}
    expected = {1: short, 31: short, 32: middle, 255: middle, 256: long, 4096: long}
    assert {dim: recoded_parts(dim) for dim in expected} == expected


def test_the_number_of_vectors_in_the_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the number of users, not of the other tests here
    x = np.random.default_rng(0).normal(size=(16_384, 4)).astype(np.float32)
    index = fb.Index(4, metric="l2", codec="auto").add(x[:-1], progress=False)
    assert index.codec == fb.Float(16)
    assert index.add(x[-1:], progress=False).codec == fb.Scalar(8)


def test_short_vectors_have_no_codes_to_scan_before() -> None:
    x = vectors(4000, 8)
    index = fb.Index(8, metric="l2", codec="auto").add(x, progress=False)
    assert (index.codec, index.rerank) == (fb.Scalar(8), None)
    assert overlap(index.search(x[:50], 10).ids, brute_force(x, x[:50], 10, "l2")[0]) > 0.9


def test_bytes_depend_on_neither_threads_nor_saves(x: F32, tmp_path: Path) -> None:
    whole = filled(x, "cosine", threads=1).to_bytes()
    assert filled(x, "cosine", threads=2).to_bytes() == whole
    index = fb.Index(DIM, metric="cosine", codec="auto", seed=3)
    for begin in range(0, len(x), 500):
        index.add(x[begin : begin + 500], progress=False)
        index.save(tmp_path / "a.fb")
        index = fb.Index.open(tmp_path / "a.fb")
    assert index.to_bytes() == whole


def test_build_and_merge(x: F32) -> None:
    built = fb.Index(DIM, metric="l2", codec="auto").build(x, progress=False)
    assert built.codec == recoded_parts(DIM)["codec"]
    halves = [
        fb.Index(DIM, metric="l2", codec="auto").add(x[rows], ids=rows, progress=False)
        for rows in (np.arange(2000), np.arange(2000, 4000))
    ]
    merged = fb.merge(halves)
    assert merged.codec == fb.Float(16)
    assert merged.compact(progress=False).codec == recoded_parts(DIM)["codec"]
    assert len(merged) == 4000


def test_what_was_removed_stays_so_and_ids_go_on(x: F32) -> None:
    index = filled(x[: ENOUGH - 1], "l2")
    index.remove([5, ENOUGH - 2])
    index.add(x[ENOUGH : ENOUGH + 3], progress=False)
    assert index.codec == fb.RaBitQ(3)
    assert 5 not in index
    assert ENOUGH - 2 not in index
    np.testing.assert_array_equal(index.ids()[-3:], [ENOUGH - 1, ENOUGH, ENOUGH + 1])
    index.remove(index.ids()[-1:])
    index.add(x[:1], progress=False)
    assert index.ids()[-1] == ENOUGH + 2
    assert index.stats().removed <= 1


def test_what_fails_changes_nothing(x: F32) -> None:
    index = filled(x[: ENOUGH - 1], "l2")
    before = index.to_bytes()
    seen: list[str] = []

    def stop(stage: str, fraction: float) -> None:
        seen.append(stage)
        if len(seen) > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.add(x[ENOUGH:], progress=stop)
    assert index.to_bytes() == before
    assert index.add(x[ENOUGH : ENOUGH + 1], progress=False).codec == fb.RaBitQ(3)


def test_threads_that_add_meanwhile_lose_nothing(x: F32) -> None:
    index = fb.Index(DIM, metric="l2", codec="auto")
    errors: list[BaseException] = []

    def add(part: int) -> None:
        try:
            for begin in range(part * 1000, part * 1000 + 1000, 100):
                index.add(x[begin : begin + 100], ids=np.arange(begin, begin + 100), progress=False, threads=1)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=add, args=(part,)) for part in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    assert index.codec == fb.RaBitQ(3)
    np.testing.assert_array_equal(index.ids(), np.arange(5000))
    assert (index.search(x[::50], 1).ids[:, 0] == np.arange(0, 5000, 50)).mean() > 0.99


@pytest.mark.parametrize("own_ids", [True, False])
def test_vectors_coded_before_are_translated(x: F32, own_ids: bool) -> None:
    """Deterministically what the threads above do by chance."""
    index = filled(x[: ENOUGH - 100], "l2")
    ids = np.arange(10_000, 10_100) if own_ids else None

    def meanwhile():  # type: ignore[no-untyped-def]
        yield x[4000:4050]
        index.add(x[ENOUGH - 100 : ENOUGH], progress=False)
        yield x[4050:4100]

    index.add(meanwhile(), ids=ids, progress=False)
    assert index.codec == fb.RaBitQ(3)
    new = np.arange(10_000, 10_100) if own_ids else np.arange(ENOUGH, ENOUGH + 100)
    np.testing.assert_array_equal(index.ids()[-100:], new)
    np.testing.assert_allclose(index.reconstruct(new), x[4000:4100], atol=0.1)


def test_other_parts_are_chosen_by_the_rule() -> None:
    for name, part in (("transform", fb.OPQ()), ("partition", fb.IVF(4)), ("rerank", fb.Scalar(8))):
        with pytest.raises(ValueError, match=f"{name}: codec='auto' chooses it"):
            fb.Index(DIM, metric="l2", codec="auto", **{name: part})  # type: ignore[arg-type]
