"""Files of named arrays: .npy and .npz of numpy, and safetensors, whose arrays are mapped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..file.places import shown

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "U8": "u1", "I8": "i1"}
_LONGEST_HEADER = 100_000_000  # safetensors' own limit


def npy(path: Path, column: str | None) -> NDArray[Any]:
    """A read-only map of an array."""
    if column is not None:
        raise ValueError(f"column: {shown(path)} holds one array without a name, got column={column!r}")
    try:
        x: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{shown(path)}: a .npy file of numbers expected ({error}); for an array of arrays: "
            'np.save("x.npy", np.stack(column).astype(np.float32))'
        ) from error
    return x


def npz(path: Path, column: str | None) -> NDArray[Any]:
    """An array of an archive."""
    with np.load(path, allow_pickle=False) as archive:
        x: NDArray[Any] = archive[chosen(archive.files, column, path)]
        return x


def safetensors(path: Path, column: str | None) -> NDArray[Any]:
    """A read-only map of a tensor."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size - 8, _LONGEST_HEADER):
            raise ValueError(f"{shown(path)}: expected a header of safetensors, got one of {length} bytes")
        try:
            header = json.loads(file.read(length))
            names = [name for name in header if name != "__metadata__"]
            tensor = header[chosen(names, column, path)]
            dtype, shape = tensor["dtype"], tuple(map(int, tensor["shape"]))
            begin, end = map(int, tensor["data_offsets"])
        except (LookupError, TypeError, RecursionError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{shown(path)}: expected a header of safetensors ({error})") from None
    if dtype not in _DTYPES:
        raise ValueError(f"{shown(path)}: expected numbers of {', '.join(_DTYPES)}, got {dtype}")
    wanted = int(np.prod(shape, dtype=object)) * np.dtype(_DTYPES[dtype]).itemsize
    if min(shape, default=0) < 1 or begin < 0 or end - begin != wanted or 8 + length + end > size:
        raise ValueError(f"{shown(path)}: expected {wanted} bytes for a tensor of shape {shape}, got {begin}..{end}")
    return np.memmap(path, _DTYPES[dtype], "r", offset=8 + length + begin, shape=shape)


def chosen(names: Sequence[str], column: str | None, path: Path) -> str:
    """The array to read: the one that is asked for, or the only one."""
    if column is None and len(names) == 1:
        return names[0]
    if column is None or column not in names:
        wanted = "a column" if column is None else f"another column than {column!r}"
        raise ValueError(f"column: {shown(path)}: expected {wanted}, one of {', '.join(map(repr, names)) or 'none'}")
    return column
