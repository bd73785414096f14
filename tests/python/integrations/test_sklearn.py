"""FewbitsTransformer passes scikit-learn's own checks and gives what its exact counterpart gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra integrations")
from sklearn.cluster import DBSCAN
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import fewbits as fb
from fewbits.integrations.sklearn import FewbitsTransformer
from support.data import vectors

X = vectors(300, 12)


@parametrize_with_checks([FewbitsTransformer(), FewbitsTransformer(mode="connectivity", n_neighbors=3)])
def test_estimator_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine"])
def test_the_graph_is_that_of_scikit_learn(metric: str, mode: str) -> None:
    own = FewbitsTransformer(7, metric=metric, mode=mode).fit(X)
    exact = KNeighborsTransformer(n_neighbors=7, metric=metric, mode=mode).fit(X)
    queries = vectors(20, 12, seed=1)
    np.testing.assert_allclose(own.transform(queries).toarray(), exact.transform(queries).toarray(), atol=1e-3)
    graph = own.fit_transform(X)
    assert graph.shape == (300, 300)
    np.testing.assert_allclose(graph.toarray(), exact.fit_transform(X).toarray(), atol=3e-3)
    assert (graph.indices.reshape(300, -1)[:, 0] == np.arange(300)).all()


def test_codes_and_lists_are_those_asked_for() -> None:
    own = FewbitsTransformer(5, codec=fb.Scalar(8), partition=fb.IVF(8), nprobe=8, n_jobs=1).fit(X)
    assert (own.index_.codec, own.index_.partition) == (fb.Scalar(8), fb.IVF(8))
    exact = FewbitsTransformer(5).fit_transform(X)
    assert (own.transform(X).toarray() > 0)[exact.toarray() > 0].mean() > 0.9


def test_in_a_pipeline() -> None:
    far = np.concatenate([X[:50], X[:50] + np.float32(100)])
    labels = make_pipeline(FewbitsTransformer(20), DBSCAN(eps=8, metric="precomputed")).fit_predict(far)
    assert set(labels[:50]) & set(labels[50:]) <= {-1}
    assert (labels >= 0).any()


@pytest.mark.parametrize("wrong", [{"n_neighbors": 0}, {"mode": "both"}, {"metric": "manhattan"}])
def test_wrong_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FewbitsTransformer(**wrong).fit(X)
    with pytest.raises(ValueError, match="n_samples_fit = 3"):
        FewbitsTransformer(3).fit(X[:3]).transform(X)
