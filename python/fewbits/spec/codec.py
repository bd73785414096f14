"""What all codecs share. A codec says what a vector is in memory and how a query scores it; most can be a rerank store
(in RAM or on disk) too."""

from __future__ import annotations

from typing import ClassVar

from ..kinds import CodecKind
from ..numeric.arrays import F32
from ..numeric.moments import mean_direction
from .parts import Fitted, Fitting, Need

FACTOR_BYTES = 4  # of a number that is stored with a code
OWN_STAGE_FACTOR = 2  # param "staged": the first stage has a factor a of its own


class Codec:
    """Base of the codecs, which are frozen dataclasses; the attributes are what holds for most of them."""

    kind: ClassVar[CodecKind]
    """The row of the core's registry."""
    bits: int
    on_disk: bool = False
    residual: bool | None = False
    """Whether differences from the list's centroid are coded; None: if there are lists."""
    staged: bool | None = False
    corrected: ClassVar[bool] = False
    """Whether codes of residuals have a factor for the error of their own product with the centroid."""

    @property
    def stored_as(self) -> tuple[int, ...]:
        """The numbers that it may have in a file."""
        return (self.kind.number,)

    @property
    def needs_training(self) -> bool:
        return self.kind.traits.trains

    @property
    def starts_empty(self) -> bool:
        """Whether it codes vectors without having seen a sample."""
        return not self.needs_training

    @property
    def rotates(self) -> bool:
        """Whether the codec wants a space that is rotated at random."""
        return self.kind.traits.rotates and not self.has_maps

    @property
    def directed(self) -> bool:
        """Whether the codec gains from doing without the direction of the mean, where vectors are in a cone."""
        return False

    @property
    def has_maps(self) -> bool:
        """Whether the codec maps vectors by itself, so that it takes no transform."""
        return False

    @property
    def lossless(self) -> bool:
        """Whether it holds vectors as they are, in float32."""
        return False

    def check(self, name: str, dim: int, metric: str) -> None:
        """Raises ValueError where it cannot code `dim` dimensions for this metric. name: the argument, for messages."""
        if self.kind.traits.cosine_only and metric != "cosine":
            raise ValueError(f"{name}: {type(self).__name__} scores cosines, got metric {metric!r}")

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        """The bytes of a code and of the factors stored with it; direction: whether vectors are in a cone."""
        raise NotImplementedError

    def code_bits(self, dim: int) -> int:
        """The bits of a code, without factors."""
        return self.bits * dim

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        """Params and arrays, fitted to a sample of what is to be coded (residuals, if the index codes those)."""
        raise NotImplementedError

    def need(self) -> Need:
        """What a sample has to be large enough for."""
        return Need()

    def describe(self) -> str:
        raise NotImplementedError

    @property
    def label(self) -> str:
        """A short name for tables."""
        return f"{type(self).__name__}({self.bits})"


def codec_direction(codec: Codec, y: F32) -> F32 | None:
    """The direction that the codec does without: that of the mean, if vectors are in a cone about it.

    It serves queries that are mapped as vectors are: factor b counts on a query that is like what it is near to.
    """
    return mean_direction(y) if codec.directed else None
