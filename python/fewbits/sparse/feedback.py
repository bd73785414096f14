"""Sparse queries moved towards the vectors that they find."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import F32, F64, I64
from .csr import Csr, canonical, taken

_LEAST = 1e-30  # smaller weights are left out


class SparseRows(NamedTuple):
    """Compressed rows, for ``scipy.sparse.csr_array((rows.data, rows.indices, rows.indptr))``."""

    indptr: I64
    indices: NDArray[np.uint32]
    data: F32


def moved(queries: Csr, alpha: float, vectors: Csr, places: I64, weights: F64) -> SparseRows:
    """alpha * q + the weighted sum of vectors, after the weights of each query and vector are divided by their sum.

    places, weights: (n, k); numbers of the vectors of each query, -1 for none. Queries without any remain as they are.
    """
    owners, columns = np.nonzero(places >= 0)
    alone = np.bincount(owners, minlength=queries.n) == 0
    found = taken(vectors, places[owners, columns])
    own = np.where(alone, 1.0, alpha / _totals(queries))
    values = [_times(queries, own), _times(found, weights[owners, columns] / _totals(found))]
    of = np.concatenate([_owners(queries), np.repeat(owners, np.diff(found.offsets))])
    order = np.argsort(of, kind="stable")  # keeps the order of summing
    data = np.concatenate(values)[order]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=queries.n))])
    terms = np.concatenate([queries.terms, found.terms])[order]
    return SparseRows(*canonical(offsets, terms, np.where(data < _LEAST, 0, data), "queries"))


def _owners(rows: Csr) -> I64:
    return np.repeat(np.arange(rows.n), np.diff(rows.offsets))


def _totals(rows: Csr) -> F64:
    """The sum of each row, or 1 for an empty row."""
    sums = np.bincount(_owners(rows), rows.values, minlength=rows.n)
    return np.where(sums > 0, sums, 1.0)


def _times(rows: Csr, factors: F64) -> F64:
    return rows.values * factors[_owners(rows)]
