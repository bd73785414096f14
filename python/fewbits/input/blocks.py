"""Vectors that are passed as an iterable of blocks, of pairs (ids, block), or of single rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import I64
from .ids import vector_ids
from .rows import Rows, block_rows
from .tables import from_table, is_dataset
from .vectors import as_vectors, dimensions, is_row


def is_blocks(x: object) -> bool:
    """Whether x is an iterable of blocks rather than one array (or one list of rows)."""
    if hasattr(x, "__array__") or hasattr(x, "__dlpack__") or _is_table(x) or not isinstance(x, Iterable):
        return False
    if isinstance(x, list | tuple):
        return bool(x) and all(getattr(block, "ndim", 0) == 2 or is_numbered(block) for block in x)
    return not (isinstance(x, str | Mapping) or hasattr(x, "toarray") or _is_buffer(x))


def is_numbered(item: object) -> bool:
    """Whether an item of an iterable is a block with its ids: (ids, block)."""
    if not isinstance(item, tuple) or len(item) != 2 or not is_row(item[0]):
        return False
    return _is_table(item[1]) or dimensions(item[1]) == 2


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


def all_rows(x: object, dim: int, name: str = "x", *, numbered: bool = False) -> Iterator[Rows]:
    """x as Rows: one for an array, or one per block of an iterable. numbered: whether blocks may have ids."""
    if not is_blocks(x):
        yield Rows(x, dim, name)
        return
    seen, first = 0, False
    for label, ids, block in _blocks(x, dim, name):
        rows = Rows(block, dim, label, seen)
        if ids is not None:
            rows.ids = _ids_of(ids, len(rows), label, numbered)
        first = ids is not None if not seen else first
        if first != (ids is not None):
            raise ValueError(f"{label}: expected ids with every block or with none, got {_kind(not first)}")
        seen += len(rows)
        yield rows


def _ids_of(ids: object, n: int, label: str, numbered: bool) -> I64:
    if not numbered:
        raise ValueError(f"{label}: expected a block of vectors, got one with ids")
    try:
        return vector_ids(ids, n)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{label}: {error}") from None


def _kind(numbered: bool) -> str:
    return "one with ids" if numbered else "one without ids"


def _blocks(x: Any, dim: int, name: str) -> Iterator[tuple[str, Any, Any]]:
    """The blocks of an iterable with their names for messages, and their ids or None; single rows are stacked."""
    stack: list[NDArray[Any]] = []
    for number, given in enumerate(x):
        ids, given = given if is_numbered(given) else (None, given)
        block = from_table(given, f"{name}: block {number}")
        single = is_row(block)
        if stack and (not single or len(stack) == block_rows(dim)):
            yield name, None, np.stack(stack)
            stack.clear()
        if not single:
            yield f"{name}: block {number}", ids, block
            continue
        row = as_vectors(block, f"{name}: row {number}")
        if row.shape != (dim,):
            raise ValueError(f"{name}: row {number}: expected shape ({dim},), got {row.shape}")
        stack.append(row.copy())  # the iterable may reuse one buffer for all rows
    if stack:
        yield name, None, np.stack(stack)
