"""fb.deduplicate: groups of vectors that are nearly the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..index.index import Index
from ..input.checks import metric_name
from ..input.queries import min_similarity
from ..numeric.arrays import I64
from ..spec.float import Float
from .graph import checked, neighbors_of_all

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
    if index is None:
        index = Index(rows.array.shape[1], metric=metric, codec=Float(32)).add(rows.array, progress=False)
    elif index.metric != metric or not np.array_equal(index.ids(), np.arange(len(rows))):
        raise ValueError(f"index: expected one of these {len(rows)} rows, by number, under {metric}, got {index!r}")
    links = min(_LINKS, len(rows) - 1)
    found = neighbors_of_all(index, rows, links, threads, min_score=min_score, max_distance=max_distance)
    linked = found.ids >= 0
    own = np.repeat(np.arange(len(rows)), linked.sum(axis=1))
    return _groups(len(rows), own, found.ids[linked])


def _groups(n: int, a: I64, b: I64) -> I64:
    """Of every row the least row that links lead to."""
    first = np.arange(n, dtype=np.int64)
    while True:
        least = np.minimum(first[a], first[b])
        after = first.copy()
        np.minimum.at(after, first[a], least)
        np.minimum.at(after, first[b], least)
        after = after[after]
        if np.array_equal(after, first):
            return first
        first = after
