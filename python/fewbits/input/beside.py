"""A second embedding of the same objects, read in step with the first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..numeric.arrays import F32
from .packed import warn_if_packed
from .rows import Rows, block_rows

NAME = "rerank_vectors"


class Beside:
    """One row for every row of x, from an array or from blocks of any sizes; each block is read when it is needed."""

    def __init__(self, source: Iterator[Rows], dim: int, *, nonzero: bool) -> None:
        self._blocks = _blocks(source, nonzero)
        self._step = block_rows(dim)
        self._left = np.empty((0, dim), np.float32)
        self._read = 0

    def parts(self, block: F32) -> Iterator[tuple[F32, F32]]:
        """Parts of a block of x, and the rows beside each; the memory of both is bounded as that of a block is."""
        for begin in range(0, len(block), self._step):
            part = block[begin : begin + self._step]
            yield part, self._take(len(part))

    def check_end(self) -> None:
        """Raises ValueError if there are more rows than x has."""
        if len(self._left) or next(self._blocks, None) is not None:
            raise ValueError(f"{NAME}: expected one for each vector of x ({self._read}), got more")

    def _take(self, n: int) -> F32:
        """The next n rows."""
        pieces: list[F32] = []
        missing = n
        while missing:
            if not len(self._left):
                self._left = self._next(missing)
            piece, self._left = self._left[:missing], self._left[missing:]
            pieces.append(piece if len(piece) == n else piece.copy())  # a source may reuse one buffer for all blocks
            missing -= len(piece)
            self._read += len(piece)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _next(self, missing: int) -> F32:
        block = next(self._blocks, None)
        if block is None:
            raise ValueError(f"{NAME}: expected one for each vector of x, got {self._read}, {missing} or more too few")
        return block


def _blocks(source: Iterator[Rows], nonzero: bool) -> Iterator[F32]:
    for rows in source:
        warn_if_packed(rows.array, NAME, stacklevel=5)
        for block in rows.blocks(nonzero=nonzero):
            if len(block):
                yield block
