"""Codes of vectors under a codebook, subspace by subspace: the nearest codeword, or a near one with balanced use of
all.

Balanced assignment is optimal transport, solved by Sinkhorn scaling: every codeword of a subspace gets an equal share
of the batch, so that training cannot collapse onto a few of them. It is used in training only: an index encodes with
the nearest codeword, independently of the batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import F32
from .kernels import F64

SINKHORN_ITERATIONS = 100
_TINY = 1e-300


def squared_distances(parts: F32, book: F32) -> F32:
    """Distances (m, codewords, n) of parts (m, n, width) to book (m, codewords, width)."""
    products = np.matmul(book, parts.transpose(0, 2, 1))
    norms = np.square(book).sum(axis=2)[:, :, None] + np.square(parts).sum(axis=2)[:, None]
    distances: F32 = norms - 2 * products
    return distances


def nearest(distances: F32) -> NDArray[np.int64]:
    """Codes (m, n)."""
    codes: NDArray[np.int64] = np.argmin(distances, axis=1)
    return codes


def balanced(distances: F32, epsilon: float) -> NDArray[np.int64]:
    """Codes (m, n). A smaller epsilon gives more equal shares; n should be much larger than the number of codewords.

    (Zhan et al., "Learning Discrete Representations via Constrained Clustering", 2021: distances scaled to -1 .. 1 in
    each subspace, then exp(-distance / epsilon) scaled to equal sums of rows and of columns, in double.)
    """
    return np.stack([np.argmax(transport(one, epsilon), axis=0) for one in distances])


def transport(distances: F32, epsilon: float) -> F64:
    """The plan (codewords, n) of one subspace, up to a factor per vector, which does not affect its argmax."""
    wide = distances.astype(np.float64)
    low, high = wide.min(), wide.max()
    kernel = np.exp(-(wide - (low + high) / 2) / ((high - low) / 2 + 1e-5 * max(high, _TINY)) / epsilon)
    k, n = kernel.shape
    of_codewords, of_vectors = np.ones(k), np.full(n, 1 / kernel.sum())
    for _ in range(SINKHORN_ITERATIONS):
        of_codewords = 1 / k / np.maximum(kernel @ of_vectors, _TINY)
        of_vectors = 1 / n / np.maximum(of_codewords @ kernel, _TINY)
    plan: F64 = kernel * of_codewords[:, None] * of_vectors
    return plan
