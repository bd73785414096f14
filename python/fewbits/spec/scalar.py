"""fb.Scalar: each dimension on its own, as a level of 8 or 4 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import _core
from ..input.checks import boolean, one_of
from ..kinds import CODECS
from ..numeric.arrays import F32, f32_array
from ..numeric.moments import typical
from .codec import FACTOR_BYTES, OWN_STAGE_FACTOR, Codec, check_dim, dim_field
from .parts import Fitted, Fitting, Need

if TYPE_CHECKING:
    from .._core import _Arrays as Arrays

_NUDGE = 1e-12
_LEVEL_ROWS = 16_384  # rows that the levels are fitted to
# Lloyd-Max levels of the standard normal distribution (Max 1960, table 1, N = 16).
_NORMAL_LEVELS = (0.1284, 0.3881, 0.6568, 0.9424, 1.2562, 1.6181, 2.0691, 2.7326)
_MIN_SAMPLE = 16  # vectors needed to estimate the spread of a dimension


@dataclass(frozen=True)
class Scalar(Codec):
    """Scalar quantization: each dimension as a level of 8 or 4 bits about its mean, with one scale per vector.

    Parameters
    ----------
    bits : {8, 4}
        Bits per dimension.
    levels : {"uniform", "lloyd-max", "fixed"}
        "uniform": equally spaced. "lloyd-max" (4 bits only): the least squared error on the sample. "fixed": the same
        levels about zero for every dimension (with 4 bits, the best for a normal distribution), so that vectors can be
        added without training; for dimensions of similar spread, as in most embeddings.
    staged : bool
        4 bits only: a search first scans one bit per dimension, and reads the rest only for vectors that may still be
        among the best (within 2.85 standard deviations). Scores are the same and results nearly identical; faster
        from about 256 dimensions on processors without AVX-512. Takes 4 more bytes per vector.
    on_disk : bool
        As a rerank store, or for the tokens of a `MultiVectorIndex`: keep the codes in a file.
    dim : int, optional
        As a rerank store of another embedding of the same objects: its dimensions. None: those of the vectors.

    References
    ----------
    Aguerrebere et al., "Similarity search in the blink of an eye with compressed indices", 2023 (LVQ). Max, "Quantizing
    for minimum distortion", 1960.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="l2", codec=fb.Scalar(4, levels="lloyd-max")).build(x)
    """

    bits: int = 8
    levels: str = "uniform"
    staged: bool = False
    on_disk: bool = False
    dim: int | None = dim_field()
    kind = CODECS["scalar"]

    def __post_init__(self) -> None:
        one_of(self.bits, "Scalar: bits", (8, 4))
        one_of(self.levels, "Scalar: levels", ("uniform", "lloyd-max", "fixed"))
        boolean(self.staged, "Scalar: staged")
        boolean(self.on_disk, "Scalar: on_disk")
        check_dim(self)
        if self.bits == 8 and (self.staged or self.levels == "lloyd-max"):
            raise ValueError("Scalar: levels='lloyd-max' and staged=True are for bits=4, got bits=8")

    @property
    def needs_training(self) -> bool:
        return self.levels != "fixed"

    @property
    def directed(self) -> bool:
        return True

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        factors = FACTOR_BYTES * (1 + (metric == "l2" or direction) + self.staged)
        return (dim * self.bits + 7) // 8 + factors

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        """Mean and step per dimension, and levels of 4-bit codes, scaled so that a typical vector has factor a = 1."""
        staged = OWN_STAGE_FACTOR if self.staged else 0
        params = {"kind": self.kind.number, "bits": self.bits, "staged": staged}
        return Fitted(params, _fixed(x.shape[1], self.bits) if self.levels == "fixed" else self._fitted(x))

    def _fitted(self, x: F32) -> Arrays:
        x = typical(x)
        mean = x.mean(axis=0, dtype=np.float64)
        squares = np.einsum("ij,ij->j", x, x, dtype=np.float64) / max(len(x), 1)
        deviation = np.sqrt(np.maximum(squares - np.square(mean), 0.0))
        deviation = np.maximum(deviation, max(_NUDGE, 1e-3 * float(deviation.max(initial=0.0))))
        if self.bits == 8:
            return {"mean": f32_array(mean), "step": f32_array(deviation / 127.5)}
        few = x[:: max(1, len(x) // _LEVEL_ROWS)]
        standard = (few - mean.astype(np.float32)) / deviation.astype(np.float32)
        size = np.sqrt(np.mean(np.square(standard, dtype=np.float64), axis=1, keepdims=True))
        table, largest = level_table(f32_array(standard / np.maximum(size, _NUDGE)), self.levels)
        return {"mean": f32_array(mean), "levels": table, "step": f32_array(deviation * (largest / 63.5))}

    def need(self, dim: int) -> Need:
        if not self.needs_training:
            return Need()
        return Need(_MIN_SAMPLE, f"the {_MIN_SAMPLE} needed to estimate the range of values for {self.describe()}")

    def describe(self) -> str:
        kind = "Lloyd-Max" if self.levels == "lloyd-max" else self.levels
        return f"scalar, {self.bits} bits per dimension, {kind} levels{', staged' if self.staged else ''}"


def _fixed(dim: int, bits: int) -> Arrays:
    """Arrays that do not depend on data; every vector has its own scale."""
    mean = np.zeros(dim, np.float32)
    if bits == 8:
        return {"mean": mean, "step": np.full(dim, 1 / 127.5, np.float32)}
    upper = np.array(_NORMAL_LEVELS)
    half = np.round(63.5 + 63.5 * upper / upper[-1])
    table = np.concatenate([127 - half[::-1], half]).astype(np.uint8)
    return {"mean": mean, "levels": table, "step": np.full(dim, upper[-1] / 63.5, np.float32)}


def level_table(values: F32, levels: str) -> tuple[np.ndarray, float]:
    """16 ascending levels on the grid 0..127, symmetric about 63.5, and the value of the outermost one."""
    ordered = np.sort(np.abs(values).ravel())
    if levels == "uniform" or ordered.size < 16:
        largest = float(ordered[int(0.999 * (ordered.size - 1))]) if ordered.size else 1.0
        return np.round(np.arange(16) * (127 / 15)).astype(np.uint8), max(largest, _NUDGE)
    picked = ordered[:: max(1, ordered.size // (1 << 20))]
    upper = _core.lloyd_max(f32_array(np.concatenate([-picked[::-1], picked])), 16)[8:]
    largest = float(upper[-1])
    half = np.maximum(np.round(63.5 + 63.5 * upper / max(largest, _NUDGE)), np.arange(64, 72))
    if (np.diff(half) < 1).any():  # too few different values for 16 levels
        return level_table(values, "uniform")
    return np.concatenate([127 - half[::-1], half]).astype(np.uint8), max(largest, _NUDGE)
