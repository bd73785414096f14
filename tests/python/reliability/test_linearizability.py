"""Random calls of several threads on one index, each explained by one order of all of them.

Every vector says what it is: under l2 its distance from zero is the number of the call that added it; of a document,
its similarity to a query. So a search of everything returns the whole state, and what it returns has to be the state of
one moment between its begin and its end.
"""

from __future__ import annotations

import itertools
import os
import pickle
import random
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import fewbits as fb
from support.alarm import Alarm
from support.data import F32, vectors
from support.linearizability import Call, final_states

MOST_IDS = 12
NUMBERS = itertools.count()
INTERRUPTED = "interrupted"
REFUSED = "refused"
DIMS = 16, 24  # of the older embedding and the newer


class State(NamedTuple):
    embedding: int
    held: frozenset[tuple[int, int]]  # ids, and versions of their vectors


class Arguments(NamedTuple):
    embedding: int
    ids: tuple[int, ...]
    version: int


class Floats:
    """Of exact vectors, whose distances tell their versions."""

    versions = True

    def __init__(self, **parts: Any) -> None:
        index = fb.Index(DIMS[0], metric="l2", rerank=fb.Float(32), **parts)
        index.train(self.rows(np.arange(300)), progress=False)
        self.file = index.to_bytes()

    def rows(self, versions: Any, embedding: int = 0) -> F32:
        out = np.zeros((len(versions), DIMS[embedding]), np.float32)
        out[:, 0] = versions
        return out

    def of_bytes(self, file: bytes) -> fb.Index:
        return fb.Index.from_bytes(file)

    def opened(self, path: Path) -> fb.Index:
        return fb.open(path, verify=True)

    def search(self, index: Any, n: int, embedding: int, k: int, **options: Any) -> fb.SearchResult:
        everything: dict[str, Any] = {} if index.partition is None else {"nprobe": 100}
        everything |= {} if index.rerank is None else {"rerank": 100}
        return index.search(self.rows([0] * n, embedding), k, **everything, **options)

    def versions_of(self, scores: F32) -> F32:
        return np.sqrt(np.abs(scores))

    def stream(self, index: Any, versions: list[int], embedding: int) -> Any:
        for version in versions:
            yield self.rows([version], embedding)
            len(index)

    def upgrade(self, index: Any) -> None:
        raise ValueError("not of this kind")


class Late:
    """A document that looks at the index when it is read."""

    def __init__(self, index: Any, tokens: F32) -> None:
        self.index, self.tokens, self.shape = index, tokens, tokens.shape

    def __array__(self, dtype: object = None, copy: object = None) -> F32:
        len(self.index)
        return self.tokens


class Documents(Floats):
    """Of documents whose tokens all are the version times one direction. Their encodings, which are exact here, and
    their tokens each tell the version."""

    def __init__(self, **parts: Any) -> None:
        encoder = fb.FDE(DIMS[0], repetitions=2, simhash_bits=1, projection=None)
        index = fb.MultiVectorIndex(DIMS[0], encoder=encoder, codec=fb.Float(32), **parts)
        self.file = index.train(self.rows(np.arange(1, 300)), progress=False).to_bytes()

    def rows(self, versions: Any, embedding: int = 0) -> Any:
        return [np.eye(1, DIMS[0], dtype=np.float32).repeat(1 + v % 3, axis=0) * np.float32(v) for v in versions]

    def of_bytes(self, file: bytes) -> Any:
        return fb.MultiVectorIndex.from_bytes(file)

    def opened(self, path: Path) -> Any:
        return fb.MultiVectorIndex.open(path, verify=True)

    def search(self, index: Any, n: int, embedding: int, k: int, **options: Any) -> fb.SearchResult:
        everything = {} if index.partition is None else {"nprobe": 100}
        return index.search(np.tile(self.rows([3])[0][:1], (n, 1, 1)), k, **everything, **({"rerank": 50} | options))

    def versions_of(self, scores: F32) -> F32:
        return scores / 3

    def stream(self, index: Any, versions: list[int], embedding: int) -> Any:
        return [Late(index, tokens) for tokens in self.rows(versions)]


