"""fb.LeanVec: gain on held-out queries, the guard, what it composes with, files, and errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import F32, brute_force, overlap, two_sided, vectors

DIM = 32
CODECS = {
    "rabitq2": fb.RaBitQ(2),
    "scalar4": fb.Scalar(4),
    "f32": fb.Float(),
    "pq4": fb.PQ(16, bits=4),
    "pq8": fb.PQ(8),
}


@pytest.fixture(scope="module")
def x() -> F32:
    return two_sided(3000, 0)[0]


@pytest.fixture(scope="module")
def train_queries() -> F32:
    return two_sided(0, 1500, seed=1)[1]


@pytest.fixture(scope="module")
def held_out() -> F32:
    return two_sided(0, 200, seed=2)[1]


def built(x: F32, transform: Any, codec: Any, queries: F32 | None = None, **parts: Any) -> fb.Index:
    parts = {"metric": "ip", "partition": None} | parts
    return fb.Index(x.shape[1], transform=transform, codec=codec, **parts).build(x, queries=queries)


def recall(index: fb.Index, x: F32, queries: F32, metric: str = "ip") -> float:
    return overlap(index.search(queries, 10, **all_lists(index)).ids, brute_force(x, queries, 10, metric)[0])


def all_lists(index: fb.Index) -> dict[str, int]:
    return {} if index.partition is None else {"nprobe": 1000}


@pytest.mark.parametrize("metric", ["ip", "cosine"])
@pytest.mark.parametrize("codec", CODECS)
def test_finds_more_for_queries_that_were_not_fitted(
    x: F32, train_queries: F32, held_out: F32, codec: str, metric: str
) -> None:
    dim = None if "pq" in codec else 16
    plain = built(x, None if dim is None else fb.PCA(dim), CODECS[codec], metric=metric)
    index = built(x, fb.LeanVec(dim), CODECS[codec], train_queries, metric=metric)
    assert recall(index, x, held_out, metric) > recall(plain, x, held_out, metric) + 0.05
    assert "on 1,500 queries left out of the fit" in index.explain()
    assert "trained for ranking" not in index.explain()


@pytest.mark.parametrize("partition", [None, fb.IVF(8)])
def test_in_front_of_opq(x: F32, train_queries: F32, held_out: F32, partition: fb.IVF | None) -> None:
    codec = fb.PQ(8, bits=4)
    plain = built(x, fb.OPQ(), codec, partition=partition)
    index = built(x, [fb.LeanVec(), fb.OPQ()], codec, train_queries, partition=partition)
    assert recall(index, x, held_out) > recall(plain, x, held_out) + 0.02
    assert index.stats().bytes_per_vector <= plain.stats().bytes_per_vector


def test_queries_may_have_any_length(x: F32, train_queries: F32) -> None:
    one, other = (built(x, fb.LeanVec(16), fb.RaBitQ(2), scale * train_queries) for scale in (1, 1000))
    matrices = [index._engine.arrays()["transform.matrix"] for index in (one, other)]
    np.testing.assert_allclose(*matrices, atol=1e-5)


@pytest.mark.parametrize(
    ("transform", "codec", "instead"),
    [(fb.LeanVec(16), fb.RaBitQ(2), fb.PCA(16)), ([fb.LeanVec(), fb.OPQ()], fb.PQ(8), fb.OPQ())],
    ids=["rabitq", "opq"],
)
def test_falls_back_and_says_so(x: F32, transform: Any, codec: Any, instead: Any) -> None:
    random = np.random.default_rng(0).normal(size=(50, DIM)).astype(np.float32)
    with pytest.warns(UserWarning, match="no clear gain, so (PCA|no map) is used instead"):
        index = built(x, transform, codec, random)
    assert "is used instead" in index.explain()
    plain = built(x, instead, codec)
    np.testing.assert_array_equal(index.search(x[:20], 10).scores, plain.search(x[:20], 10).scores)


def test_a_handful_of_queries_is_no_sample(x: F32, train_queries: F32) -> None:
    with pytest.warns(UserWarning, match="3 queries are too few to fit maps to; PCA is used instead"):
        built(x, fb.LeanVec(16), fb.RaBitQ(2), train_queries[:3])
    with pytest.warns(UserWarning, match="1 queries are too few"):
        built(x, fb.LeanVec(16), fb.RaBitQ(2), train_queries[0])


def test_queries_like_the_vectors_are_no_worse_than_pca(x: F32) -> None:
    asked = two_sided(700, 0, seed=5)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        index = built(x, fb.LeanVec(16), fb.RaBitQ(2), asked[:500])
    plain = built(x, fb.PCA(16), fb.RaBitQ(2))
    assert recall(index, x, asked[500:]) >= recall(plain, x, asked[500:]) - 0.01


def test_scores_are_products_of_both_maps(x: F32, train_queries: F32, held_out: F32) -> None:
    index = built(x, fb.LeanVec(16), fb.Float(), train_queries)
    arrays = index._engine.arrays()
    of_vectors, of_queries = (arrays[f"transform.{name}"].reshape(16, DIM) for name in ("matrix", "queries"))
    scores = -np.sort(-(held_out @ of_queries.T) @ (x @ of_vectors.T).T, axis=1)[:, :10]
    np.testing.assert_allclose(index.search(held_out, 10).scores, scores, rtol=1e-3, atol=1e-4)


def test_no_map_where_nothing_is_lost(x: F32, train_queries: F32) -> None:
    with pytest.warns(UserWarning, match="find 1.000 of the 10 nearest, 1.000 with no map: no clear gain"):
        built(x, fb.LeanVec(), fb.Float(), train_queries)


def test_reconstruct_is_the_least_squares_inverse(x: F32, train_queries: F32) -> None:
    index = built(x, fb.LeanVec(16), fb.Float(), train_queries)
    matrix = index._engine.arrays()["transform.matrix"].reshape(16, DIM).astype(np.float64)
    y = x.astype(np.float64) @ matrix.T
    best = y @ np.linalg.lstsq(y, x, rcond=None)[0]
    np.testing.assert_allclose(index.reconstruct(np.arange(len(x))), best, atol=2e-3)


def test_a_file_keeps_maps_and_findings(x: F32, train_queries: F32, held_out: F32) -> None:
    index = built(x, [fb.PCA(24), fb.LeanVec(16), fb.OPQ()], fb.PQ(8), train_queries, partition=fb.IVF(4))
    opened = fb.Index.from_bytes(index.to_bytes())
    assert opened.transform == index.transform == fb.Chain([fb.PCA(24), fb.LeanVec(16), fb.OPQ()])
    assert opened.explain() == index.explain()
    np.testing.assert_array_equal(opened.search(held_out, 10).scores, index.search(held_out, 10).scores)


def test_threads_and_blocks_do_not_matter(x: F32, train_queries: F32) -> None:
    def make(**how: Any) -> bytes:
        index = fb.Index(DIM, metric="cosine", transform=fb.LeanVec(16), codec=fb.RaBitQ(2))
        return index.train(x, queries=train_queries, **how).to_bytes()

    assert make(threads=1) == make(threads=3)


def test_added_vectors_pass_the_same_map(x: F32, train_queries: F32, held_out: F32) -> None:
    index = fb.Index(DIM, metric="ip", transform=fb.LeanVec(16), codec=fb.RaBitQ(4))
    index.train(x, queries=train_queries).add(x[:1500]).add(x[1500:])
    np.testing.assert_array_equal(
        index.search(held_out, 10).scores,
        built(x, fb.LeanVec(16), fb.RaBitQ(4), train_queries).search(held_out, 10).scores,
    )


@pytest.mark.parametrize("train", ["jpq", "repconc", "adapter"])
def test_training_for_ranking_composes(x: F32, train_queries: F32, train: str) -> None:
    index = built(x, [fb.LeanVec(), fb.OPQ()], fb.PQ(8, bits=4), train_queries)
    how: dict[str, Any] = {"adapter": {"query_map": 4}}.get(train, {})
    report = getattr(fb.train, train)(index, train_queries[:400], x=x, epochs=2, pseudo_queries=300, seed=1, **how)
    assert report.after >= report.before
    assert fb.Index.from_bytes(index.to_bytes()).transform == index.transform


def test_without_queries_pca_is_named(x: F32) -> None:
    index = fb.Index(DIM, metric="ip", transform=[fb.LeanVec(), fb.OPQ()], codec=fb.PQ(8))
    for call in (index.build, index.train):
        with pytest.raises(ValueError, match=r"fitted to queries as well.*queries= of Index.train.*PCA"):
            call(x)
    with pytest.raises(ValueError, match="got none"):
        index.train(x, queries=np.zeros((0, DIM), np.float32))
    assert not index.is_trained


def test_queries_that_nothing_is_fitted_to(x: F32) -> None:
    with pytest.raises(ValueError, match="queries: only LeanVec is fitted to queries"):
        fb.Index(DIM, metric="ip", transform=fb.PCA(8), codec=fb.PQ(8)).build(x, queries=x)


@pytest.mark.parametrize("queries", [np.zeros((5, DIM + 1)), np.full((5, DIM), np.nan)])
def test_wrong_queries(x: F32, queries: Any) -> None:
    with pytest.raises(ValueError, match="queries: "):
        fb.Index(DIM, metric="ip", transform=fb.LeanVec(16), codec=fb.PQ(8)).build(x, queries=queries)


def test_what_leanvec_does_not_serve() -> None:
    with pytest.raises(ValueError, match="LeanVec is for metric 'ip' and 'cosine', got 'l2'; PCA"):
        fb.Index(DIM, metric="l2", transform=fb.LeanVec(), codec=fb.PQ(8))
    with pytest.raises(ValueError, match="cannot map 32 dimensions to more"):
        fb.Index(DIM, metric="ip", transform=fb.LeanVec(40), codec=fb.PQ(8))
    with pytest.raises(ValueError, match="LeanVec: dim"):
        fb.LeanVec(0)


@pytest.mark.parametrize("chain", [[], ["PCA"], [fb.Chain([fb.PCA(8)])], [fb.PCA(8), None]])
def test_chains_are_of_transforms(chain: Any) -> None:
    with pytest.raises(TypeError, match="expected a list of transforms, not empty"):
        fb.Index(DIM, metric="ip", transform=chain, codec=fb.PQ(8))


def test_opq_ends_a_chain() -> None:
    with pytest.raises(ValueError, match="OPQ turns what is coded"):
        fb.Chain([fb.OPQ(), fb.PCA(8)])
    with pytest.raises(ValueError, match="OPQ is for PQ codes"):
        fb.Index(DIM, metric="ip", transform=[fb.PCA(8), fb.OPQ()], codec=fb.RaBitQ(2))


@pytest.mark.parametrize("codec", [fb.PQ(8), fb.RaBitQ(4)])
def test_a_chain_of_one_is_the_transform(codec: Any) -> None:
    x, _ = two_sided(1000, 0)
    one, other = built(x, [fb.PCA(16)], codec), built(x, fb.PCA(16), codec)
    np.testing.assert_array_equal(one.search(x[:9], 5).scores, other.search(x[:9], 5).scores)


def test_a_chain_maps_one_after_the_other() -> None:
    x = vectors(1000, DIM)
    chain = fb.Index(DIM, metric="l2", transform=[fb.RandomRotation(3), fb.PCA(12)], codec=fb.Float()).build(x)
    pca = fb.Index(DIM, metric="l2", transform=fb.PCA(12), codec=fb.Float()).build(x)
    np.testing.assert_allclose(chain.search(x[:9], 5).scores, pca.search(x[:9], 5).scores, rtol=1e-3, atol=1e-3)
