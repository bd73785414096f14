"""Sparse vectors in the forms that users have them, as one: compressed rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import F32, I64

MAX_TERMS = 1 << 24
_LEAST, _MOST = 1e-30, 1e30


class Csr(NamedTuple):
    """The terms of row i, ascending, are terms[offsets[i] : offsets[i + 1]], each with a value above 0."""

    offsets: I64
    terms: NDArray[np.uint32]
    values: F32

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.offsets) - 1


def as_csr(x: Any, name: str) -> tuple[Csr, bool]:
    """x as compressed rows, and whether it is a single vector, given as a dict."""
    if isinstance(x, Mapping):
        return _of_dicts([x], name), True
    if hasattr(x, "tocsr"):
        x = x.tocsr()
    if hasattr(x, "indptr") and hasattr(x, "indices") and hasattr(x, "data"):
        return canonical(x.indptr, x.indices, x.data, name), False
    if isinstance(x, tuple) and len(x) == 3:
        return canonical(*x, name), False
    if isinstance(x, list) and all(isinstance(row, Mapping) for row in x):
        return _of_dicts(x, name), False
    raise TypeError(
        f"{name}: expected a scipy sparse array, (indptr, indices, values), or dicts of term number to value, got "
        f"{type(x).__name__}"
    )


def are_rows(x: Any) -> bool:
    """Whether x is sparse vectors in a form that cannot be texts or token numbers."""
    maps = [x] if isinstance(x, Mapping) else x if isinstance(x, list) else []
    return hasattr(x, "tocsr") or hasattr(x, "indptr") or (len(maps) > 0 and isinstance(maps[0], Mapping))


def taken(rows: Csr, places: I64) -> Csr:
    """These rows, in this order."""
    sizes = np.diff(rows.offsets)[places]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    at = np.arange(offsets[-1]) + np.repeat(rows.offsets[:-1][places] - offsets[:-1], sizes)
    return Csr(offsets, rows.terms[at], rows.values[at])


def _of_dicts(rows: list[Mapping[Any, Any]], name: str) -> Csr:
    offsets = np.cumsum([0, *map(len, rows)])
    try:
        terms = np.array([term for row in rows for term in row] or np.zeros(0, np.int64))
        values = np.array([value for row in rows for value in row.values()], np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected dicts of term number (int) to value (float)") from None
    return canonical(offsets, terms, values, name)


def canonical(indptr: Any, indices: Any, data: Any, name: str) -> Csr:
    """Compressed rows with terms in order, each once (values of repeated terms are added), without zeros. Copies."""
    offsets, terms, values = np.array(indptr), np.array(indices), np.array(data)
    _check(offsets, terms, values, name)
    offsets = offsets.astype(np.int64)
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    weights = values.astype(np.float64)
    key = rows * np.int64(MAX_TERMS) + terms.astype(np.int64)
    if (np.diff(key) <= 0).any():
        order = np.argsort(key, kind="stable")
        key, first = np.unique(key[order], return_index=True)
        weights = np.add.reduceat(weights[order], first)
    keeps = weights != 0
    key, weights = key[keeps], weights[keeps]
    if len(weights) and not (weights.min() >= _LEAST and weights.max() <= _MOST):
        raise ValueError(
            f"{name}: expected values of 0, or {_LEAST:g} to {_MOST:g}, got {weights.min():g} to {weights.max():g}"
        )
    counts = np.bincount(key // MAX_TERMS, minlength=len(offsets) - 1)
    return Csr(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        (key % MAX_TERMS).astype(np.uint32),
        weights.astype(np.float32),
    )


def _check(offsets: NDArray[Any], terms: NDArray[Any], values: NDArray[Any], name: str) -> None:
    if offsets.ndim != 1 or not len(offsets) or offsets.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected indptr of whole numbers, (n + 1,), got {offsets.dtype} {offsets.shape}")
    if terms.ndim != 1 or (terms.dtype.kind not in "iu" and terms.size):
        raise TypeError(f"{name}: expected term numbers (int), shape (nnz,), got {terms.dtype} {terms.shape}")
    if values.shape != terms.shape or values.dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected as many values as terms ({terms.shape}), got {values.dtype} {values.shape}")
    if offsets[0] != 0 or offsets[-1] != len(terms) or (np.diff(offsets.astype(np.int64)) < 0).any():
        raise ValueError(f"{name}: expected indptr to ascend from 0 to {len(terms)}, got {offsets[0]} to {offsets[-1]}")
    if terms.size and not 0 <= int(terms.min()) <= int(terms.max()) < MAX_TERMS:
        raise ValueError(f"{name}: expected term numbers of 0 to 2^24 - 1, got {terms.min()} to {terms.max()}")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{name}: expected finite values >= 0")
