"""Vectors that are passed as an iterable of blocks or of single rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rows import Rows, block_rows
from .tables import from_table, is_dataset
from .vectors import as_vectors, is_row


def is_blocks(x: object) -> bool:
    """Whether x is an iterable of blocks rather than one array (or one list of rows)."""
    if hasattr(x, "__array__") or hasattr(x, "__dlpack__") or _is_table(x) or not isinstance(x, Iterable):
        return False
    if isinstance(x, list | tuple):
        return bool(x) and all(getattr(block, "ndim", 0) == 2 for block in x)
    return not (isinstance(x, str | Mapping) or hasattr(x, "toarray") or _is_buffer(x))


def _is_table(x: Any) -> bool:
    """Whether x is a table or column of Arrow, or a data set of such, not a reader."""
    return (
        is_dataset(x) or hasattr(x, "__arrow_c_array__") or (hasattr(x, "__arrow_c_stream__") and hasattr(x, "__len__"))
    )


def _is_buffer(x: Any) -> bool:
    """Whether x supports the buffer protocol, like memoryview and array.array; numpy reads it as an array."""
    try:
        memoryview(x)
    except TypeError:
        return False
    return True


def all_rows(x: object, dim: int, name: str = "x") -> Iterator[Rows]:
    """x as Rows: one for an array, or one per block for an iterable of blocks."""
    if not is_blocks(x):
        yield Rows(x, dim, name)
        return
    seen = 0
    for label, block in _blocks(x, dim, name):
        rows = Rows(block, dim, label, seen)
        seen += len(rows)
        yield rows


def _blocks(x: Any, dim: int, name: str) -> Iterator[tuple[str, Any]]:
    """The blocks of an iterable with their names for messages; single rows are stacked to blocks."""
    stack: list[NDArray[Any]] = []
    for number, given in enumerate(x):
        block = from_table(given, f"{name}: block {number}")
        single = is_row(block)
        if stack and (not single or len(stack) == block_rows(dim)):
            yield name, np.stack(stack)
            stack.clear()
        if not single:
            yield f"{name}: block {number}", block
            continue
        row = as_vectors(block, f"{name}: row {number}")
        if row.shape != (dim,):
            raise ValueError(f"{name}: row {number}: expected shape ({dim},), got {row.shape}")
        stack.append(row.copy())  # the iterable may reuse one buffer for all rows
    if stack:
        yield name, np.stack(stack)
