"""The float vectors of an index, row by row, and the ranking that is the target of distillation.

Queries and vectors are normalised under cosine, so there are two metrics: "ip" and "l2". Under l2 a score is
<q, x> - |x|^2 / 2, which orders as the distance does.
"""

from __future__ import annotations

from typing import Any

from .. import _core
from ..evaluation.originals import Originals
from ..index.index import Index
from ..numeric.arrays import F32, I64
from .kernels import F64
from .scorer import Lists, inner_metric, norms_bias, products


class Teacher:
    def __init__(self, vectors: F32, metric: str, threads: int) -> None:
        self.vectors, self.metric, self.threads = vectors, metric, threads
        self.bias = norms_bias(vectors, metric)

    def scores(self, q: F32, lists: Lists) -> F64:
        scores: F64 = products(q, self.vectors, lists) + self.bias[lists.rows]
        return scores

    def top(self, q: F32, k: int) -> I64:
        """The k best rows of each query."""
        return _core.exact_search(self.vectors, q, min(k, len(self.vectors)), self.metric, threads=self.threads)[0]


def teacher_of(index: Index, engine: _core.Engine, ids: I64, x: Any, x_ids: Any, threads: int) -> Teacher | None:
    """x: the vectors of the ids x_ids (None: of row numbers). If None, they are taken from the rerank store or the
    float codes of the index."""
    metric = inner_metric(index.metric)
    if x is None:
        if x_ids is not None:
            raise ValueError("x_ids: expected x with them, got x=None")
        finer = index.rerank is not None and index.rerank.other_dim is None  # of the same vectors
        kept = finer or index.codec.kind.traits.exact
        return Teacher(engine.reconstruct(ids), metric, threads) if kept else None
    originals = Originals(index, x, x_ids).check()
    return Teacher(originals.normalised(originals.row_of(ids)), metric, threads)
