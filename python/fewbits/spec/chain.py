"""fb.Chain: transforms one after the other, composed into one map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..numeric.arrays import F32, f32_array
from .codec import Codec
from .opq import OPQ
from .parts import Fitted, Fitting, Need, Note
from .transform import Transform, TransformFitting, applied, check_dense, dense, pair, sides


@dataclass(frozen=True)
class Chain(Transform):
    """Transforms one after the other, composed into one map (for each side, where `LeanVec` is among them).

    ``transform=[fb.LeanVec(), fb.OPQ()]`` is short for it.

    Parameters
    ----------
    parts : sequence of transforms
        At least one; each is fitted to what those before it return. `OPQ` can only be the last, as it turns what is
        coded. At most 2,048 dimensions.

    Examples
    --------
    >>> transform = [fb.PCA(12), fb.OPQ()]
    >>> index = fb.Index(x.shape[1], metric="cosine", transform=transform, codec=fb.PQ(6)).build(x)
    >>> index.transform
    Chain(parts=(PCA(dim=12), OPQ(dim=None, iterations=20)))
    """

    parts: Sequence[Transform]
    has_matrix: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _checked(self.parts))

    @property
    def needs_queries(self) -> bool:
        return any(part.needs_queries for part in self.parts)

    @property
    def keeps_space(self) -> bool:
        return all(part.keeps_space for part in self.parts)

    def out_dim(self, dim: int) -> int:
        check_dense("a chain of transforms", dim, dim)
        for part in self.parts:
            dim = part.out_dim(dim)
        return dim

    def check(self, codec: Codec, metric: str) -> None:
        for part in self.parts:
            part.check(codec, metric)

    def rotates_for(self, codec: Codec) -> bool:
        return codec.rotates or any(part.rotates_for(codec) for part in self.parts)

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        vectors = queries = np.eye(x.shape[1], dtype=np.float32)
        notes: tuple[Note, ...] = ()
        for part in self.parts:
            fitted = part.fit(x, fitting)
            own, asked = sides(fitted, x.shape[1])
            vectors, queries, notes = own @ vectors, asked @ queries, notes + fitted.notes
            x = applied(fitted, x, fitting.threads)
            if isinstance(fitting, TransformFitting) and fitting.queries is not None:
                fitting = replace(fitting, queries=f32_array(fitting.queries @ asked.T))
        same = np.array_equal(vectors, queries)
        return (dense(vectors) if same else pair(vectors, queries))._replace(notes=notes)

    def rotation(self, coded: F32, codec: Codec, fitting: Fitting) -> F32 | None:
        return self.parts[-1].rotation(coded, codec, fitting)

    def need(self, dim: int) -> Need:
        needs = []
        for part in self.parts:
            needs.append(part.need(dim))
            dim = part.out_dim(dim)
        return max(needs)

    def describe(self) -> str:
        return ", then ".join(part.describe() for part in self.parts)


def _checked(parts: Any) -> tuple[Transform, ...]:
    own = tuple(parts) if isinstance(parts, list | tuple) else ()
    if not own or any(not isinstance(part, Transform) or isinstance(part, Chain) for part in own):
        raise TypeError(f"transform: expected a list of transforms, not empty, got {parts!r}")
    if any(isinstance(part, OPQ) for part in own[:-1]):
        raise ValueError(f"transform: OPQ turns what is coded, so it has to be the last of a chain, got {parts!r}")
    return own
