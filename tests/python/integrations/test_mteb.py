"""The MTEB backend: rankings are those of exact search, for all documents and for given ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mteb.models.model_meta", reason="needs mteb (the extra mteb)")
from mteb.models.model_meta import ScoringFunction

from fewbits.integrations.mteb import FewbitsSearchIndex
from support.data import brute_force, vectors

X = vectors(600, 32)
Q = vectors(10, 32, seed=1)
NAMES = [f"d{i}" for i in range(600)]
METRICS = {"cosine": ScoringFunction.COSINE, "ip": ScoringFunction.DOT_PRODUCT, "l2": ScoringFunction.EUCLIDEAN}


def model(similarity: Any) -> Any:
    return SimpleNamespace(mteb_model_meta=SimpleNamespace(similarity_fn_name=similarity))


def unused(*_: Any) -> Any:
    raise AssertionError


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("metric", METRICS)
def test_searches(metric: str) -> None:
    backend = FewbitsSearchIndex(model(METRICS[metric]), bytes_per_vector=200)
    backend.add_documents(X[:500], NAMES[:500])
    backend.add_documents(X[500:], NAMES[500:])
    truth, exact = brute_force(X, Q, 10, metric)
    scores, places = backend.search(Q, 10, unused)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(places, truth.tolist(), strict=True)]) > 9
    assert all(row == sorted(row, reverse=True) for row in scores)
    expected = -np.sqrt(exact[:, 0]) if metric == "l2" else exact[:, 0]
    np.testing.assert_allclose([row[0] for row in scores], expected, rtol=0.05)
    assert len(backend.search(Q, 10_000, unused)[0][0]) == 600
    backend.clear()
    with pytest.raises(ValueError, match="add_documents first"):
        backend.search(Q, 10, unused)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("metric", METRICS)
def test_reranks_given_documents(metric: str) -> None:
    torch = pytest.importorskip("torch")
    backend = FewbitsSearchIndex(model(METRICS[metric]), bytes_per_vector=200)
    backend.add_documents(torch.tensor(X), NAMES)
    ranked = {f"q{i}": [f"d{j}" for j in range(i, i + 50)] for i in range(9)}
    scores, places = backend.search(torch.tensor(Q), 5, unused, ranked, {i: f"q{i}" for i in range(10)})
    assert (scores[9], places[9]) == ([], [])
    for i in range(9):
        truth = brute_force(X[i : i + 50], Q[i : i + 1], 5, metric)[0][0]
        assert places[i][0] == truth[0]
        assert len(set(places[i]) & set(truth.tolist())) >= 4
        assert scores[i] == sorted(scores[i], reverse=True)
    with pytest.raises(ValueError, match="query_idx_to_id"):
        backend.search(Q, 5, unused, ranked)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cosine, dot, euclidean"):
        FewbitsSearchIndex(model(ScoringFunction.MAX_SIM))
    with pytest.raises(ValueError, match="idxs: expected one per embedding"):
        FewbitsSearchIndex(model(ScoringFunction.COSINE)).add_documents(X, NAMES[:5])
