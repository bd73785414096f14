"""Codecs: what a vector is in memory, and how a query scores it. Each can also be a rerank store (in RAM or on disk).

`bytes_per_vector` counts the code and the factors stored with it; direction: whether vectors are in a cone, whose
direction takes a factor of its own (moments.py). `fit` sees the vectors to be coded (residuals, if the index codes
residuals). directed: whether the codec gains from doing without that direction. corrected:
whether codes of residuals have a factor for the error of their own product with the centroid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import _core
from ..fit.moments import typical
from ..input.inputs import F32, real_number, whole_number
from .codecs_rotated import OWN_STAGE_FACTOR, RaBitQ, RecurrentBinary
from .parts import FACTOR_BYTES, Fitted, Fitting, boolean, f32_array, one_of

_NUDGE = 1e-12
_PQ_ITERATIONS = 16
_LEVEL_ROWS = 16_384  # whose numbers decide where the levels are
# eta - 1 is 3 at 100 dimensions (Guo et al.: 3.1 for T = 0.2), falls with the root of the dimension, and below two bits
# a dimension, where errors across the vector are large too, with the root of the bits. Measured at 64, 100 and 384
# dimensions, 0.3 to 5 bits: recall within .01 of the best eta's, on held-out queries too (bench/score_aware.py).
_ETA_SCALE = 30.0


@dataclass(frozen=True)
class Float:
    """Vectors as they are (bits=32) or rounded to half precision (bits=16: largest value 65,504)."""

    bits: int = 32
    on_disk: bool = False
    directed: ClassVar[bool] = False
    corrected: ClassVar[bool] = False

    def __post_init__(self) -> None:
        one_of(self.bits, "Float: bits", (32, 16))
        boolean(self.on_disk, "Float: on_disk")

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        return dim * self.bits // 8

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        return Fitted({"kind": 1, "bits": self.bits}, {})

    def describe(self) -> str:
        return f"float{self.bits}"


@dataclass(frozen=True)
class Scalar:
    """Each dimension as a level of 8 or 4 bits about its mean, with one scale a vector.

    levels: of 4 bits, "uniform" or "lloyd-max" (non-uniform levels with the least error on the sample). staged: of 4
    bits, search reads one bit of every dimension first, and the rest only of vectors that may still be among the best
    (by 2.85 standard deviations): the same scores and nearly identical results, faster from about 256 dimensions on
    where the processor has no AVX-512. It takes a factor more, 4 bytes per vector.
    (LVQ: Aguerrebere et al., "Similarity search in the blink of an eye with compressed indices", 2023.)
    """

    bits: int = 8
    levels: str = "uniform"
    staged: bool = False
    on_disk: bool = False
    directed: ClassVar[bool] = True
    corrected: ClassVar[bool] = False

    def __post_init__(self) -> None:
        one_of(self.bits, "Scalar: bits", (8, 4))
        one_of(self.levels, "Scalar: levels", ("uniform", "lloyd-max"))
        boolean(self.staged, "Scalar: staged")
        boolean(self.on_disk, "Scalar: on_disk")
        if self.bits == 8 and (self.staged or self.levels != "uniform"):
            raise ValueError("Scalar: levels='lloyd-max' and staged=True are for bits=4, got bits=8")

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        factors = FACTOR_BYTES * (1 + (metric == "l2" or direction) + self.staged)
        return (dim * self.bits + 7) // 8 + factors

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        return fit_scalar(x, self.bits, self.levels, self.staged)

    def describe(self) -> str:
        kind = "Lloyd-Max" if self.levels == "lloyd-max" else "uniform"
        return f"scalar, {self.bits} bits a dimension, {kind} levels{', staged' if self.staged else ''}"


@dataclass(frozen=True)
class PQ:
    """Product quantization: m groups of dimensions, each coded as the nearest of 2^bits codewords. 1 <= m <= dim.

    residual: code the difference from the list's centroid (None: yes, with an IVF). score_aware: anisotropic encoding
    for ip and cosine, which prefers codes whose error is across the vector, not along it: True for a weight chosen by
    dimension and bits, a number >= 1 for the weight itself, None for True under ip and cosine, False for none.
    (Jégou et al. 2011; Guo et al., "Accelerating Large-Scale Inference with Anisotropic Vector Quantization", 2020.)
    """

    m: int
    bits: int = 8
    residual: bool | None = None
    score_aware: bool | float | None = None
    on_disk: bool = False
    directed: ClassVar[bool] = True
    corrected: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole_number(self.m, "PQ: m", 1)
        one_of(self.bits, "PQ: bits", (8, 4))
        boolean(self.on_disk, "PQ: on_disk")
        if self.residual is not None:
            boolean(self.residual, "PQ: residual")
        if self.score_aware is not None and not isinstance(self.score_aware, bool):
            real_number(self.score_aware, "PQ: score_aware", 1)

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        factor = (metric == "l2" and residual) or direction
        return (self.m * self.bits + 7) // 8 + (FACTOR_BYTES if factor else 0)

    def eta(self, dim: int, metric: str) -> float:
        """The weight of error along the vector over error across it; 1 is plain PQ."""
        if metric == "l2" or self.score_aware is False:
            return 1.0
        if self.score_aware is None or self.score_aware is True:
            return 1 + _ETA_SCALE / math.sqrt(dim) * min(1.0, math.sqrt(self.m * self.bits / (2 * dim)))
        return float(self.score_aware)

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        codebook = _core.pq_train(
            x,
            self.m,
            self.bits,
            iterations=_PQ_ITERATIONS,
            seed=fitting.seed,
            threads=fitting.threads,
            progress=fitting.progress,
        )
        return self.fitted(codebook, self.eta(x.shape[1], fitting.metric))

    def fitted(self, codebook: F32, eta: float = 1.0) -> Fitted:
        arrays = {"codebook": codebook}
        if eta > 1:
            arrays["eta"] = np.array([eta], np.float32)
        return Fitted({"kind": 3, "bits": self.bits, "m": self.m}, arrays)

    def describe(self) -> str:
        return f"PQ, {self.m} codes of {self.bits} bits"


Codec = Float | Scalar | PQ | RaBitQ | RecurrentBinary
CODECS = (Float, Scalar, PQ, RaBitQ, RecurrentBinary)


def fit_scalar(x: F32, bits: int, levels: str, staged: bool) -> Fitted:
    """Mean and step of every dimension, and the level table of 4-bit codes; a typical vector then has factor a = 1."""
    x = typical(x)
    mean = x.mean(axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->j", x, x, dtype=np.float64) / max(len(x), 1)
    deviation = np.sqrt(np.maximum(squares - np.square(mean), 0.0))
    deviation = np.maximum(deviation, max(_NUDGE, 1e-3 * float(deviation.max(initial=0.0))))
    params = {"kind": 2, "bits": bits, "staged": OWN_STAGE_FACTOR if staged else 0}
    arrays = {"mean": f32_array(mean)}
    if bits == 8:
        return Fitted(params, arrays | {"step": f32_array(deviation / 127.5)})
    few = x[:: max(1, len(x) // _LEVEL_ROWS)]
    standard = (few - mean.astype(np.float32)) / deviation.astype(np.float32)
    size = np.sqrt(np.mean(np.square(standard, dtype=np.float64), axis=1, keepdims=True))
    table, largest = level_table(f32_array(standard / np.maximum(size, _NUDGE)), levels)
    return Fitted(params, arrays | {"levels": table, "step": f32_array(deviation * (largest / 63.5))})


def level_table(values: F32, levels: str) -> tuple[np.ndarray, float]:
    """16 ascending levels on the grid 0..127, symmetric about 63.5, and the value that the outermost stands for."""
    ordered = np.sort(np.abs(values).ravel())
    if levels == "uniform" or ordered.size < 16:
        largest = float(ordered[int(0.999 * (ordered.size - 1))]) if ordered.size else 1.0
        return np.round(np.arange(16) * (127 / 15)).astype(np.uint8), max(largest, _NUDGE)
    picked = ordered[:: max(1, ordered.size // (1 << 20))]
    upper = _core.lloyd_max(f32_array(np.concatenate([-picked[::-1], picked])), 16)[8:]
    largest = float(upper[-1])
    half = np.maximum(np.round(63.5 + 63.5 * upper / max(largest, _NUDGE)), np.arange(64, 72))
    if (np.diff(half) < 1).any():  # values too few or too alike for 16 levels
        return level_table(values, "uniform")
    return np.concatenate([127 - half[::-1], half]).astype(np.uint8), max(largest, _NUDGE)
