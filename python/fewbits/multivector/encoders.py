"""Encoders of sets: one vector per set of tokens, such that inner products approximate Chamfer similarity.

A file holds the settings and arrays of an encoder under a prefix that says which encoder it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..input.progress import Progress
from ..input.sets import Sets, SetsInput
from ..numeric.arrays import F32
from .fde import FDE
from .lemur import LEMUR

if TYPE_CHECKING:
    from .. import _core
    from .._core import _Arrays as Arrays

ENCODERS: dict[str, Any] = {"fde": FDE, "lemur": LEMUR}  # by the prefix of their params


class Encoder(Protocol):
    @property
    def scale(self) -> float: ...  # inner products of encodings are estimates of Chamfer similarity times this
    @property
    def params(self) -> dict[str, int]: ...  # the settings as a file holds them
    def arrays(self) -> Arrays: ...  # what it was trained to
    def dims_of(self, dim: int) -> int: ...  # of encodings of tokens of `dim` dimensions. Raises ValueError if none
    def fitted(
        self, documents: SetsInput, queries: SetsInput | None, dim: int, threads: int, progress: Progress
    ) -> Encoder: ...  # ready to encode
    # (n, dims), and (n,) what products with all documents lack to be estimates of similarity; None: nothing.
    def of_queries(self, sets: Sets, threads: int) -> tuple[F32, F32 | None]: ...
    def of_documents(self, sets: Sets, threads: int) -> F32: ...  # (n, dims)
    def describe(self) -> str: ...


def is_encoder(value: object) -> bool:
    return isinstance(value, tuple(ENCODERS.values()))


def stored(encoder: Encoder) -> tuple[dict[str, int], Arrays]:
    """The params and arrays to store in a file."""
    prefix = next(name for name, kind in ENCODERS.items() if isinstance(encoder, kind))
    params = {f"{prefix}.{name}": value for name, value in encoder.params.items()}
    return params, {f"{prefix}.{name}": array for name, array in encoder.arrays().items()}


def restored(engine: _core.Engine) -> Encoder:
    """The encoder of a file. Raises CorruptIndexError, KeyError, IndexError, TypeError or ValueError if not valid."""
    for prefix, kind in ENCODERS.items():
        own = {name[len(prefix) + 1 :]: n for name, n in engine.params.items() if name.startswith(f"{prefix}.")}
        if own:
            encoder: Encoder = kind.restored(own, engine)
            return encoder
    raise KeyError("no encoder")
