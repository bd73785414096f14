"""Opens the engine in a file, for either kind of index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _core
from .places import Path, buffer, encoded

if TYPE_CHECKING:
    from typing_extensions import Buffer


def open_engine(path: Path, mmap: bool, verify: bool) -> _core.Engine:
    """The engine in a file, for either kind of index."""
    return _core.Engine.open(encoded(path), mapped=mmap, verify_all=verify)


def engine_of_bytes(file: Buffer) -> _core.Engine:
    """The engine in the contents of a file; every byte is checked."""
    return _core.Engine.from_bytes(buffer(file))


def check_flags(mmap: bool, verify: bool) -> None:
    for value, argument in ((mmap, "mmap"), (verify, "verify")):
        if not isinstance(value, bool):
            raise TypeError(f"{argument}: expected True or False, got {value!r}")


def is_multivector(params: dict[str, int]) -> bool:
    """Whether an engine or a file with these params holds the tokens of documents."""
    return "tokens.dim" in params


def is_sparse(path: Path, file: memoryview | None) -> bool:
    """Whether a file, at a path or in memory, is of a sparse index."""
    params = _core.params_of(file) if file is not None else _core.inspect(encoded(path))["params"]
    return "sparse.kind" in params
