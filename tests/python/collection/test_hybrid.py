"""Search of a collection by words, and by words and vectors: BM25 of the documents, whatever was there before."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import fewbits as fb
from fewbits.collection import texts
from support.data import vectors

DIM = 8
X = vectors(300, DIM)
WORDS = [f"w{i}" for i in range(60)]


def text(seed: int) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(rng.choice(WORDS, size=rng.integers(1, 30), p=1 / np.arange(1, 61) / (1 / np.arange(1, 61)).sum()))


DOCUMENTS = [text(i) for i in range(200)]
QUERIES = [text(1000 + i) for i in range(20)]


def bm25(documents: list[str], query: str, k1: float = 1.2, b: float = 0.75) -> np.ndarray:
    """The score of each document, in double precision: the specification."""
    own = [Counter(document.split()) for document in documents]
    lengths = np.array([sum(counts.values()) for counts in own])
    mean = 2 ** (round(4 * np.log2(lengths.mean())) / 4)
    scores = np.zeros(len(documents))
    for word, count in Counter(query.split()).items():
        tf = np.array([counts[word] for counts in own])
        if tf.any():
            found_in = (tf > 0).sum()
            idf = np.log(1 + (len(own) - found_in + 0.5) / (found_in + 0.5))
            weights = (tf / (tf + k1 * (1 - b + b * lengths / mean))).astype(np.float32)
            scores += count * idf * np.rint(weights / (np.float32(1) / np.float32(255))) / 255
    return scores


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[fb.Collection]:
    with fb.Collection(tmp_path / "notes", dim=DIM, metric="l2") as collection:
        yield collection


def filled(collection: fb.Collection, n: int = 200) -> fb.Collection:
    collection.add(
        keys=range(n), vectors=X[:n], documents=DOCUMENTS[:n], metadata=[{"even": i % 2 == 0} for i in range(n)]
    )
    return collection


def test_scores_are_those_of_bm25(notes: fb.Collection) -> None:
    filled(notes)
    found = notes.search(text=QUERIES, k=200)
    for query, keys, scores in zip(QUERIES, found.keys, found.scores, strict=True):
        expected = bm25(DOCUMENTS, query)
        np.testing.assert_allclose(scores, expected[keys], rtol=2e-3, atol=1e-4)
        assert sorted(keys) == np.flatnonzero(expected).tolist()
    one = notes.search(text=QUERIES[0], k=200)
    assert one.keys == found.keys[0]
    np.testing.assert_array_equal(one.scores, found.scores[0])
    assert one.documents == [DOCUMENTS[key] for key in one.keys]


def test_ranks_as_a_sparse_index_does(notes: fb.Collection) -> None:
    """Whose mean length is not rounded, and whose units are other ones."""
    filled(notes)
    expected = fb.SparseIndex.bm25(DOCUMENTS).search(QUERIES, k=10).ids
    found = notes.search(text=QUERIES, k=10).keys
    shared = [len(set(a) & set(b)) for a, b in zip(found, expected.tolist(), strict=True)]
    assert np.mean(shared) > 9


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize(("given", "weights", "fusion"), [
    ({}, [0.5, 0.5], "minmax"),
    ({"text_weight": 0.2}, [0.8, 0.2], "minmax"),
    ({"text_weight": 0.9, "fusion": "rrf", "candidates": 30}, [0.1, 0.9], "rrf"),
    ({"fusion": "zscore"}, [0.5, 0.5], "zscore"),
])  # fmt: skip
def test_hybrid_is_fused(tmp_path: Path, metric: str, given: dict[str, Any], weights: list[float], fusion: str) -> None:
    with fb.Collection(tmp_path / "a", dim=DIM, metric=metric) as notes:
        filled(notes)
        depth = given.get("candidates", 100)
        near, words = notes.search(X[200:220], k=depth), notes.search(text=QUERIES, k=depth)
        sign = -1 if metric == "l2" else 1
        found = notes.search(X[200:220], text=QUERIES, k=10, **given)
        for row in range(20):
            lists = [
                (np.array(near.keys[row]), sign * near.scores[row]),
                (np.array(words.keys[row], np.int64), words.scores[row]),
            ]
            expected = fb.fuse(lists, weights, k=10, normalize=fusion)
            np.testing.assert_array_equal(found.scores[row], expected.scores)
            assert found.keys[row] == expected.ids.tolist()
        one = notes.search(X[200], text=QUERIES[0], k=10, **given)
        assert one.keys == found.keys[0]
        assert notes.search(X[200], text=QUERIES[0], k=10, text_weight=0).keys == notes.search(X[200], k=10).keys
        by_words = notes.search(X[200], text=QUERIES[0], k=5, text_weight=1, where="even = true").keys
        assert by_words == notes.search(text=QUERIES[0], k=5, where="even = true").keys


def test_only_what_qualifies_is_found(notes: fb.Collection) -> None:
    filled(notes)
    expected = [key for key in notes.search(text=QUERIES[0], k=200).keys if key % 2 == 0]
    assert notes.search(text=QUERIES[0], k=200, where="even = true").keys == expected
    assert set(notes.search(text=QUERIES[0], k=200, keys=[3, 5, 900]).keys) <= {3, 5}
    assert notes.search(X[0], text=QUERIES[0], k=9, keys=[]).keys == []
    assert all(key % 2 == 0 for key in notes.search(X[0], text=QUERIES[0], k=50, where="even = true").keys)


def test_items_may_lack_a_vector_or_words(notes: fb.Collection) -> None:
    assert notes.search(text="anything", k=3).keys == []
    notes.add(
        keys=["both", "words", "vector", "json", "empty"],
        vectors=[X[0], None, X[2], X[3], X[4]],
        documents=["a red fox", "a Red cat", None, {"title": "red"}, "?!"],
    )
    assert set(notes.search(text="RED", k=9).keys) == {"both", "words"}
    assert set(notes.search(X[0], text="cat", k=9).keys) == {"both", "vector", "json", "empty", "words"}
    assert notes.search(text=["", "absent", "fox"], k=9).keys == [[], [], ["both"]]
    assert notes.search(text=[], k=9).keys == []


def test_a_tokenizer_says_what_is_searched(tmp_path: Path) -> None:
    def stems(document: Any) -> list[str]:
        return [word[:3] for word in (document if isinstance(document, str) else document["title"]).split()]

    fb.Collection(tmp_path / "a", dim=DIM, metric="l2").close()
    with fb.Collection(tmp_path / "a", tokenizer=stems) as notes:
        notes.add(keys=[1, 2], vectors=X[:2], documents=[{"title": "walking dogs"}, "walked cats"])
        assert set(notes.search(text="walks", k=3).keys) == {1, 2}
        assert notes.search(text="dogma", k=3).keys == [1]
    with pytest.raises(TypeError, match="tokenizer: expected a function"):
        fb.Collection(tmp_path / "b", dim=DIM, metric="l2", tokenizer="words")  # type: ignore[arg-type]
    assert not (tmp_path / "b").exists()
    with (
        fb.Collection(tmp_path / "a", tokenizer=lambda document: [1]) as notes,  # type: ignore[list-item]
        pytest.raises(TypeError, match="tokens of type str, got 1"),
    ):
        notes.search(text="x")


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({}, ValueError, "expected q, text or both"),
    ({"text": 5}, TypeError, "text: expected str"),
    ({"text": ["a", 5]}, TypeError, "text: expected str"),
    ({"text": "a", "text_weight": 0.5}, ValueError, "text_weight: joins"),
    ({"q": X[0], "text_weight": 0.5}, ValueError, "text_weight: joins"),
    ({"text": "a", "fusion": "rrf"}, ValueError, "fusion: joins"),
    ({"q": X[0], "text": "a", "text_weight": 1.5}, ValueError, r"text_weight: expected a number in 0\.\.1"),
    ({"q": X[0], "text": "a", "text_weight": -0.5}, ValueError, "text_weight"),
    ({"q": X[0], "text": "a", "fusion": "theoretical"}, ValueError, "fusion: expected 'minmax' or"),
    ({"q": X[0], "text": "a", "fusion": "sum"}, ValueError, "fusion: expected 'minmax' or"),
    ({"q": X[0], "text": "a", "diversity": 0.5}, ValueError, "diversity: is for searches by q alone"),
    ({"text": "a", "candidates": 20}, ValueError, "candidates"),
    ({"q": X[0], "text": "a", "candidates": 2}, ValueError, "candidates"),
    ({"q": X[0], "text": "a", "max_distance": 1.0}, ValueError, "max_distance: expected None with text"),
    ({"text": "a", "nprobe": 3}, ValueError, "nprobe: expected None with text"),
    ({"text": "a", "threads": 0}, ValueError, "threads"),
    ({"text": "a", "other": 1}, TypeError, "unexpected argument 'other'"),
    ({"q": X[:2], "text": "a"}, ValueError, r"text: expected one per query \(2\), got one"),
    ({"q": X[0], "text": ["a"]}, ValueError, r"text: expected one per query \(1\), got 1"),
    ({"q": X[:2], "text": ["a"]}, ValueError, r"text: expected one per query \(2\), got 1"),
]


@pytest.mark.parametrize(("given", "error", "match"), WRONG, ids=range(len(WRONG)))
def test_what_has_no_effect_is_refused(
    notes: fb.Collection, given: dict[str, Any], error: type[Exception], match: str
) -> None:
    filled(notes, 20)
    with pytest.raises(error, match=match):
        notes.search(**given)


class Model(RuleBasedStateMachine):
    """Two open objects, with whatever they have seen, against one that has just been opened and the specification."""

    root: str

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=self.root)) / "a"
        self.open = [fb.Collection(self.folder, dim=DIM, metric="l2"), fb.Collection(self.folder)]
        self.documents: dict[int, str] = {}
        self.count = 0

    @rule(n=st.integers(1, 12), which=st.integers(0, 1), longer=st.integers(1, 8))
    def add(self, n: int, which: int, longer: int) -> None:
        keys = range(self.count, self.count + n)
        self.count += n
        own = [" ".join([text(key)] * longer) for key in keys]
        self.open[which].add(keys=keys, vectors=None, documents=own)
        self.documents.update(zip(keys, own, strict=True))

    @rule(data=st.data(), which=st.integers(0, 1), replaced=st.booleans())
    def remove(self, data: st.DataObject, which: int, replaced: bool) -> None:
        if not self.documents:
            return
        keys = data.draw(st.lists(st.sampled_from(sorted(self.documents)), unique=True))
        for key in keys:
            del self.documents[key]
        if replaced:
            own = [text(5000 + key) for key in keys]
            self.open[which].upsert(keys=keys, vectors=None, documents=own)
            self.documents.update(zip(keys, own, strict=True))
        else:
            self.open[which].delete(keys)

    @rule(which=st.integers(0, 1))
    def compact(self, which: int) -> None:
        self.open[which].compact()

    @rule(which=st.integers(0, 1))
    def search(self, which: int) -> None:
        """So that the other object has more to take over at once."""
        self.open[which].search(text=QUERIES[0], k=3)

    @rule()
    def agrees(self) -> None:
        with fb.Collection(self.folder) as fresh:
            expected = fresh.search(text=QUERIES, k=1000)
        for each in self.open:
            found = each.search(text=QUERIES, k=1000)
            assert found.keys == expected.keys
            for a, b in zip(found.scores, expected.scores, strict=True):
                np.testing.assert_array_equal(a, b)
        order = {key: row for row, key in enumerate(self.documents)}
        for query, keys, scores in zip(QUERIES[:5], expected.keys, expected.scores, strict=False):
            exact = bm25(list(self.documents.values()), query) if self.documents else np.zeros(0)
            np.testing.assert_allclose(scores, exact[[order[key] for key in keys]], rtol=2e-3, atol=1e-4)
            assert len(keys) == np.count_nonzero(exact)

    def teardown(self) -> None:
        if hasattr(self, "open"):
            self.agrees()
            for collection in self.open:
                collection.close()

    @invariant()
    def count_agrees(self) -> None:
        for collection in getattr(self, "open", []):
            assert len(collection) == len(self.documents)


def test_scores_depend_on_the_documents_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_BLOCK", 7)
    Model.root = str(tmp_path)
    run_state_machine_as_test(Model, settings=settings(max_examples=15, stateful_step_count=12, deadline=None))


def test_changes_are_taken_over_and_not_derived_again(notes: fb.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(notes, 150)
    notes.search(text="w1")
    monkeypatch.setattr(texts, "_of_all", lambda *_: pytest.fail("derived again"))
    notes.add(keys=["new"], vectors=None, documents=["unheard of " * 5])
    assert notes.search(text="unheard", k=3).keys == ["new"]
    notes.compact()
    notes.delete(["new"])
    assert notes.search(text="unheard", k=3).keys == []
    assert len(notes.search(text="w0 w1 w2", k=300)) > 50


def test_threads_search_words_while_one_writes(notes: fb.Collection) -> None:
    filled(notes, 50)
    errors: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                found = notes.search(X[0], text="shared w1", k=300, text_weight=1.0)
                assert "old" in found.keys
                assert sum(document is not None and "shared" in document for document in found.documents) >= 1
        except BaseException as error:
            errors.append(error)

    notes.add(keys=["old"], vectors=X[:1], documents=["shared"])
    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(40):
        notes.upsert(keys=["old", f"n{i}"], vectors=X[i : i + 2], documents=["shared", f"shared {text(i)}"])
        if i % 10 == 9:
            notes.compact()
    done.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(notes.search(text="shared", k=100)) == 41
