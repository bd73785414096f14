"""What a search returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..input.inputs import F32, I64


class SearchResult(NamedTuple):
    """ids int64 and scores float32, best first: (n, k), or (k,) for a 1-D query.

    Where fewer than k vectors were found the rest is padded with id -1 and score -inf (+inf under l2).
    """

    ids: I64
    scores: F32

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many results each query has: (n,), or a 0-d array for a 1-D query."""
        return np.asarray((self.ids >= 0).sum(axis=-1), dtype=np.int64)
