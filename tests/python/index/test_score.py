"""index.score: the scores that a search reports, of vectors given by id."""

from __future__ import annotations

import numpy as np
import pytest

import fewbits as fb
from support.data import vectors
from support.parts import ALL_CODECS, ALL_SCORED, ALL_TRANSFORMS

N, DIM = 1500, 32
X, Q = vectors(N, DIM), vectors(7, DIM, seed=1)
IDS = np.random.default_rng(0).permutation(N) + 50


def built(codec: str, metric: str, partition: fb.IVF | None, rerank: fb.Scalar | None = None) -> fb.Index:
    index = fb.Index(DIM, metric=metric, partition=partition, codec=ALL_CODECS[codec].codec, rerank=rerank)
    index.build(X[:1000], ids=IDS[:1000], progress=False).add(X[1000:], ids=IDS[1000:], progress=False)
    index.remove(IDS[::7])
    return index


@pytest.mark.parametrize("partition", [None, fb.IVF(12)], ids=["flat", "ivf"])
@pytest.mark.parametrize(("codec", "metric"), ALL_SCORED)
def test_scores_are_those_of_a_search(codec: str, metric: str, partition: fb.IVF | None) -> None:
    index = built(codec, metric, partition)
    everything = index.search(Q, len(index), nprobe=partition and 12)
    assert np.array_equal(index.score(Q, everything.ids), everything.scores)
    some = index.ids()[::11]
    shared = index.score(Q, some)
    assert np.array_equal(shared, index.score(Q, np.tile(some, (len(Q), 1)), threads=1))
    assert np.array_equal(shared[2], index.score(Q[2], some))


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_a_rerank_store_scores(metric: str) -> None:
    index = built("pq4", metric, fb.IVF(12), fb.Scalar(8))
    found = index.search(Q, 20, nprobe=12, rerank=len(index))
    assert np.array_equal(index.score(Q, found.ids), found.scores)
    assert np.array_equal(index.score(Q, found.ids[0])[0], found.scores[0])
    assert not np.array_equal(index.search(Q, 20, nprobe=12, rerank=0).scores, found.scores)


def test_a_transform_and_a_query_map_count() -> None:
    index = fb.Index(DIM, metric="ip", transform=ALL_TRANSFORMS["pca"], codec=fb.PQ(5, bits=4)).build(X, progress=False)
    found = index.search(Q, 30)
    assert np.array_equal(index.score(Q, found.ids[:, ::-1]), found.scores[:, ::-1])


def test_repeated_ids_and_padding() -> None:
    index = built("scalar8", "l2", None)
    held = int(index.ids()[3])
    scores = index.score(Q, [held, -1, held])
    assert np.array_equal(scores[:, 0], scores[:, 2])
    assert np.all(scores[:, 1] == np.inf)
    assert np.all(built("scalar8", "ip", None).score(Q, [-1]) == -np.inf)


def test_shapes() -> None:
    index = built("scalar8", "cosine", None)
    ids = index.ids()[:4]
    assert index.score(Q[0], ids).shape == (4,)
    assert index.score(Q[0], ids[None]).shape == (1, 4)
    assert index.score(Q, ids).shape == (7, 4)
    assert index.score(Q, ids[:0]).shape == (7, 0)
    assert index.score(Q[:0], ids).shape == (0, 4)
    assert index.score(Q[:0], np.zeros((0, 4), int)).shape == (0, 4)


def test_what_is_refused() -> None:
    index = built("scalar8", "cosine", None)
    gone = int(IDS[0])
    with pytest.raises(ValueError, match=f"ids: {gone} is not in the index"):
        index.score(Q, [gone])
    with pytest.raises(ValueError, match=r"ids: expected shape \(m,\) or \(7, m\), got \(2, 3\)"):
        index.score(Q, np.zeros((2, 3), int))
    with pytest.raises(TypeError, match="ids: expected whole numbers"):
        index.score(Q, [1.5])
    with pytest.raises(ValueError, match="ids: expected -1"):
        index.score(Q, [-2])
    with pytest.raises(fb.NotTrainedError, match="score"):
        fb.Index(DIM, metric="l2", codec=fb.PQ(4)).score(Q, [1])
