"""Queries made from the documents, new ones for every epoch, so that distillation does not memorise a few.

With real queries: the difference between a real query and one of its nearest documents, added to another document.
Without: the midpoint of a document and one of its neighbours.
"""

from __future__ import annotations

import numpy as np

from .. import _core
from ..numeric.arrays import F32, f32_array
from .teacher import Teacher

_NEIGHBOURS = 10
_NEAREST_OF_QUERY = 5
_SAMPLE = 16_384  # number of documents searched for neighbours


def pseudo_queries(teacher: Teacher, queries: F32, n: int, cosine: bool, random: np.random.Generator) -> F32:
    """Pseudo-queries (n, dim), half of them made from queries if there are any; normalised under cosine."""
    documents = teacher.vectors
    sample = Teacher(documents[random.permutation(len(documents))[:_SAMPLE]], teacher.metric, teacher.threads)
    from_queries = n // 2 if len(queries) else 0
    carried = _carried(sample, queries, from_queries, random) if from_queries else queries[:0]
    made = np.concatenate([carried, _between(sample, n - from_queries, random)])
    return _core.normalize_rows(f32_array(made)) if cosine else f32_array(made)


def _carried(sample: Teacher, queries: F32, n: int, random: np.random.Generator) -> F32:
    asked = f32_array(queries[random.integers(len(queries), size=n)])
    return _some(sample, n, random) + asked - _neighbour(sample, asked, _NEAREST_OF_QUERY, random)


def _between(sample: Teacher, n: int, random: np.random.Generator) -> F32:
    first = _some(sample, n, random)
    return f32_array(0.5 * (first + _neighbour(sample, first, _NEIGHBOURS, random)))


def _some(sample: Teacher, n: int, random: np.random.Generator) -> F32:
    return f32_array(sample.vectors[random.integers(len(sample.vectors), size=n)])


def _neighbour(sample: Teacher, of: F32, k: int, random: np.random.Generator) -> F32:
    """For each row, one of its k nearest documents."""
    near = sample.top(of, k)
    return f32_array(sample.vectors[near[np.arange(len(of)), random.integers(near.shape[1], size=len(of))]])
