"""fb.Identity: no transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..kinds import TRANSFORMS
from ..numeric.arrays import F32
from .parts import Fitted, Fitting
from .transform import DENSE, PAIR, Transform

_KIND = TRANSFORMS["identity"]


@dataclass(frozen=True)
class Identity(Transform):
    """No transform: vectors are coded in the input space.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="cosine", transform=fb.Identity(), codec=fb.RaBitQ(4)).build(x)
    """

    stored_as = (_KIND, DENSE, PAIR)  # RepCONC replaces it with maps
    needs_training: ClassVar[bool] = False
    is_identity: ClassVar[bool] = True

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        return Fitted({"kind": _KIND, "out_dim": x.shape[1]}, {})

    def describe(self) -> str:
        return "none"
