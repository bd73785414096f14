"""The base class of codecs. A codec defines how vectors are stored and how queries score them; most codecs can also be
used as a rerank store (in RAM or on disk)."""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar

from ..input.checks import whole_number
from ..kinds import CodecKind
from ..numeric.arrays import F32
from ..numeric.moments import mean_direction
from .parts import Fitted, Fitting, Need

FACTOR_BYTES = 4  # bytes per number that is stored with a code
MAX_DIM = 65_535
OWN_STAGE_FACTOR = 2  # param "staged": the first stage has its own factor a


class Codec:
    """Base class of the codecs, which are frozen dataclasses. The attributes have the values of most codecs."""

    kind: ClassVar[CodecKind]
    """The row of the core's registry."""
    bits: int | None
    on_disk: bool = False
    dim: int | None = None
    """Dimensions of what it codes, if they are not those of the index's vectors."""
    residual: bool | None = False
    """Whether the difference from the list's centroid is coded; None: if the index has lists."""
    staged: bool | None = False
    corrected: ClassVar[bool] = False
    """Whether residual codes have a factor that corrects the error of their product with the centroid."""

    @property
    def stored_as(self) -> tuple[int, ...]:
        """The kind numbers that it may have in a file."""
        return (self.kind.number,)

    @property
    def other_dim(self) -> int | None:
        """Dimensions of the other embedding that it codes, as a rerank store; None: it codes the index's vectors."""
        return self.dim if self.kind.traits.rerank else None

    @property
    def needs_training(self) -> bool:
        return self.kind.traits.trains

    @property
    def starts_empty(self) -> bool:
        """Whether it can code vectors without a training sample."""
        return not self.needs_training

    @property
    def rotates(self) -> bool:
        """Whether vectors should be rotated at random before they are coded."""
        return self.kind.traits.rotates and not self.has_maps

    @property
    def directed(self) -> bool:
        """Whether codes are more accurate without the direction of the mean, if vectors lie in a cone."""
        return False

    @property
    def has_maps(self) -> bool:
        """Whether the codec has trained maps, so that it cannot have a transform before it."""
        return False

    @property
    def lossless(self) -> bool:
        """Whether it stores vectors unchanged, in float32."""
        return False

    def check(self, name: str, dim: int, metric: str) -> None:
        """Raises ValueError if it cannot code `dim` dimensions for this metric. name: the argument, for messages."""
        if self.kind.traits.cosine_only and metric != "cosine":
            raise ValueError(f"{name}: {type(self).__name__} is for metric 'cosine', got metric {metric!r}")

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        """Bytes per vector of code and factors. direction: whether the direction of the mean is stored as a factor."""
        raise NotImplementedError

    def code_bits(self, dim: int) -> int:
        """Bits per code, without factors."""
        assert self.bits is not None
        return self.bits * dim

    def arranged(self, coded: F32, fitting: Fitting) -> tuple[Codec, F32 | None]:
        """The codec to fit to vectors like these, and the rotation that it needs them in (None: none)."""
        return self, None

    @property
    def turned_to(self) -> str:
        """What `arranged` rotates vectors to, in words; "" if it has no rotation."""
        return ""

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        """Params and arrays, fitted to a sample of the vectors to be coded (of residuals, if the index codes those)."""
        raise NotImplementedError

    def need(self, dim: int) -> Need:
        """The smallest sample of vectors of `dim` dimensions that suffices for the fit."""
        return Need()

    def describe(self) -> str:
        raise NotImplementedError

    @property
    def label(self) -> str:
        """A short name for tables."""
        return f"{type(self).__name__}({self.bits})"


def dim_field() -> Any:
    """The field `dim` of a codec that can store another embedding."""
    return field(default=None, kw_only=True, metadata={"stored_if_set": True})


def check_dim(codec: Codec) -> None:
    if codec.dim is not None:
        number = whole_number(codec.dim, f"{type(codec).__name__}: dim", 1, MAX_DIM)
        object.__setattr__(codec, "dim", number)


def codec_direction(codec: Codec, y: F32) -> F32 | None:
    """The direction that is left out of the codes: that of the mean, if vectors lie in a cone, or None.

    Only if queries and vectors have the same map, as factor b assumes that queries resemble their nearest vectors.
    """
    return mean_direction(y) if codec.directed else None
