"""Codes of vectors under a codebook, part by part: the nearest codeword, or nearest under balanced use of codewords.

Balanced is optimal transport, solved by Sinkhorn's scaling: every codeword of a subspace gets an equal share of the
batch, so that training can not fall back on a few of them. It is for training alone: an index codes by the nearest,
whatever else is in the batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..input.inputs import F32
from .kernels import F64

SINKHORN_ITERATIONS = 100
_LEAST = 1e-300


def squared_distances(parts: F32, book: F32) -> F32:
    """(m, codewords, n) of parts (m, n, width) and book (m, codewords, width)."""
    products = np.matmul(book, parts.transpose(0, 2, 1))
    norms = np.square(book).sum(axis=2)[:, :, None] + np.square(parts).sum(axis=2)[:, None]
    distances: F32 = norms - 2 * products
    return distances


def nearest(distances: F32) -> NDArray[np.int64]:
    """(m, n)."""
    codes: NDArray[np.int64] = np.argmin(distances, axis=1)
    return codes


def balanced(distances: F32, epsilon: float) -> NDArray[np.int64]:
    """(m, n). The smaller epsilon, the more equal the shares; n should be much larger than the number of codewords.

    (Zhan et al., "Learning Discrete Representations via Constrained Clustering", 2021: distances scaled to -1 .. 1 in
    each subspace, then exp(-distance / epsilon) scaled to equal sums of rows and of columns, in double.)
    """
    return np.stack([np.argmax(transport(one, epsilon), axis=0) for one in distances])


def transport(distances: F32, epsilon: float) -> F64:
    """(codewords, n): the plan of one subspace up to a factor a vector, which its own argmax does not see."""
    wide = distances.astype(np.float64)
    low, high = wide.min(), wide.max()
    kernel = np.exp(-(wide - (low + high) / 2) / ((high - low) / 2 + 1e-5 * max(high, _LEAST)) / epsilon)
    k, n = kernel.shape
    of_codewords, of_vectors = np.ones(k), np.full(n, 1 / kernel.sum())
    for _ in range(SINKHORN_ITERATIONS):
        of_codewords = 1 / k / np.maximum(kernel @ of_vectors, _LEAST)
        of_vectors = 1 / n / np.maximum(of_codewords @ kernel, _LEAST)
    plan: F64 = kernel * of_codewords[:, None] * of_vectors
    return plan
