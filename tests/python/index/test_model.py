"""A hypothesis state machine: any sequence of changes, files and searches, against a dict of vectors and numpy."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import fewbits as fb
from support.changes import CODECS, DIM, asked, beside, full, trained
from support.data import vectors

POOL = vectors(500, DIM, seed=3)
QUERIES = vectors(6, DIM, seed=5)
ids_lists = st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True)


def scored_as_trained(metric: str) -> fb.Index:
    """A query map and a codebook to score with, as fb.train leaves them."""
    index = fb.Index(DIM, metric=metric, partition=fb.IVF(3), codec=fb.PQ(4)).train(vectors(400, DIM))
    assert index._engine is not None
    book = index._engine.arrays()["codec.codebook"]
    arrays = {"query.matrix": np.eye(DIM, dtype=np.float32) * 2 + 0.1, "codec.scoring": book * np.float32(1.25)}
    index._engine = index._engine.with_scoring({"query.kind": 1}, arrays)
    return index


def untouched(name: str, metric: str) -> fb.Index:
    """An index of that kind, trained and empty; always the same."""
    if name == "trained":
        return scored_as_trained(metric)
    if name == "binary":
        return fb.Index(DIM, metric=metric, codec=fb.RecurrentBinary(3)).train(vectors(400, DIM))
    return trained(name, metric)


METRICS = {name: ["l2", "ip", "cosine"] for name in CODECS} | {"trained": ["ip", "cosine"], "binary": ["cosine"]}


class Model(RuleBasedStateMachine):
    """What the index holds is `held`: id -> number of a vector of POOL, whose label is that number modulo 7, less 3."""

    name = ""
    labelled = False

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        self.metric = data.draw(st.sampled_from(METRICS[self.name]))
        self.index = self.empty()
        self.held: dict[int, int] = {}
        self.next_id = 0
        self.folder = TemporaryDirectory()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def empty(self) -> fb.Index:
        return untouched(self.name, self.metric)

    def put(self, index: fb.Index, rows: Any, **options: Any) -> fb.Index:
        return index.add(POOL[rows], **options, **beside(index, POOL[rows]))

    def note(self, ids: Any, first: int) -> None:
        self.held |= {int(i): first + row for row, i in enumerate(ids)}
        self.next_id = max([self.next_id, *(int(i) + 1 for i in ids)])

    def labels(self, numbers: Any) -> dict[str, Any]:
        return {"labels": np.asarray(numbers) % 7 - 3} if self.labelled else {}

    @rule(n=st.integers(1, 40), first=st.integers(0, 460))
    def add(self, n: int, first: int) -> None:
        self.put(self.index, slice(first, first + n), **self.labels(range(first, first + n)))
        self.note(range(self.next_id, self.next_id + n), first)

    @rule(ids=ids_lists, first=st.integers(0, 480))
    def add_with_ids(self, ids: list[int], first: int) -> None:
        labels = self.labels(range(first, first + len(ids)))
        if any(i in self.held for i in ids):
            with pytest.raises(ValueError, match="not in the index"):
                self.put(self.index, slice(first, first + len(ids)), ids=ids, **labels)
            return
        self.put(self.index, slice(first, first + len(ids)), ids=ids, **labels)
        self.note(ids, first)

    @rule(ids=ids_lists, first=st.integers(0, 480))
    def replace(self, ids: list[int], first: int) -> None:
        labels = self.labels(range(first, first + len(ids)))
        self.put(self.index, slice(first, first + len(ids)), ids=ids, on_conflict="replace", **labels)
        self.note(ids, first)

    @rule(ids=ids_lists)
    def remove(self, ids: list[int]) -> None:
        assert self.index.remove(ids) == len(set(ids) & set(self.held))
        for i in ids:
            self.held.pop(i, None)

    @rule()
    def compact(self) -> None:
        self.index.compact()
        assert self.index.stats()["removed"] == 0
        assert self.index.stats()["segments"] <= 1

    @rule(mmap=st.booleans())
    def save_and_open(self, mmap: bool) -> None:
        path = Path(self.folder.name) / "index.fb"
        self.index.save(path)
        self.index = fb.open(path, mmap=mmap, verify=True)

    @rule(opened=st.booleans(), name=st.sampled_from(["index.fb", "other.fb"]))
    def sync(self, opened: bool, name: str) -> None:
        path = Path(self.folder.name) / name
        self.index.sync(path)
        copy = fb.open(path, verify=True)
        assert copy.to_bytes() == self.index.to_bytes()
        if opened:
            self.index = copy

    @rule(first=st.integers(0, 460), n=st.integers(1, 30))
    def merge(self, first: int, n: int) -> None:
        other = self.empty()
        ids = range(self.next_id, self.next_id + n)
        self.put(other, slice(first, first + n), ids=list(ids), **self.labels(range(first, first + n)))
        self.index = fb.merge([self.index, other])
        self.note(ids, first)

    @precondition(lambda self: self.held)
    @rule()
    def search(self) -> None:
        fresh = self.put(self.empty(), list(self.held.values()), ids=list(self.held))
        one, other = full(self.index, QUERIES, 8), full(fresh, QUERIES, 8)
        np.testing.assert_array_equal(one.scores, other.scores)
        found = set(one.ids[one.ids >= 0].tolist())
        assert found <= set(self.held)
        assert one.counts.tolist() == [min(8, len(self.held))] * len(QUERIES)
        for options in [{}, {"rerank_vectors": True}] if self.name.startswith("two") else [{}]:
            stored, new = (index.reconstruct(sorted(found), **options) for index in (self.index, fresh))
            np.testing.assert_array_equal(stored, new)

    @precondition(lambda self: self.held)
    @rule(step=st.integers(2, 30), deny=st.booleans())
    def filtered_search(self, step: int, deny: bool) -> None:
        named = list(range(0, self.next_id, step))
        allowed = {i for i in self.held if (i % step == 0) != deny}
        chosen = fb.Filter.deny(named) if deny else named
        options: dict[str, Any] = {} if self.index.partition is None else {"nprobe": 100}
        options |= {} if self.index.rerank is None else {"rerank": 1000}
        found = self.index.search(QUERIES, 8, filter=chosen, **options, **asked(self.index, QUERIES))
        assert set(found.ids[found.ids >= 0].tolist()) <= allowed
        assert found.counts.tolist() == [min(8, len(allowed))] * len(QUERIES)
        if allowed:
            fresh = self.put(self.empty(), [self.held[i] for i in sorted(allowed)], ids=sorted(allowed))
            np.testing.assert_array_equal(found.scores, full(fresh, QUERIES, 8).scores)

    @precondition(lambda self: self.labelled and self.held)
    @rule(wanted=st.lists(st.integers(-4, 4), max_size=3), nprobe=st.sampled_from([1, 2, 100]))
    def search_by_label(self, wanted: list[int], nprobe: int) -> None:
        ids = sorted(self.held)
        labels = [self.held[i] % 7 - 3 for i in ids]
        assert self.index.labels(ids).tolist() == labels
        allowed = [i for i, label in zip(ids, labels, strict=True) if label in wanted]
        options: dict[str, Any] = {} if self.index.partition is None else {"nprobe": nprobe}
        found = self.index.search(QUERIES, 8, filter=fb.Filter.label(wanted), **options)
        same = self.index.search(QUERIES, 8, filter=fb.Filter(allowed), **options)
        np.testing.assert_array_equal(found.ids, same.ids)
        np.testing.assert_array_equal(found.scores, same.scores)

    @precondition(lambda self: self.held)
    @rule()
    def tune(self) -> None:
        rows = POOL[list(self.held.values())]
        x = beside(self.index, rows).get("rerank_vectors", rows)
        fb.tune(self.index, QUERIES, 5, recall=0.0, x=x, x_ids=list(self.held), **asked(self.index, QUERIES))

    @invariant()
    def size(self) -> None:
        if hasattr(self, "held"):
            assert len(self.index) == len(self.held)
            probe = range(0, 62, 7)
            assert [i in self.index for i in probe] == [i in self.held for i in probe]


LABELLED = ("float32", "ivf-pq4-scalar8", "ivf-staged")


@pytest.mark.parametrize(("name", "labelled"), [(n, False) for n in METRICS] + [(n, True) for n in LABELLED])
def test_any_sequence_of_changes(name: str, labelled: bool) -> None:
    machine = type("Machine", (Model,), {"name": name, "labelled": labelled})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=60 if os.environ.get("FEWBITS_LONG") else 8,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
