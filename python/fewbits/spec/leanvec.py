"""fb.LeanVec: a map for vectors and one for queries, fitted to both.

Which directions matter is decided by queries as much as by vectors. From the second moments of both, the maps that lose
least have a closed form (numeric/balanced.py). They are kept only if codes behind them find more for queries that they
were not fitted to (held_out.py): a few queries, or queries that are like the vectors, give no better maps than PCA.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..input.checks import whole_number
from ..numeric.arrays import F32
from ..numeric.balanced import Maps, balanced_maps, metric_maps
from ..numeric.directions import principal_directions, second_moments
from ..numeric.moments import typical
from .codec import Codec
from .held_out import Trial, verdict
from .parts import Fitted, Fitting, Note
from .transform import Transform, TransformFitting, check_dense, dense, pair

_RIDGES = (0.1, 1.0)  # of the queries' mean eigenvalue: for thousands of queries, and for hundreds


@dataclass(frozen=True)
class LeanVec(Transform):
    """Maps for vectors and for queries, fitted to both: fewer dimensions, or a better metric for codes, for "ip" and
    "cosine".

    It needs a sample of queries, in ``queries=`` of `Index.train`, `Index.build` or `fb.build`: some 1,000 or more, of
    the kind that will be asked, but not those that recall is measured with. The closed form minimises the error of
    inner products of queries and vectors. In front of `RaBitQ` and `Scalar`, both sides then have the same second
    moments, where their codes lose least; in front of `PQ` (and `OPQ`), distances of vectors are those that matter to
    queries. `Index.reconstruct` returns the inverse with the least squared error.

    The maps have to prove themselves on queries that were left out of their fit. If codes do not find more with them,
    the index has `PCA` to the same dimensions instead (or, if all are kept, no map), warns, and says so in
    `Index.explain`.

    Parameters
    ----------
    dim : int, optional
        Dimensions that are kept; at most those of the vectors, which have at most 2,048. None: all.

    References
    ----------
    Tepper et al., "LeanVec: Searching vectors faster by making them fit", 2024. Tepper and Willke, "GleanVec:
    Accelerating vector search with minimalist nonlinear dimensionality reduction", 2024, for the closed form.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="ip", transform=fb.LeanVec(12), codec=fb.RaBitQ(4))
    >>> index = index.build(x, queries=train_queries)
    >>> index = fb.Index(x.shape[1], metric="ip", transform=[fb.LeanVec(), fb.OPQ()], codec=fb.PQ(8))
    >>> index = index.build(x, queries=train_queries)
    """

    dim: int | None = None
    has_matrix: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.dim is not None:
            whole_number(self.dim, "LeanVec: dim", 1)

    @property
    def needs_queries(self) -> bool:
        return True

    def out_dim(self, dim: int) -> int:
        check_dense("LeanVec", dim, dim if self.dim is None else self.dim)
        return dim if self.dim is None else self.dim

    def check(self, codec: Codec, metric: str) -> None:
        if metric == "l2":
            raise ValueError("transform: LeanVec is for metric 'ip' and 'cosine', got 'l2'; PCA serves it")
        if codec.kind.traits.cosine_only:
            raise ValueError(f"transform: LeanVec changes lengths, and {codec} scores cosines; PCA serves it")

    def rotates_for(self, codec: Codec) -> bool:
        """Also for codes that are fitted dimension by dimension: balanced directions have falling energies."""
        return not codec.kind.traits.subspaces and not codec.kind.traits.exact

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        assert isinstance(fitting, TransformFitting)
        assert fitting.queries is not None
        queries, dim = typical(fitting.queries), self.out_dim(x.shape[1])
        make = metric_maps if fitting.codec.kind.traits.subspaces else balanced_maps
        plain = dense(principal_directions(x)[0][:dim] if dim < x.shape[1] else np.eye(dim))
        moments = second_moments(x)
        trial = Trial(x, queries, self.rotates_for(fitting.codec), fitting)
        halves = [second_moments(half) for half in trial.halves]

        def maps(ridge: float) -> Callable[[np.ndarray], Fitted]:
            return lambda of_queries: _pair(make(of_queries, moments, dim, ridge))

        without = trial.recalls([plain, plain])
        found = {ridge: trial.recalls([maps(ridge)(half) for half in halves]) for ridge in _RIDGES}
        ridge = max(found, key=lambda ridge: float(found[ridge].mean()))
        text, better = verdict(without, found[ridge], "PCA" if dim < x.shape[1] else "no map")
        if not better:
            return plain._replace(notes=(Note(f"LeanVec: {text}", doubtful=True),))
        return maps(ridge)(halves[0] + halves[1])._replace(notes=(Note(f"LeanVec: {text}"),))

    def describe(self) -> str:
        return "LeanVec" if self.dim is None else f"LeanVec to {self.dim} dimensions"


def _pair(maps: Maps) -> Fitted:
    return pair(maps.data, maps.queries)
