"""fb.Float: vectors as floats."""

from __future__ import annotations

from dataclasses import dataclass

from ..input.checks import boolean, one_of
from ..kinds import CODECS
from ..numeric.arrays import F32
from .codec import Codec, check_dim, dim_field
from .parts import Fitted, Fitting


@dataclass(frozen=True)
class Float(Codec):
    """Vectors in float32, or rounded to half precision.

    Parameters
    ----------
    bits : {32, 16}
        16: half precision, whose largest value is 65,504.
    on_disk : bool
        As a rerank store, or for the tokens of a `MultiVectorIndex`: keep the codes in a file.
    dim : int, optional
        As a rerank store of another embedding of the same objects: its dimensions. None: those of the vectors.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="l2", codec=fb.Float(16)).build(x)
    """

    bits: int = 32
    on_disk: bool = False
    dim: int | None = dim_field()
    kind = CODECS["float"]

    def __post_init__(self) -> None:
        one_of(self.bits, "Float: bits", (32, 16))
        boolean(self.on_disk, "Float: on_disk")
        check_dim(self)

    @property
    def lossless(self) -> bool:
        return self.bits == 32

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        return dim * self.bits // 8

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        return Fitted({"kind": self.kind.number, "bits": self.bits}, {})

    def describe(self) -> str:
        return f"float{self.bits}"
