"""Codecs of a few bits a dimension that want a random rotation in front: the index gives them one by default.

A rotation spreads a vector evenly over the dimensions, so that one grid suits all of them and errors are random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .inputs import F32, whole_number
from .parts import FACTOR_BYTES, Fitted, Fitting, boolean, f32_array


@dataclass(frozen=True)
class RaBitQ:
    """The nearest direction on a grid of 1 to 8 bits a dimension, and unbiased estimates of scores. Nothing to train.

    A search reads one bit of every dimension first, and the others only of vectors that may still be among the best
    (by three standard deviations). residual: code the difference from the list's centroid (None: yes, with an IVF).
    Without a transform the index rotates at random, which the estimates rely on.
    (Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound", 2024; Gao et al.,
    "Practical and Asymptotically Optimal Quantization of High-Dimensional Vectors", 2024.)
    """

    bits: int = 4
    residual: bool | None = None
    on_disk: ClassVar[bool] = False  # it is no rerank store: those are of vectors that are not rotated

    def __post_init__(self) -> None:
        whole_number(self.bits, "RaBitQ: bits", 1, 8)
        if self.residual is not None:
            boolean(self.residual, "RaBitQ: residual")

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False) -> int:
        return (dim + 7) // 8 * self.bits + FACTOR_BYTES * (2 if metric == "l2" or residual else 1)

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        """The mean, which codes are relative to; those of residuals have their lists' centroids instead."""
        arrays = {} if fitting.residual else {"mean": f32_array(x.mean(axis=0, dtype=np.float64))}
        return Fitted({"kind": 4, "bits": self.bits}, arrays)

    def describe(self) -> str:
        return f"RaBitQ, {self.bits} {'bit' if self.bits == 1 else 'bits'} a dimension"


ROTATED = (RaBitQ,)
