"""fb.RaBitQ: the nearest direction on a grid, after a random rotation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..input.checks import boolean, whole_number
from ..kinds import CODECS
from ..numeric.arrays import F32, f32_array
from ..numeric.moments import mean
from .codec import FACTOR_BYTES, OWN_STAGE_FACTOR, Codec
from .parts import Fitted, Fitting


@dataclass(frozen=True)
class RaBitQ(Codec):
    """The nearest direction on a grid of 1 to 8 bits per dimension, and unbiased estimates of scores.

    Training is optional and fits only a mean. If no transform is given, the index uses a random rotation, which the
    estimates rely on: it spreads vectors evenly over the dimensions, so that one grid suits all dimensions and errors
    are random.

    Parameters
    ----------
    bits : int
        Bits per dimension, 1..8.
    residual : bool, optional
        Code the difference from the list's centroid. None: if there is an `IVF`.
    staged : bool, optional
        A search first scans one bit per dimension, and reads the others only for vectors that may still be among the
        best (within 2.85 standard deviations). Worthwhile on processors without AVX-512 from 256 dimensions, for
        queries that scan many codes. Takes 4 more bytes per vector. None: whole codes in one pass.
    on_disk : bool
        For the tokens of a `MultiVectorIndex`: keep the codes in a file. (RaBitQ cannot be a rerank store, as
        vectors there are not rotated.)

    References
    ----------
    Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound", 2024. Gao et al.,
    "Practical and Asymptotically Optimal Quantization of High-Dimensional Vectors", 2024.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="cosine", codec=fb.RaBitQ(bits=2)).build(x)
    """

    bits: int = 4
    residual: bool | None = None
    staged: bool | None = None
    on_disk: bool = False
    kind = CODECS["rabitq"]
    corrected: ClassVar[bool] = True

    def __post_init__(self) -> None:
        whole_number(self.bits, "RaBitQ: bits", 1, 8)
        boolean(self.on_disk, "RaBitQ: on_disk")
        if self.residual is not None:
            boolean(self.residual, "RaBitQ: residual")
        if self.staged is not None:
            boolean(self.staged, "RaBitQ: staged")

    @property
    def starts_empty(self) -> bool:
        return True

    @property
    def directed(self) -> bool:
        return True

    @property
    def _is_staged(self) -> bool:
        return bool(self.staged) and self.bits > 1

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        if self._is_staged:
            code = (dim + 7) // 8 * self.bits
        else:
            code = dim if self.bits == 8 else ((dim + 3) // 4 * self.bits + 1) // 2
        return code + FACTOR_BYTES * (1 + (metric == "l2" or residual or direction) + self._is_staged)

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        """The mean that codes are relative to; residual codes are relative to the centroids of their lists instead."""
        arrays = {} if fitting.residual else {"mean": f32_array(mean(x))}
        staged = OWN_STAGE_FACTOR if self._is_staged else 0
        return Fitted({"kind": self.kind.number, "bits": self.bits, "staged": staged}, arrays)

    def describe(self) -> str:
        return f"RaBitQ, {self.bits} {'bit' if self.bits == 1 else 'bits'} per dimension"
