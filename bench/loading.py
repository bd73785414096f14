"""Data of the benches: a folder with base.npy, queries.npy and neighbors.npy (inner product), as float32.

Of a folder with judgements, the queries are those of the test split that have no near-duplicate in the train split.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb


class Data(NamedTuple):
    name: str
    base: NDArray[np.float32]
    queries: NDArray[np.float32]
    neighbors: NDArray[np.int64]

    def recall(self, ids: NDArray[np.int64], k: int = 10) -> float:
        """The share of the k exact neighbours among the first k ids."""
        found = [len(np.intersect1d(a[:k], b[:k])) for a, b in zip(ids, self.neighbors, strict=True)]
        return float(np.sum(found)) / (k * len(found))


def load(folder: str) -> Data:
    path = Path(folder)

    def array(name: str) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.load(path / f"{name}.npy"), dtype=np.float32)

    if (path / "queries.npy").exists():
        return Data(path.name, array("base"), array("queries"), np.load(path / "neighbors.npy").astype(np.int64))
    base, clean = array("base"), np.load(path / "queries_test_clean.npy")
    queries = np.ascontiguousarray(array("queries_test")[clean])
    return Data(path.name, base, queries, fb.exact_search(base, queries, 100, metric="ip").ids)
