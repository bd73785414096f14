"""Linear maps for pairs of queries and data, from their second moments alone.

Inner products of queries and vectors tolerate any pair of maps (A, B) with AᵀB near the identity. Their mean squared
error over queries and vectors has a closed-form minimum for each number of dimensions (Tepper et al., "GleanVec",
2024): in the space in which queries are white, vectors lose least by PCA. What is left free is how both sides share the
scale of a direction. It does not matter to floats, but to codes, whose noise is on the side of the vectors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arrays import F64

_FLOOR = 1e-8  # of the largest eigenvalue: less is rounding


class Maps(NamedTuple):
    """A map for vectors and one for queries: <q, x> is about <queries q, data x>.

    data, queries : (dim, D), float64; queriesᵀ is the inverse of data with the least squared error of vectors.
    spectrum : (D,) the energy of scores by direction, falling; what is beyond dim is lost.
    """

    data: F64
    queries: F64
    spectrum: F64


def balanced_maps(queries: F64, data: F64, dim: int, ridge: float = 0.1) -> Maps:
    """The maps to `dim` dimensions after which both sides have the same second moments, with their energies falling.

    This loses least where codes have the same noise in all directions, as behind a random rotation.

    queries, data : (D, D) second moments (of any scale) about the origin.
    ridge : added to the queries' eigenvalues, in units of the mean one. With few queries it should be about 1.
    """
    root = Root(queries, ridge)
    directions, spectrum = _directions(root, data)
    kept = directions[:dim]
    scale = np.maximum(spectrum[:dim], _FLOOR * (spectrum[0] or 1.0))[:, None] ** 0.25
    return Maps(kept @ root.power(1) / scale, kept @ root.power(-1) * scale, spectrum)


def balanced_maps_of(queries: F64, vectors: F64, dim: int, ridge: float = 0.1) -> Maps:
    """`balanced_maps` of data that are these (n, D) vectors: by their n x n products, where they are fewer than D.

    Rows beyond the rank of the vectors are zeros, and the spectrum has no more than n numbers.
    """
    if len(vectors) >= vectors.shape[1]:
        return balanced_maps(queries, vectors.T @ vectors, dim, ridge)
    mean = max(float(np.trace(queries)) / len(queries), np.finfo(np.float64).tiny)
    moments = queries / mean + ridge * np.eye(len(queries))
    seen = vectors @ moments
    values, coordinates = np.linalg.eigh(seen @ vectors.T)
    spectrum, coordinates = np.maximum(values[::-1], 0.0), coordinates.T[::-1]
    rank = min(dim, int(np.sum(spectrum > _FLOOR * spectrum[0])))
    data, of_queries = np.zeros((dim, len(queries))), np.zeros((dim, len(queries)))
    scale = spectrum[:rank, None]
    of_queries[:rank] = coordinates[:rank] @ vectors / scale**0.25
    of_queries[:rank] *= _signs(of_queries[:rank])
    data[:rank] = of_queries[:rank] @ moments / scale**0.5
    return Maps(data, of_queries, spectrum)


def _signs(rows: F64) -> F64:
    """(n, 1): what makes the largest entry of each row positive."""
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    return np.where(largest < 0, -1.0, 1.0)


def metric_maps(queries: F64, data: F64, dim: int, ridge: float = 0.1) -> Maps:
    """The maps to `dim` dimensions after which distances of vectors are halfway between those of the input space and
    those that matter to queries: K^1/4 for queries of second moments K.

    This suits product quantization, whose noise is small where the vectors' energy is small.
    """
    root = Root(queries, ridge)
    directions, spectrum = _directions(root, data)
    if dim == len(spectrum):
        return Maps(root.power(0.5), root.power(-0.5), spectrum)
    kept = directions[:dim]
    values, vectors = np.linalg.eigh(kept @ root.power(-1) @ kept.T)
    half, back = (vectors * values**0.5) @ vectors.T, (vectors * values**-0.5) @ vectors.T
    return Maps(half @ kept @ root.power(1), back @ kept @ root.power(-1), spectrum)


class Root:
    """The square root of second moments with a ridge, and its powers."""

    def __init__(self, moments: F64, ridge: float) -> None:
        values, self._vectors = np.linalg.eigh(moments)
        mean = max(float(values.mean()), np.finfo(np.float64).tiny)
        self._values = np.sqrt(np.maximum(values, _FLOOR * mean) / mean + ridge)

    def power(self, exponent: float) -> F64:
        return np.asarray((self._vectors * self._values**exponent) @ self._vectors.T)


def _directions(root: Root, data: F64) -> tuple[F64, F64]:
    """Orthonormal directions (rows) of falling energy in the space of white queries, and the energies; signs fixed."""
    half = root.power(1)
    values, vectors = np.linalg.eigh(half @ data @ half)
    rows = vectors.T[::-1]
    return rows * _signs(rows), np.maximum(values[::-1], 0.0)
