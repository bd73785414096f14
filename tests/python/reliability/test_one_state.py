"""Every call sees one state of an index: not even code of the user's that runs inside it can get between two."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import F32, vectors

DIM = 8
X = vectors(400, DIM)


def floats() -> fb.Index:
    return fb.Index(DIM, metric="l2", codec=fb.Float(32))


class Meddling(np.ndarray):  # type: ignore[type-arg]
    """Queries that change the index as soon as they are looked at."""

    change: Callable[[], object]

    def __array_finalize__(self, source: Any) -> None:
        change, self.change = getattr(source, "change", int), int
        change()


def test_what_an_argument_changes_is_not_seen_halfway() -> None:
    index = floats()

    class Late(float):
        def __float__(self) -> float:
            index.add(X, progress=False)
            return 1e9

    assert int(index.search(X[0], 10, max_distance=Late(1e9)).counts) in (0, 10)
    q = X[:3].view(Meddling)
    q.change = lambda: index.remove(range(395))
    found = index.search(q, 50)
    assert set(found.counts.tolist()) <= {50} or set(found.counts.tolist()) <= {5}


@contextmanager
def beside(change: Callable[[], object]) -> Iterator[None]:
    """Runs `change` again and again in another thread."""
    stop = False

    def run() -> None:
        while not stop:
            change()

    thread = threading.Thread(target=run)
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        yield
    finally:
        stop = True
        thread.join()
        sys.setswitchinterval(switching)


def test_a_list_of_filters_is_one_search() -> None:
    n = 32
    index = floats().add(np.zeros((n, DIM), np.float32), ids=np.arange(n))
    filters = [fb.Filter([i]) for i in range(n)]
    values = iter(range(10**9))

    def change() -> None:
        value = np.full((n, DIM), next(values) % 100, np.float32)
        index.add(value, ids=np.arange(n), on_conflict="replace", threads=1, progress=False)

    with beside(change):
        for _ in range(150):
            scores = index.search(np.zeros((n, DIM), np.float32), 1, filter=filters, threads=1).scores
            assert len(np.unique(scores)) == 1


def same_tokens(version: int) -> F32:
    """Four times one vector of four ones, which no other version has; its product with itself is 4."""
    ones = next(itertools.islice(itertools.combinations(range(32), 4), version, None))
    out = np.zeros((4, 32), np.float32)
    out[:, ones] = 1
    return out


def documents_of(versions: list[int], ids: list[int]) -> fb.MultiVectorIndex:
    encoder = fb.FDE(32, repetitions=2, simhash_bits=2)
    index = fb.MultiVectorIndex(32, encoder=encoder, tokens=fb.Float(32), codec=fb.Float(32))
    return index.build([same_tokens(version) for version in versions], ids, progress=False)


def test_documents_and_their_tokens_are_searched_as_one() -> None:
    """Every add replaces document 0 and adds another one, of the same tokens: a search finds both or neither."""
    index = documents_of([0] * 3, [0, 1, 2])
    newest = 0

    def change() -> None:
        nonlocal newest
        version = newest + 1
        both = [same_tokens(version)] * 2
        index.add(both, ids=[0, version * 1000], on_conflict="replace", progress=False, threads=1)
        newest = version
        if version % 20 == 0:
            index.remove([old * 1000 for old in range(version - 19, version)])
            index.compact(threads=1, progress=False)

    with beside(change):
        for _ in range(400):
            version = newest + 1
            found = index.search(same_tokens(version), 1000, rerank=1000, threads=1)
            of_id = dict(zip(found.ids.tolist(), found.scores.tolist(), strict=True))
            whole = (of_id.get(0, 0) > 15.5) == (version * 1000 in of_id)
            assert whole or max(of_id) > version * 1000  # of a later state, where document 0 is another again


def test_an_opened_file_is_one_file(tmp_path: Path) -> None:
    """Files of other documents take each other's place while one is opened."""
    path = tmp_path / "a.fb"
    indexes = [documents_of([version] * 8, list(range(100 * version, 100 * version + 8))) for version in range(4)]
    indexes[0].save(path)
    versions = itertools.cycle(range(4))
    with beside(lambda: indexes[next(versions)].save(path)):
        for _ in range(100):
            opened = fb.MultiVectorIndex.open(path)
            version = int(opened.ids()[0]) // 100
            found = opened.search(same_tokens(version), 8)
            np.testing.assert_array_equal(found.scores, np.full(8, 16, np.float32))


def test_a_build_is_seen_when_it_is_done() -> None:
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(4), codec=fb.PQ(4))
    thread = threading.Thread(target=lambda: index.build(vectors(6000, DIM), progress=False, threads=1))
    thread.start()
    while thread.is_alive():
        if index.is_trained:
            assert int(index.search(X[0], 10, nprobe=4).counts) == 10
        time.sleep(0.001)
    thread.join()
    assert len(index) == 6000


