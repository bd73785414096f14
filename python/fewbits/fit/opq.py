"""The fit of OPQ: alternate between codebooks for the rotated vectors and the rotation that suits their codes best.

Given codes with decoded vectors ŷ, the best rotation is orthogonal Procrustes: UVᵀ of the SVD of Σ ŷ xᵀ. Neither step
can raise the error. Two starts are tried, the space as it is and PCA with eigenvalue allocation (principal directions
dealt out so that every sub-quantizer gets an equal product of variances), and the better one is finished.
"""

from __future__ import annotations

import numpy as np

from .. import _core
from ..input.inputs import F32
from ..spec.codecs import PQ
from ..spec.parts import Fitting, Model, f32_array
from ..spec.transforms import principal_directions, second_moments

_TRIAL_ALTERNATIONS = 4
_FIRST_PQ_ITERATIONS = 8
_NEXT_PQ_ITERATIONS = 2
_STALLED = 0.999  # of the error before: less than that is not worth another alternation
_SAMPLE_A_CODEWORD = 128
_LEAST_SAMPLE = 16_384


def rotation(x: F32, codec: PQ, alternations: int, fitting: Fitting) -> F32:
    """The (dim, dim) rotation for coding x with `codec`."""
    rows = max(_LEAST_SAMPLE, _SAMPLE_A_CODEWORD << codec.bits)
    x = f32_array(x[:: max(1, len(x) // rows)])
    dim = x.shape[1]
    starts = [np.eye(dim, dtype=np.float32)]
    if 1 < codec.m < dim:
        starts.append(allocated(x, codec.m))
    trials = min(_TRIAL_ALTERNATIONS, alternations)
    steps = trials * len(starts) + alternations - trials
    candidates = []
    for number, start in enumerate(starts):
        candidate = Alternation(x, codec, start, fitting)
        candidate.run(trials, trials * number, steps)
        candidates.append(candidate)
    best = min(candidates, key=lambda candidate: candidate.error)
    best.run(alternations - trials, trials * len(starts), steps)
    return best.rotation


class Alternation:
    """One descent: the rotation, and the codebook for x as rotated before it."""

    def __init__(self, x: F32, codec: PQ, rotation: F32, fitting: Fitting) -> None:
        self.x, self.codec, self.fitting = x, codec, fitting
        self.rotation = rotation
        self.codebook: F32 | None = None
        self.energy = energy(x)
        self.error = np.inf  # the sum of squares that this rotation leaves

    def run(self, alternations: int, done: int, steps: int) -> None:
        for step in range(alternations):
            y = f32_array(self.x @ self.rotation.T)
            self.codebook = _core.pq_train(
                y,
                self.codec.m,
                self.codec.bits,
                iterations=_FIRST_PQ_ITERATIONS if self.codebook is None else _NEXT_PQ_ITERATIONS,
                seed=self.fitting.seed,
                threads=self.fitting.threads,
                initial=self.codebook,
            )
            decoded = self.coded(y)
            u, sizes, vt = np.linalg.svd(second_moments(decoded, self.x))
            self.rotation = f32_array(u @ vt)
            before, self.error = self.error, self.energy + energy(decoded) - 2 * float(sizes.sum())
            self.fitting.progress((done + step + 1) / steps)
            if self.error > before * _STALLED:
                break

    def coded(self, y: F32) -> F32:
        """y as its codes decode."""
        dim = y.shape[1]
        model = Model({"dim": dim, "metric": 0, "transform.kind": 0, "transform.out_dim": dim, "partition.kind": 0})
        model.put("codec", self.codec.fitted(self.codebook))  # type: ignore[arg-type]
        threads = self.fitting.threads
        rows, a, _ = _core.encode(model.params, model.arrays, "codec", y, threads=threads)
        return _core.decode(model.params, model.arrays, "codec", rows, a, threads=threads)


def energy(x: F32) -> float:
    return float(np.sum(np.square(x, dtype=np.float64)))


def allocated(x: F32, m: int) -> F32:
    """Principal directions in an order that balances the product of variances over the m groups of dimensions."""
    directions, moments = principal_directions(x)
    dim = len(moments)
    begins = [group * dim // m for group in range(m + 1)]
    free = np.diff(begins)
    groups: list[list[int]] = [[] for _ in range(m)]
    weight = np.zeros(m)
    for direction, moment in enumerate(np.log(np.maximum(moments, 1e-12 * max(moments[0], 1e-30)))):
        group = int(np.argmin(np.where(free > 0, weight, np.inf)))
        groups[group].append(direction)
        free[group] -= 1
        weight[group] += moment - np.log(max(moments[-1], 1e-12 * max(moments[0], 1e-30)))
    return f32_array(directions[[direction for group in groups for direction in group]])
