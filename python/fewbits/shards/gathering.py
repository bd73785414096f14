"""The answer of an index from those of its shards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..index.result import KeyedResult
from ..input.checks import whole_number
from ..numeric.arrays import F32, I64


def gather(results: Sequence[KeyedResult], k: int) -> KeyedResult:
    """The k best of the results of several shards, for the same queries.

    Without reranking, these are the ids and scores of one index with the vectors of all shards, bit for bit, if all
    read the same lists (``search(..., lists=index.probe(...), keys=True)``). Of equal scores, the smaller id is first.

    Parameters
    ----------
    results : sequence of KeyedResult
        Of ``search(..., keys=True)``; each with at least k results per query.
    k : int

    Returns
    -------
    KeyedResult

    Raises
    ------
    TypeError, ValueError
        For other results, or results of other numbers of queries; for fewer than k results.

    Examples
    --------
    >>> from fewbits import shards
    >>> odd, even = index.take(index.ids()[1::2]), index.take(index.ids()[::2])
    >>> found = shards.gather([part.search(queries, k=5, keys=True) for part in (odd, even)], k=5)
    >>> bool((found.ids == index.search(queries, k=5).ids).all())
    True
    """
    k = whole_number(k, "k", 1)
    given = list(results)
    _check(given, k)
    single = given[0].ids.ndim == 1
    ids = np.concatenate([np.atleast_2d(found.ids) for found in given], axis=1)
    scores = np.concatenate([np.atleast_2d(found.scores) for found in given], axis=1)
    keys = np.concatenate([np.atleast_2d(found.keys) for found in given], axis=1)
    sign = -1 if given[0].smaller_first else 1
    if len(given) > 1:
        padded = np.where(ids < 0, np.iinfo(np.int64).max, ids)  # after results of the score -inf
        ids, scores, keys, padded = _with_best_keys(k, ids, scores, keys, padded)
        best = np.lexsort((padded, -keys), axis=1)[:, :k]
        ids, scores, keys, padded = (np.take_along_axis(array, best, axis=1) for array in (ids, scores, keys, padded))
        order = np.lexsort((padded, -sign * scores), axis=1)
        ids, scores, keys = (np.take_along_axis(array, order, axis=1) for array in (ids, scores, keys))
    ids, scores, keys = ids[:, :k], scores[:, :k], keys[:, :k]
    if single:
        ids, scores, keys = ids[0], scores[0], keys[0]
    return KeyedResult(ids, scores, keys, given[0].smaller_first)


def _with_best_keys(k: int, ids: I64, scores: F32, keys: F32, padded: I64) -> tuple[I64, F32, F32, I64]:
    """Of each row the k largest keys, of which `padded` chooses among equal ones: sorting so few is cheaper."""
    best = np.argpartition(-keys, k - 1, axis=1)
    kth = np.take_along_axis(keys, best[:, k - 1 : k], axis=1)
    tied = np.flatnonzero((keys >= kth).sum(axis=1) > k)
    best = best[:, :k]
    best[tied] = np.lexsort((padded[tied], -keys[tied]), axis=1)[:, :k]
    return tuple(np.take_along_axis(array, best, axis=1) for array in (ids, scores, keys, padded))  # type: ignore[return-value]


def _check(results: list[KeyedResult], k: int) -> None:
    if not results:
        raise ValueError("results: expected those of at least one shard")
    for number, found in enumerate(results):
        if not isinstance(found, KeyedResult):
            raise TypeError(f"results: expected those of search(..., keys=True), got {found!r} in place {number}")
        if found.ids.shape[:-1] != results[0].ids.shape[:-1]:
            raise ValueError(
                f"results: expected those of the same queries, got shapes {results[0].ids.shape} and {found.ids.shape}"
            )
        if found.smaller_first != results[0].smaller_first:
            raise ValueError("results: expected those of one metric, got distances and similarities")
        if found.ids.shape[-1] < k:
            raise ValueError(f"results: expected at least k={k} per query, got {found.ids.shape[-1]} in place {number}")
