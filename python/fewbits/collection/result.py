"""What a collection returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..numeric.arrays import F32, I64
from .items import Item, Key


@dataclass(frozen=True)
class Hits:
    """What `Collection.search` returns: for one query a list each, best first; for several, lists of these.

    Attributes
    ----------
    keys : list of str or int
    scores : (m,) float32 array
        As `SearchResult.scores`, without padding.
    documents : list
        None for those without a document.
    metadata : list of dict
    """

    keys: list[Any]
    scores: Any
    documents: list[Any]
    metadata: list[Any]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Items:
    """What `Collection.get` returns.

    Attributes
    ----------
    keys : list of str or int
    documents : list
        None for those without a document.
    metadata : list of dict
    vectors : list of (dim,) float32 arrays, or None
        As the index stores them, with None for those without a vector; None unless asked for.
    """

    keys: list[Key]
    documents: list[Any]
    metadata: list[dict[str, Any]]
    vectors: list[F32 | None] | None = None

    def __len__(self) -> int:
        return len(self.keys)


def hits(ids: I64, scores: F32, items: dict[int, Item], *, single: bool) -> Hits:
    rows = []
    for of_query, of_scores in zip(ids, scores, strict=True):
        found = of_query >= 0
        own = [items[id] for id in of_query[found].tolist()]
        rows.append(
            ([item.key for item in own], of_scores[found], [item.document for item in own], [i.metadata for i in own])
        )
    columns = [[row[part] for row in rows] for part in range(4)]
    return Hits(*(column[0] for column in columns)) if single else Hits(*columns)


def items(found: list[Item], vectors: list[F32 | None] | None) -> Items:
    keys, documents = [item.key for item in found], [item.document for item in found]
    return Items(keys, documents, [item.metadata for item in found], vectors)


def distinct(ids: I64) -> list[int]:
    known: list[int] = np.unique(ids[ids >= 0]).tolist()
    return known
