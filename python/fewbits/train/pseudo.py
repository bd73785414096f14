"""Queries made from the documents, fresh ones for every epoch, so that distillation does not learn a few by heart.

With real queries: what lies between a real query and one of its nearest documents, carried over to another document.
Without: the middle of a document and one of its neighbours.
"""

from __future__ import annotations

import numpy as np

from .. import _core
from ..inputs import F32
from ..parts import f32_array

_NEIGHBOURS = 10
_NEAREST_OF_QUERY = 5
_SAMPLE = 16_384  # documents that neighbours are looked for among


def pseudo_queries(documents: F32, queries: F32, n: int, cosine: bool, random: np.random.Generator) -> F32:
    """(n, dim). Lengths are those of the real queries' arithmetic, or 1 under cosine."""
    sample = documents[random.permutation(len(documents))[:_SAMPLE]]
    from_queries = n // 2 if len(queries) else 0
    carried = _carried(sample, queries, from_queries, random) if from_queries else queries[:0]
    made = np.concatenate([carried, _between(sample, n - from_queries, random)])
    return _core.normalize_rows(f32_array(made)) if cosine else f32_array(made)


def _carried(sample: F32, queries: F32, n: int, random: np.random.Generator) -> F32:
    k = min(_NEAREST_OF_QUERY, len(sample))
    asked = f32_array(queries[random.integers(len(queries), size=n)])
    near = _core.exact_search(sample, asked, k, "ip")[0][np.arange(n), random.integers(k, size=n)]
    made: F32 = sample[random.integers(len(sample), size=n)] + asked - sample[near]
    return made


def _between(sample: F32, n: int, random: np.random.Generator) -> F32:
    k = min(_NEIGHBOURS, len(sample))
    first = f32_array(sample[random.integers(len(sample), size=n)])
    near = _core.exact_search(sample, first, k, "ip")[0][np.arange(n), random.integers(k, size=n)]
    made: F32 = 0.5 * (first + sample[near])
    return made
