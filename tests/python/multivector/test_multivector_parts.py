"""What a multi-vector index is tuned, pooled and fed with: tuning, pooling, ball carving, tensors."""

import numpy as np
import pytest

import fewbits as fb

DIM = 32
FDE = fb.FDE(DIM, 6, 3, 8, seed=3)


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def ragged(n, seed, low=4, high=40):
    rng = np.random.default_rng(seed)
    return [unit(rng.standard_normal((count, DIM))) for count in rng.integers(low, high, n)]


@pytest.fixture(scope="module")
def documents():
    return ragged(200, 1)


@pytest.fixture(scope="module")
def queries(documents):
    rng = np.random.default_rng(5)
    return [unit(documents[i][:4] + 0.1 * rng.standard_normal((4, DIM))) for i in range(0, 200, 4)]


def split(sets):
    return [sets.tokens[a:b] for a, b in zip(sets.offsets[:-1], sets.offsets[1:], strict=True)]


# --- tuning ---


def test_tune_finds_and_keeps_the_least_depth(tmp_path, documents, queries):
    index = fb.MultiVectorIndex(DIM, encoder=FDE, tokens=fb.Float(32)).build(documents)
    truth = index.rank_all(queries, 5)
    np.testing.assert_array_equal(truth.ids, np.argsort(-fb.chamfer(queries, documents), axis=1)[:, :5])
    found = fb.tune(index, queries, 5, recall=0.8)
    assert found.nprobe is None
    assert found.rerank < 200
    assert found.recall_low >= 0.8
    share = lambda **more: np.mean(  # noqa: E731
        [len(np.intersect1d(a, b)) / 5 for a, b in zip(index.search(queries, 5, **more).ids, truth.ids, strict=True)]
    )
    assert share() == pytest.approx(found.recall)
    assert share(rerank=max(5, found.rerank // 4)) < found.recall
    index.save(tmp_path / "a.fb")
    opened = fb.MultiVectorIndex.open(tmp_path / "a.fb")
    np.testing.assert_array_equal(opened.search(queries, 5).ids, index.search(queries, 5).ids)
    given = fb.tune(opened, (np.concatenate(queries), np.arange(51) * 4), 5, recall=0.8, x=documents)
    assert given.rerank == found.rerank
    assert fb.tune(opened, queries, 5, recall=1.0).rerank > found.rerank
    with pytest.raises(ValueError, match="queries and documents"):
        fb.tune(fb.MultiVectorIndex(DIM, encoder=FDE).train(documents), queries)


def test_tune_takes_own_ids_and_says_what_recall_is_of(documents, queries):
    ids = 7 + 3 * np.random.default_rng(0).permutation(len(documents))
    index = fb.MultiVectorIndex(DIM, encoder=FDE, tokens=fb.Float(32)).build(documents, ids)
    found = fb.tune(index, queries, 5, recall=0.8, x=documents, x_ids=ids)
    assert found.truth == "exact"
    assert found[:3] == fb.tune(index, queries, 5, recall=0.8)[:3]
    index.remove(ids[:20])
    assert fb.tune(index, queries, 5, recall=1.0, x=documents, x_ids=ids).recall == 1  # of what the index has
    for x, x_ids, message in (
        (documents, None, "x: expected a set for each of the 180 documents"),
        (documents, ids[1:], "x_ids: expected one per vector"),
        (None, ids, "x_ids: expected x with them"),
    ):
        with pytest.raises(ValueError, match=message):
            fb.tune(index, queries, 5, x=x, x_ids=x_ids)
    assert fb.tune(fb.MultiVectorIndex(DIM, encoder=FDE).build(documents), queries, 5, recall=0.5).truth == "codes"
    for lossy, what in (({"tokens": fb.Scalar(4)}, "scalar"), ({"pooling": fb.Pooling(0.5)}, "pooled tokens")):
        index = fb.MultiVectorIndex(DIM, encoder=FDE, **lossy).build(documents)
        with pytest.warns(UserWarning, match=f"without x, recall is relative to the index's own codes, and {what}"):
            fb.tune(index, queries, 5, recall=0.5)


def test_tune_finds_lists_too(documents, queries):
    index = fb.MultiVectorIndex(DIM, encoder=FDE, partition=fb.IVF(nlist=8), codec=fb.Scalar(8)).build(documents)
    found = fb.tune(index, queries, 5, recall=0.5)
    assert 1 <= found.nprobe <= 8
    assert found.rerank >= 5
    assert index.stats()["lists"] == 8


def test_rank_all_leaves_out_what_was_removed(documents, queries):
    index = fb.MultiVectorIndex(DIM, encoder=FDE).build(documents)
    index.remove([0, 4])
    ids = index.rank_all(queries, 200).ids
    assert (np.sort(ids, axis=1)[:, :2] == -1).all()
    assert not np.isin(ids, [0, 4]).any()
    assert index.rank_all(queries[3], 5).ids.shape == (5,)


# --- given documents ---


@pytest.mark.parametrize("tokens", [fb.Float(32), fb.Scalar(8), fb.RaBitQ(2)])
def test_scores_of_given_documents_are_those_of_search(documents, queries, tokens):
    index = fb.MultiVectorIndex(DIM, encoder=FDE, tokens=tokens).build(documents, ids=1000 + 2 * np.arange(200))
    result = index.rank_all(queries, 7)
    np.testing.assert_array_equal(index.score(queries, result.ids), result.scores)
    np.testing.assert_array_equal(index.score(queries, result.ids, threads=3), result.scores)
    some = [1008, 1000, 1008]
    both = index.score(queries[:2], some)
    assert both.shape == (2, 3)
    np.testing.assert_array_equal(index.score(queries[1], some), both[1])
    np.testing.assert_array_equal(index.score(queries[:2], np.array([some, some])), both)
    assert index.score(queries[:2], np.zeros((2, 0), np.int64)).shape == (2, 0)
    if tokens == fb.Float(32):
        np.testing.assert_allclose(both[0, :2], [fb.chamfer(queries[0], documents[i]) for i in (4, 0)], rtol=1e-5)
    padded = index.score(queries[:1], [[1000, -1]])
    assert padded.tolist() == [[float(both[0, 1]), -np.inf]]
    index.remove([1008])
    with pytest.raises(ValueError, match="ids: 1008 is not in the index"):
        index.score(queries[:2], some)
    with pytest.raises(ValueError, match=r"ids: expected shape \(m,\) or \(2, m\), got \(3, 1\)"):
        index.score(queries[:2], [[1], [2], [3]])


# --- pooling and ball carving ---


@pytest.mark.parametrize("method", ["agglomerative", "kmeans"])
def test_pooling_joins_what_is_alike(method):
    rng = np.random.default_rng(0)
    centres = unit(rng.standard_normal((5, DIM)))
    order = np.repeat(np.arange(5), 8)
    near = unit(centres[order] + 0.01 * rng.standard_normal((40, DIM)))
    pooled = fb.Pooling(tokens=5, method=method).pool([near, near[:3]])
    assert pooled.offsets.tolist() == [0, 5, 8]
    np.testing.assert_array_equal(pooled.tokens[5:], near[:3])  # small enough as they are
    assert (np.sum(pooled.tokens[:5] * centres, axis=1) > 0.99).all()
    np.testing.assert_allclose(np.linalg.norm(pooled.tokens, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fb.Pooling(tokens=40, method=method).pool([near]).tokens, near)
    np.testing.assert_array_equal(fb.Pooling(tokens=5, method=method).pool([near, near[:3]]).tokens, pooled.tokens)
    half = fb.Pooling(0.5, method=method).pool([near, near[:3], near[:1]], threads=2)
    assert np.diff(half.offsets)[1:].tolist() == [2, 1]
    assert np.diff(half.offsets)[0] == 20 if method == "agglomerative" else np.diff(half.offsets)[0] <= 20


def test_an_index_pools_what_is_added(documents, queries):
    plain = fb.MultiVectorIndex(DIM, encoder=FDE).build(documents)
    index = fb.MultiVectorIndex(DIM, encoder=FDE, pooling=fb.Pooling(0.5)).build(documents)
    counts = np.array([len(d) for d in documents])
    assert index.stats()["tokens"] == np.maximum(1, np.floor(counts / 2 + 0.5)).sum()
    assert index.stats()["token_bytes"] < 0.6 * plain.stats()["token_bytes"]
    assert "pooling    50% of a document's tokens, agglomerative" in index.explain()
    assert (index.search(queries, 1).ids[:, 0] == np.arange(0, 200, 4)).mean() > 0.7
    index.add(documents[:1])
    assert index.stats()["tokens"] == np.maximum(1, np.floor(np.append(counts, counts[0]) / 2 + 0.5)).sum()


def test_pooling_names_what_is_wrong():
    with pytest.raises(ValueError, match="neither"):
        fb.Pooling()
    with pytest.raises(ValueError, match=r"share: expected a number in \(0, 1\]"):
        fb.Pooling(0.0)
    with pytest.raises(ValueError, match="tokens"):
        fb.Pooling(tokens=0)
    with pytest.raises(ValueError, match="method"):
        fb.Pooling(0.5, method="ward")
    with pytest.raises(ValueError, match="at most 8192"):
        fb.Pooling(0.5).pool([np.ones((8193, 2), np.float32)])
    with pytest.raises(TypeError, match="pooling"):
        fb.MultiVectorIndex(DIM, pooling=0.5)


def test_carving_sums_balls_and_only_lowers_chamfer(documents):
    rng = np.random.default_rng(2)
    queries = [unit(np.repeat(d[:3], 3, axis=0) + 0.05 * rng.standard_normal((9, DIM))) for d in documents[:20]]
    carved = fb.carve(queries, 0.7)
    for part, query in zip(split(carved), queries, strict=True):
        np.testing.assert_allclose(part.sum(axis=0), query.sum(axis=0), atol=1e-5)
    assert (np.diff(carved.offsets) == 3).all()
    whole, less = fb.chamfer(queries, documents), fb.chamfer(carved, documents)
    assert (less <= whole + 1e-4).all()
    assert np.abs(less - whole).max() < 0.2 * whole.max()
    np.testing.assert_array_equal(fb.carve(queries, 2.0).tokens, np.concatenate(queries))
    index = fb.MultiVectorIndex(DIM, encoder=FDE, tokens=fb.Float(32)).build(documents)
    ids, scores = index.search(queries, 3, rerank=200, carve=0.7)
    np.testing.assert_allclose(scores, np.take_along_axis(less, ids, axis=1), atol=1e-4)
    assert (ids[:, 0] == np.arange(20)).mean() > 0.9


# --- what models return ---


def test_output_shaped_like_a_model_s(documents, queries):
    """A list of (t, d) arrays, float16 too, as pylate and ColBERT return them; queries of one length as one array."""
    index = fb.MultiVectorIndex(DIM, encoder=FDE).build([d.astype(np.float16) for d in documents])
    assert (index.search(queries, 1).ids[:, 0] == np.arange(0, 200, 4)).mean() > 0.9
    np.testing.assert_array_equal(index.search(np.stack(queries), 3).ids, index.search(queries, 3).ids)


def test_padding_is_masked(documents, queries):
    counts = np.array([len(d) for d in documents])
    mask = np.arange(counts.max()) < counts[:, None]
    mask[:, [0, -1]] = mask[:, [-1, 0]]  # padding may be anywhere
    padded = np.full((*mask.shape, DIM), np.nan, np.float32)
    padded[mask] = np.concatenate(documents)
    plain = fb.MultiVectorIndex(DIM, encoder=FDE).build(documents)
    for form in (mask, mask.astype(np.int64), mask.astype(np.uint8)):
        index = fb.MultiVectorIndex(DIM, encoder=FDE).build((padded, form))
        np.testing.assert_array_equal(index.search(queries, 3).scores, plain.search(queries, 3).scores)
    whole = np.ones((len(queries), 4), bool)
    np.testing.assert_array_equal(plain.search((np.stack(queries), whole), 3).ids, plain.search(queries, 3).ids)
    for wrong, error, message in (
        (mask[:, 1:], ValueError, "documents: expected a mask of shape"),
        (mask * 0.5, TypeError, "documents: expected a mask of booleans, or of 0 and 1, got dtype float64"),
        (mask * 2, TypeError, "a mask of booleans"),
        (mask & (np.arange(len(mask)) != 3)[:, None], ValueError, "at least 1 token per set, got none in set 3"),
    ):
        with pytest.raises(error, match=message):
            fb.MultiVectorIndex(DIM, encoder=FDE).build((padded, wrong))
    with pytest.raises(ValueError, match="documents: set"):
        fb.MultiVectorIndex(DIM, encoder=FDE).build((padded, np.ones_like(mask)))


def test_tensors_by_dlpack_alone(documents, queries):
    class Tensor:
        def __init__(self, x):
            self.x, self.ndim, self.shape = x, x.ndim, x.shape

        def __dlpack__(self, **more):
            return self.x.__dlpack__(**more)

        def __dlpack_device__(self):
            return self.x.__dlpack_device__()

    plain = fb.MultiVectorIndex(DIM, encoder=FDE).build(documents)
    index = fb.MultiVectorIndex(DIM, encoder=FDE).build([Tensor(d) for d in documents])
    found = index.search([Tensor(q) for q in queries], 3)
    np.testing.assert_array_equal(found.scores, plain.search(queries, 3).scores)


def test_ragged_torch_tensors(documents, queries):
    torch = pytest.importorskip("torch")
    plain = fb.MultiVectorIndex(DIM, encoder=FDE).build(documents)
    tensors = [torch.from_numpy(d) for d in documents]
    flat, offsets = torch.cat(tensors), torch.tensor(np.cumsum([0, *map(len, documents)]))
    jagged = torch.nested.nested_tensor(tensors, layout=torch.jagged)
    for form in (tensors, (flat, offsets), jagged.unbind(), (jagged.values(), jagged.offsets())):
        index = fb.MultiVectorIndex(DIM, encoder=FDE).build(form)
        found = index.search([torch.from_numpy(q) for q in queries], 3)
        np.testing.assert_array_equal(found.scores, plain.search(queries, 3).scores)