class Binary(Floats):
    """Of binary codes, which can be upgraded; versions are not known."""

    versions = False

    def __init__(self) -> None:
        x, y = (vectors(300, dim) for dim in DIMS)
        old = fb.train.recurrent_binary(x, dim=16, bits=1, steps=2, progress=False)
        index = fb.Index(DIMS[0], metric="cosine", codec=old).train(x, progress=False)
        self.file = index.to_bytes()
        self.newer = fb.train.recurrent_binary(y, bits=1, compatible_with=index, old=x, steps=2, progress=False)

    def rows(self, versions: Any, embedding: int = 0) -> F32:
        return vectors(len(versions), DIMS[embedding], seed=int(versions[0]))

    def versions_of(self, scores: F32) -> F32:
        return np.zeros_like(scores)

    def upgrade(self, index: Any) -> None:
        index.upgrade(self.newer)


KINDS: dict[str, Callable[[], Floats]] = {
    "flat": lambda: Floats(codec=fb.Scalar(8)),
    "lists": lambda: Floats(codec=fb.Scalar(8), partition=fb.IVF(3)),
    "upgraded": Binary,
    "documents": lambda: Documents(tokens=fb.Float(32)),
    "documents in lists": lambda: Documents(tokens=fb.Float(32, on_disk=True), partition=fb.IVF(3)),
}


