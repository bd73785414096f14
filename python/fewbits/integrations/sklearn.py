"""A scikit-learn transformer over `Index`: `pip install 'fewbits[sklearn]'`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..index.index import Index
from ..input.checks import one_of, whole_number
from ..numeric.arrays import F32
from ..spec.codec import Codec
from ..spec.float import Float
from ..spec.ivf import IVF

if TYPE_CHECKING:
    from typing_extensions import Self

_METRICS = {"euclidean": "l2", "sqeuclidean": "l2", "cosine": "cosine"}


class FewbitsTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Sparse graph of nearest neighbours, as `sklearn.neighbors.KNeighborsTransformer` makes.

    Its output is what estimators with ``metric="precomputed"`` take: DBSCAN, TSNE, SpectralClustering, UMAP, scanpy.

    Parameters
    ----------
    n_neighbors : int
        Neighbours per sample. With mode "distance" there is one more, as every sample of `fit` is its own neighbour.
    mode : {"distance", "connectivity"}
        What the graph holds: distances, or ones.
    metric : {"euclidean", "sqeuclidean", "cosine"}
        cosine: 1 - cosine.
    codec : Codec, optional
        As in `Index`; None: ``Float()``, so that neighbours are exact.
    partition : IVF, optional
        As in `Index`: lists, of which a query probes some.
    nprobe : int, optional
        Lists to probe. None: the index's default.
    n_jobs : int, optional
        Threads; None or -1: all CPUs.

    Attributes
    ----------
    index_ : Index
        The samples of `fit`.

    Examples
    --------
    >>> from sklearn.cluster import DBSCAN  # doctest: +SKIP
    >>> from sklearn.pipeline import make_pipeline  # doctest: +SKIP
    >>> make_pipeline(FewbitsTransformer(n_neighbors=30), DBSCAN(metric="precomputed")).fit(x)  # doctest: +SKIP
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        mode: str = "distance",
        metric: str = "euclidean",
        codec: Codec | None = None,
        partition: IVF | None = None,
        nprobe: int | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.mode = mode
        self.metric = metric
        self.codec = codec
        self.partition = partition
        self.nprobe = nprobe
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: None = None) -> Self:
        """Index the samples.

        Parameters
        ----------
        X : (n, dim) array
        y : None
            Ignored.

        Returns
        -------
        FewbitsTransformer
            This transformer.
        """
        whole_number(self.n_neighbors, "n_neighbors", 1)
        one_of(self.mode, "mode", ("distance", "connectivity"))
        one_of(self.metric, "metric", _METRICS)
        x = self._data(X, reset=True)
        codec = Float() if self.codec is None else self.codec
        index = Index(x.shape[1], metric=_METRICS[self.metric], codec=codec, partition=self.partition)
        self.index_ = index.build(x, progress=False, threads=self._threads())
        self.n_samples_fit_ = self._n_features_out = len(x)
        return self

    def transform(self, X: Any) -> csr_matrix:
        """The graph from X to the samples of `fit`.

        Parameters
        ----------
        X : (m, dim) array

        Returns
        -------
        (m, n) csr_matrix
            Every row sorted by distance.
        """
        check_is_fitted(self)
        x = self._data(X, reset=False)
        k = self.n_neighbors + (self.mode == "distance")
        if k > self.n_samples_fit_:
            raise ValueError(f"n_neighbors: expected less than n_samples_fit = {self.n_samples_fit_}, got {k}")
        found = self.index_.search(x, k, nprobe=self.nprobe, threads=self._threads())
        present = found.ids >= 0
        ends = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
        values = self._values(found.scores[present])
        return csr_matrix((values, found.ids[present], ends), shape=(len(x), self.n_samples_fit_))

    def fit_transform(self, X: Any, y: None = None) -> csr_matrix:
        """`fit` and `transform` of the same samples."""
        return self.fit(X).transform(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _data(self, X: Any, reset: bool) -> F32:
        x: F32 = validate_data(self, X, dtype=np.float32, order="C", reset=reset)
        return x

    def _values(self, scores: F32) -> F32:
        if self.mode == "connectivity":
            return np.ones_like(scores)
        if self.metric == "cosine":
            return np.maximum(1 - scores, 0)
        return np.sqrt(scores) if self.metric == "euclidean" else scores

    def _threads(self) -> int | None:
        return None if self.n_jobs in (None, -1) else self.n_jobs
