"""fb.PCA: principal component analysis, to reduce the dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..input.checks import whole_number
from ..numeric.arrays import F32
from ..numeric.directions import principal_directions
from .parts import Fitted, Fitting
from .transform import Transform, check_dense, dense


@dataclass(frozen=True)
class PCA(Transform):
    """Projection onto the `dim` directions that keep most of the sample's energy, in descending order.

    Fitted to second moments about the origin, which minimizes the errors of reconstruction and of inner products.

    Parameters
    ----------
    dim : int
        Number of dimensions kept; at most the dimension of the vectors, which is at most 2,048.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="ip", transform=fb.PCA(8), codec=fb.Scalar(8)).build(x)
    """

    dim: int
    has_matrix: ClassVar[bool] = True

    def __post_init__(self) -> None:
        whole_number(self.dim, "PCA: dim", 1)

    def out_dim(self, dim: int) -> int:
        check_dense("PCA", dim, self.dim)
        return self.dim

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        return dense(principal_directions(x)[0][: self.dim])

    def describe(self) -> str:
        return f"PCA to {self.dim} dimensions"