class Calls:
    """What threads may call; each method returns what the model below says of it."""

    def __init__(self, kind: Floats, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.index: Any = kind.of_bytes(kind.file)
        self.path = folder / f"{next(NUMBERS)}.synced.fb"
        self.filters = [fb.Filter(range(0, MOST_IDS, 2)), fb.Filter.deny(range(0, MOST_IDS, 2))]

    def content(self, index: Any, embedding: int, n_queries: int = 1, **options: Any) -> Any:
        found = self.kind.search(index, n_queries, embedding, 50, **options)
        versions = self.kind.versions_of(np.where(found.ids < 0, np.float32(0), found.scores))
        each = zip(found.ids.tolist(), versions.tolist(), strict=True)
        return [frozenset((i, round(v)) for i, v in zip(*pair, strict=True) if i >= 0) for pair in each]

    def add(self, of: Arguments) -> Any:
        self.index.add(self.kind.rows([of.version] * len(of.ids), of.embedding), ids=of.ids, threads=1, progress=False)

    def replace(self, of: Arguments) -> Any:
        x = self.kind.rows([of.version] * len(of.ids), of.embedding)
        self.index.add(x, ids=of.ids, on_conflict="replace", threads=1, progress=False)

    def stream(self, of: Arguments) -> Any:
        rows = self.kind.stream(self.index, [of.version] * len(of.ids), of.embedding)
        self.index.add(rows, ids=of.ids, on_conflict="replace", threads=1, progress=False)

    def remove(self, of: Arguments) -> Any:
        return self.index.remove(of.ids)

    def compact(self, of: Arguments) -> Any:
        self.index.compact(threads=1, progress=False)

    def upgrade(self, of: Arguments) -> Any:
        self.kind.upgrade(self.index)

    def search(self, of: Arguments) -> Any:
        return self.content(self.index, of.embedding, 3, threads=1 + of.version % 2)

    def by_vectors(self, of: Arguments) -> Any:
        options = {"rerank": 0} if isinstance(self.kind, Documents) else {}
        return self.content(self.index, of.embedding, 3, threads=1, **options)

    def filters_of_queries(self, of: Arguments) -> Any:
        return self.content(self.index, of.embedding, 4, filter=self.filters * 2, threads=1)

    def few(self, of: Arguments) -> Any:
        options = {"rerank": 3} if isinstance(self.kind, Documents) else {}
        return self.kind.search(self.index, 2, of.embedding, 3, **options).counts.tolist()

    def length(self, of: Arguments) -> Any:
        return len(self.index)

    def contains(self, of: Arguments) -> Any:
        return of.ids[0] in self.index

    def pickled(self, of: Arguments) -> Any:
        copy = pickle.loads(pickle.dumps(self.index))
        return DIMS.index(copy.dim), self.content(copy, DIMS.index(copy.dim))

    def saved(self, of: Arguments) -> Any:
        path = self.folder / f"{threading.get_ident()}.fb"
        self.index.save(path)
        copy = self.kind.opened(path)
        return DIMS.index(copy.dim), self.content(copy, DIMS.index(copy.dim))

    def synced(self, of: Arguments) -> Any:
        """All threads sync to one path, which may have changed again before it is opened."""
        self.index.sync(self.path)
        copy = self.kind.opened(self.path)
        return DIMS.index(copy.dim), self.content(copy, DIMS.index(copy.dim))

    def merged(self, of: Arguments) -> Any:
        copy = fb.merge([self.index])
        return DIMS.index(copy.dim), self.content(copy, DIMS.index(copy.dim))


def model_of(kind: Floats) -> Callable[[State, Call], tuple[State, Any]]:
    def known(held: frozenset[tuple[int, int]]) -> frozenset[tuple[int, int]]:
        return held if kind.versions else frozenset((i, 0) for i, _ in held)

    def model(state: State, call: Call) -> tuple[State, Any]:
        embedding, ids, version = call.arguments
        present = {i for i, _ in state.held}
        other = embedding != state.embedding
        even = frozenset(pair for pair in known(state.held) if pair[0] % 2 == 0)
        added = frozenset((i, version) for i in ids)
        kept = frozenset(pair for pair in state.held if pair[0] not in ids)
        if call.result == INTERRUPTED:
            return state, INTERRUPTED
        match call.name:
            case "add":
                refused = other or bool(present & set(ids))
                return (state, REFUSED) if refused else (state._replace(held=state.held | added), None)
            case "replace" | "stream":
                return (state, REFUSED) if other else (state._replace(held=kept | added), None)
            case "remove":
                return state._replace(held=kept), len(state.held) - len(kept)
            case "compact":
                return state, None
            case "upgrade":
                refused = kind.versions or state.embedding == 1
                return (state, REFUSED) if refused else (state._replace(embedding=1), None)
            case "search" | "by_vectors":
                return state, REFUSED if other else [known(state.held)] * 3
            case "filters_of_queries":
                return state, REFUSED if other else [even, known(state.held) - even] * 2
            case "few":
                return state, REFUSED if other else [min(3, len(state.held))] * 2
            case "length":
                return state, len(state.held)
            case "contains":
                return state, ids[0] in present
        return state, (state.embedding, [known(state.held)])  # a copy's

    return model


WRITES = ["add", "add", "replace", "replace", "stream", "remove", "compact", "upgrade"]
READS = [
    "search",
    "search",
    "by_vectors",
    "filters_of_queries",
    "few",
    "length",
    "contains",
    "pickled",
    "saved",
    "synced",
    "merged",
]
INTERRUPTS = sys.version_info >= (3, 11)  # before, one may come between the end of a call and the store of its result


ALARM = Alarm()


def outcome(call: Callable[[Arguments], Any], of: Arguments, seconds: float) -> Any:
    """What the call returns; `seconds`: until Ctrl-C, or 0. Python does not look for signals between the end of a call
    and the store of its result, so that no result is lost."""
    result: Any = INTERRUPTED
    try:
        if seconds:
            ALARM.start(seconds)
        try:
            result = call(of)
        except (ValueError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "meanwhile" not in str(error):
                raise
            result = REFUSED
        finally:
            if seconds:
                ALARM.stop()
    except KeyboardInterrupt:
        pass
    return result


def run_round(calls: Calls, n_threads: int, n_calls: int, seed: int, clock: Iterator[int]) -> list[Call]:
    history: list[Call] = []
    together = threading.Barrier(n_threads)

    def actor(thread: int) -> None:
        choose = random.Random(seed * n_threads + thread)
        together.wait()
        for _ in range(n_calls):
            name = choose.choice(WRITES if thread % 2 == 0 else READS)
            ids = tuple(choose.sample(range(MOST_IDS), choose.randint(1, 6)))
            of = Arguments(choose.randrange(2 - calls.kind.versions), ids, next(clock) % 4000 + 1)
            seconds = choose.uniform(2e-5, 2e-3) if thread == 0 and INTERRUPTS and choose.random() < 0.3 else 0.0
            began = next(clock)
            result = outcome(getattr(calls, name), of, seconds)
            history.append(Call(thread, began, next(clock), name, of, result))

    threads = [threading.Thread(target=actor, args=(thread,)) for thread in range(1, n_threads)]
    for thread in threads:
        thread.start()
    actor(0)
    for thread in threads:
        thread.join()
    return history


@pytest.mark.filterwarnings("ignore:.*its log ends with an incomplete change:UserWarning")  # of a thread that syncs
@pytest.mark.parametrize("kind", KINDS)
def test_calls_side_by_side(kind: str, tmp_path: Path) -> None:
    of_kind = KINDS[kind]()
    model, clock = model_of(of_kind), itertools.count()
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    seen: set[tuple[str, bool]] = set()
    with ALARM:
        calls, states = Calls(of_kind, tmp_path), {State(0, frozenset())}
        for seed in range(3000 if os.environ.get("FEWBITS_LONG") else 150):
            if seed % 20 == 0:
                calls, states = Calls(of_kind, tmp_path), {State(0, frozenset())}
            history = run_round(calls, 4, 6, seed, clock)
            seen |= {(call.name, call.result not in (REFUSED, INTERRUPTED)) for call in history}
            before, states = states, final_states(history, states, model)
            assert states, (before, sorted(history, key=lambda call: call.began))
    sys.setswitchinterval(switching)
    names = {*WRITES, *READS} - ({"upgrade"} if of_kind.versions else set())
    assert {name for name, done in seen if done} == names


def test_the_checker_can_tell() -> None:
    model = model_of(Floats(codec=fb.Scalar(8)))
    both = 0, (1, 2), 7
    whole, half, nothing = (frozenset((i, 7) for i in ids) for ids in ((1, 2), (1,), ()))
    empty = {State(0, frozenset())}

    def ends(*history: Call) -> set[Any]:
        return final_states(history, empty, model)

    add = Call(0, 0, 10, "add", both, None)
    for ended, found, fine in ((4, whole, True), (4, nothing, True), (4, half, False), (4, whole | {(3, 7)}, False)):
        assert bool(ends(add, Call(1, 2, ended, "search", both, [found] * 3))) == fine
    assert not ends(add, Call(1, 2, 4, "search", both, [whole, nothing, whole]))  # two states in one batch
    assert not ends(add, Call(1, 11, 12, "search", both, [nothing] * 3))  # from before the call began
    assert not ends(add, *(Call(1, 2 * i, 2 * i + 1, "length", both, n) for i, n in ((1, 2), (2, 0))))  # and back again
    interrupted = Call(0, 0, 10, "add", both, INTERRUPTED)
    assert ends(interrupted) == empty
    assert not ends(interrupted, Call(1, 11, 12, "length", both, 2))
    assert not ends(Call(0, 0, 10, "add", both, None), Call(1, 0, 10, "add", both, None))  # one has to be refused
    assert ends(Call(0, 0, 10, "add", both, None), Call(1, 0, 10, "add", both, REFUSED)) == {State(0, whole)}
