"""The txtai backend: vectors are found, added, removed and there again after loading; txtai itself uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("txtai.ann", reason="needs txtai (the extra txtai)")
from txtai.ann import ANNFactory

from support.data import vectors

BACKEND = "fewbits.integrations.txtai.Fewbits"
X = vectors(500, 24)
X /= np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("settings", [{}, {"bytes_per_vector": 40}], ids=["auto", "budget"])
def test_every_step_of_a_backend(tmp_path: Path, settings: dict[str, Any]) -> None:
    config = {"backend": BACKEND, "dimensions": 24, BACKEND: settings}
    ann = ANNFactory.create(config)
    ann.index(X[:400])
    ann.append(X[400:])
    assert (ann.count(), config["offset"]) == (500, 500)
    truth = np.argsort(-(X[:20] @ X.T), axis=1)[:, :5]
    found = ann.search(X[:20], 5)
    assert [hits[0][0] for hits in found] == list(range(20))
    shared = [len({id for id, _ in hits} & set(row)) for hits, row in zip(found, truth.tolist(), strict=True)]
    assert np.mean(shared) > (4.5 if not settings else 3)
    assert found[3][0][1] == pytest.approx(1, abs=0.03)
    ann.delete([3, 450])
    ann.save(str(tmp_path / "ann"))
    again = ANNFactory.create(config)
    again.load(str(tmp_path / "ann"))
    assert again.count() == 498
    assert {3, 450}.isdisjoint(id for hits in again.search(X[[3, 450]], 50) for id, _ in hits)
    assert again.search(X[:5], 5)[0] == ann.search(X[:5], 5)[0]
    assert config["build"]["settings"] == {"bytes_per_vector": settings.get("bytes_per_vector")}
    assert len(ann.search(X[:1], 1000)[0]) == 498
