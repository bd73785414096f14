"""fb.Collection against a dict: keys, documents, metadata and vectors, by key, by condition, by search."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import fewbits as fb
from fewbits.collection import view
from fewbits.collection.where import all_equal, condition
from support.data import F32, brute_force, vectors

DIM = 16
X = vectors(400, DIM)


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[fb.Collection]:
    with fb.Collection(tmp_path / "notes", dim=DIM, metric="l2") as collection:
        yield collection


def filled(collection: fb.Collection, n: int = 100) -> fb.Collection:
    collection.add(
        keys=[f"k{i}" for i in range(n)],
        vectors=X[:n],
        documents=[f"text {i}" if i % 2 else {"page": i} for i in range(n)],
        metadata=[{"row": i, "even": i % 2 == 0, "share": i / n, "lang": "de" if i % 3 else "en"} for i in range(n)],
    )
    return collection


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_search_is_that_of_the_index(tmp_path: Path, metric: str) -> None:
    with fb.Collection(tmp_path / "a", dim=DIM, metric=metric) as notes:
        filled(notes)
        truth = brute_force(X[:100], X[200:210], 5, metric)[0]
        found = notes.search(X[200:210], k=5)
        assert [[int(key[1:]) for key in keys] for keys in found.keys] == truth.tolist()
        expected = fb.Index(DIM, metric=metric, codec=fb.Float(16)).add(X[:100], progress=False).search(X[200:210], 5)
        np.testing.assert_array_equal(np.stack(found.scores), expected.scores)
        one = notes.search(X[200], k=5)
        assert one.keys == found.keys[0]
        assert one.documents == notes.get(one.keys).documents
        assert one.metadata == notes.get(one.keys).metadata
        assert len(notes.search(X[200], k=1000)) == 100


def test_what_was_added_is_there_after_reopening(tmp_path: Path) -> None:
    filled(fb.Collection(tmp_path / "a", dim=DIM, metric="l2")).close()
    for _ in range(2):
        with fb.Collection(tmp_path / "a") as notes:
            assert (notes.dim, notes.metric, len(notes)) == (DIM, "l2", 100)
            got = notes.get(["k3", "absent", "k2"], vectors=True)
            assert got.keys == ["k3", "k2"]
            assert got.documents == ["text 3", {"page": 2}]
            assert got.metadata == [
                {"row": 3, "even": False, "share": 0.03, "lang": "en"},
                {"row": 2, "even": True, "share": 0.02, "lang": "de"},
            ]
            assert got.vectors is not None
            np.testing.assert_allclose(np.stack(got.vectors), X[[3, 2]], atol=2e-2)  # type: ignore[arg-type]
            assert notes.columns == {"row": "int", "even": "bool", "share": "float", "lang": "str"}
            assert notes.search(X[7], k=1).keys == ["k7"]
            notes.compact()


def test_keys_are_text_or_whole_numbers_and_differ(notes: fb.Collection) -> None:
    notes.add(keys=[1, "1", -(2**63), "ü'\"; --"], vectors=X[:4])
    assert notes.keys() == [1, "1", -(2**63), "ü'\"; --"]
    assert 1 in notes
    assert "1" in notes
    assert 2 not in notes
    assert True not in notes
    for key in (np.int64(1), np.str_("1")):
        assert key in notes
    for key in (np.int64(2), np.bool_(True), 2**63, -(2**70), "\ud800", 1.0, None, [1]):
        assert key not in notes
    assert notes.delete(["1", "1", "other"]) == 1
    assert notes.search(X[1], k=4).keys.count("1") == 0
    assert len(notes) == 3


def test_upsert_replaces_whole_items(notes: fb.Collection) -> None:
    filled(notes, 10)
    notes.upsert(keys=["k3", "new"], vectors=X[[50, 51]], documents=["again", None])
    assert notes.get(["k3"]).documents == ["again"]
    assert notes.get(["k3"]).metadata == [{}]
    assert notes.search(X[50], k=1).keys == ["k3"]
    assert notes.search(X[3], k=11).keys[0] != "k3"
    assert len(notes) == 11


def test_items_may_have_no_vector(notes: fb.Collection) -> None:
    notes.add(keys=["a", "b", "c"], vectors=[X[0], None, X[2]], documents=["A", "B", "C"])
    notes.add(keys=["d"], vectors=None, metadata=[{"x": 1}])
    assert sorted(notes.search(X[1], k=9).keys) == ["a", "c"]
    got = notes.get(vectors=True).vectors
    assert got is not None
    assert [vector is None for vector in got] == [False, True, False, True]
    assert notes.search(X[0], k=3, where="x = 1").keys == []
    notes.upsert(keys=["a", "b"], vectors=[None, X[0]])
    assert notes.search(X[0], k=1).keys == ["b"]


def test_delete_by_key_and_condition(notes: fb.Collection) -> None:
    filled(notes)
    assert notes.delete(where="row >= 50 and even = true") == 25
    assert notes.delete(["k1", "k99"], where="row < 50") == 1
    assert len(notes) == 74
    assert set(notes.search(X[99], k=100).keys) == set(notes.keys())
    with pytest.raises(ValueError, match="neither"):
        notes.delete()


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"keys": "ab"}, TypeError, "sequence"),
    ({"keys": ["a", "a"]}, ValueError, "'a' twice"),
    ({"keys": ["k1", "b"]}, ValueError, "'k1'"),
    ({"keys": ["a", 1.5]}, TypeError, "row 1"),
    ({"keys": ["a", 2**63]}, ValueError, "64 bits"),
    ({"keys": ["a", "\ud800"]}, ValueError, "UTF-8"),
    ({"vectors": X[:3]}, ValueError, r"one per key \(2\), got 3"),
    ({"vectors": X[:1]}, ValueError, r"one per key \(2\), got 1"),
    ({"vectors": [X[0], None, None]}, ValueError, r"one per key \(2\), got 3"),
    ({"vectors": X[:2, :4]}, ValueError, "shape"),
    ({"vectors": X[:2] * np.nan}, ValueError, "finite"),
    ({"vectors": X[:2] * np.float32(1e6)}, ValueError, "65504"),
    ({"documents": ["a"]}, ValueError, "one per key"),
    ({"documents": ["a", {1, 2}]}, TypeError, "JSON"),
    ({"metadata": [{}]}, ValueError, "one dict per key"),
    ({"metadata": {"a": 1}}, TypeError, "sequence of dicts"),
    ({"metadata": [{}, {"row": "x"}]}, ValueError, "'row' holds a whole number"),
    ({"metadata": [{}, {"row": True}]}, ValueError, "'row' holds a whole number"),
    ({"metadata": [{}, {1: 2}]}, TypeError, "names as str"),
    ({"metadata": [{}, {"new": float("nan")}]}, ValueError, "finite"),
    ({"metadata": [{}, {"new": 2**70}]}, ValueError, "64 bits"),
    ({"metadata": [{}, {"new": object()}]}, TypeError, "JSON"),
    ({"metadata": [{f"m{i}": 1 for i in range(1001)}, {}]}, ValueError, "at most 1000"),
]


@pytest.mark.parametrize(("wrong", "error", "match"), BAD, ids=range(len(BAD)))
def test_a_wrong_argument_changes_nothing(
    notes: fb.Collection, wrong: dict[str, Any], error: type[Exception], match: str
) -> None:
    filled(notes, 10)
    before = (notes.get(), notes.columns, notes.search(X[0], k=20))
    given = {"keys": ["a", "b"], "vectors": X[:2], "metadata": [{"fresh": 1}, {}]} | wrong
    for put in (notes.add, notes.upsert) if "k1" not in given["keys"] else (notes.add,):
        with pytest.raises(error, match=match):
            put(**given)
    after = (notes.get(), notes.columns, notes.search(X[0], k=20))
    assert repr(after) == repr(before)
    with fb.Collection(notes._store.folder) as other:
        assert repr((other.get(), other.columns)) == repr(before[:2])


def test_types_of_columns(notes: fb.Collection) -> None:
    rows: list[dict[str, Any]] = [{"n": 1, "tags": ["a"], "x": None}, {"n": 2.5, "at": np.int64(7)}, {}]
    notes.add(keys=[1, 2, 3], vectors=X[:3], metadata=rows)
    assert notes.columns == {"n": "float", "tags": "json", "at": "int"}
    assert notes.get().metadata == [{"n": 1.0, "tags": ["a"]}, {"n": 2.5, "at": 7}, {}]
    assert notes.get(where="n > 0.5 and n <= 1").keys == [1]
    assert notes.get(where="tags is null").keys == [2, 3]
    with pytest.raises(ValueError, match="lists or dicts"):
        notes.get(where="tags = 'a'")


def test_diverse_results(notes: fb.Collection) -> None:
    near = np.concatenate([X[:1], X[:1] + 0.001, X[:1] + 0.002, X[300:301]])
    notes.add(keys=["a", "a2", "a3", "other"], vectors=near)
    assert notes.search(X[0], k=2).keys == ["a", "a2"]
    assert notes.search(X[0], k=2, diversity=0.0).keys[0] == "a"
    found = notes.search(X[0], k=2, diversity=0.7)
    assert found.keys == ["a", "other"]
    np.testing.assert_array_equal(found.scores, notes.search(X[0], k=4).scores[[0, 3]])
    assert len(notes.search(X[:2], k=3, diversity=0.5).keys[1]) == 3
    for wrong in ({"diversity": 1.5}, {"candidates": 5}, {"diversity": 0.5, "candidates": 1}):
        with pytest.raises(ValueError, match="expected"):
            notes.search(X[0], k=2, **wrong)


def test_any_trained_index_can_be_the_template(tmp_path: Path) -> None:
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(4), codec=fb.PQ(8), rerank=fb.Scalar(8)).train(X)
    with fb.Collection(tmp_path / "a", index=index) as notes:
        filled(notes)
        assert notes.index.codec == fb.PQ(8)
        assert notes.search(X[5], k=1, nprobe=4, rerank=50).keys == ["k5"]
    with fb.Collection(tmp_path / "a") as notes:
        assert notes.index.partition == index.partition
        assert notes.search(X[5], k=1, nprobe=4, rerank=50).keys == ["k5"]
    fb.Collection(tmp_path / "a", index=index).close()
    others: list[tuple[str, str, dict[str, Any]]] = [
        ("dim", "l2", {"dim": 8}),
        ("metric", "ip", {}),
        ("transform", "l2", {"transform": fb.OPQ()}),
        ("partition", "l2", {"partition": fb.IVF(5)}),
        ("codec", "l2", {"codec": fb.PQ(4)}),
        ("rerank", "l2", {"rerank": None}),
    ]
    for name, metric, wrong in others:
        parts = {"dim": DIM, "partition": fb.IVF(4), "codec": fb.PQ(8), "rerank": fb.Scalar(8)} | wrong
        other = fb.Index(metric=metric, **parts).train(X[:, : parts["dim"]])
        with pytest.raises(ValueError, match=f"^{name}: the collection .* has "):
            fb.Collection(tmp_path / "a", index=other)
    with pytest.raises(ValueError, match="without vectors"):
        fb.Collection(tmp_path / "b", index=index.add(X))


@pytest.mark.parametrize("name", ["filter", "scorer"])
def test_search_refuses_what_would_get_internal_ids(notes: fb.Collection, name: str) -> None:
    filled(notes)
    for having in ({}, {"where": "row < 5"}):
        with pytest.raises(TypeError, match=f"search: {name} is for internal ids"):
            notes.search(X[0], **having, **{name: None})


def test_whole_numbers_that_a_float_cannot_hold_stay(notes: fb.Collection) -> None:
    values = [2**53 + 1, -(2**63), 2**63 - 1, 7, 0.5]
    notes.add(keys=range(4), vectors=X[:4], metadata=[{"n": value} for value in values[:4]])
    notes.add(keys=[4], vectors=X[4:5], metadata=[{"n": values[4]}])
    assert notes.columns == {"n": "float"}
    got = [row["n"] for row in notes.get().metadata]
    assert got == values
    assert [type(value) for value in got] == [int, float, int, float, float]
    assert notes.get(where=f"n = {2**53 + 1}").keys == [0]


def test_what_opens_a_collection(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="dim and metric"):
        fb.Collection(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(ValueError, match="or neither"):
        fb.Collection(tmp_path / "none", dim=3)
    fb.Collection(tmp_path / "a", dim=DIM, metric="l2").close()
    fb.Collection(str(tmp_path / "a"), dim=DIM, metric="l2").close()
    with pytest.raises(ValueError, match="dim: the collection"):
        fb.Collection(tmp_path / "a", dim=3, metric="l2")
    with pytest.raises(ValueError, match="metric: the collection"):
        fb.Collection(tmp_path / "a", dim=DIM, metric="ip")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "collection.db").write_bytes(b"not a database, but long enough" * 100)
    with pytest.raises(fb.CorruptIndexError, match=r"collection\.db"):
        fb.Collection(tmp_path / "b")
    with fb.Collection(tmp_path / "a") as notes:
        pass
    with pytest.raises(ValueError, match="closed"):
        notes.search(X[0])


def test_opening_waits_for_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.collection.database._WAIT", 0.1)
    with fb.Collection(tmp_path / "a", dim=DIM, metric="l2") as notes:
        filled(notes)
        with notes._store.database.write():
            for arguments in ({}, {"dim": DIM, "metric": "l2"}):
                with fb.Collection(tmp_path / "a", **arguments) as other:
                    assert other.search(X[5], k=1).keys == ["k5"]
            with pytest.raises(TimeoutError, match="another process"):
                notes.delete(["k1"])


def test_opening_survives_a_fold_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fb.Collection(tmp_path / "a", dim=DIM, metric="l2") as notes:
        filled(notes)
        version_of = view.version_of

        def first_fold(connection: sqlite3.Connection) -> tuple[int, int]:
            found = version_of(connection)
            monkeypatch.setattr(view, "version_of", version_of)
            notes.compact()
            return found

        monkeypatch.setattr(view, "version_of", first_fold)
        with fb.Collection(tmp_path / "a") as other:
            assert other.search(X[5], k=1).keys == ["k5"]


def test_a_database_without_tables_is_no_collection_yet(tmp_path: Path) -> None:
    for mode in ("DELETE", "WAL"):
        database = sqlite3.connect(tmp_path / "collection.db")
        database.execute(f"PRAGMA journal_mode = {mode}")
        database.close()
        with pytest.raises(FileNotFoundError, match="dim and metric"):
            fb.Collection(tmp_path)
    with fb.Collection(tmp_path, dim=DIM, metric="l2") as notes:
        assert filled(notes).search(X[5], k=1).keys == ["k5"]


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "collection.db")
    other.execute("CREATE TABLE mine (x)")
    with pytest.raises(fb.CorruptIndexError, match="database of a collection"):
        fb.Collection(tmp_path, dim=DIM, metric="l2")
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    other.close()


def test_a_log_is_folded_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.collection.store._LOG", 50)
    with fb.Collection(tmp_path / "a", dim=DIM, metric="l2") as notes, fb.Collection(tmp_path / "a") as other:
        for i in range(0, 400, 10):
            notes.add(keys=range(i, i + 10), vectors=X[i : i + 10])
            assert other.search(X[i], k=1).keys == [i]
        files = [file.name for file in (tmp_path / "a").glob("*.fb")]
        assert len(files) == 1
        assert 3 <= int(files[0].split("-")[1].split(".")[0]) <= 6  # at 50, 100, 150, 230, ...
        assert notes.delete(where=None, keys=range(0, 400, 2)) == 200
        assert notes.index.stats().removed == 0  # folded and compacted
        assert other.search(X[3], k=1).keys == [3]
        assert sorted(other.search(X[0], k=400).keys) == list(range(1, 400, 2))


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fewbits.collection.view.fold", fail)


def test_a_fold_by_itself_that_fails_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk(monkeypatch)
    monkeypatch.setattr("fewbits.collection.store._LOG", 2)
    monkeypatch.setattr("fewbits.collection.store._LOG_AT_CLOSE", 1)
    notes = fb.Collection(tmp_path / "a", dim=DIM, metric="l2")
    changes = (
        lambda: notes.add(keys=[1, 2, 3], vectors=X[:3]),
        lambda: notes.upsert(keys=[3, 4], vectors=X[2:4]),
        lambda: notes.delete([1]),
    )
    for change in changes:
        with pytest.warns(UserWarning, match=r"No space left.*compact\(\) repeats it") as caught:
            change()
        assert [warning.filename for warning in caught] == [__file__]
    assert notes.keys() == [2, 3, 4]
    with pytest.raises(OSError, match="No space left"):
        notes.compact()
    with pytest.warns(UserWarning, match="No space left"):
        notes.close()
    notes.close()
    with pytest.raises(ValueError, match="closed"):
        notes.keys()
    monkeypatch.undo()
    with fb.Collection(tmp_path / "a") as notes:
        assert notes.search(X[3], k=3).keys[0] == 4
        notes.compact()


def test_the_database_is_closed_in_any_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.collection.store._LOG_AT_CLOSE", 1)
    full_disk(monkeypatch)
    notes = filled(fb.Collection(tmp_path / "a", dim=DIM, metric="l2"))
    with pytest.raises(ValueError, match="'k1'"), notes:
        notes.add(keys=["k1"], vectors=X[:1])
    assert notes._store.database.closed
    notes = fb.Collection(tmp_path / "a")
    with pytest.raises(UserWarning, match="No space left"):  # warnings are errors in these tests
        notes.close()
    assert notes._store.database.closed


def test_a_full_disk_of_sqlite_is_an_os_error(notes: fb.Collection) -> None:
    with notes._store.database.write() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match=r"collection\.db: database or disk is full"):
        filled(notes)
    assert len(notes) == 0
    assert len(filled(notes)) == 100


def test_a_log_that_another_writer_has_folded_is_not_folded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fb.Collection(tmp_path / "a", dim=DIM, metric="l2") as notes, fb.Collection(tmp_path / "a") as other:
        filled(other)
        logged = view.logged

        def first_the_other(connection: sqlite3.Connection) -> int:
            length = logged(connection)
            monkeypatch.setattr(view, "logged", logged)
            other.compact()
            return length

        monkeypatch.setattr(view, "logged", first_the_other)
        notes._store.fold_if(50)
        assert [file.name for file in (tmp_path / "a").glob("*.fb")] == ["vectors-1.fb"]
        assert notes.search(X[5], k=1).keys == ["k5"]


def test_a_large_batch_is_several_rows_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.collection.view._BATCH_BYTES", 7 * (DIM * 4 + 8) + 1)
    with fb.Collection(tmp_path / "a", dim=DIM, metric="l2") as notes, fb.Collection(tmp_path / "a") as other:
        filled(notes)
        with notes._store.database.read() as connection:
            sizes = connection.execute("SELECT n, length(vectors) FROM pending ORDER BY last_id").fetchall()
        assert sizes == [(7, 7 * DIM * 4)] * 14 + [(2, 2 * DIM * 4)]
        expected = notes.search(X[200:210], k=100)
        with fb.Collection(tmp_path / "a") as late:
            for reader in (other, late):
                found = reader.search(X[200:210], k=100)
                assert found.keys == expected.keys
                np.testing.assert_array_equal(np.stack(found.scores), np.stack(expected.scores))
    monkeypatch.setattr("fewbits.collection.view._BATCH_BYTES", 1)
    with fb.Collection(tmp_path / "b", dim=DIM, metric="l2") as notes:
        assert filled(notes, 5).search(X[3], k=1).keys == ["k3"]


class Model(RuleBasedStateMachine):
    """Against a dict of key -> (vector, document, metadata); two objects of one collection take turns."""

    key = st.one_of(st.integers(0, 12), st.integers(0, 12).map(str))
    batch = st.lists(key, min_size=1, max_size=5, unique_by=lambda key: (type(key), key))

    root: str

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=self.root)) / "a"
        self.open = [fb.Collection(self.folder, dim=DIM, metric="l2"), fb.Collection(self.folder)]
        self.model: dict[Any, tuple[F32, Any, dict[str, Any]]] = {}
        self.count = 0

    def fresh(self, keys: list[Any]) -> dict[str, Any]:
        self.count += 1
        rows = [(self.count * 5 + i) % len(X) for i in range(len(keys))]
        metadata = [{"row": row, "mod": f"m{row % 3}"} if row % 4 else {} for row in rows]
        return {"keys": keys, "vectors": X[rows], "documents": [{"row": row} for row in rows], "metadata": metadata}

    def note(self, put: dict[str, Any]) -> None:
        values = zip(put["vectors"], put["documents"], put["metadata"], strict=True)
        self.model.update(zip(put["keys"], values, strict=True))

    @rule(keys=batch, which=st.integers(0, 1))
    def add(self, keys: list[Any], which: int) -> None:
        put = self.fresh(keys)
        if any(key in self.model for key in keys):
            with pytest.raises(ValueError, match="not in the collection"):
                self.open[which].add(**put)
        else:
            self.open[which].add(**put)
            self.note(put)

    @rule(keys=batch, which=st.integers(0, 1))
    def upsert(self, keys: list[Any], which: int) -> None:
        put = self.fresh(keys)
        self.open[which].upsert(**put)
        for key in keys:
            self.model.pop(key, None)
        self.note(put)

    @rule(keys=batch, which=st.integers(0, 1))
    def delete(self, keys: list[Any], which: int) -> None:
        assert self.open[which].delete(keys) == sum(key in self.model for key in keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(least=st.integers(0, 400), which=st.integers(0, 1))
    def delete_where(self, least: int, which: int) -> None:
        gone = [key for key, (_, _, metadata) in self.model.items() if metadata.get("row", -1) >= least]
        if "row" in self.open[which].columns:
            assert self.open[which].delete(where=f"row >= {least}") == len(gone)
            for key in gone:
                del self.model[key]

    @rule(which=st.integers(0, 1))
    def compact(self, which: int) -> None:
        self.open[which].compact()

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        self.open[which].close()
        self.open[which] = fb.Collection(self.folder)

    @invariant()
    def agrees(self) -> None:
        for collection in getattr(self, "open", []):
            got = collection.get()
            assert got.keys == list(self.model)
            assert got.documents == [document for _, document, _ in self.model.values()]
            assert got.metadata == [metadata for _, _, metadata in self.model.values()]
            assert len(collection.index) == len(self.model)
            for key, (vector, _, metadata) in list(self.model.items())[:2]:
                assert key in collection.search(vector, k=2).keys
                if "mod" in metadata:
                    assert key in collection.search(vector, k=2, where=f"mod = '{metadata['mod']}'").keys

    def teardown(self) -> None:
        for collection in getattr(self, "open", []):
            collection.close()


def test_any_sequence_of_changes_agrees_with_a_dict(tmp_path: Path) -> None:
    Model.root = str(tmp_path)
    run_state_machine_as_test(Model, settings=settings(max_examples=25, stateful_step_count=15, deadline=None))


def test_threads_read_while_one_writes(notes: fb.Collection) -> None:
    notes.add(keys=range(10), vectors=X[:10], documents=[f"d{i}" for i in range(10)])
    errors: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                found = notes.search(X[:3], k=5)
                for keys, documents in zip(found.keys, found.documents, strict=True):
                    assert len(keys) == 5
                    assert documents == [f"d{key}" for key in keys]
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(10, 200, 10):
        notes.add(keys=range(i, i + 10), vectors=X[i : i + 10], documents=[f"d{j}" for j in range(i, i + 10)])
        notes.delete([i])
        if i % 50 == 0:
            notes.compact()
    done.set()
    for reader in readers:
        reader.join()
    assert not errors
    assert len(notes) == 181


# --- conditions ---

ROWS: list[dict[str, Any]] = [
    {"n": n, "s": s, "b": b} for n in (None, -1, 0, 2, 2.5) for s in (None, "", "de", "it's") for b in (None, True)
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fb.Collection]:
    with fb.Collection(tmp_path_factory.mktemp("where") / "a", dim=DIM, metric="l2") as collection:
        collection.add(keys=range(len(ROWS)), vectors=X[: len(ROWS)], metadata=ROWS)
        yield collection


def quoted(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


VALUES = {"n": [-1, 0, 2, 2.5, 7], "s": ["", "de", "it's", "zz"], "b": [True, False]}
ORDERED = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}


@st.composite
def conditions(draw: Any, depth: int = 3) -> tuple[str, Any]:
    """A condition as text, and as a Python predicate of a row."""
    kind = draw(st.sampled_from(["test", "test", "not", "and", "or"])) if depth else "test"
    if kind == "not":
        text, holds = draw(conditions(depth - 1))
        return f"NOT ({text})", lambda row: not holds(row)
    if kind in ("and", "or"):
        parts = draw(st.lists(conditions(depth - 1), min_size=2, max_size=3))
        join = all if kind == "and" else any
        return f" {kind} ".join(f"({t})" for t, _ in parts), lambda row: join(holds(row) for _, holds in parts)
    name = draw(st.sampled_from(list(VALUES)))
    values = draw(st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=3))
    value = values[0]
    test = draw(
        st.sampled_from(["=", "!=", "in", "not in", "is null", "is not null", *(ORDERED if name != "b" else {})])
    )
    if test in ORDERED:
        return f"{name} {test} {quoted(value)}", lambda row: row[name] is not None and ORDERED[test](row[name], value)
    if "null" in test:
        return f'"{name}" {test}', lambda row: (row[name] is None) == (test == "is null")
    if "in" in test:
        listed = ", ".join(map(quoted, values))
        return f"{name} {test} ({listed})", lambda row: (row[name] in values) == (test == "in")
    return f"{name}{test}{quoted(value)}", lambda row: (row[name] == value) == (test == "=")


@given(made=conditions())
@settings(max_examples=300, deadline=None)
def test_conditions_mean_what_they_mean_in_python(table: fb.Collection, made: tuple[str, Any]) -> None:
    text, holds = made
    expected = [number for number, row in enumerate(ROWS) if holds(row)]
    assert table.get(where=text).keys == expected
    assert sorted(table.search(X[0], k=len(ROWS), where=text).keys) == expected


WRONG = [
    ("n = 1; DROP TABLE items", "character 5"),
    ("n = 1 --", "character 6"),
    ("1 = 1", "name of a column"),
    ("n = n", "number, 'text'"),
    ("id = 1", "column of the metadata"),
    ("key = 1", "column of the metadata"),
    ("m0 = 1", "column of the metadata"),
    ("n = (select 1)", "number, 'text'"),
    ("n = 'a", "at character 4"),
    ("n = 'a'", "'n' holds a number"),
    ("s = 1", "'s' holds text"),
    ("b < true", "no order"),
    ("b = 1", "'b' holds true or false"),
    ("n in ()", "number, 'text'"),
    ("n = 1 n = 2", "'and', 'or'"),
    ("n =", "the end"),
    ("", "the end"),
    ("n = 1e999", "finite"),
    (f"n = {2**63}", "64 bits"),
    ("(" * 60 + "n = 1" + ")" * 60, "levels"),
    (" or ".join(["n = 1"] * 500), "at most 400"),
]


@pytest.mark.parametrize(("text", "match"), WRONG, ids=range(len(WRONG)))
def test_other_texts_are_refused(table: fb.Collection, text: str, match: str) -> None:
    for use in (
        lambda: table.get(where=text),
        lambda: table.search(X[0], where=text),
        lambda: table.delete(where=text),
    ):
        with pytest.raises(ValueError, match=f"where.*{match}"):
            use()
    assert len(table) == len(ROWS)


def test_names_of_columns_are_only_data(notes: fb.Collection) -> None:
    names = ["a b", 'x"; DROP TABLE items; --', "select", "id", "key", "ü", ""]
    notes.add(keys=[1], vectors=X[:1], metadata=[dict.fromkeys(names, 5)])
    for name in names:
        text = '"' + name.replace('"', '""') + '" = 5'
        assert notes.get(where=text).keys == [1]
    assert notes.get().metadata == [dict.fromkeys(names, 5)]


def test_many_values_and_tests(table: fb.Collection) -> None:
    assert len(table.get(where=f"n in ({', '.join(map(str, range(5000)))})")) == 16
    assert len(table.get(where=" or ".join(["n = 2"] * 400))) == 8


EQUAL: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda row: True),
    ({"n": 2, "s": "de"}, lambda row: row["n"] == 2 and row["s"] == "de"),
    ({"n": None}, lambda row: row["n"] is None),
    ({"n": [None, 2]}, lambda row: row["n"] in (None, 2)),
    ({"s": {None}}, lambda row: row["s"] is None),
    ({"s": []}, lambda row: False),
    ({"n": np.int64(2), "b": np.bool_(True)}, lambda row: row["n"] == 2 and row["b"] is True),
    ({"n": np.float32(2.5), "s": np.str_("it's")}, lambda row: row["n"] == 2.5 and row["s"] == "it's"),
    ({"n": np.array([-1, 0])}, lambda row: row["n"] in (-1, 0)),
    ({"n": [np.float64(2.5), np.int8(-1)]}, lambda row: row["n"] in (2.5, -1)),
    ({"s": frozenset(["", "de"])}, lambda row: row["s"] in ("", "de")),
]


@pytest.mark.parametrize(("values", "holds"), EQUAL, ids=range(len(EQUAL)))
def test_equal_values(table: fb.Collection, values: dict[str, Any], holds: Any) -> None:
    expected = [number for number, row in enumerate(ROWS) if holds(row)]
    assert table.get(where=all_equal(values)).keys == expected


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (float("nan"), "'n'.*finite numbers, got nan"),
        ([1, np.float32("inf")], "'n'.*finite numbers, got inf"),
        (2**63, "'n'.*64 bits"),
        ([1, -(2**70)], "'n'.*64 bits"),
        ([[1]], "'n' holds a number"),
        ({"a": 1}, "'n' holds a number"),
    ],
)
def test_other_equal_values_are_refused(table: fb.Collection, value: Any, match: str) -> None:
    with pytest.raises(ValueError, match=f"where: {match}"):
        table.get(where=all_equal({"n": value}))


def test_texts_with_u_0000(notes: fb.Collection) -> None:
    notes.add(keys=[1, 2], vectors=X[:2], metadata=[{"s": "a\0b"}, {"s": "a"}])
    assert notes.get(where="s = 'a\0b'").keys == [1]
    for where in ("s in ('a\0b')", all_equal({"s": ["a", "a\0b"]})):
        with pytest.raises(ValueError, match=r"without U\+0000, got 'a\\x00b'"):
            notes.get(where=where)


def test_long_conditions_take_linear_time(table: fb.Collection) -> None:
    def seconds(values: int) -> float:
        text = f"n in ({','.join('1' * values)})"
        begin = time.process_time()
        condition(text)
        return time.process_time() - begin

    assert min(seconds(160_000) for _ in range(2)) < 10 * min(seconds(40_000) for _ in range(3))
    begin = time.process_time()
    with pytest.raises(ValueError, match="character 4"):
        table.get(where=f"n = {'1' * 100_000}x")
    assert time.process_time() - begin < 5


def test_many_vectors_are_coded_anew_by_a_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.index.index.ENOUGH", 300)
    with fb.Collection(tmp_path / "a", dim=DIM, metric="l2") as notes, fb.Collection(tmp_path / "a") as other:
        filled(notes, 299)
        notes.add(keys=["last"], vectors=X[300:301])
        for each in (notes, other):
            assert each.index.codec == fb.Float(16)
        notes.delete(["k5"])
        notes.upsert(keys=["k6", "new"], vectors=X[301:303])
        notes.compact()
        for each in (notes, other):
            assert each.index.codec == fb.Scalar(8)
            assert each.search(X[302], k=1).keys == ["new"]
            assert each.search(X[5], k=1).keys != ["k5"]
            assert len(each) == len(each.index) == 300
    with fb.Collection(tmp_path / "a", index=fb.Index(DIM, metric="l2", codec="auto")) as notes:
        assert "coded anew from float16" in notes.index.explain()
        notes.add(keys=["newer"], vectors=X[310:311])
        assert notes.search(X[310], k=1).keys == ["newer"]
    with pytest.raises(ValueError, match="codec='auto', got parts"):
        fb.Collection(tmp_path / "a", index=fb.Index(DIM, metric="l2", codec=fb.Float(16)))


@pytest.mark.parametrize(("name", "value"), [("dim", DIM + 1), ("metric", "ip")])
def test_a_wrong_argument_beside_an_index_makes_no_folder(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}: the index has"):
        fb.Collection(tmp_path / "a", index=fb.Index(DIM, metric="l2"), **{name: value})
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("made_before", [False, True])
def test_compact_makes_the_database_smaller(tmp_path: Path, made_before: bool) -> None:
    if made_before:  # by a version that did not set auto_vacuum
        (tmp_path / "a").mkdir()
        connection = sqlite3.connect(tmp_path / "a" / "collection.db")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    with fb.Collection(tmp_path / "a", dim=DIM, metric="l2") as notes:
        notes.add(keys=range(400), vectors=X, documents=["text " * 200] * 400)
        notes.compact()
        full = (tmp_path / "a" / "collection.db").stat().st_size
        assert full > 400_000
        notes.delete(range(390))
        notes.compact()
        assert (tmp_path / "a" / "collection.db").stat().st_size < full / 4
        assert notes.get(range(400)).documents == ["text " * 200] * 10
