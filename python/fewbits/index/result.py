"""What a search returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import F32, I64


class SearchResult(NamedTuple):
    """What a search returns: two arrays, best first.

    Where fewer than k vectors were found, the end is padded with id -1 and score -inf (+inf under "l2").

    Attributes
    ----------
    ids : (n, k) or (k,) int64 array
        (k,) for a single query.
    scores : (n, k) or (k,) float32 array

    Examples
    --------
    >>> found = index.search(queries, k=10)
    >>> ids, scores = found
    >>> found.counts.shape
    (40,)
    """

    ids: I64
    scores: F32

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many results each query has: (n,) int64, or a 0-d array for a single query."""
        return np.asarray((self.ids >= 0).sum(axis=-1), dtype=np.int64)
