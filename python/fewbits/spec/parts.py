"""What every part of an index has in common: a frozen description that, shown a sample, yields named params and arrays.

`Model` collects them under "transform.", "partition.", "codec." and "rerank."; that is all the core needs, and what a
file holds. The core checks every value again, so nothing here has to be trusted later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .._core import _Arrays as Arrays
    from .._core import _Params as Params
    from ..input.inputs import F32

FACTOR_BYTES = 4  # of a number that is stored with a code
METRIC_CODES = {"l2": 0, "ip": 1, "cosine": 2}


def nothing(fraction: float) -> None:
    """The progress hook of work that shows none."""


@dataclass(frozen=True)
class Fitting:
    """The circumstances of a fit. metric is "l2" or "ip": rows are normalised before, under cosine. residual: what the
    codec sees are differences from the centroids of lists."""

    metric: str
    seed: int = 0
    threads: int = 0
    residual: bool = False
    progress: Callable[[float], None] = nothing

    def reporting(self, progress: Callable[[float], None]) -> Fitting:
        return replace(self, progress=progress)


class Fitted(NamedTuple):
    """Params and arrays of one part, without its prefix."""

    params: Params
    arrays: Arrays


@dataclass
class Model:
    params: Params = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)

    def put(self, prefix: str, part: Fitted) -> None:
        self.params |= {f"{prefix}.{name}": value for name, value in part.params.items()}
        self.arrays |= {f"{prefix}.{name}": array for name, array in part.arrays.items()}


def one_of(value: object, name: str, allowed: Iterable[object]) -> None:
    allowed = list(allowed)
    if isinstance(value, bool) or value not in allowed:
        raise ValueError(f"{name}: expected {' or '.join(map(repr, allowed))}, got {value!r}")


def boolean(value: object, name: str) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name}: expected True or False, got {value!r}")


def f32_array(x: NDArray[Any]) -> F32:
    return np.ascontiguousarray(x, dtype=np.float32)
