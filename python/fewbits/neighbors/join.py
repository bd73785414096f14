"""fb.join: the pairs of near vectors of two sets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..index.index import Index
from ..index.turns import state_of
from ..index.two_embeddings import require_one
from ..input.checks import metric_name, thread_count, whole_number
from ..input.queries import min_similarity
from ..input.rows import Rows, block_rows
from ..input.vectors import as_vectors
from ..numeric.arrays import F32, I64
from ..spec.float import Float

_FIRST = 16  # candidates of a row at first, by a threshold
_GROWTH = 4  # times as many for rows all of whose candidates are near enough
_SPARE = 4  # times k candidates from an index whose scores are approximate


class Pairs(NamedTuple):
    """Row left[i] of x and row right[i] of y are near: ascending by left, and for each of them best first.

    Attributes
    ----------
    left, right : (m,) int64 arrays
    scores : (m,) float32 array
        As in `Index.search`, of the vectors themselves.
    """

    left: I64
    right: I64
    scores: F32


def join(
    x: Any,
    y: Any,
    *,
    metric: str,
    k: int | None = None,
    min_score: float | None = None,
    max_distance: float | None = None,
    index: Index | None = None,
    threads: int | None = None,
) -> Pairs:
    """Find the pairs of rows of x and y that are near: the k nearest rows of y to every row of x, or all within a
    threshold, or both.

    Parameters
    ----------
    x : (n, dim) array
    y : (m, dim) array
        As x of `Index.add`.
    metric : {"l2", "ip", "cosine"}
    k : int, optional
        At most this many rows of y per row of x. None: all within the threshold.
    min_score : float, optional
        Under "ip" and "cosine": how similar a pair is at least.
    max_distance : float, optional
        Under "l2": how far apart a pair is at most, as a squared distance.
    index : Index, optional
        An index that holds y by row numbers. It finds candidates instead of a comparison of all pairs, so that pairs
        that its codes or its probed lists miss are missing; scores are computed from x and y.
    threads : int, optional
        None: all CPUs.

    Returns
    -------
    Pairs
        A named tuple of arrays: left (rows of x), right (rows of y) and scores.

    Raises
    ------
    TypeError, ValueError
        As `Index.search`; for neither k nor a threshold; for an index that does not hold y.

    Examples
    --------
    >>> pairs = fb.join(x[:100], x[100:], metric="cosine", min_score=0.9)
    >>> left, right, scores = fb.join(x[:100], x[100:], metric="cosine", k=1)
    >>> len(left)
    100
    """
    metric_name(metric)
    if k is None and min_score is None and max_distance is None:
        raise ValueError("join: expected k, or how near a pair is (min_score, max_distance), got neither")
    least = np.float32(min_similarity(min_score, max_distance, metric))
    most = None if k is None else whole_number(k, "k", 1)
    ys = _matrix(y, "y")
    xs = Rows(x, ys.array.shape[1], "x")
    thread_count(threads)
    exact = index is None
    if index is not None:
        require_one(state_of(index).description, "index")
    if index is None:
        index = Index(ys.array.shape[1], metric=metric, codec=Float(32))
        index.add(ys.array, threads=threads, progress=False)
    elif index.metric != metric or not np.array_equal(index.ids(), np.arange(len(ys))):
        raise ValueError(f"index: expected one of the {len(ys)} rows of y, by number, under {metric}, got {index!r}")
    found = _Found(metric, least, most)
    width = _FIRST if most is None else most * (1 if exact else _SPARE)
    left = np.arange(len(xs) if len(ys) else 0)
    while len(left):
        width = min(width, len(ys))
        left = found.add(index, xs, ys, left, width, threads)
        width *= _GROWTH
    return found.pairs()


class _Found:
    """The pairs of rows that are done."""

    def __init__(self, metric: str, least: np.float32, most: int | None) -> None:
        self._metric, self._least, self._most = metric, least, most
        self._parts: list[Pairs] = []

    def add(self, index: Index, xs: Rows, ys: Rows, left: I64, width: int, threads: int | None) -> I64:
        """Finds pairs of these rows; returns the rows that may have more of them."""
        again = []
        step = max(1, block_rows(ys.array.shape[1]) // width)
        for begin in range(0, len(left), step):
            rows = left[begin : begin + step]
            part = xs.take(rows, nonzero=self._metric == "cosine")
            ids = index.search(part, width, threads=threads).ids
            scores = _scores(part, ys, ids, self._metric)
            near = (scores >= self._least) & (ids >= 0)
            full = near.all(axis=1) & (width < len(ys)) & (self._most is None)
            again.append(rows[full])
            self._keep(rows[~full], ids[~full], scores[~full], near[~full])
        return np.concatenate(again)

    def _keep(self, rows: I64, ids: I64, scores: F32, near: NDArray[np.bool_]) -> None:
        order = np.lexsort((ids, -scores, ~near), axis=1)[:, : self._most]
        ids, scores = np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
        near = np.take_along_axis(near, order, axis=1)
        self._parts.append(Pairs(np.repeat(rows, near.sum(axis=1)), ids[near], scores[near]))

    def pairs(self) -> Pairs:
        if not self._parts:
            return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
        left, right, scores = (np.concatenate(each) for each in zip(*self._parts, strict=True))
        order = np.argsort(left, kind="stable")
        return Pairs(left[order], right[order], (-scores if self._metric == "l2" else scores)[order])


def _scores(x: F32, ys: Rows, ids: I64, metric: str) -> F32:
    """The similarities of each row of x and its candidates, larger is better; those of padding do not count."""
    own, numbers = np.unique(np.maximum(ids, 0), return_inverse=True)
    y = ys.take(own, nonzero=metric == "cosine")
    if metric == "cosine":
        x, y = _core.normalize_rows(x), _core.normalize_rows(y)
    candidates = y[numbers.reshape(ids.shape)]
    if metric == "l2":
        differences = np.subtract(candidates, x[:, None, :], out=candidates)
        distances: F32 = np.einsum("nkd,nkd->nk", differences, differences)
        return -distances
    similarities: F32 = np.einsum("nkd,nd->nk", candidates, x)
    return np.clip(similarities, -1, 1) if metric == "cosine" else similarities


def _matrix(x: Any, name: str) -> Rows:
    array = as_vectors(x, name)
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(f"{name}: expected shape (m, dim), got {array.shape}")
    return Rows(array, array.shape[1], name)
