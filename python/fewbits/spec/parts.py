"""What all parts of an index have in common: a frozen description that is fitted to a sample, giving named params and
arrays.

`Model` collects them under "transform.", "partition.", "codec." and "rerank."; this is all that the core needs, and all
that a file holds. The core validates every value again.
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
    """A progress hook that does nothing."""


@dataclass(frozen=True)
class Fitting:
    """The settings of a fit.

    metric : "l2" or "ip"; for cosine, rows are normalised first.
    residual : whether the codec codes differences from the centroids of lists.
    paired : whether queries have a separate map.
    directed : whether the direction of the mean is left out of the codes, and stored as a factor.
    """

    metric: str
    seed: int = 0
    threads: int = 0
    residual: bool = False
    progress: Callable[[float], None] = nothing
    paired: bool = False
    directed: bool = False

    def reporting(self, progress: Callable[[float], None]) -> Fitting:
        return replace(self, progress=progress)


class Note(NamedTuple):
    """A finding of a fit, in words. doubtful: whether to warn the user."""

    text: str
    doubtful: bool = False


class Fitted(NamedTuple):
    """Params and arrays of one part, without its prefix."""

    params: Params
    arrays: Arrays
    notes: tuple[Note, ...] = ()


class Need(NamedTuple):
    """The smallest sample that suffices for a fit (one vector per codeword, say), and what needs it, in words."""

    vectors: int = 0
    what: str = ""


@dataclass
class Model:
    params: Params = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @classmethod
    def without_parts(cls, dim: int, metric: str) -> Model:
        """A model to put parts into; partition and rerank store are optional."""
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
