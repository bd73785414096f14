"""Codecs of a few bits a dimension that want a random rotation in front: the index gives them one by default.

A rotation spreads a vector evenly over the dimensions, so that one grid suits all of them and errors are random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from ..fit.moments import mean
from ..input.inputs import F32, whole_number
from .parts import FACTOR_BYTES, Fitted, Fitting, boolean, f32_array

OWN_STAGE_FACTOR = 2  # param "staged": the first stage has a factor a of its own


@dataclass(frozen=True)
class RaBitQ:
    """The nearest direction on a grid of 1 to 8 bits a dimension, and unbiased estimates of scores. Nothing to train.

    residual: code the difference from the list's centroid (None: yes, with an IVF). staged: a search reads one bit of
    every dimension first, and the others only of vectors that may still be among the best (by 2.85 standard
    deviations), instead of whole codes in one pass (None: whole codes). It takes a factor more, 4 bytes per vector, and
    pays on processors without AVX-512 from some 256 dimensions on, where a search reads much.
    Without a transform the index rotates at random, which the estimates rely on. on_disk: for tokens of a
    `MultiVectorIndex` (it is no rerank store: those are of vectors that are not rotated).
    (Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound", 2024; Gao et al.,
    "Practical and Asymptotically Optimal Quantization of High-Dimensional Vectors", 2024.)
    """

    bits: int = 4
    residual: bool | None = None
    staged: bool | None = None
    on_disk: bool = False
    rotates: ClassVar[bool] = True
    directed: ClassVar[bool] = True
    corrected: ClassVar[bool] = True

    def __post_init__(self) -> None:
        whole_number(self.bits, "RaBitQ: bits", 1, 8)
        boolean(self.on_disk, "RaBitQ: on_disk")
        if self.residual is not None:
            boolean(self.residual, "RaBitQ: residual")
        if self.staged is not None:
            boolean(self.staged, "RaBitQ: staged")

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
        """The mean, which codes are relative to; those of residuals have their lists' centroids instead."""
        arrays = {} if fitting.residual else {"mean": f32_array(mean(x))}
        return Fitted({"kind": 4, "bits": self.bits, "staged": OWN_STAGE_FACTOR if self._is_staged else 0}, arrays)

    def describe(self) -> str:
        return f"RaBitQ, {self.bits} {'bit' if self.bits == 1 else 'bits'} a dimension"


class Predecessor(NamedTuple):
    """An older encoder of the same codes: the fingerprint of its maps, and how its inputs look in the newer one."""

    fingerprint: str
    forth: F32  # (dim, dim of the older embedding), the linear map of the least error


@dataclass(frozen=True)
class RecurrentBinary:
    """Signs of every dimension, then signs of what those leave, each of half the weight: 1 to 4 bits, for cosine.

    symmetric: queries become codes too, and scores are cosines of codes, from exact integer sums; else a query stays
    as it is and only vectors are codes, which finds more in the same time. Untrained, it codes a space that is rotated
    at random (after PCA, if that is the transform). `fb.train.recurrent_binary` returns one whose maps are trained;
    dim (of its codes), maps and predecessor (the encoder that it is compatible with) are set there.
    (Gan et al., "Binary Embedding-based Retrieval at Tencent", 2023.)

    >>> index = fb.Index(384, metric="cosine", codec=fb.RecurrentBinary(2))
    """

    bits: int = 2
    symmetric: bool = False
    dim: int | None = None
    maps: Mapping[str, F32] | None = field(default=None, repr=False, compare=False, metadata={"stored": False})
    predecessor: Predecessor | None = field(default=None, repr=False, compare=False, metadata={"stored": False})
    on_disk: ClassVar[bool] = False
    corrected: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole_number(self.bits, "RecurrentBinary: bits", 1, 4)
        boolean(self.symmetric, "RecurrentBinary: symmetric")
        if self.dim is not None:
            whole_number(self.dim, "RecurrentBinary: dim", 1, 65_535)

    @property
    def rotates(self) -> bool:
        return self.dim is None

    @property
    def directed(self) -> bool:
        return self.dim is None  # trained maps have seen the mean

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        m = dim if self.dim is None else self.dim
        widths = (1, 2) if self.bits == 3 else (self.bits,)
        half_bytes = sum(-(-m * width // 4) for width in widths)
        return (half_bytes + 1) // 2 + FACTOR_BYTES * (1 + direction)

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        params = {"kind": 5, "bits": self.bits, "symmetric": int(self.symmetric)}
        if self.dim is None:
            return Fitted(params | {"m": x.shape[1]}, {})
        if self.maps is None:
            raise ValueError(
                f"codec: the maps of {self} are where fb.train.recurrent_binary returned it (an opened index has them "
                "in its file only); for untrained codes of fewer dimensions use PCA(dim) and leave dim out"
            )
        if self.maps["base"].shape[-1] != x.shape[1]:
            raise ValueError(
                f"codec: its maps were trained on {self.maps['base'].shape[-1]} dimensions, got {x.shape[1]}"
            )
        hidden = self.maps["base_bias"].shape[-1] if "base_bias" in self.maps else 0
        return Fitted(params | {"m": self.dim, "hidden": hidden}, dict(self.maps))

    def describe(self) -> str:
        codes = "" if self.dim is None else f" of {self.dim} trained dimensions"
        bits = f"{self.bits} {'bit' if self.bits == 1 else 'bits'} a dimension"
        return f"recurrent binary codes{codes}, {bits}{', symmetric' if self.symmetric else ''}"
