"""The measures that decide which state is kept: search results on queries not used in training, query by query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ..evaluation.measures import query_measures
from ..numeric.arrays import F32, I64
from .examples import Examples, RowOf
from .kernels import F64
from .teacher import Teacher


class Searcher(Protocol):
    """An index in training."""

    row_of: RowOf

    def search(self, queries: F32, k: int) -> I64: ...


Measure = Callable[[Searcher], F64]
_K = 10


def ndcg(examples: Examples) -> Measure:
    """nDCG@10 of each query against its positives."""
    judgements = [
        {int(row): grade for row, grade in zip(examples.rows[a:b], examples.grades[a:b], strict=True)}
        for a, b in zip(examples.starts[:-1], examples.starts[1:], strict=True)
    ]

    def measure(descent: Searcher) -> F64:
        rows = descent.row_of(descent.search(examples.queries, _K))
        return np.array([query_measures(*pair, _K)[0] for pair in zip(rows, judgements, strict=True)])

    return measure


def overlap(queries: F32, teacher: Teacher) -> Measure:
    """The share of each query's ten best rows, according to the teacher, that is found."""
    truth = teacher.top(queries, _K)
    k = truth.shape[1]

    def measure(descent: Searcher) -> F64:
        rows = descent.row_of(descent.search(queries, k))
        return np.array([len(np.intersect1d(*pair)) / k for pair in zip(rows, truth, strict=True)])

    return measure


def clearly_better(new: F64, old: F64) -> bool:
    """Whether the gain exceeds twice the standard error of the paired difference, which is larger for fewer queries; a
    single query is never enough."""
    difference = new - old
    if len(difference) < 2:
        return False
    error = float(np.std(difference)) / np.sqrt(len(difference))
    return bool(float(np.mean(difference)) > 2 * error)
