"""Queries and their relevant documents, validated and split into training and validation.

The split is by document: no positive of a validation query is a positive in training, and training drops near
duplicates of validation queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..numeric.arrays import F32, I64
from . import labels
from .kernels import F64

_NEAR_DUPLICATE = 0.9  # cosine of two queries
_MAX_VALIDATION = 1000


@dataclass(frozen=True)
class Examples:
    """Queries, where query b has the judged rows[starts[b] : starts[b + 1]]; grades are above 0, or 0 if there are the
    scores of a teacher: as many, else none."""

    queries: F32
    rows: I64
    grades: F64
    starts: I64
    scores: F64

    def __len__(self) -> int:
        return len(self.queries)

    def take(self, which: I64) -> Examples:
        sizes = self.starts[which + 1] - self.starts[which]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        entries = np.repeat(self.starts[which] - starts[:-1], sizes) + np.arange(starts[-1])
        scores = self.scores[entries] if len(self.scores) else self.scores
        return Examples(self.queries[which], self.rows[entries], self.grades[entries], starts, scores)


def unjudged(queries: F32) -> Examples:
    return Examples(queries, np.zeros(0, np.int64), np.zeros(0), np.zeros(len(queries) + 1, np.int64), np.zeros(0))


def judged(queries: F32, positives: Any, ids: I64, teacher: Any = None) -> tuple[Examples, F32]:
    """The queries with positives, and the other queries.

    positives: (n, 2 or 3) whole numbers (query, id[, grade >= 0]), or the ids of each query. ids: those of the index's
    rows. teacher: a score for each row of positives; rows of grade 0 are then kept.
    """
    row_of = RowOf(ids)
    table = labels.table(positives, len(queries), row_of)
    if len(table) and int(table[:, 0].max()) >= len(queries):
        raise ValueError(f"positives: expected query numbers below {len(queries)}, got {int(table[:, 0].max())}")
    if len(table) and int(table.min()) < 0:
        raise ValueError(f"positives: expected numbers >= 0, got {int(table.min())}")
    if not (table[:, 2] > 0).any():
        raise ValueError("positives: expected at least one with a grade above 0, got none")
    scores = np.zeros(0) if teacher is None else _scores(teacher, len(table))
    kept = np.flatnonzero(table[:, 2] > 0) if teacher is None else np.arange(len(table))
    _, last = np.unique(table[kept[::-1], :2], axis=0, return_index=True)  # of duplicate pairs, the last one counts
    kept = np.sort(kept[len(kept) - 1 - last])
    kept = kept[np.argsort(table[kept, 0], kind="stable")]
    table, scores = table[kept], scores[kept] if len(scores) else scores
    rows = row_of(table[:, 1])
    if (rows < 0).any():
        raise ValueError(f"positives: id {int(table[np.argmax(rows < 0), 1])} is not in the index")
    starts = np.searchsorted(table[:, 0], np.arange(len(queries) + 1))
    examples = Examples(queries, rows, table[:, 2].astype(np.float64), starts, scores)
    has_some = np.bincount(table[table[:, 2] > 0, 0], minlength=len(queries)) > 0
    return examples.take(np.flatnonzero(has_some)), queries[~has_some]


def _scores(teacher: Any, n: int) -> F64:
    scores = np.asarray(teacher)
    if scores.shape != (n,) or scores.dtype.kind not in "iuf":
        raise ValueError(
            f"teacher: expected a score for each of the {n} rows of positives, shape ({n},), got {scores.dtype} "
            f"{scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"teacher: expected finite scores, got {scores[~np.isfinite(scores)][0]}")
    return scores.astype(np.float64)


class RowOf:
    """Maps ids to rows of the index; -1 for an id that is not in the index."""

    def __init__(self, ids: I64) -> None:
        self.order = np.argsort(ids, kind="stable")
        self.sorted = ids[self.order]

    def __call__(self, wanted: I64) -> I64:
        at = np.minimum(np.searchsorted(self.sorted, wanted), len(self.sorted) - 1)
        return np.where(self.sorted[at] == wanted, self.order[at], -1).astype(np.int64)


def split(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """Training and validation examples. `share` of the queries, but at most 1,000, are used for validation, as far as
    whole groups of queries with common positives permit."""
    groups = _groups(examples)
    sizes = np.bincount(groups)
    held = np.isin(groups, _fitting(sizes, wanted(examples, share), seed))
    train, validation = (examples.take(np.flatnonzero(mask)) for mask in (~held, held))
    return train.take(np.flatnonzero(~near(train.queries, validation.queries))), validation


def wanted(examples: Examples, share: float) -> int:
    """The wanted number of validation queries."""
    return min(round(share * len(examples)), _MAX_VALIDATION)


def why_few(examples: Examples, share: float) -> str:
    """Explains why there are few validation queries."""
    largest = int(np.bincount(_groups(examples)).max())
    asked = f"validation={share:g} of {len(examples):,} judged queries is {wanted(examples, share):,}"
    if largest == 1:
        return f"{asked}; expected more queries, or a larger share"
    return (
        f"{asked}, and queries with a positive in common are held out together or not at all: the largest such group "
        f"has {largest:,}; expected labels that link fewer queries, or a larger share"
    )


def _fitting(sizes: I64, wanted: int, seed: int) -> list[int]:
    """Groups in random order, skipping those larger than what remains of the wanted number of queries."""
    chosen = []
    for group in np.random.default_rng(seed).permutation(len(sizes)).tolist():
        if sizes[group] <= wanted:
            chosen.append(group)
            wanted -= int(sizes[group])
    return chosen


def near(queries: F32, others: F32) -> NDArray[np.bool_]:
    """Whether each query is a near duplicate of one of the others."""
    if not len(queries) or not len(others):
        return np.zeros(len(queries), np.bool_)
    return _core.exact_search(others, queries, 1, "cosine")[1][:, 0] > _NEAR_DUPLICATE


def _groups(examples: Examples) -> I64:
    """Group numbers 0, 1, ...: queries that share a positive, directly or through other queries, have the same one."""
    parent = list(range(len(examples)))

    def root(query: int) -> int:
        while parent[query] != query:
            parent[query] = parent[parent[query]]
            query = parent[query]
        return query

    first: dict[int, int] = {}
    owners = np.repeat(np.arange(len(examples)), np.diff(examples.starts))
    positive = examples.grades > 0
    for query, row in zip(owners[positive].tolist(), examples.rows[positive].tolist(), strict=True):
        a, b = root(first.setdefault(row, query)), root(query)
        parent[max(a, b)] = min(a, b)
    roots = np.array([root(query) for query in range(len(examples))], np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
