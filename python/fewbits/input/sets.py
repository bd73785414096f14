"""Sets of vectors as users pass them: documents and queries of multi-vector search. Converts ragged to flat arrays.

A set consists of one or more token vectors. Several sets are a list of (t, d) arrays, one (n, t, d) array, or a pair of
all tokens (T, d) and offsets (n + 1,), where set i is tokens[offsets[i]:offsets[i + 1]]. Conversion to float32 is done
by blocks of sets, so that a memmap of tokens needs only one block of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..numeric.arrays import F32, I64
from .rows import BLOCK_FLOATS, LONGEST, Rows


class Sets(NamedTuple):
    """Sets as the core takes them: tokens (T, d), contiguous finite float32; offsets (n + 1,) int64, from 0 to T."""

    tokens: F32
    offsets: I64


class SetsInput:
    """Sets as held by the user. Shapes are checked at once, values block by block."""

    def __init__(self, x: Any, dim: int, name: str) -> None:
        self._dim = dim
        self.name = name
        self._flat: Rows | None = None
        self._list: list[Any] = []
        if _is_pair(x):
            self._flat = Rows(x[0], dim, name)
            self.offsets = _checked_offsets(x[1], len(self._flat), name)
        else:
            self._list = _members(x, name)
            counts = [_count(member, dim, f"{name}: set {i}") for i, member in enumerate(self._list)]
            self.offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        empty = np.flatnonzero(np.diff(self.offsets) == 0)
        if empty.size:
            raise ValueError(f"{name}: expected at least 1 token per set, got none in set {int(empty[0])}")
        self._longest = LONGEST / int(np.diff(self.offsets).max(initial=1))  # scores sum over the tokens of a set

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, first: int, end: int) -> Sets:
        """Sets first .. end - 1."""
        offsets = self.offsets[first : end + 1] - self.offsets[first]
        tokens = np.empty((int(offsets[-1]), self._dim), np.float32)
        if self._flat is not None:
            begin = int(self.offsets[first])
            part = self._flat.array[begin : begin + len(tokens)]
            _fill(tokens, Rows(part, self._dim, f"{self.name}: tokens", begin, longest=self._longest))
        else:
            for i in range(first, end):
                at = slice(int(offsets[i - first]), int(offsets[i - first + 1]))
                _fill(tokens[at], Rows(self._list[i], self._dim, f"{self.name}: set {i}", longest=self._longest))
        return Sets(tokens, offsets)

    def blocks(self, max_sets: int) -> Iterator[Sets]:
        """All sets in order, about 16 MiB of tokens at a time, at least one set and at most `max_sets`."""
        step = max(1, BLOCK_FLOATS // self._dim)
        first = 0
        while first < len(self):
            within = int(np.searchsorted(self.offsets, self.offsets[first] + step, side="right")) - 1
            end = min(max(first + 1, within), first + max_sets)
            yield self.take(first, end)
            first = end

    def sample(self, size: int, seed: int) -> Iterator[Sets]:
        """Up to `size` sets drawn by the seed without repetition, in ascending order, one by one."""
        n = len(self)
        picked = np.arange(n)
        if size < n:
            picked = np.sort(np.random.default_rng(seed).choice(n, size, replace=False, shuffle=False))
        for i in picked:
            yield self.take(int(i), int(i) + 1)


def read_sets(x: Any, dim: int, name: str) -> tuple[Sets, bool]:
    """All of x in memory, and whether x was a single set, as a (t, d) array."""
    single = _is_single(x)
    source = SetsInput([x] if single else x, dim, name)
    return source.take(0, len(source)), single


def token_dim(x: Any, name: str) -> int:
    """The number of dimensions of the first tokens in x."""
    first = x
    if isinstance(x, list | tuple) and len(x):
        first = x[0]
    shape = np.shape(first)
    if len(shape) not in (2, 3) or not shape[-1]:
        raise ValueError(f"{name}: expected sets of shape (t, d) with d > 0, got {tuple(shape)}")
    return int(shape[-1])


def _is_pair(x: Any) -> bool:
    """Whether x is (tokens, offsets) and not two sets."""
    return isinstance(x, tuple) and len(x) == 2 and np.ndim(x[1]) == 1


def _is_single(x: Any) -> bool:
    return not isinstance(x, list | tuple) and getattr(x, "ndim", 0) == 2


def _members(x: Any, name: str) -> list[Any]:
    if isinstance(x, list | tuple):
        return list(x)
    if getattr(x, "ndim", 0) == 3:
        return list(x)
    shape = getattr(x, "shape", None)
    got = type(x).__name__ if shape is None else f"{type(x).__name__} of shape {tuple(shape)}"
    raise TypeError(f"{name}: expected a list of (t, d) arrays, an (n, t, d) array or (tokens, offsets), got {got}")


def _count(member: Any, dim: int, name: str) -> int:
    shape = np.shape(member)
    if len(shape) != 2 or shape[1] != dim:
        raise ValueError(f"{name}: expected shape (t, {dim}), got {tuple(shape)}")
    return int(shape[0])


def _checked_offsets(offsets: Any, tokens: int, name: str) -> I64:
    array = np.asarray(offsets)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected offsets as whole numbers, got dtype {array.dtype}")
    out = np.ascontiguousarray(array, dtype=np.int64)
    if not out.size or out[0] != 0 or out[-1] != tokens or (np.diff(out) < 0).any():
        shown = f"{out[0]}..{out[-1]}" if out.size else "none"
        raise ValueError(f"{name}: expected offsets that ascend from 0 to the number of tokens, {tokens}, got {shown}")
    return out


def _fill(out: F32, rows: Rows) -> None:
    begin = 0
    for block in rows.blocks(nonzero=False):
        out[begin : begin + len(block)] = block
        begin += len(block)
