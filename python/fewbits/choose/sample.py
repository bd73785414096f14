"""The vectors on which configurations are compared, and what their ranks among these say about ranks among all.

Neighbours in a plain sample are further apart than among all vectors, so that codes look better than they are. The
sample therefore has the nearest vectors of every query among all, beside vectors drawn at random. A vector found before
a neighbour counts once if it is one of the query's nearest, and n / (number drawn) times if it was drawn: the sum is an
unbiased estimate of the rank among all n vectors.
"""

from __future__ import annotations

import math

import numpy as np

from ..evaluation.exact import nearest, numbered
from ..input.rows import Rows
from ..numeric.arrays import F32, F64, I64

_NEAREST = 64  # of a query, that are in the sample
_TIE = 1e-6  # relative to the score


class Sample:
    """Some or all rows of x, and the nearest rows of queries.

    Attributes
    ----------
    x : (m, dim) float32 array
    drawn : (d, dim) float32 array
        Those that were drawn at random, to train on.
    queries : (q, dim) float32 array
    n : int
        Number of all vectors.
    k : int
        Number of true neighbours that recall counts.
    """

    def __init__(
        self, rows: Rows, metric: str, queries: F32, own: I64 | None, size: int, k: int, seed: int, threads: int
    ) -> None:
        """own: if the queries are rows, their numbers."""
        self.n, self.queries, cosine = len(rows), queries, metric == "cosine"
        wanted = min(_NEAREST, self.n - (own is not None))
        blocks = numbered(rows.blocks(nonzero=cosine))
        top, scores = nearest(blocks, queries, wanted + (own is not None), metric, threads)
        if own is not None:
            order = np.argsort(top == own[:, None], axis=1, kind="stable")[:, :-1]
            top, scores = np.take_along_axis(top, order, axis=1), np.take_along_axis(scores, order, axis=1)
        self.k = min(k, top.shape[1])
        self.good = _as_good(-scores if metric == "l2" else scores, self.k)
        drawn = np.arange(self.n)
        if self.n > size:
            random = np.random.default_rng(seed)
            room = max(size // 2, size - len(np.unique(top)))
            drawn = np.sort(random.choice(self.n, room, replace=False))
        numbers = np.union1d(drawn, top)
        self.x = rows.take(numbers, nonzero=cosine)
        self.drawn = self.x[np.searchsorted(numbers, drawn)]
        self.top = np.searchsorted(numbers, top)
        self._own = None if own is None else np.searchsorted(numbers, own)
        self._own_is_held = None if own is None else np.isin(own, numbers)
        self._weight = np.zeros(len(numbers))
        self._weight[np.searchsorted(numbers, drawn)] = self.n / len(drawn)

    @property
    def whole(self) -> bool:
        """Whether it has all vectors."""
        return len(self.x) == self.n

    def ranks(self, found: I64) -> F64:
        """The estimated rank among all vectors of each of `top`, (q, top), in the order in which `found` (q, m) has
        rows of the sample; infinite if it is not there."""
        same = found[:, :, None] == self.top[:, None, :]
        weight = np.where(same.any(axis=2), 1.0, self._weight[np.maximum(found, 0)])
        weight[found < 0] = 0
        if self._own is not None:
            weight[(found == self._own[:, None]) & self._own_is_held[:, None]] = 0  # type: ignore[index]
        ranks = np.take_along_axis(np.cumsum(weight, axis=1), same.argmax(axis=1), axis=1)
        return np.where(same.any(axis=1), ranks, math.inf)

    def recalls(self, hits: np.ndarray) -> F64:
        """For each query the share of its k nearest that is found; hits (q, top): which of `top` are found."""
        return np.asarray(np.minimum((hits & self.good).sum(axis=1), self.k) / max(self.k, 1), np.float64)


def _as_good(similarities: F32, k: int) -> np.ndarray:
    """Which of the nearest (q, m), best first, are as good as the k-th."""
    if not k:
        return np.zeros(similarities.shape, np.bool_)
    kth = similarities[:, k - 1 : k]
    return np.asarray(similarities >= kth - _TIE * np.abs(kth), np.bool_)
