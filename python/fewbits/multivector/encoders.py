"""Encoders of sets: one vector per set of tokens, such that inner products find what Chamfer similarity ranks.

A file holds the settings of an encoder under a prefix that says which encoder it is.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..input.sets import Sets
from ..numeric.arrays import F32
from .fde import FDE

ENCODERS: dict[str, Any] = {"fde": FDE}  # by the prefix of their params


class Encoder(Protocol):
    @property
    def dim(self) -> int: ...  # of tokens
    @property
    def dims(self) -> int: ...  # of encodings
    @property
    def scale(self) -> float: ...  # inner products of encodings are estimates of Chamfer similarity times this
    @property
    def params(self) -> dict[str, int]: ...  # the settings as a file holds them; `of` is the inverse
    def of_queries(self, sets: Sets, threads: int) -> F32: ...  # (n, dims)
    def of_documents(self, sets: Sets, threads: int) -> F32: ...
    def describe(self) -> str: ...


def is_encoder(value: object) -> bool:
    return isinstance(value, tuple(ENCODERS.values()))


def stored(encoder: Encoder) -> dict[str, int]:
    """The params of a file."""
    prefix = next(name for name, kind in ENCODERS.items() if isinstance(encoder, kind))
    return {f"{prefix}.{name}": value for name, value in encoder.params.items()}


def restored(params: dict[str, int]) -> Encoder:
    """From the params of a file. Raises KeyError, IndexError or ValueError where they are none."""
    for prefix, kind in ENCODERS.items():
        own = {name[len(prefix) + 1 :]: value for name, value in params.items() if name.startswith(f"{prefix}.")}
        if own:
            encoder: Encoder = kind.of(own)
            return encoder
    raise KeyError("no encoder")
