"""Whatever is passed to a public function: it works, or is an error that a caller can expect, and changed nothing."""

from __future__ import annotations

import inspect
import os
import pickle
import resource
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import fewbits as fb
from support.data import vectors

DIM, N = 6, 40
LONG = bool(os.environ.get("FEWBITS_LONG"))
EXPECTED = (ValueError, TypeError, OSError, fb.FewbitsError, MemoryError)

X = vectors(N, DIM)
INDEXES = {
    "l2": fb.Index(DIM, metric="l2", partition=fb.IVF(3), codec=fb.PQ(3, bits=4), rerank=fb.Scalar(8)).build(X),
    "cosine": fb.Index(DIM, metric="cosine", codec=fb.Scalar(4, staged=True)).build(X, ids=np.arange(100, 100 + N)),
}
SETS = [X[i : i + 3] for i in range(0, N - 3, 3)]
DOCUMENTS = fb.MultiVectorIndex(DIM, encoder=fb.FDE(DIM, 2, 2, 4), codec=fb.Scalar(8)).build(SETS)

dtypes = st.one_of(
    arrays.scalar_dtypes(),
    st.sampled_from([np.dtype(object), np.dtype("U3"), np.dtype("S2"), np.dtype([("a", "f4")]), np.dtype(">f4")]),
)


@st.composite
def strange_arrays(draw: st.DrawFn) -> Any:
    """Of any dtype, shape and stride: among them (n, DIM) with values that are not finite."""
    shape = draw(
        st.sampled_from([(), (0,), (3,), (DIM,), (0, DIM), (2, DIM), (N, DIM), (2, DIM + 1), (DIM, 0), (2, 2, DIM)])
    )
    x = draw(arrays.arrays(draw(st.one_of(dtypes, st.just(np.dtype("f4")))), shape, fill=st.nothing()))
    if x.ndim == 2:
        x = draw(st.sampled_from([x, x[::-1], x.T, x[::2], np.broadcast_to(x[:1], x.shape) if len(x) else x]))
    return x


strange = st.one_of(
    st.sampled_from(
        [None, True, False, -1, 0, 1, 2, 3, 7, 10**6, 2**31, 2**32, 2**62, 2**63, -(2**63), 2**64, 2**70, -(2**70)]
    ),
    st.sampled_from([0.0, -0.0, 0.5, 1.5, -1.0, 1e308, float("nan"), float("inf"), -float("inf"), 1j, Fraction(1, 3)]),
    st.sampled_from(["", "l2", "replace", "\0", "ü" * 300, "no such file", b"", b"fewbits", object(), int, print]),
    st.sampled_from(
        [[], (), {}, set(), [[]], [None], [1, 2], [1.5], ["a"], [[1.0] * DIM], [X, X], [X, None], range(5)]
    ),
    st.sampled_from([np.int8(3), np.uint64(2**63), np.float32(2), np.bool_(True), np.datetime64("2020"), X, X[0]]),
    st.sampled_from([fb.PQ(2), fb.IVF(2), fb.OPQ(), fb.Filter([1]), [fb.Filter([1])], *INDEXES.values(), DOCUMENTS]),
    strange_arrays(),
)


def named(*owners: Any) -> dict[str, Callable[..., Any]]:
    """Public functions and constructors, by name."""
    found = {}
    for owner in owners:
        prefix = "" if owner is fb else f"{owner.__name__}."
        for name in fb.__all__ if owner is fb else vars(owner):
            member = getattr(owner, name)
            if name[0] != "_" and callable(member) and not (isinstance(member, type) and issubclass(member, Exception)):
                found[prefix + name] = member
    return found


FUNCTIONS = named(fb, fb.Index, fb.MultiVectorIndex, fb.Filter)
for plain in ("isa", "available_isas", "SearchResult", "Tuned", "Identity", "from_faiss"):
    del FUNCTIONS[plain]  # take nothing, hold anything, or have the errors of another library

