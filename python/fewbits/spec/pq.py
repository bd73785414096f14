"""fb.PQ: product quantization."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..input.checks import boolean, one_of, real_number, whole_number
from ..kinds import CODECS
from ..numeric.arrays import F32
from .codec import FACTOR_BYTES, Codec, check_dim, dim_field
from .parts import Fitted, Fitting, Need

_ITERATIONS = 16
# eta - 1 is 3 at 100 dimensions (Guo et al.: 3.1 for T = 0.2) and proportional to 1 / sqrt(dim). Below two bits per
# dimension, where orthogonal errors are large too, it is also proportional to sqrt(bits). Measured at 64, 100 and 384
# dimensions, 0.3 to 5 bits: recall within .01 of that of the best eta, also on held-out queries (bench/score_aware.py).
_ETA_SCALE = 30.0


@dataclass(frozen=True)
class PQ(Codec):
    """Product quantization: m groups of dimensions, each coded as the nearest of 2^bits codewords.

    Parameters
    ----------
    m : int
        Codes per vector, 1..dim.
    bits : {8, 4}
        Bits per code. 4-bit codes are scanned much faster; 8-bit codes rank better at the same size.
    residual : bool, optional
        Code the difference from the list's centroid. None: if there is an `IVF`.
    score_aware : bool or float, optional
        Anisotropic encoding for "ip" and "cosine": errors parallel to the vector weigh more than orthogonal ones. True
        chooses the weight by dimension and bits; a number >= 1 is the weight itself. None: True under "ip" and
        "cosine".
    on_disk : bool
        As a rerank store, or for the tokens of a `MultiVectorIndex`: keep the codes in a file.
    dim : int, optional
        As a rerank store of another embedding of the same objects: its dimensions. None: those of the vectors.

    References
    ----------
    Jégou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", 2011. Guo et al., "Accelerating
    Large-Scale Inference with Anisotropic Vector Quantization", 2020.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="cosine", transform=fb.OPQ(), codec=fb.PQ(8)).build(x)
    """

    m: int
    bits: int = 8
    residual: bool | None = None
    score_aware: bool | float | None = None
    on_disk: bool = False
    dim: int | None = dim_field()
    kind = CODECS["pq"]

    def __post_init__(self) -> None:
        whole_number(self.m, "PQ: m", 1)
        one_of(self.bits, "PQ: bits", (8, 4))
        boolean(self.on_disk, "PQ: on_disk")
        check_dim(self)
        if self.residual is not None:
            boolean(self.residual, "PQ: residual")
        if self.score_aware is not None and not isinstance(self.score_aware, bool):
            real_number(self.score_aware, "PQ: score_aware", 1)

    @property
    def directed(self) -> bool:
        return True

    def check(self, name: str, dim: int, metric: str) -> None:
        if self.m > dim:
            raise ValueError(f"{name}: PQ has at most one code per dimension ({dim}), got m={self.m}")
        if self.score_aware and metric == "l2":
            raise ValueError(f"{name}: score_aware={self.score_aware!r} is for 'ip' and 'cosine', got metric 'l2'")

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        factor = (metric == "l2" and residual) or direction
        return (self.m * self.bits + 7) // 8 + (FACTOR_BYTES if factor else 0)

    def code_bits(self, dim: int) -> int:
        return self.m * self.bits

    def eta(self, dim: int, metric: str) -> float:
        """The weight of the parallel error relative to the orthogonal error; 1 is plain PQ."""
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
            iterations=_ITERATIONS,
            seed=fitting.seed,
            threads=fitting.threads,
            progress=fitting.progress,
        )
        return self.fitted(codebook, self.eta(x.shape[1], fitting.metric))

    def fitted(self, codebook: F32, eta: float = 1.0) -> Fitted:
        """Params and arrays for this codebook, (m, 2**bits, ceil(dim / m))."""
        arrays = {"codebook": codebook}
        if eta > 1:
            arrays["eta"] = np.array([eta], np.float32)
        return Fitted({"kind": self.kind.number, "bits": self.bits, "m": self.m}, arrays)

    def need(self, dim: int) -> Need:
        return Need(1 << self.bits, f"the {1 << self.bits:,} codewords of {self.describe()}")

    def describe(self) -> str:
        return f"PQ, {self.m} codes of {self.bits} bits"

    @property
    def label(self) -> str:
        return f"PQ{self.m}x{self.bits}"