def test_an_upgrade_is_one_step() -> None:
    x = vectors(300, 16)
    y = np.ascontiguousarray(x @ vectors(16, 24, seed=4))  # another embedding of the same things
    old = fb.train.recurrent_binary(x, dim=16, bits=1, steps=2, progress=False)
    base = fb.Index(16, metric="cosine", codec=old).build(x, progress=False)
    new = fb.train.recurrent_binary(y, bits=1, compatible_with=base, old=x, steps=2, progress=False)
    for _ in range(20):
        index = fb.Index.from_bytes(base.to_bytes())
        said: list[str] = []

        def look(index: fb.Index = index, said: list[str] = said) -> None:
            dim = index.dim
            copy = fb.Index.from_bytes(index.to_bytes())
            copy.search(np.ones(copy.dim, np.float32), 3)
            try:
                index.search(np.ones(dim, np.float32), 3, threads=1)
            except ValueError as error:
                said.append(str(error))

        with beside(look):
            index.upgrade(new)
        assert all(each.startswith("queries: expected shape (24,) or (n, 24), got (16,)") for each in said)
        assert len(index) == 300


def test_what_was_coded_for_another_training_is_refused() -> None:
    index = fb.Index(DIM, metric="l2", codec=fb.PQ(4)).train(X, progress=False)

    def blocks() -> Iterator[F32]:
        yield X[:10]
        index.train(X[100:], progress=False)

    with pytest.raises(RuntimeError, match="add: the index was trained or upgraded meanwhile"):
        index.add(blocks(), progress=False)
    assert len(index) == 0


class Reading:
    """An array that does something when it is read."""

    def __init__(self, array: F32, does: Callable[[], object]) -> None:
        self.array, self.does = array, does

    def __array__(self, dtype: object = None, copy: object = None) -> F32:
        does, self.does = self.does, int
        does()
        return self.array


@pytest.mark.parametrize("trainer", ["jpq", "adapter", "repconc"])
def test_training_sees_one_state(trainer: str) -> None:
    """Whatever happens to the index when training reads its first argument."""
    x, q = vectors(600, 16), vectors(240, 16, seed=1)
    base = fb.Index(16, metric="ip", codec=fb.PQ(4, bits=4)).build(x, progress=False, threads=1).to_bytes()
    labels = np.c_[np.arange(240), fb.exact_search(x, q, 1, metric="ip").ids[:, 0]]

    def train(index: fb.Index, queries: Any) -> None:
        getattr(fb.train, trainer)(index, queries, labels, x=x, epochs=2, pseudo_queries=100, threads=1, progress=False)

    def maps(index: fb.Index) -> dict[str, F32]:
        arrays = index._trained("test").arrays()
        return {name: array for name, array in arrays.items() if name.startswith(("codec.", "query."))}

    alone = fb.Index.from_bytes(base)
    train(alone, q)
    changes: list[Callable[[fb.Index], object]] = [
        lambda index: index.remove([0]),
        lambda index: index.add(x[:50], progress=False),
        lambda index: index.add(x[:1], ids=[5], on_conflict="replace", progress=False),
    ]
    for change in changes:
        index, changed = fb.Index.from_bytes(base), fb.Index.from_bytes(base)
        change(changed)
        try:
            train(index, Reading(q, lambda index=index, change=change: change(index)))  # type: ignore[misc]
            expected = alone
        except RuntimeError as error:
            if trainer != "repconc" or "the index was changed meanwhile" not in str(error):
                raise
            expected = changed
        assert len(index) == len(changed)
        for name, array in maps(expected).items():
            np.testing.assert_array_equal(maps(index)[name], array, err_msg=name)


def test_tuning_sees_one_state(monkeypatch: pytest.MonkeyPatch) -> None:
    x, q = vectors(3000, 16), vectors(60, 16, seed=1)
    index = fb.Index(16, metric="l2", partition=fb.IVF(16), codec=fb.PQ(4), rerank=fb.Float(32)).build(x)
    monkeypatch.setattr("time.thread_time", itertools.count().__next__)  # measured times, which decide, are all equal
    alone = fb.tune(fb.Index.from_bytes(index.to_bytes()), q, k=5, recall=0.9, threads=1)
    search, changes = fb.Index.search, iter(range(0, 3000, 40))

    def meddling(self: fb.Index, *args: Any, **settings: Any) -> fb.SearchResult:
        first = next(changes)
        index.remove(range(first, first + 30))
        return search(self, *args, **settings)

    monkeypatch.setattr(fb.Index, "search", meddling)
    tuned = fb.tune(index, q, k=5, recall=0.9, threads=1)
    assert tuned[:4] == alone[:4]
    assert len(index) < 2800


@pytest.mark.parametrize("k", [401, 10_000])
def test_padding_is_the_same_however_many_there_are(k: int, metric: str) -> None:
    index = fb.Index(DIM, metric=metric, codec=fb.Float(32))
    worst = np.inf if metric == "l2" else -np.inf
    for n in (0, 400):
        index.add(X[:n], progress=False)
        everything = fb.Filter.deny([])
        for found in (index.search(X[:2], k), index.search(X[:2], k, filter=[everything, everything])):
            assert found.ids.shape == found.scores.shape == (2, k)
            assert (found.counts == n).all()
            assert (found.ids[:, n:] == -1).all()
            assert (found.scores[:, n:] == worst).all()
    with pytest.raises(ValueError, match="k: expected at most"):
        index.search(X[0], 2**64)
