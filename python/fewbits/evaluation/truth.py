"""The true results against which `recall`, `tune` and `build` measure a search."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..input.rows import BLOCK_FLOATS
from ..numeric.arrays import F32, I64
from .exact import nearest
from .originals import Originals

F64 = NDArray[np.float64]

_TIE = 1e-7  # relative to the score, for float32 values
_MORE = 2  # candidates per neighbour by float32 scores, which are then ranked in double


class Truth(Protocol):
    kind: str
    """ "exact" or "codes"."""

    def recall_of_each(self, found: I64) -> F64:
        """For each query, the share of the true results that is among its ids (n, k), padded with -1."""


class Listed:
    """True results given as ids, (n, k or fewer), padded with -1."""

    def __init__(self, ids: I64, kind: str) -> None:
        self.ids, self.kind = ids, kind

    def recall_of_each(self, found: I64) -> F64:
        hits = np.array([len(np.intersect1d(a, b[b >= 0])) for a, b in zip(found, self.ids, strict=True)])
        return _share(hits, (self.ids >= 0).sum(axis=1))


class Nearest:
    """The k nearest of the original vectors, ranked in double; any vector as good as the k-th counts."""

    kind = "exact"

    def __init__(self, originals: Originals, queries: F32, k: int, threads: int, own: I64 | None = None) -> None:
        """own: if queries are vectors of the index, their ids, which do not count as neighbours."""
        self.originals, self.queries = originals, queries
        self.cosine, self.similar = originals.index.metric == "cosine", originals.index.metric != "l2"
        rows = self._candidates(_MORE * k + 1, threads)
        if own is not None:
            rows = np.where(rows == originals.row_of(own)[:, None], -1, rows)
        scores = -np.sort(-self._scores(rows), axis=1)[:, :k]
        self.wanted = np.isfinite(scores).sum(axis=1)
        kth = np.take_along_axis(scores, np.maximum(self.wanted - 1, 0)[:, None], axis=1)
        self.threshold = kth - _TIE * np.abs(np.where(np.isfinite(kth), kth, 0))

    def _candidates(self, k: int, threads: int) -> I64:
        """Computes cosines from differences: sums of products cannot tell vectors in a narrow cone apart."""
        blocks, queries, metric = self.originals.blocks(), self.queries, self.originals.index.metric
        if self.cosine:
            blocks = ((_core.normalize_rows(block), numbers) for block, numbers in blocks)
            queries, metric = _core.normalize_rows(queries), "l2"
        return nearest(blocks, queries, k, metric, threads)[0]

    def recall_of_each(self, found: I64) -> F64:
        rows = np.full_like(found, -1)
        rows[found >= 0] = self.originals.row_of(found[found >= 0])
        good = (rows >= 0) & (self._scores(rows) >= self.threshold)
        return _share(np.minimum(good.sum(axis=1), self.wanted), self.wanted)

    def _scores(self, rows: I64) -> F64:
        """Scores of rows (n, k), larger is better; -inf for row -1."""
        out = np.empty(rows.shape, np.float64)
        step = max(1, BLOCK_FLOATS // max(1, rows.shape[1] * self.queries.shape[1]))
        for first in range(0, len(rows), step):
            part = slice(first, first + step)
            out[part] = self._some_scores(rows[part], self.queries[part].astype(np.float64))
        return np.where(rows < 0, -np.inf, out)

    def _some_scores(self, rows: I64, q: F64) -> F64:
        vectors = self.originals.take(np.maximum(rows, 0).ravel()).astype(np.float64).reshape(*rows.shape, q.shape[1])
        if self.similar:
            products = np.einsum("nkd,nd->nk", vectors, q)
            return np.asarray(products / np.linalg.norm(vectors, axis=2) if self.cosine else products)
        vectors -= q[:, None]
        return np.asarray(-np.einsum("nkd,nkd->nk", vectors, vectors))


def without(found: I64, own: I64, k: int) -> I64:
    """The first k results of each query, without its own id."""
    order = np.argsort(found == own[:, None], axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, axis=1)


def _share(hits: NDArray[np.int64], wanted: NDArray[np.int64]) -> F64:
    """Hits as a share of `wanted`; 1 if nothing is wanted."""
    return np.asarray(np.where(wanted > 0, hits / np.maximum(wanted, 1), 1.0), np.float64)
