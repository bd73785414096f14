"""fb.RandomRotation: a random rotation in O(d log d)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..input.checks import whole_number
from ..kinds import TRANSFORMS
from ..numeric.arrays import F32
from .parts import Fitted, Fitting
from .transform import DENSE, PAIR, Transform

_KIND = TRANSFORMS["block_hadamard"]
_ROUNDS = 3


@dataclass(frozen=True)
class RandomRotation(Transform):
    """A random rotation by signs and Hadamard transforms: nothing to fit, O(d log d), any dimension.

    It spreads the variance evenly over the dimensions, which suits `Scalar` and an untrained `PQ`.

    Parameters
    ----------
    seed : int
        Seed of the signs, 0..2^64 - 1.

    References
    ----------
    Ailon and Chazelle, "The Fast Johnson-Lindenstrauss Transform", 2009.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="l2", transform=fb.RandomRotation(), codec=fb.Scalar(4)).build(x)
    """

    seed: int = 0
    stored_as = (DENSE, _KIND, PAIR)
    needs_training: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole_number(self.seed, "RandomRotation: seed", 0, 2**64 - 1)

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        params = {"kind": _KIND, "out_dim": x.shape[1], "seed": self.seed, "rounds": _ROUNDS}
        return Fitted(params, {})

    def describe(self) -> str:
        return "random rotation (block Hadamard)"
