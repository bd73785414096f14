"""A matrix of vectors, converted and checked block by block.

The core receives C-contiguous float32 blocks of finite rows, short enough for scores to be finite as well. Conversion
is done block by block, so that a memmap of any size needs only one block of memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..numeric.arrays import F32, I64
from .vectors import as_vectors

BLOCK_FLOATS = 1 << 22  # 16 MiB of float32 per block
BLOCK_ROWS = 1 << 14  # as many as the slowest codec encodes in about a second: Ctrl-C is handled between blocks
LONGEST = 2.0**62  # squared differences (2^126) and doubled products of two rows of this length fit in float32
_MIN_SCALE = 1e-15  # products of smaller values nearly vanish in float32
_SHOWN_ROWS = 5


class Rows:
    """A matrix of vectors as held by the user (array, memmap, list of rows, tensor); converted block by block."""

    def __init__(
        self,
        x: object,
        dim: int,
        name: str = "x",
        first_row: int = 0,
        *,
        numbers: I64 | None = None,
        longest: float = LONGEST,
    ) -> None:
        self.name = name
        self.first_row = first_row  # its number in the whole input, for messages
        self.numbers = numbers  # of the rows in the whole input, if they are not consecutive
        self.longest = longest  # the largest length of a row that is not normalised
        self.ids: I64 | None = None  # that came with the rows
        self.array = as_vectors(x, name)
        if self.array.ndim != 2 or self.array.shape[1] != dim:
            raise ValueError(f"{name}: expected shape (n, {dim}), got {self.array.shape}")

    def __len__(self) -> int:
        return int(self.array.shape[0])

    def blocks(self, *, nonzero: bool) -> Iterator[F32]:
        """float32 blocks in order, with checked rows: finite, and not too long or, with nonzero=True (for rows that
        will be normalised), not zero."""
        step = block_rows(self.array.shape[1])
        for begin in range(0, len(self), step):
            yield self._floats(self.array[begin : begin + step], nonzero, begin)

    def numbered_blocks(self, *, nonzero: bool) -> Iterator[tuple[I64 | None, F32]]:
        """The same with the ids of the rows, if they have some."""
        done = 0
        for block in self.blocks(nonzero=nonzero):
            yield None if self.ids is None else self.ids[done : done + len(block)], block
            done += len(block)

    def sample(self, size: int, seed: int, *, nonzero: bool) -> F32:
        """Up to `size` rows drawn by the seed without repetition, in ascending order (memmaps are read forward)."""
        n = len(self)
        if size >= n:
            picked = np.arange(n)
        else:
            picked = np.sort(np.random.default_rng(seed).choice(n, size, replace=False, shuffle=False))
        return self.take(picked, nonzero=nonzero)

    def take(self, rows: I64, *, nonzero: bool) -> F32:
        """The rows with these numbers."""
        out = np.empty((len(rows), self.array.shape[1]), np.float32)
        step = block_rows(self.array.shape[1])
        for begin in range(0, len(rows), step):
            part = rows[begin : begin + step]
            out[begin : begin + step] = self._floats(self.array[part], nonzero, part)
        return out

    def all(self, *, nonzero: bool) -> F32:
        """All rows in one matrix; x itself if it is float32 already."""
        return self._floats(self.array, nonzero, 0)

    def _floats(self, block: NDArray[Any], nonzero: bool, rows: int | NDArray[np.int64]) -> F32:
        if block.dtype.char == "f":
            floats = np.ascontiguousarray(block, dtype=np.float32)
        else:
            with np.errstate(all="ignore"):  # values beyond float32 become infinite or zero, reported below
                floats = np.ascontiguousarray(block, dtype=np.float32)
        wide = block.dtype.itemsize > 4
        longest = math.inf if nonzero else self.longest
        if _core.first_bad_row(floats, nonzero=nonzero or wide, longest=longest) >= 0:
            self._explain(block, floats, nonzero, rows)
        return floats

    def _explain(self, block: NDArray[Any], floats: F32, nonzero: bool, rows: int | NDArray[np.int64]) -> None:
        """Raises ValueError with the fault of a block, if it has one."""
        infinite: NDArray[np.bool_] = np.logical_not(np.isfinite(floats).all(axis=1))
        if infinite.any():
            finite = block.dtype.itemsize > 4 and bool(np.isfinite(block[infinite]).all())
            what = "beyond the range of float32" if finite else "not finite (NaN or infinity)"
            raise ValueError(
                f"{self.name}: expected finite float32 values, got values {what} in {self._rows(infinite, rows)}"
            )
        zero: NDArray[np.bool_] = np.logical_not(floats.any(axis=1))
        vanished = zero & block.any(axis=1)
        if vanished.any():
            raise ValueError(
                f"{self.name}: expected values in the range of float32, got only smaller ones in "
                f"{self._rows(vanished, rows)}"
            )
        if nonzero and zero.any():
            raise ValueError(
                f"{self.name}: a zero vector has no direction under metric 'cosine': {self._rows(zero, rows)}"
            )
        long = np.sqrt(np.einsum("ij,ij->i", floats, floats, dtype=np.float64)) > self.longest
        if not nonzero and long.any():
            raise ValueError(
                f"{self.name}: expected vectors of length {self.longest:.2g} or less, as scores of longer ones "
                f"overflow float32 (divide all by a constant), got longer ones in {self._rows(long, rows)}"
            )

    def _rows(self, wrong: NDArray[np.bool_], rows: int | NDArray[np.int64]) -> str:
        numbers = np.flatnonzero(wrong)
        numbers = (rows + numbers if isinstance(rows, int) else rows[numbers]) + self.first_row
        numbers = numbers if self.numbers is None else self.numbers[numbers]
        shown = ", ".join(str(number) for number in numbers[:_SHOWN_ROWS])
        more = f" and {len(numbers) - _SHOWN_ROWS} more near them" if len(numbers) > _SHOWN_ROWS else ""
        return f"row{'s' if len(numbers) > 1 else ''} {shown}{more}"


def rows_are_good(floats: F32, nonzero: bool) -> bool:
    """Whether rows are finite, and not too long or, with nonzero=True, not zero."""
    return _core.first_bad_row(floats, nonzero, math.inf if nonzero else LONGEST) < 0


def block_rows(dim: int) -> int:
    return max(1, min(BLOCK_ROWS, BLOCK_FLOATS // dim))


def in_place(x: F32, change: Callable[[F32], F32]) -> None:
    """Replaces x by change(x), block by block; `change` must treat each row independently."""
    step = block_rows(x.shape[1])
    for begin in range(0, len(x), step):
        x[begin : begin + step] = change(x[begin : begin + step])


def check_scale(x: F32, name: str) -> None:
    """Rejects the first vectors of an index if all are so small that their products vanish in float32."""
    largest = max(float(x.max()), -float(x.min())) if x.size else 0.0
    if 0 < largest < _MIN_SCALE:
        raise ValueError(
            f"{name}: expected values of 1e-15 or more, as products of smaller ones vanish in float32, got "
            f"{largest:.3g} at most: multiply all vectors and queries by a constant"
        )
