"""What every part of an index has in common: a frozen description that, shown a sample, yields named params and arrays.

`Model` collects them under "transform.", "partition.", "codec." and "rerank."; that is all the core needs, and what a
file holds. The core checks every value again, so nothing here has to be trusted later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..kinds import METRICS, NONE

if TYPE_CHECKING:
    from .._core import _Arrays as Arrays
    from .._core import _Params as Params


def nothing(fraction: float) -> None:
    """The progress hook of work that shows none."""


@dataclass(frozen=True)
class Fitting:
    """The circumstances of a fit.

    metric : "l2" or "ip"; rows are normalised before, under cosine.
    residual : what the codec sees are differences from the centroids of lists.
    paired : queries have a map of their own.
    """

    metric: str
    seed: int = 0
    threads: int = 0
    residual: bool = False
    progress: Callable[[float], None] = nothing
    paired: bool = False

    def reporting(self, progress: Callable[[float], None]) -> Fitting:
        return replace(self, progress=progress)


class Note(NamedTuple):
    """What a fit found, in words; doubtful: whether the user should be warned of it."""

    text: str
    doubtful: bool = False


class Fitted(NamedTuple):
    """Params and arrays of one part, without its prefix."""

    params: Params
    arrays: Arrays
    notes: tuple[Note, ...] = ()


class Need(NamedTuple):
    """How many vectors a fit needs for each of the things it fits to have one, and what those are, in words."""

    vectors: int = 0
    what: str = ""


@dataclass
class Model:
    params: Params = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @classmethod
    def without_parts(cls, dim: int, metric: str) -> Model:
        """For parts to be put into; lists and rerank store may be left out."""
        absent = {"partition.kind": NONE, "rerank.kind": NONE}
        return cls({"dim": dim, "metric": METRICS[metric], "default.nprobe": 0, "default.rerank": 0, **absent})

    def put(self, prefix: str, part: Fitted) -> None:
        self.params |= {f"{prefix}.{name}": value for name, value in part.params.items()}
        self.arrays |= {f"{prefix}.{name}": array for name, array in part.arrays.items()}
        self.notes += part.notes

    def part(self, prefix: str) -> Fitted:
        """What was put, without notes."""
        return Fitted(_under(prefix, self.params), _under(prefix, self.arrays))


Value = TypeVar("Value")


def _under(prefix: str, whole: dict[str, Value]) -> dict[str, Value]:
    start = f"{prefix}."
    return {name.removeprefix(start): own for name, own in whole.items() if name.startswith(start)}
