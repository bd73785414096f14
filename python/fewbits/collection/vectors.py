"""The vectors of a batch of items, some of which may have none."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..input.rows import Rows
from ..numeric.arrays import F32


class Batch(NamedTuple):
    """rows: of the items that have a vector; has: which those are."""

    rows: F32
    has: list[bool]


def checked_vectors(vectors: Any, n: int, dim: int, metric: str) -> Batch:
    """One vector per item, or None for those without."""
    if vectors is None:
        return Batch(np.zeros((0, dim), np.float32), [False] * n)
    has = None
    if isinstance(vectors, list | tuple) and any(vector is None for vector in vectors):
        has = [vector is not None for vector in vectors]
        vectors = [vector for vector in vectors if vector is not None]
    none = isinstance(vectors, list | tuple) and not vectors
    rows = Rows(np.zeros((0, dim), np.float32) if none else vectors, dim, "vectors")
    has = has or [True] * len(rows)
    if len(has) != n:
        raise ValueError(f"vectors: expected one per key ({n}), got {len(has)}")
    return Batch(rows.all(nonzero=metric == "cosine"), has)
