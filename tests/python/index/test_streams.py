"""Vectors that arrive with their ids: iterables of (ids, block)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.spec.automatic import ENOUGH
from support.changes import DIM, assert_same, trained
from support.data import vectors

X = vectors(900, DIM, seed=3)
IDS = np.random.default_rng(1).permutation(10_000)[:900]
NAME = "ivf-pq4-scalar8"


def pairs(*cuts: int) -> Iterator[tuple[Any, Any]]:
    """X in blocks, from buffers that are used again."""
    ids, block = np.empty(900, np.int64), np.empty((900, DIM), np.float32)
    for begin, end in zip((0, *cuts), (*cuts, 900), strict=True):
        ids[: end - begin], block[: end - begin] = IDS[begin:end], X[begin:end]
        yield ids[: end - begin], block[: end - begin]


@pytest.mark.parametrize("cuts", [(), (400,), (1, 2, 899), (0, 300, 300)])
def test_a_stream_is_an_array_with_ids(cuts: tuple[int, ...]) -> None:
    wanted = trained(NAME).add(X, ids=IDS).to_bytes()
    assert trained(NAME).add(pairs(*cuts)).to_bytes() == wanted
    assert trained(NAME).add([(ids.copy(), block.copy()) for ids, block in pairs(*cuts)]).to_bytes() == wanted
    lists = ((ids.tolist(), block.tolist()) for ids, block in pairs(*cuts) if len(ids))
    assert trained(NAME).add(lists).to_bytes() == wanted


def test_build_takes_streams() -> None:
    def index() -> fb.Index:
        return fb.Index(DIM, metric="cosine", partition=fb.IVF(4), codec=fb.Scalar(8))

    wanted = index().build(X, ids=IDS)
    assert index().build(pairs(100, 600)).to_bytes() == wanted.to_bytes()  # all of it is the sample


def test_build_samples_the_head_of_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.spec.description.CODEC_SAMPLE", 300)
    index = fb.Index(DIM, metric="l2", codec=fb.PQ(4)).build(pairs(200, 700))
    assert index.to_bytes() == fb.Index(DIM, metric="l2", codec=fb.PQ(4)).train(X[:300]).add(X, ids=IDS).to_bytes()


def test_streams_replace() -> None:
    index = trained(NAME).add(X, ids=IDS)
    index.add([(IDS[:5], X[5:10]), (IDS[5:7], X[:2])], on_conflict="replace")
    wanted = trained(NAME).add(X, ids=IDS).add(np.concatenate([X[5:10], X[:2]]), ids=IDS[:7], on_conflict="replace")
    assert_same(index, wanted)


def test_an_index_that_is_coded_anew_meanwhile_takes_the_ids_of_a_stream() -> None:
    index = fb.Index(2, metric="l2", codec="auto").add(vectors(100, 2), ids=np.arange(100))
    x = vectors(ENOUGH, 2, seed=4)

    def stream() -> Iterator[tuple[Any, Any]]:
        yield np.arange(10**6, 10**6 + 50), x[:50]
        index.add(x, ids=np.arange(1000, 1000 + ENOUGH))
        yield np.arange(2 * 10**6, 2 * 10**6 + 50), x[50:100]

    index.add(stream())
    assert len(index) == ENOUGH + 200
    ids = np.concatenate([np.arange(10**6, 10**6 + 50), np.arange(2 * 10**6, 2 * 10**6 + 50)])
    assert np.abs(index.reconstruct(ids) - x[:100]).max() < 0.05


def test_pairs_are_no_rows_and_rows_no_pairs() -> None:
    index = fb.Index(2, metric="l2").add(iter([(1.0, 2.0), (3.0, 4.0)]))
    assert index.reconstruct([0, 1]).tolist() == [[1, 2], [3, 4]]
    blocks = fb.Index(2, metric="l2").add(iter([([1.0, 2.0], [3.0, 4.0])]))  # a block of two rows, in a tuple
    assert blocks.reconstruct([0, 1]).tolist() == [[1, 2], [3, 4]]
    numbered = fb.Index(2, metric="l2").add(iter([([7, 9], [[1.0, 2.0], [3.0, 4.0]])]))
    assert numbered.ids().tolist() == [7, 9]


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([(IDS[:3], X[:4])], {}, r"block 0: ids: expected one per vector \(4\), got 3"),
        ([(IDS[:3], X[:3]), ([1, -1], X[:2])], {}, r"block 1: ids: expected whole numbers >= 0, got -1 in row 1"),
        ([(IDS[:3], X[:3]), (IDS[2:4], X[:2])], {}, rf"ids: expected unique ids, got {IDS[2]} in rows 2 and 3"),
        ([([20_000], X[:1]), ([30_000], X[:1])], {}, r"expected ids that are not in the index, got 30000 in row 0"),
        ([(IDS[:3], X[:3]), X[:3]], {}, r"block 1: expected ids with every block or with none, got one without"),
        ([X[:3], (IDS[:3], X[:3])], {}, r"block 1: expected ids with every block or with none, got one with"),
        ([(IDS[:3], X[:3])], {"ids": IDS[:3]}, r"ids: expected None, as the blocks of x have ids"),
        ([(IDS[:3], X[:3, :5])], {}, r"block 0: expected shape \(n, 12\), got \(3, 5\)"),
        (iter([X[:3]]), {"on_conflict": "replace"}, r"'replace' needs ids"),
    ],
)
def test_streams_that_are_refused(given: Any, options: dict[str, Any], message: str) -> None:
    index = trained(NAME).add(X[:9], ids=np.arange(30_000, 30_009))
    before = index.to_bytes()
    with pytest.raises(ValueError, match=message):
        index.add(given, **options)
    assert index.to_bytes() == before


def test_where_ids_would_be_lost() -> None:
    with pytest.raises(ValueError, match="block 0: expected a block of vectors, got one with ids"):
        fb.Index(DIM, metric="l2", codec=fb.PQ(4)).train(pairs(300))
    with pytest.raises(TypeError, match="whole numbers"):
        trained(NAME).add([(["a", "b"], X[:2])])
