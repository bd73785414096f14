"""fb.OPQ: the rotation that minimizes the error of product quantization.

The fit alternates between codebooks for the rotated vectors and the rotation that fits their codes best. Given the
decoded vectors y^, the best rotation is that of the orthogonal Procrustes problem: U V^T of the SVD of sum y^ x^T.
Neither step can increase the error. Two starts are tried: the identity, and PCA with eigenvalue allocation (principal
directions are distributed such that the products of variances of all sub-quantizers are equal). The better one is
continued.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from .. import _core
from ..input.checks import whole_number
from ..numeric.arrays import F32, f32_array
from ..numeric.directions import principal_directions, second_moments
from ..numeric.moments import typical
from .codec import Codec
from .identity import Identity
from .parts import Fitted, Fitting, Model
from .pq import PQ
from .transform import Transform, check_dense, dense

_TRIAL_ALTERNATIONS = 4
_FIRST_PQ_ITERATIONS = 8
_NEXT_PQ_ITERATIONS = 2
_STALLED = 0.999  # stop if the error is still more than this share of the previous one
_SAMPLE_PER_CODEWORD = 128
_MIN_SAMPLE = 16_384


@dataclass(frozen=True)
class OPQ(Transform):
    """The rotation that minimizes the error of the `PQ`, fitted to the vectors or residuals that it codes.

    Parameters
    ----------
    dim : int, optional
        Reduce to this many dimensions first, by PCA. None: keep all dimensions (at most 2,048).
    iterations : int
        Alternations of codebook and rotation.

    References
    ----------
    Ge, He, Ke and Sun, "Optimized Product Quantization", 2013.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="cosine", transform=fb.OPQ(), codec=fb.PQ(8)).build(x)
    """

    dim: int | None = None
    iterations: int = 20
    has_matrix: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.dim is not None:
            whole_number(self.dim, "OPQ: dim", 1)
        whole_number(self.iterations, "OPQ: iterations", 1)

    @property
    def keeps_space(self) -> bool:
        return self.dim is None

    def out_dim(self, dim: int) -> int:
        check_dense("OPQ", dim, dim if self.dim is None else self.dim)
        return dim if self.dim is None else self.dim

    def check(self, codec: Codec, metric: str) -> None:
        if not codec.kind.traits.subspaces:
            raise ValueError(f"transform: OPQ is for PQ codes, got codec={codec}; use PCA or RandomRotation")

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        """Only the PCA; `rotation` is fitted later."""
        dim = x.shape[1]
        return dense(np.eye(dim) if self.dim is None else principal_directions(x)[0][: self.dim])

    def rotation(self, coded: F32, codec: Codec, fitting: Fitting) -> F32:
        """The (dim, dim) rotation for coding such vectors."""
        return best_rotation(typical(coded), cast(PQ, codec), self.iterations, fitting)

    def describe(self) -> str:
        return "OPQ" if self.dim is None else f"OPQ to {self.dim} dimensions"


def best_rotation(x: F32, codec: PQ, alternations: int, fitting: Fitting) -> F32:
    """The (dim, dim) rotation for coding x with `codec`."""
    rows = max(_MIN_SAMPLE, _SAMPLE_PER_CODEWORD << codec.bits)
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
    """One run of alternations: the rotation, and the codebook for x under the previous rotation."""

    def __init__(self, x: F32, codec: PQ, rotation: F32, fitting: Fitting) -> None:
        self.x, self.codec, self.fitting = x, codec, fitting
        self.rotation = rotation
        self.codebook: F32 | None = None
        self.energy = energy(x)
        self.error = np.inf  # the sum of squared errors under this rotation

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
        """y encoded and decoded."""
        model = Model.without_parts(y.shape[1], "l2")
        model.put("transform", Identity().fit(y, self.fitting))
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
