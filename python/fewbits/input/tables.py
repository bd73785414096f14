"""Columns of vectors as table libraries hold them: pyarrow, polars, pandas, Hugging Face datasets, and others that
offer the Arrow interface (results of DuckDB).

Lists of one length become a matrix, without a copy where their numbers lie in one piece. pyarrow is imported only if a
column of it, or of another library by way of Arrow, is given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def from_table(x: Any, name: str) -> Any:
    """The vectors of a column as an array; x itself, if it is no column of lists."""
    library = type(x).__module__.partition(".")[0]
    if library == "pandas":
        return _stacked(_only_lists(x, name), name)
    if is_dataset(x):
        return _from_arrow(x.with_format("arrow")[:], name)
    if hasattr(x, "__arrow_c_array__") or hasattr(x, "__arrow_c_stream__"):
        return _from_arrow(x, name)
    return x


def is_dataset(x: Any) -> bool:
    """Whether x is a `Dataset` of Hugging Face, whose rows have numbers (an `IterableDataset` has not)."""
    return type(x).__module__.partition(".")[0] == "datasets" and hasattr(x, "with_format") and hasattr(x, "__len__")


def _only_lists(x: Any, name: str) -> Any:
    """The column of lists of a pandas table, if it has one; x itself otherwise."""
    if getattr(x, "ndim", 0) != 2 or not len(x):
        return x
    lists = [place for place in range(x.shape[1]) if _is_list_of_numbers(x.iat[0, place])]
    if len(lists) > 1:
        names = [x.columns[place] for place in lists]
        raise ValueError(f"{name}: expected one column of lists, got {names}: pass table[NAME]")
    return x.iloc[:, lists[0]] if lists else x


def _is_list_of_numbers(value: Any) -> bool:
    return not isinstance(value, str) and np.ndim(value) == 1


def _stacked(x: Any, name: str) -> Any:
    """A pandas column of arrays or lists, as a matrix."""
    if getattr(x, "ndim", 0) != 1 or not len(x):
        return x
    values = x.to_numpy()
    if values.dtype != object or not _is_list_of_numbers(values[0]):
        return x
    width = len(values[0])
    for row, value in enumerate(values):
        if np.ndim(value) != 1 or len(value) != width:
            raise ValueError(
                f"{name}: expected {width} numbers in every row, as in the first, got {value!r} in row {row}"
            )
    return np.stack([np.asarray(value) for value in values])


def _from_arrow(x: Any, name: str) -> Any:
    import pyarrow
    import pyarrow.compute as compute

    if hasattr(x, "__arrow_c_stream__"):
        given = pyarrow.chunked_array(x)
        chunks = given.chunks
    else:
        given = pyarrow.array(x)
        chunks = [given]
    kind = given.type
    if pyarrow.types.is_struct(kind):
        lists = {field.name: field.type for field in kind if _is_list(field.type)}
        if not lists:
            return x
        if len(lists) > 1:
            raise ValueError(f"{name}: expected one column of lists, got {list(lists)}: pass table[NAME]")
        [(column, kind)] = lists.items()
        chunks = [compute.struct_field(chunk, column) for chunk in chunks]
    elif not _is_list(kind):
        return x
    matrices = [arrow_matrix(chunk, name) for chunk in chunks if len(chunk)]
    if not matrices:
        return np.zeros((0, getattr(getattr(kind, "storage_type", kind), "list_size", 0)), np.float32)
    widths = {matrix.shape[1] for matrix in matrices}
    if len(widths) > 1:
        raise ValueError(f"{name}: expected lists of one length, got lengths {sorted(widths)}")
    return matrices[0] if len(matrices) == 1 else np.concatenate(matrices)


def _is_list(kind: Any) -> bool:
    import pyarrow

    kind = getattr(kind, "storage_type", kind)
    types = pyarrow.types
    return bool(types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind))


def arrow_matrix(array: Any, name: str) -> NDArray[Any]:
    """An Arrow array of lists as a matrix: a view, if nothing is missing."""
    import pyarrow
    import pyarrow.compute as compute

    array = array.storage if hasattr(array, "storage") else array
    if array.null_count:
        row = compute.index(array.is_null(), True).as_py()
        raise ValueError(f"{name}: expected a vector in every row, got none in row {row}")
    if pyarrow.types.is_fixed_size_list(array.type):
        width = array.type.list_size
    else:
        lengths = compute.list_value_length(array).to_numpy(zero_copy_only=False)
        width = int(lengths[0])
        if (lengths != width).any():
            row = int(np.argmax(lengths != width))
            raise ValueError(
                f"{name}: expected lists of {width} numbers, as the first, got {lengths[row]} in row {row}"
            )
    numbers = array.flatten()
    if numbers.null_count:
        row = compute.index(numbers.is_null(), True).as_py() // width
        raise ValueError(f"{name}: expected numbers, got a missing one in row {row}")
    flat: NDArray[Any] = numbers.to_numpy(zero_copy_only=False)
    return flat.reshape(len(array), width)
