"""The base class of transforms. A transform is one linear map from the input space to the codec's, applied to vectors
and queries.

Most have orthonormal rows, so that inner products and distances keep their meaning. A pair has separate maps for
vectors and queries, which together preserve inner products. No transform subtracts a mean. Dense maps are limited to
2,048 dimensions (matrices and fits grow with their square); the block Hadamard rotation is not limited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from .. import _core
from ..kinds import TRANSFORMS
from ..numeric.arrays import F32, f32_array
from .codec import Codec
from .parts import Fitted, Fitting, Need

MAX_DENSE_DIM = 2048
DENSE, PAIR = TRANSFORMS["dense"], TRANSFORMS["pair"]  # PAIR: documents and queries have separate maps


@dataclass(frozen=True)
class TransformFitting(Fitting):
    """Also has the codec that follows, and a sample of queries in the transform's input space, or None."""

    codec: Codec = field(kw_only=True)
    queries: F32 | None = field(kw_only=True)


class Transform:
    """Base class of the transforms, which are frozen dataclasses. The attributes have the values of most transforms."""

    stored_as: ClassVar[tuple[int, ...]] = (DENSE, PAIR)
    """The kind numbers that it may have in a file; training can replace any transform with a pair of maps."""
    needs_training: ClassVar[bool] = True
    is_identity: ClassVar[bool] = False
    has_matrix: ClassVar[bool] = False
    """Whether it is a fitted matrix."""

    @property
    def needs_queries(self) -> bool:
        """Whether it is also fitted to queries."""
        return False

    @property
    def keeps_space(self) -> bool:
        """Whether `fit` yields the identity."""
        return self.is_identity

    def out_dim(self, dim: int) -> int:
        """The output dimension for input dimension `dim`; raises ValueError if it cannot map these vectors."""
        return dim

    def check(self, codec: Codec, metric: str) -> None:
        """Raises ValueError if it cannot be used with the codec or the metric."""

    def rotates_for(self, codec: Codec) -> bool:
        """Whether its matrix is to be multiplied by a random rotation for the codec."""
        return self.has_matrix and codec.rotates

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        raise NotImplementedError

    def rotation(self, coded: F32, codec: Codec, fitting: Fitting) -> F32 | None:
        """The rotation to apply after `fit`, fitted to the inputs of the codec; None: the transform has none."""
        return None

    def need(self, dim: int) -> Need:
        """The smallest sample that suffices for the fit."""
        if not self.has_matrix:
            return Need()
        directions = self.out_dim(dim)
        return Need(directions, f"the {directions:,} directions of {self.describe()}")

    def describe(self) -> str:
        raise NotImplementedError


def check_dense(name: str, dim: int, out_dim: int) -> None:
    if dim > MAX_DENSE_DIM:
        raise ValueError(
            f"transform: {name} is for at most {MAX_DENSE_DIM} dimensions, got {dim}; "
            "RandomRotation (block Hadamard) has no limit"
        )
    if out_dim > dim:
        raise ValueError(f"transform: {name} cannot map {dim} dimensions to more, got dim={out_dim}")


def dense(matrix: np.ndarray) -> Fitted:
    return Fitted({"kind": DENSE, "out_dim": matrix.shape[0]}, {"matrix": f32_array(matrix)})


def pair(vectors: np.ndarray, queries: np.ndarray) -> Fitted:
    """Two maps, (out_dim, dim) each; the transpose of the queries' map is an inverse of the vectors' map."""
    arrays = {"matrix": f32_array(vectors), "queries": f32_array(queries), "inverse": f32_array(queries.T)}
    return Fitted({"kind": PAIR, "out_dim": vectors.shape[0]}, arrays)


def sides(part: Fitted, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """The matrices (out_dim, dim) for vectors and for queries, which are the same if there is one map."""
    if part.params["kind"] == PAIR:
        return part.arrays["matrix"], part.arrays["queries"]
    matrix = applied(part, np.eye(dim, dtype=np.float32)).T
    return matrix, matrix


def applied(part: Fitted, x: F32, threads: int = 0) -> F32:
    """x mapped as vectors are."""
    params = {f"transform.{name}": value for name, value in part.params.items()}
    arrays = {f"transform.{name}": array for name, array in part.arrays.items()}
    return _core.apply_transform(params | {"dim": x.shape[1]}, arrays, x, threads=threads)


def turned(part: Fitted, turn: np.ndarray) -> Fitted:
    """The same, followed by a rotation (or projection) of its output."""
    if part.params["kind"] == PAIR:
        return pair(turn @ part.arrays["matrix"], turn @ part.arrays["queries"])._replace(notes=part.notes)
    before = part.arrays["matrix"] if part.params["kind"] == DENSE else sides(part, turn.shape[1])[0]
    return dense(turn @ before)._replace(notes=part.notes)
