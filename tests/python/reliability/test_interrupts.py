"""Ctrl-C at every moment at which Python hears it: the call raised and nothing changed, or it returned and all did."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.index.turns import replace_state
from support.alarm import Alarm
from support.data import vectors

DIM = 8
X = vectors(600, DIM)
Q = vectors(40, DIM, seed=3)


class Interrupting:
    """Raises SIGINT in this thread at the n-th call of a function, or return of a function in C, that the thread makes:
    there, and where loops turn, Python looks for signals."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event not in ("call", "c_return") or "fewbits" not in frame.f_code.co_filename:
            return
        self.left -= 1
        if self.left < 0:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)


def trained() -> fb.Index:
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(4, iterations=1), codec=fb.PQ(4), rerank=fb.Scalar(8))
    return index.train(X, progress=False, threads=1).add(X[:300], threads=1, progress=False)


def sets(first: int, end: int) -> tuple[Any, Any]:
    """Documents of two tokens each."""
    return X[2 * first : 2 * end], np.arange(0, 2 * (end - first) + 1, 2)


def no_documents() -> Any:
    return fb.MultiVectorIndex(DIM, encoder=fb.FDE(DIM, 2, 2), partition=fb.IVF(3, iterations=1), tokens=fb.Scalar(4))


def documents() -> Any:
    return no_documents().build(sets(0, 100), threads=1, progress=False)


def untrained() -> fb.Index:
    return fb.Index(DIM, metric="l2", codec=fb.Scalar(8))


def jpq_published(index: fb.Index) -> None:
    from fewbits.spec.parts import Model

    book = index._engine.arrays()["codec.codebook"]  # type: ignore[union-attr]
    model = Model({}, {"codec.scoring": book + 1})
    replace_state(index, "train", lambda now: now.scored_by(model))


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "add": (trained, lambda i: i.add(X[300:], threads=1, progress=False)),
    "replace": (trained, lambda i: i.add(X[:9], range(9), on_conflict="replace", threads=1, progress=False)),
    "blocks": (trained, lambda i: i.add((X[a : a + 100] for a in (300, 400)), threads=1, progress=False)),
    "remove": (trained, lambda i: i.remove(range(50))),
    "compact": (lambda: _less(trained()), lambda i: i.compact(threads=1, progress=False)),
    "train": (untrained, lambda i: i.train(X, threads=1, progress=False)),
    "build": (untrained, lambda i: i.build(X, threads=1, progress=False)),
    "defaults": (trained, lambda i: replace_state(i, "tune", lambda now: now.with_defaults(3, 50))),
    "add documents": (documents, lambda i: i.add(sets(100, 300), threads=1, progress=False)),
    "replace documents": (
        documents,
        lambda i: i.add(sets(200, 209), range(9), on_conflict="replace", threads=1, progress=False),
    ),
    "remove documents": (documents, lambda i: i.remove(range(50))),
    "compact documents": (lambda: _less(documents()), lambda i: i.compact(threads=1, progress=False)),
    "train on documents": (no_documents, lambda i: i.train(sets(0, 100), threads=1, progress=False)),
    "build of documents": (no_documents, lambda i: i.build(sets(0, 100), threads=1, progress=False)),
    "scoring": (lambda: fb.Index(DIM, metric="ip", codec=fb.PQ(4)).build(X, progress=False), jpq_published),
}


def _less(index: Any) -> Any:
    index.remove(range(20))
    return index


def content(index: Any) -> bytes | None:
    return index.to_bytes() if index.is_trained else None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a generator's end swallows a signal
@pytest.mark.parametrize("name", CHANGES)
def test_interrupted_is_unchanged(name: str) -> None:
    make, change = CHANGES[name]
    whole = make()
    before = content(whole)
    change(whole)
    after = content(whole)
    assert before != after
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals are for the main thread")
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    moments, fired = 0, True
    try:
        while fired:
            index, interrupting, returned = make(), Interrupting(moments), False
            sys.setprofile(interrupting)
            try:
                change(index)
                returned = True
            except KeyboardInterrupt:
                pass
            finally:
                sys.setprofile(None)
            assert content(index) == (after if returned else before), moments
            if not returned:  # nor is anything left taken: others can change it
                others = threading.Thread(target=change, args=(index,))
                others.start()
                others.join(60)
                assert not others.is_alive()
                assert content(index) == after, moments
            moments, fired = moments + 1, interrupting.left < 0
    finally:
        signal.signal(signal.SIGINT, handler)
    assert moments > 3


@pytest.mark.parametrize("write", ["save", "sync"])
def test_interrupted_write_leaves_a_complete_file(write: str, tmp_path: Path) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals are for the main thread")
    path, base = tmp_path / "a.fb", trained()
    changed = fb.Index.from_bytes(base.to_bytes())
    changed.remove(range(50))
    lengths, fired, moments = set(), True, 0
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while fired:
            index, interrupting = fb.Index.from_bytes(base.to_bytes()), Interrupting(moments)
            getattr(index, write)(path)
            index.remove(range(50))
            sys.setprofile(interrupting)
            try:
                getattr(index, write)(path)
            except KeyboardInterrupt:
                pass
            finally:
                sys.setprofile(None)
            found = fb.open(path, verify=True)
            assert found.to_bytes() in (base.to_bytes(), changed.to_bytes()), moments
            lengths.add(len(found))
            getattr(index, write)(path)  # nothing is left taken
            assert fb.open(path, verify=True).to_bytes() == changed.to_bytes(), moments
            moments, fired = moments + 1, interrupting.left < 0
    finally:
        signal.signal(signal.SIGINT, handler)
    assert lengths == {250, 300}  # Ctrl-C came before the write, and after it


def test_interrupts_at_any_time() -> None:
    """By a timer: signals arrive in the middle of the core's work too."""
    random = np.random.default_rng(0)
    states, base = set(), trained().to_bytes()
    with Alarm() as alarm:
        for _ in range(150):
            index, returned = fb.Index.from_bytes(base), None
            try:
                alarm.start(random.uniform(1e-5, 6e-3))
                returned = index.add(np.tile(X, (4, 1)), threads=1, progress=False)
                alarm.stop()
            except KeyboardInterrupt:
                pass
            alarm.stop()
            states.add(("interrupted" if returned is None else "returned", len(index)))
    assert states <= {("returned", 2700), ("interrupted", 300)}
