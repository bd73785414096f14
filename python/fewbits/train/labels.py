"""Labels in any of the accepted forms, converted to one table of rows (query number, id, grade).

A table is rows (query, id[, grade]); a nested list may also contain the ids of each query. A list that can be read
both ways is rejected, since nothing in it tells which is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import I64

RowOf = Callable[[I64], I64]

_FORMS = (
    "an array of rows (query, id) or (query, id, grade), np.array(positives), or the ids of each query as a list of "
    "arrays, [np.array(ids) for ids in positives]"
)


def table(positives: Any, queries: int, row_of: RowOf) -> I64:
    """Rows (query, id, grade), (n, 3), for `queries` queries; row_of gives -1 for an id that is not in the index."""
    if isinstance(positives, list | tuple) and len(positives) == queries:
        return _of_list(positives, queries, row_of)
    return _of_rows(positives, queries)


def _of_list(positives: Sequence[Any], queries: int, row_of: RowOf) -> I64:
    rows = _rows(positives)
    if rows is None:
        return _of_ids(positives)
    plain = not any(hasattr(one, "__array__") for one in positives)  # arrays mark lists of ids
    as_rows = bool((rows >= 0).all() and (rows[:, 0] < queries).all() and (row_of(rows[:, 1]) >= 0).all())
    as_ids = bool((row_of(rows.ravel()) >= 0).all())
    if as_rows and as_ids and plain:
        raise ValueError(
            f"positives: {queries} lists of {rows.shape[1]} numbers for {queries} queries can be rows (query, id) or "
            f"the ids of each query; expected {_FORMS}"
        )
    return _of_ids(positives) if as_ids or not (as_rows or plain) else _of_rows(positives, queries)


def _rows(positives: Sequence[Any]) -> I64 | None:
    """A list as rows of two or three whole numbers, or None if it does not have that form."""
    if not positives or any(np.ndim(one) != 1 or len(one) not in (2, 3) for one in positives):
        return None
    if len({len(one) for one in positives}) > 1:
        return None
    rows = np.array([np.asarray(one) for one in positives])
    return rows.astype(np.int64) if rows.dtype.kind in "iu" else None


def _of_ids(positives: Sequence[Any]) -> I64:
    ids = [np.atleast_1d(np.asarray(one)) for one in positives]
    for query, one in enumerate(ids):
        if one.size and (one.ndim != 1 or one.dtype.kind not in "iu"):
            raise TypeError(f"positives: expected ids (whole numbers) for query {query}, got {positives[query]!r}")
    owners = np.repeat(np.arange(len(ids)), [one.size for one in ids])
    flat = np.concatenate([np.zeros(0, np.int64), *(one.astype(np.int64) for one in ids if one.size)])
    return np.stack([owners, flat, np.ones(len(flat), np.int64)], axis=1)


def _of_rows(positives: Any, queries: int) -> I64:
    array = _array(positives)
    if array.ndim != 2 or array.shape[1] not in (2, 3):
        raise ValueError(
            f"positives: expected rows (query, id) or (query, id, grade), or a list of ids for each of {queries} "
            f"queries, got shape {array.shape}"
        )
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"positives: expected whole numbers, got dtype {array.dtype}")
    if array.shape[1] == 2:
        array = np.concatenate([array, np.ones((len(array), 1), np.int64)], axis=1)
    return np.ascontiguousarray(array, np.int64)


def _array(positives: Any) -> NDArray[Any]:
    try:
        return np.asarray(positives)
    except ValueError:
        raise ValueError(f"positives: expected {_FORMS}; got {len(positives)} rows of different lengths") from None
