"""Data with judgements: a folder with base, queries and qrels (train and test), and the clean test queries."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Judged(NamedTuple):
    name: str
    base: NDArray[np.float32]
    train: NDArray[np.float32]
    test: NDArray[np.float32]
    qrels_train: NDArray[np.int64]
    qrels_test: NDArray[np.int64]
    clean: NDArray[np.int64]  # numbers of test queries

    @property
    def train_labels(self) -> set[tuple[int, int]]:
        return _pairs(self.qrels_train)

    @property
    def test_labels(self) -> set[tuple[int, int]]:
        return _pairs(self.qrels_test)

    @property
    def judged_train(self) -> NDArray[np.int64]:
        return np.unique(self.qrels_train[self.qrels_train[:, 2] > 0, 0])

    @property
    def relevant_train(self) -> dict[int, list[int]]:
        relevant: dict[int, list[int]] = {}
        for query, document in sorted(self.train_labels):
            relevant.setdefault(query, []).append(document)
        return relevant

    @property
    def clean_qrels(self) -> NDArray[np.int64]:
        """Judgements of the clean test queries, numbered as `test[clean]`."""
        number = np.full(len(self.test), -1)
        number[self.clean] = np.arange(len(self.clean))
        rows = self.qrels_test[number[self.qrels_test[:, 0]] >= 0]
        return np.column_stack([number[rows[:, 0]], rows[:, 1:]])


def _pairs(qrels: NDArray[np.int64]) -> set[tuple[int, int]]:
    return {(query, document) for query, document, grade in qrels.tolist() if grade > 0}


def load(folder: str) -> Judged:
    path = Path(folder)
    vectors = [np.load(path / f"{name}.npy").astype(np.float32) for name in ("base", "queries_train", "queries_test")]
    rows = [np.load(path / f"{name}.npy").astype(np.int64) for name in ("qrels_train", "qrels_test")]
    return Judged(path.name, *vectors, *rows, np.load(path / "queries_test_clean.npy").astype(np.int64).ravel())
