"""The base class of transforms. A transform is one linear map from the input space to the codec's, applied to vectors
and queries.

All of them have orthonormal rows and subtract no mean, so inner products and distances keep their meaning. Dense maps
stop at 2,048 dimensions (their matrices and fits grow with the square); the block Hadamard rotation has no limit.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..kinds import TRANSFORMS
from ..numeric.arrays import F32, f32_array
from .codec import Codec
from .parts import Fitted, Fitting, Need

MAX_DENSE_DIM = 2048
DENSE, PAIR = TRANSFORMS["dense"], TRANSFORMS["pair"]  # PAIR: documents and queries have separate maps


class Transform:
    """Base class of the transforms, which are frozen dataclasses. The attributes have the values of most transforms."""

    stored_as: ClassVar[tuple[int, ...]] = (DENSE, PAIR)
    """The kind numbers that it may have in a file; training can replace any transform with a pair of maps."""
    needs_training: ClassVar[bool] = True
    is_identity: ClassVar[bool] = False
    has_matrix: ClassVar[bool] = False
    """Whether it is a fitted matrix."""

    @property
    def keeps_space(self) -> bool:
        """Whether `fit` yields the identity."""
        return self.is_identity

    def out_dim(self, dim: int) -> int:
        """The output dimension for input dimension `dim`; raises ValueError if it cannot map these vectors."""
        return dim

    def check(self, codec: Codec) -> None:
        """Raises ValueError where it does not serve the codec."""

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
