"""fb.train.adapter: a query map over any codec and metric, with and without rerank."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.training_data import DIM, TRAIN, unseen_ndcg, world

W = world()
INDEXES: dict[str, dict[str, Any]] = {
    "float-ip": {"metric": "ip"},
    "scalar-cosine": {"metric": "cosine", "codec": fb.Scalar(8)},
    "float-l2": {"metric": "l2", "codec": fb.Float(16)},
    "residual-l2": {"metric": "l2", "partition": fb.IVF(nlist=6), "codec": fb.PQ(12, bits=4)},
    "reranked": {"metric": "ip", "codec": fb.PQ(6, bits=4), "rerank": fb.Scalar(8)},
}


def built(name: str) -> fb.Index:
    return fb.Index(DIM, **INDEXES[name]).build(W.x, progress=False)


def train(index: fb.Index, **settings: Any) -> fb.train.TrainingReport:
    settings = {
        "x": W.x,
        "epochs": 5,
        "rate": 4,
        "pseudo_queries": 100,
        "validation": 0.3,
        "progress": False,
    } | settings
    return fb.train.adapter(index, W.queries[:TRAIN], W.positives[:TRAIN], **settings)


@pytest.mark.parametrize(("name", "query_map"), [*((name, "full") for name in INDEXES), ("scalar-cosine", 16)])
def test_gains_and_touches_nothing_stored(name: str, query_map: Any) -> None:
    index = built(name)
    before, stored = unseen_ndcg(index, W), index.reconstruct(np.arange(len(W.x)))
    report = train(index, query_map=query_map)
    assert report.changed
    assert unseen_ndcg(index, W) > before
    np.testing.assert_array_equal(index.reconstruct(np.arange(len(W.x))), stored)
    assert "map of queries" in index.explain()
    assert ("rerank scores with mapped queries too" in index.explain()) == (name == "reranked")


def test_a_map_is_required() -> None:
    with pytest.raises(ValueError, match="query_map"):
        train(built("float-ip"), query_map=None)


def test_codec_training_goes_on_from_an_adapter() -> None:
    index = fb.Index(DIM, metric="ip", codec=fb.PQ(5, bits=4)).build(W.x, progress=False)
    first = train(index, query_map="full")
    assert first.changed
    second = fb.train.jpq(
        index, W.queries[:TRAIN], W.positives[:TRAIN], x=W.x, query_map="full", epochs=4, rate=2, pseudo_queries=600,
        validation=0.3, progress=False,
    )  # fmt: skip
    assert second.before == pytest.approx(first.after)
    assert second.after >= second.before
    assert "a full map of queries" in index.explain()
