"""The vectors from which an index was made, as held by the user: rows of `x`, and the id of each.

All functions that take x together with an index read it through this module, so that rows that do not match the vectors
of their ids are rejected before they are used for training or measurements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..index.index import Index
from ..index.turns import state_of
from ..input.ids import check_unique, vector_ids
from ..input.rows import Rows
from ..numeric.arrays import F32, I64
from .exact import numbered
from .misfits import F64, check_fits

_COMPARED = 1000  # number of rows compared with the stored vectors
_MISFITS = 0.05  # share of these; 16 codewords for vectors of very unequal lengths reach 0.015
_SCALES = (0.25, 4.0)  # of x relative to the stored vectors; codes of one bit have 0.64


class Originals:
    """x (n, dim) and the ids of its rows. There is a row for every vector of the index; other rows are ignored.

    ranking: whether x are the vectors that rank results: those of the other embedding, if the index has two.
    """

    def __init__(self, index: Index, x: Any, x_ids: ArrayLike | None = None, *, ranking: bool = False) -> None:
        self.index = index
        description = state_of(index).description
        self._other = ranking and description.two_embeddings
        self.rows = Rows(x, description.rerank_dim if ranking else description.dim)
        self.ids = row_ids(x_ids, len(self.rows))
        self._order = None if x_ids is None else np.argsort(self.ids, kind="stable")
        engine = state_of(index).trained("x")
        held = engine.contains(self.ids) if len(self.ids) else np.zeros(0, np.bool_)
        if int(held.sum()) < len(index):
            raise ValueError(_missing(engine, self.ids, x_ids is not None))
        self.held: I64 | None = None if held.all() else np.flatnonzero(held)

    def row_of(self, ids: I64) -> I64:
        """Row numbers of ids that are in the index."""
        if self._order is None:
            rows, known = ids, ids < len(self.rows)
        else:
            at = np.minimum(np.searchsorted(self.ids, ids, sorter=self._order), len(self.ids) - 1)
            rows = self._order[at]
            known = self.ids[rows] == ids
        if not known.all():
            raise ValueError(f"x: expected a row for each vector of the index, got none for id {ids[~known].flat[0]}")
        return np.asarray(rows, np.int64)

    def take(self, rows: I64) -> F32:
        """These rows as float32, not normalised."""
        return self.rows.take(rows, nonzero=self.index.metric == "cosine")

    def normalised(self, rows: I64) -> F32:
        """The same, normalised if the metric is cosine."""
        return _core.normalize_rows(self.take(rows)) if self.index.metric == "cosine" else self.take(rows)

    def blocks(self) -> Iterator[tuple[F32, I64]]:
        """Vectors of the index block by block, and the row number of each."""
        for block, numbers in numbered(self.rows.blocks(nonzero=self.index.metric == "cosine")):
            if self.held is None:
                yield block, numbers
            else:
                kept = self.held[slice(*np.searchsorted(self.held, [numbers[0], numbers[-1] + 1]))]
                yield np.ascontiguousarray(block[kept - numbers[0]]), kept

    def check(self) -> Originals:
        """Raises ValueError if a sample of rows does not fit the vectors that the index stores under their ids."""
        numbers = np.arange(len(self.rows)) if self.held is None else self.held
        random = np.random.default_rng(0)
        picked = np.sort(random.choice(numbers, min(len(numbers), _COMPARED), replace=False))
        stored, own = (
            self.index.reconstruct(self.ids[picked], rerank_vectors=self._other).astype(np.float64),
            self.normalised(picked).astype(np.float64),
        )
        centre = own.mean(axis=0)  # far from the origin, it would dominate all fits
        stored, own = stored - centre, own - centre
        check_fits(
            _fits(own, stored),
            _MISFITS,
            lambda row: (
                f"x: row {picked[row]} is not the vector of id {self.ids[picked[row]]}; expected the vectors that were "
                "added, with the id of each row in x_ids (None: row numbers)"
            ),
        )
        self._check_scale(own, stored - stored.mean(axis=0))
        return self

    def _check_scale(self, own: F64, stored: F64) -> None:
        energy = float(np.square(stored).sum())
        scale = float((own * stored).sum()) / energy if energy else 1.0
        if self.index.metric != "cosine" and not _SCALES[0] < scale < _SCALES[1]:
            raise ValueError(
                f"x: expected the vectors that were added, got vectors {scale:.3g} times as long as those that the "
                "index stores"
            )


def row_ids(x_ids: ArrayLike | None, n: int) -> I64:
    """The ids of n rows: the row numbers, or x_ids, which must be unique."""
    if x_ids is None:
        return np.arange(n)
    try:
        ids = vector_ids(x_ids, n)
        check_unique(ids)
    except (TypeError, ValueError) as error:
        raise type(error)(f"x_{error}") from None
    return ids


def _fits(own: F64, stored: F64) -> list[F64]:
    """Fits by distance (without terms that are constant within a row) and by direction: if vectors have very unequal
    lengths, codes made for inner products preserve only one of the two."""
    products, squares = own @ stored.T, np.square(stored).sum(axis=1)
    return [2 * products - squares, products / np.sqrt(np.maximum(squares, np.finfo(np.float64).tiny))]


def _missing(engine: _core.Engine, ids: I64, given: bool) -> str:
    own = engine.codes()[0]
    missing = np.setdiff1d(own, ids)
    first = f"{missing[0] if len(missing) else '?'}{f' and {len(missing) - 1:,} more' if len(missing) > 1 else ''}"
    rule = "none in x_ids" if given else "row numbers are the ids unless x_ids is given"
    return (
        f"x: expected a row for each of the {len(own):,} vectors of the index, got {len(ids):,} rows and none for id "
        f"{first} ({rule})"
    )
