"""Metadata and epochs: what keeps them, what is refused; and pickles whose buffers are passed out of band."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.changes import DIM, trained
from support.data import vectors

X = vectors(200, DIM, seed=3)
NOTED = {"model": "e5-small", "normalized": True, "years": [2020, 2021.5, None], "of": {"\u00e9": "\u4e2d"}}
AnyIndex = fb.Index | fb.MultiVectorIndex | fb.SparseIndex


def dense() -> fb.Index:
    return trained("ivf-pq4-scalar8").add(X)


def documents() -> fb.MultiVectorIndex:
    index = fb.MultiVectorIndex(DIM, encoder=fb.FDE(DIM, repetitions=2, simhash_bits=2))
    return index.train(X.reshape(20, 10, DIM), progress=False).add(X.reshape(20, 10, DIM), progress=False)


def sparse() -> fb.SparseIndex:
    return fb.SparseIndex().build([{0: 1.0, 3: 2.0}, {1: 1.0}])


def texts() -> fb.SparseIndex:
    return fb.SparseIndex.bm25(["a cat", "a dog and a cat", "rain"])


KINDS: dict[str, Callable[[], AnyIndex]] = {"dense": dense, "documents": documents, "sparse": sparse, "texts": texts}


def noted(index: Any) -> Any:
    index.metadata, index.epoch = NOTED, 7
    return index


def assert_noted(index: Any) -> None:
    assert index.metadata == NOTED
    assert index.epoch == 7


@pytest.mark.parametrize("kind", KINDS)
def test_what_keeps_them(kind: str, tmp_path: Path) -> None:
    plain = KINDS[kind]().to_bytes()
    index: Any = KINDS[kind]()
    assert dict(index.metadata) == {}
    assert index.epoch == 0
    noted(index)
    index.save(tmp_path / "a.fb")
    assert_noted(fb.open(tmp_path / "a.fb"))
    assert_noted(type(index).open(tmp_path / "a.fb"))
    assert_noted(type(index).from_bytes(index.to_bytes()))
    assert_noted(copy.deepcopy(index))
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert_noted(pickle.loads(pickle.dumps(index, protocol)))
    assert_noted(fb.merge([index]))
    assert_noted(index.compact())
    assert_noted(index.remove([0]) and index)
    fb.verify(tmp_path / "a.fb")
    synced = fb.open(tmp_path / "a.fb")
    synced.epoch, synced.metadata = 8, {"model": "other"}
    synced.sync(tmp_path / "a.fb")
    again = fb.open(tmp_path / "a.fb")
    assert (again.epoch, dict(again.metadata)) == (8, {"model": "other"})
    assert fb.inspect(tmp_path / "a.fb").log
    index = KINDS[kind]()
    index.metadata = NOTED
    index.metadata = {}
    assert index.to_bytes() == plain  # nothing is left of notes that were taken back


def test_parts_and_merges() -> None:
    index = noted(dense())
    assert_noted(index.empty())
    assert_noted(index.take([3, 5]))
    assert index.training_id == dense().training_id
    other = index.empty().add(X[:5], ids=np.arange(1000, 1005))
    other.metadata, other.epoch = {"model": "e5-large"}, 9
    merged = fb.merge([index, other])
    assert dict(merged.metadata) == NOTED
    assert merged.epoch == 9
    assert fb.merge([other, index]).epoch == 9
    vectors_of_terms = noted(sparse()), fb.SparseIndex().build([{9: 1.0}], ids=[50])
    assert_noted(fb.merge(vectors_of_terms))


@pytest.mark.parametrize("make", [lambda: fb.Index(DIM, metric="l2", codec=fb.PQ(4)), lambda: fb.MultiVectorIndex(DIM)])
def test_without_training(make: Callable[[], Any]) -> None:
    index = noted(make())
    assert_noted(pickle.loads(pickle.dumps(index)))
    x = X if isinstance(index, fb.Index) else X.reshape(20, 10, DIM)
    assert_noted(index.build(x, progress=False))


def test_an_index_that_is_coded_anew_keeps_them() -> None:
    index = noted(fb.Index(2, metric="l2", codec="auto"))
    index.add(vectors(20_000, 2), progress=False)
    assert not isinstance(index.codec, fb.Float)
    assert_noted(index)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("text", TypeError),
        ([("a", 1)], TypeError),
        (None, TypeError),
        ({1: "a"}, TypeError),
        ({"a": (1, 2)}, TypeError),
        ({"a": {2: 3}}, TypeError),
        ({"a": np.float32(1)}, TypeError),
        ({"a": object()}, TypeError),
        ({"a": float("nan")}, ValueError),
        ({"a": "x" * (1 << 16)}, ValueError),
    ],
)
def test_metadata_that_is_refused(wrong: Any, error: type[Exception]) -> None:
    index = noted(dense())
    with pytest.raises(error, match="metadata: expected"):
        index.metadata = wrong
    assert_noted(index)


def test_what_is_returned_cannot_be_changed() -> None:
    given = {"a": [1]}
    index = dense()
    index.metadata = given
    given["a"].append(2)
    index.metadata["a"].append(3)
    assert dict(index.metadata) == {"a": [1]}
    with pytest.raises(TypeError, match="does not support item assignment"):
        index.metadata["b"] = 1  # type: ignore[index]
    index.metadata = index.metadata | {"b": 1}  # type: ignore[operator]
    assert dict(index.metadata) == {"a": [1], "b": 1}


@pytest.mark.parametrize("wrong", [6, -1, 2**62, 7.0, "8", True])
def test_epochs_that_are_refused(wrong: Any) -> None:
    index = noted(dense())
    with pytest.raises((TypeError, ValueError), match=r"epoch: expected a whole number in 7\.\."):
        index.epoch = wrong
    assert_noted(index)


@pytest.mark.parametrize("kind", ["dense", "documents", "sparse"])
@pytest.mark.parametrize("wrong", [{"epoch": -1}, {"epoch": "1"}, {"metadata": 3}, {"metadata": ["a"]}])
def test_damaged_notes(kind: str, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    index: Any = noted(KINDS[kind]())
    monkeypatch.setattr("fewbits.index.notes.Notes.stored", lambda notes: wrong)
    file = index.to_bytes()
    with pytest.raises(fb.CorruptIndexError, match="not readable"):
        fb.open(file)


@pytest.mark.parametrize("kind", KINDS)
def test_buffers_are_passed_out_of_band(kind: str) -> None:
    index: Any = noted(KINDS[kind]())
    buffers: list[pickle.PickleBuffer] = []
    stream = pickle.dumps(index, protocol=5, buffer_callback=buffers.append)
    assert len(stream) < 200
    assert [bytes(buffer) for buffer in buffers] == [index.to_bytes()]
    for given in (buffers, [bytes(buffer) for buffer in buffers], [bytearray(buffer) for buffer in buffers]):
        other = pickle.loads(stream, buffers=given)
        assert other.to_bytes() == index.to_bytes()
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(stream)
    damaged = bytearray(buffers[0])
    damaged[-1] ^= 1
    with pytest.raises(fb.CorruptIndexError):
        pickle.loads(stream, buffers=[damaged])


def test_buffers_of_filters_are_passed_out_of_band() -> None:
    index, q = dense(), vectors(3, DIM, seed=5)
    for chosen in (
        fb.Filter(np.arange(200_000) % 2 == 0),
        fb.Filter(range(0, 200, 2)),
        fb.Filter.deny(range(1, 200, 2)),
    ):
        buffers: list[pickle.PickleBuffer] = []
        stream = pickle.dumps(chosen, protocol=5, buffer_callback=buffers.append)
        assert len(stream) < 300
        assert len(buffers) == 1
        same = pickle.loads(stream, buffers=[bytes(buffer) for buffer in buffers])
        found, wanted = (index.search(q, 10, filter=own) for own in (same, chosen))
        np.testing.assert_array_equal(found.ids, wanted.ids)


def test_info_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fewbits.cli.main import main

    noted(dense()).save(tmp_path / "a.fb")
    assert main(["info", str(tmp_path / "a.fb")]) == 0
    assert f"epoch 7, metadata {json.dumps(NOTED, sort_keys=True)}" in capsys.readouterr().out
