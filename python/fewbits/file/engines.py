"""The engine in the contents of a file, and which kind of index it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _core
from .places import buffer

if TYPE_CHECKING:
    from typing_extensions import Buffer


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


def is_sparse(params: dict[str, int]) -> bool:
    """Whether a file with these params holds a sparse index."""
    return "sparse.kind" in params
