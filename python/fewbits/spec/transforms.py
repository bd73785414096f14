"""Transforms: one linear map from the input space to the codec's, applied once to vectors and queries.

All of them have orthonormal rows and subtract no mean, so inner products and distances keep their meaning. Dense maps
stop at 2,048 dimensions (their matrices and fits grow with the square); the block Hadamard rotation has no limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..input.inputs import F32, whole_number
from .parts import Fitted, Fitting, f32_array

MAX_DENSE_DIM = 2048
_HADAMARD_ROUNDS = 3
_FAR_EXPONENT = 32


@dataclass(frozen=True)
class Identity:
    """The input space itself."""

    def out_dim(self, dim: int) -> int:
        return dim

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        return Fitted({"kind": 0, "out_dim": x.shape[1]}, {})

    def describe(self) -> str:
        return "none"


@dataclass(frozen=True)
class RandomRotation:
    """A random rotation by signs and Hadamard transforms: nothing to fit, O(d log d), any dimension.

    It spreads the variance evenly over the dimensions, which is what `Scalar` and an untrained `PQ` want.
    (Ailon and Chazelle, "The Fast Johnson-Lindenstrauss Transform", 2009.)
    """

    seed: int = 0

    def __post_init__(self) -> None:
        whole_number(self.seed, "RandomRotation: seed", 0, 2**64 - 1)

    def out_dim(self, dim: int) -> int:
        return dim

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        params = {"kind": 2, "out_dim": x.shape[1], "seed": self.seed, "rounds": _HADAMARD_ROUNDS}
        return Fitted(params, {})

    def describe(self) -> str:
        return "random rotation (block Hadamard)"


@dataclass(frozen=True)
class PCA:
    """The `dim` directions that keep most of the sample's energy, strongest first.

    Fitted on second moments about the origin: the map with the least error of reconstruction and of inner products.
    """

    dim: int

    def __post_init__(self) -> None:
        whole_number(self.dim, "PCA: dim", 1)

    def out_dim(self, dim: int) -> int:
        check_dense("PCA", dim, self.dim)
        return self.dim

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        return dense(principal_directions(x)[0][: self.dim])

    def describe(self) -> str:
        return f"PCA to {self.dim} dimensions"


@dataclass(frozen=True)
class OPQ:
    """The rotation that makes product quantization lose least, fitted to what the PQ codes (residuals, with an IVF).

    dim: reduce to so many dimensions first, by PCA (None: keep all). iterations: alternations of codebook and rotation.
    (Ge, He, Ke, Sun, "Optimized Product Quantization", 2013.) Its fit lives in opq.py, as it needs the partition and
    codec.
    """

    dim: int | None = None
    iterations: int = 20

    def __post_init__(self) -> None:
        if self.dim is not None:
            whole_number(self.dim, "OPQ: dim", 1)
        whole_number(self.iterations, "OPQ: iterations", 1)

    def out_dim(self, dim: int) -> int:
        check_dense("OPQ", dim, dim if self.dim is None else self.dim)
        return dim if self.dim is None else self.dim

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        """The reduction alone; training.py rotates it."""
        dim = x.shape[1]
        return dense(np.eye(dim) if self.dim is None else principal_directions(x)[0][: self.dim])

    def describe(self) -> str:
        return "OPQ" if self.dim is None else f"OPQ to {self.dim} dimensions"


Transform = Identity | RandomRotation | PCA | OPQ


def check_dense(name: str, dim: int, out_dim: int) -> None:
    if dim > MAX_DENSE_DIM:
        raise ValueError(
            f"transform: {name} is for at most {MAX_DENSE_DIM} dimensions, got {dim}; "
            "RandomRotation (block Hadamard) serves any number"
        )
    if out_dim > dim:
        raise ValueError(f"transform: {name} cannot map {dim} dimensions to more of them, got dim={out_dim}")


def dense(matrix: np.ndarray) -> Fitted:
    return Fitted({"kind": 1, "out_dim": matrix.shape[0]}, {"matrix": f32_array(matrix)})


def random_rotation(dim: int, seed: int) -> np.ndarray:
    """An orthogonal matrix, uniformly random."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))
    return np.asarray(q * np.sign(np.diag(r)))


def principal_directions(x: F32) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal directions (rows) of falling second moment, and the moments, in float64; signs fixed."""
    moments = second_moments(x)
    values, vectors = np.linalg.eigh(moments)
    directions = vectors.T[::-1]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return directions * np.where(largest < 0, -1.0, 1.0), np.maximum(values[::-1], 0.0)


def second_moments(x: F32, y: F32 | None = None, block: int = 1 << 14) -> np.ndarray:
    """xᵀy (xᵀx without y) in float64, summed over float32 products of blocks."""
    y = x if y is None else y
    x_scale, y_scale = _scale(x), _scale(y)
    total = np.zeros((x.shape[1], y.shape[1]))
    for begin in range(0, len(x), block):
        part, other = x[begin : begin + block], y[begin : begin + block]
        total += (part * x_scale).T @ (other * y_scale) if (x_scale, y_scale) != (1, 1) else part.T @ other
    return total / (x_scale * y_scale)


def _scale(x: F32) -> float:
    """The power of two that brings x near 1 where sums of its squares might leave float32, else 1."""
    largest = max(float(x.max()), -float(x.min())) if x.size else 0.0
    exponent = math.frexp(largest)[1]
    return 1.0 if abs(exponent) < _FAR_EXPONENT else math.ldexp(1.0, -exponent)
