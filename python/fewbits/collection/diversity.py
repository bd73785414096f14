"""Maximal marginal relevance: results that are near the query and unlike each other."""

from __future__ import annotations

import numpy as np

from ..numeric.arrays import F32


def diverse(query: F32, vectors: F32, k: int, diversity: float) -> list[int]:
    """Up to k rows of `vectors`, in the order in which they are chosen, by cosines."""
    x, q = _directions(vectors), _directions(query[None])[0]
    relevance = x @ q
    likeness = np.full(len(x), -np.inf, np.float32)
    chosen: list[int] = []
    for _ in range(min(k, len(x))):
        penalty = likeness if chosen else np.zeros(len(x), np.float32)
        score = (1 - diversity) * relevance - diversity * penalty
        score[chosen] = -np.inf
        chosen.append(int(np.argmax(score)))
        likeness = np.maximum(likeness, x @ x[chosen[-1]])
    return chosen


def _directions(x: F32) -> F32:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(lengths > 0, lengths, 1), np.float32)
