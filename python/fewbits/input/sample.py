"""Training samples: drawn from an array, or the head of an iterable that can be read only once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain

import numpy as np

from ..numeric.arrays import F32, I64
from .blocks import all_rows, is_blocks
from .packed import warn_if_packed
from .rows import Rows, check_scale


class Sample:
    """Training vectors that are handed over to the caller, who may change them in place and should free them early."""

    def __init__(self, rows: F32) -> None:
        self._rows: F32 | None = rows
        self._n = len(rows)

    def __len__(self) -> int:
        return self._n

    def take(self) -> F32:
        """The rows, once."""
        rows, self._rows = self._rows, None
        assert rows is not None
        return rows


def split_sample(
    x: object, dim: int, size: int, seed: int, *, nonzero: bool, numbered: bool = False, name: str = "x"
) -> tuple[Sample, Iterator[Rows], int | None]:
    """A training sample of x, all of x for adding, and the number of rows if it is known.

    An array is sampled at random. For an iterable, which may be readable only once, the sample is the first `size`
    rows. numbered: whether its blocks may have ids. name: of x, for messages.
    """
    sample, source, known = _split(x, dim, size, seed, nonzero, numbered, name)
    if not nonzero:
        check_scale(sample, name)
    return Sample(sample), source, known


def _split(
    x: object, dim: int, size: int, seed: int, nonzero: bool, numbered: bool, name: str
) -> tuple[F32, Iterator[Rows], int | None]:
    if not is_blocks(x):
        rows = Rows(x, dim, name)
        return rows.sample(size, seed, nonzero=nonzero), iter([rows]), len(rows)
    source = all_rows(x, dim, name, numbered=numbered)
    head: deque[tuple[I64 | None, F32]] = deque()
    held = 0
    for rows in source:
        if not held:
            warn_if_packed(rows.array, name, stacklevel=3)
        for ids, block in rows.numbered_blocks(nonzero=nonzero):
            head.append((ids, block.copy()))  # a source may reuse one buffer for all blocks
            held += len(block)
        if held >= size:
            break
    sample = np.empty((min(size, held), dim), np.float32)
    filled = 0
    for _, block in head:
        taken = block[: len(sample) - filled]
        sample[filled : filled + len(taken)] = taken
        filled += len(taken)
    rest = next(source, None)
    if rest is None:
        return sample, _given_back(head, dim, name), held
    return sample, chain(_given_back(head, dim, name), [rest], source), None


def _given_back(blocks: deque[tuple[I64 | None, F32]], dim: int, name: str) -> Iterator[Rows]:
    """Rows that were read for the sample; each block is freed once it has been added."""
    first = 0
    while blocks:
        ids, block = blocks.popleft()
        rows = Rows(block, dim, name, first)
        rows.ids = ids
        yield rows
        first += len(block)
