"""What the tables of multivector.py share: documents and queries, generated documents, recall and CPU seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from fewbits.input.sets import Sets

F32 = NDArray[np.float32]
RUNS = 3


class Data(NamedTuple):
    documents: Sets
    queries: Sets
    qrels: NDArray[np.int64]
    chamfer: F32  # (queries, documents), exact
    top: NDArray[np.int64]  # (queries, 10)

    @property
    def dim(self) -> int:
        return int(self.documents.tokens.shape[1])


def load(folder: Path) -> Data:
    def sets(name: str) -> Sets:
        tokens = np.ascontiguousarray(np.load(folder / f"{name}_tokens.npy"), dtype=np.float32)
        return Sets(tokens, np.load(folder / f"{name}_offsets.npy").astype(np.int64))

    documents, queries = sets("doc"), sets("query")
    scores = fb.chamfer(queries, documents, threads=1)
    return Data(documents, queries, np.load(folder / "qrels_test.npy"), scores, best(scores, 10))


def best(scores: F32, k: int) -> NDArray[np.int64]:
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def recall(ids: NDArray[np.int64], top: NDArray[np.int64]) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids, top, strict=True)])) / top.shape[1]


def seconds(*tasks: Callable[[], Any]) -> list[float]:
    """Median CPU seconds of each task, run in alternation."""
    times: list[list[float]] = [[] for _ in tasks]
    for _ in range(RUNS):
        for task, spent in zip(tasks, times, strict=True):
            start = time.process_time()
            task()
            spent.append(time.process_time() - start)
    return [median(spent) for spent in times]


def head(sets: Sets, n: int) -> Sets:
    end = int(sets.offsets[n])
    return Sets(sets.tokens[:end], sets.offsets[: n + 1])


def as_list(sets: Sets) -> list[F32]:
    return [sets.tokens[a:b] for a, b in zip(sets.offsets[:-1], sets.offsets[1:], strict=True)]


def around(documents: Sets, n: int, seed: int, block: int = 2000) -> Iterator[Sets]:
    """n documents like the given ones: the tokens of a random one plus noise that keeps them neighbours. The noise of a
    document is a slice of a table, since drawing all noise anew would take longer than indexing."""
    rng = np.random.default_rng(seed)
    members = as_list(documents)
    dim = documents.tokens.shape[1]
    table = (0.5 / np.sqrt(dim)) * rng.standard_normal((1 << 16, dim), np.float32)
    longest = int(np.diff(documents.offsets).max())
    for first in range(0, n, block):
        picked = [members[i] for i in rng.integers(0, len(members), min(block, n - first))]
        tokens = np.concatenate(picked)
        starts = rng.integers(0, len(table) - longest, len(picked))
        tokens += np.concatenate([table[s : s + len(p)] for s, p in zip(starts, picked, strict=True)])
        tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
        yield Sets(tokens, np.cumsum([0, *map(len, picked)]))
