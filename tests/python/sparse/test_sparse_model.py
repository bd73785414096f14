"""A hypothesis state machine: any sequence of changes, files, merges and searches of a sparse index, against a dict."""

from __future__ import annotations

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

TERMS, UNIT = 12, 0.25
Row = dict[int, float]
ids_lists = st.lists(st.integers(0, 60), min_size=1, max_size=10, unique=True)
rows_lists = st.lists(
    st.dictionaries(st.integers(0, TERMS - 1), st.integers(1, 255).map(lambda code: code * UNIT), max_size=6),
    min_size=1,
    max_size=10,
)
QUERIES: list[Row] = [{0: 1.0}, {1: 0.5, 2: 1.0, 3: 0.25}, dict.fromkeys(range(TERMS), 1.0), {5: 1.0, 40: 2.0}]


def empty() -> fb.SparseIndex:
    """Every term has the scale UNIT, so that all values are stored as they are."""
    index = fb.SparseIndex().add([dict.fromkeys(range(TERMS), 255 * UNIT)], ids=[0])
    index.remove([0])
    return index.compact()


class Model(RuleBasedStateMachine):
    """What the index holds is `held`: id -> vector."""

    @initialize()
    def start(self) -> None:
        self.index = empty()
        self.held: dict[int, Row] = {}
        self.next_id = 1
        self.folder = TemporaryDirectory()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def note(self, ids: Any, rows: list[Row]) -> None:
        self.held |= dict(zip(map(int, ids), rows, strict=True))
        self.next_id = max([self.next_id, *(int(i) + 1 for i in ids)])

    @rule(rows=rows_lists)
    def add(self, rows: list[Row]) -> None:
        self.index.add(rows)
        self.note(range(self.next_id, self.next_id + len(rows)), rows)

    @rule(ids=ids_lists, data=st.data())
    def add_with_ids(self, ids: list[int], data: st.DataObject) -> None:
        rows = [data.draw(rows_lists)[0] for _ in ids]
        if any(i in self.held for i in ids):
            with pytest.raises(ValueError, match="in the index already"):
                self.index.add(rows, ids=ids)
            self.index.add(rows, ids=ids, on_conflict="replace")
        else:
            self.index.add(rows, ids=ids)
        self.note(ids, rows)

    @rule(ids=ids_lists)
    def remove(self, ids: list[int]) -> None:
        assert self.index.remove(ids) == len(set(ids) & set(self.held))
        for i in ids:
            self.held.pop(i, None)

    @rule()
    def compact(self) -> None:
        assert self.index.compact().stats().removed == 0
        assert self.index.stats().segments <= 1

    @rule(as_bytes=st.booleans())
    def save_and_open(self, as_bytes: bool) -> None:
        path = Path(self.folder.name) / "index.fb"
        self.index.save(path)
        opened = fb.open(self.index.to_bytes() if as_bytes else path)
        assert isinstance(opened, fb.SparseIndex)
        self.index = opened

    @rule(rows=rows_lists)
    def merge(self, rows: list[Row]) -> None:
        ids = list(range(self.next_id, self.next_id + len(rows)))
        self.index = fb.merge([self.index, empty().add(rows, ids=ids)])
        self.note(ids, rows)

    @precondition(lambda self: self.held)
    @rule(k=st.integers(1, 30), step=st.integers(1, 5), mass=st.sampled_from([1.0, 0.5]))
    def search(self, k: int, step: int, mass: float) -> None:
        allowed = [i for i in self.held if i % step == 0]
        rerank = None if mass == 1 else 1000  # then all candidates are scored
        found = self.index.search(QUERIES, k, filter=allowed, mass=mass, rerank=rerank)
        for query, ids, scores in zip(QUERIES, found.ids, found.scores, strict=True):
            expected = {i: sum(w * self.held[i].get(term, 0.0) for term, w in query.items()) for i in allowed}
            positive = sorted((score for score in expected.values() if score > 0), reverse=True)[:k]
            named = ids[ids >= 0].tolist()
            for i, score in zip(named, scores, strict=False):
                assert score == pytest.approx(expected[i], rel=1e-3)
            if mass == 1:
                np.testing.assert_allclose(scores[: len(named)], positive, rtol=1e-3)
            assert len(set(named)) == len(named) <= len(positive)

    @precondition(lambda self: self.held)
    @rule()
    def reconstruct(self) -> None:
        ids = sorted(self.held)
        offsets, terms, values = self.index.reconstruct(ids)
        for row, i in enumerate(ids):
            part = slice(offsets[row], offsets[row + 1])
            assert dict(zip(terms[part].tolist(), values[part].tolist(), strict=True)) == pytest.approx(self.held[i])

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "held"):
            assert len(self.index) == len(self.held)
            assert self.index.ids().tolist() == sorted(self.held)
            assert all(i in self.index for i in list(self.held)[:5])


def test_any_sequence_of_changes() -> None:
    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
