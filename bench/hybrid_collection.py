"""What searching a fb.Collection by words costs: the first search, one after a change, the next ones.

python bench/hybrid_collection.py [--n 100000] [--words 50] [--dim 64]

Generated vectors; documents of words drawn from a vocabulary of 50,000 by Zipf's law, queries of five. CPU seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fewbits as fb

_VOCABULARY, _QUERIES, _BATCH = 50_000, 200, 10_000


def texts(n: int, words: int, rng: np.random.Generator) -> list[str]:
    share = 1 / np.arange(1, _VOCABULARY + 1)
    drawn = rng.choice(_VOCABULARY, size=(n, words), p=share / share.sum())
    return [" ".join(f"w{word}" for word in row) for row in drawn.tolist()]


def timed(name: str, times: int, run: Callable[[], Any]) -> None:
    begin = time.process_time()
    for _ in range(times):
        run()
    print(f"{name:48} {1000 * (time.process_time() - begin) / times:10.2f} ms of CPU", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=50, help="per document")
    parser.add_argument("--dim", type=int, default=64)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    n, dim = arguments.n, arguments.dim
    x, documents = rng.normal(size=(n + 1, dim)).astype(np.float32), texts(n, arguments.words, rng)
    queries = iter(texts(10 * _QUERIES, 5, rng))
    print(f"n {n:,}, d {dim}, {arguments.words} words, {fb.isa()}")
    with tempfile.TemporaryDirectory() as folder, fb.Collection(Path(folder) / "a", dim=dim, metric="cosine") as notes:
        for first in range(0, n, _BATCH):
            rows = slice(first, min(first + _BATCH, n))
            notes.add(keys=range(rows.start, rows.stop), vectors=x[rows], documents=documents[rows])
        timed("a search by vector", _QUERIES, lambda: notes.search(x[0], threads=1))
        timed("the first search by words", 1, lambda: notes.search(text=next(queries), threads=1))
        timed("a search by words", _QUERIES, lambda: notes.search(text=next(queries), threads=1))
        timed("a hybrid search", _QUERIES, lambda: notes.search(x[0], text=next(queries), threads=1))
        notes.add(keys=[n], vectors=x[n:], documents=["one more w1"])
        timed("a search by words after a change", 1, lambda: notes.search(text=next(queries), threads=1))


if __name__ == "__main__":
    main()
