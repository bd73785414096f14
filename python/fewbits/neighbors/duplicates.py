"""fb.deduplicate: groups of vectors that are nearly the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..index.index import Index
from ..index.turns import state_of
from ..index.two_embeddings import require_one
from ..input.checks import metric_name
from ..input.filters import Filter
from ..input.queries import min_similarity
from ..numeric.arrays import I64
from ..spec.float import Float
from .graph import checked, neighbors_of

_LINKS = 16


def deduplicate(
    x: Any,
    *,
    metric: str,
    min_score: float | None = None,
    max_distance: float | None = None,
    index: Index | None = None,
    threads: int | None = None,
) -> I64:
    """Group vectors that are nearly the same: those that links between near vectors connect.

    Every vector is linked to those of its 16 nearest that are near enough, so that any number of copies is one group.

    Parameters
    ----------
    x : (n, dim) array
        As x of `Index.add`.
    metric : {"l2", "ip", "cosine"}
    min_score : float
        Under "ip" and "cosine": how similar two vectors are that belong together.
    max_distance : float
        Under "l2": how far apart they are, as a squared distance.
    index : Index, optional
        An index that holds x by row numbers, to search instead of comparing all pairs.
    threads : int, optional
        None: all CPUs.

    Returns
    -------
    (n,) int64 array
        Of every row the first row of its group: a row that has no duplicate before it stands for itself.

    Raises
    ------
    TypeError, ValueError
        As `Index.search`, and without a threshold.

    Examples
    --------
    >>> first = fb.deduplicate(x, metric="cosine", min_score=0.99)
    >>> distinct = x[first == np.arange(len(x))]
    """
    metric_name(metric)
    rows = checked(x)
    if min_score is None and max_distance is None:
        name = "max_distance" if metric == "l2" else "min_score"
        raise ValueError(f"{name}: expected how near duplicates are, got None")
    min_similarity(min_score, max_distance, metric)
    if index is not None:
        require_one(state_of(index).description, "index")
    if index is None:
        index = Index(rows.array.shape[1], metric=metric, codec=Float(32))
        index.add(rows.array, threads=threads, progress=False)
    elif index.metric != metric or not np.array_equal(index.ids(), np.arange(len(rows))):
        raise ValueError(f"index: expected one of these {len(rows)} rows, by number, under {metric}, got {index!r}")
    settings: dict[str, Any] = {"threads": threads, "min_score": min_score, "max_distance": max_distance}
    first, left = np.arange(len(rows)), np.arange(len(rows))
    while True:  # many copies hide what else is near: the rows that stand for them look again
        links = min(_LINKS, len(left) - 1)
        allowed = None if len(left) == len(rows) else Filter.allow(left)
        found = neighbors_of(index, rows, left, links, filter=allowed, **settings)
        linked = found.ids >= 0
        first = _groups(first, np.repeat(left, linked.sum(axis=1)), found.ids[linked])
        if links == 0 or not linked.all(axis=1).any():
            return first
        left = np.flatnonzero(first == np.arange(len(rows)))


def _groups(first: I64, a: I64, b: I64) -> I64:
    """For each row, the lowest row that links a[i] - b[i] lead to; first: what earlier links lead to."""
    while True:
        lowest = np.minimum(first[a], first[b])
        after = first.copy()
        np.minimum.at(after, first[a], lowest)
        np.minimum.at(after, first[b], lowest)
        after = after[after]
        if np.array_equal(after, first):
            return first
        first = after
