"""Orthogonal maps: principal directions, and random rotations."""

from __future__ import annotations

import math

import numpy as np

from .arrays import F32

_FAR_EXPONENT = 32


def random_rotation(dim: int, seed: int) -> np.ndarray:
    """An orthogonal matrix, uniformly random."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))
    return np.asarray(q * np.sign(np.diag(r)))


def principal_directions(x: F32) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal directions (rows) by descending second moment, with signs fixed, and the moments; float64."""
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
    """A power of two that scales x to about 1 if sums of its squares could leave the range of float32, otherwise 1."""
    largest = max(float(x.max()), -float(x.min())) if x.size else 0.0
    exponent = math.frexp(largest)[1]
    return 1.0 if abs(exponent) < _FAR_EXPONENT else math.ldexp(1.0, -exponent)