# What is right for a parameter that has no default.
RIGHT: dict[str, Any] = {
    "dim": DIM, "metric": "l2", "m": 3, "x": X, "y": X, "queries": X[:3], "sample": X, "k": 3, "ids": [1, 2],
    "labels": [1, 2], "documents": SETS, "bytes_per_document": 40, "allow": [1, 2], "path": "absent.fb", "file": b"",
    "qrels": [[0, 1]],
    "codec": fb.RecurrentBinary(2), "results": INDEXES["l2"], "index": INDEXES["l2"], "indexes": [INDEXES["l2"]],
    "parts": [fb.PCA(4)], "precision": "int8",
}  # fmt: skip


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


@pytest.fixture(autouse=True)
def little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What asks for more than this machine should give ends in a MemoryError; what writes files writes them here."""
    monkeypatch.chdir(tmp_path)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    old = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, old)


def state(index: Any) -> Any:
    return index.to_bytes() if isinstance(index, fb.Index) else (len(index), index.stats())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_argument_works_or_is_refused(name: str) -> None:
    function = FUNCTIONS[name]
    names = list(parameters(function))
    of = name.split(".")[0] if "self" in names else None
    names = [each for each in names if each != "self"]
    if not names:
        pytest.skip("takes nothing")

    @settings(
        max_examples=600 if LONG else 6 if "build" in name else 15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        index = None
        if of == "Index":
            index = pickle.loads(pickle.dumps(data.draw(st.sampled_from(list(INDEXES.values())))))
        elif of == "MultiVectorIndex":
            index = DOCUMENTS
        given_ = {each: RIGHT[each] for each in names if parameters(function)[each].default is inspect.Parameter.empty}
        for each in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)):
            given_[each] = data.draw(strange, label=each)
        positional = [] if index is None else [index]
        before = None if index is None else state(index)
        try:
            function(*positional, **given_)
        except EXPECTED:
            assert index is None or state(index) == before
            return
        if index is DOCUMENTS and state(index) != before:
            index.remove(range(len(SETS), 10**6))  # what it was good enough to take

    run()


TRAINERS = {name: getattr(fb.train, name) for name in ("jpq", "repconc", "adapter", "recurrent_binary")}
TRAINABLE = fb.Index(DIM, metric="ip", codec=fb.PQ(3, bits=4)).build(X, progress=False)
LEARNABLE: dict[str, Any] = {
    "queries": X[:30], "epochs": 1, "negatives": 5, "pseudo_queries": 20, "validation": 0.5, "steps": 1,
    "progress": False, "threads": 1,
}  # fmt: skip


def learnable(name: str) -> dict[str, Any]:
    """Arguments with which a trainer trains, in a moment."""
    taken = parameters(TRAINERS[name])
    x = vectors(80, DIM) if name == "recurrent_binary" else X
    own = {"index": pickle.loads(pickle.dumps(TRAINABLE)), "x": x} | LEARNABLE
    return {each: value for each, value in own.items() if each in taken}


def check_outcome(index: fb.Index | None, before: bytes | None, outcome: Any) -> None:
    """A codec, or a report that says whether the index was changed, and that it is none the worse."""
    if index is None:
        assert isinstance(outcome, fb.RecurrentBinary)
        return
    assert outcome.after >= outcome.before
    assert outcome.changed or index.to_bytes() == before


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TRAINERS)
def test_trainers_take_what_they_can_learn_from(name: str) -> None:
    given_ = learnable(name)
    index = given_.get("index")
    check_outcome(index, index.to_bytes() if index else None, TRAINERS[name](**given_))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TRAINERS)
@settings(max_examples=300 if LONG else 20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_trainers_train_or_refuse_and_then_change_nothing(name: str, data: st.DataObject) -> None:
    right = learnable(name)
    names = [each for each in parameters(TRAINERS[name]) if each not in ("epochs", "steps")]
    picked = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    given_ = right | {each: data.draw(strange, label=each) for each in picked}
    index = right.get("index")
    before = None if index is None else index.to_bytes()
    try:
        outcome = TRAINERS[name](**given_)
    except EXPECTED:
        assert index is None or index.to_bytes() == before
        return
    if index is None or given_["index"] is index:
        check_outcome(index, before, outcome)
