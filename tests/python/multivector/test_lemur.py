"""LEMUR encodings: numpy oracles of the regression and its reduction, what changes of an index leave alone, files."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import fewbits as fb
from fewbits import _core
from fewbits.input.sets import read_sets
from fewbits.multivector.lemur_fit import _units

DIM = 16


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def mixed(n, seed, low=3, high=40, topics=30):
    """Documents of mixed lengths whose tokens are around a few topics each, as those of a text are."""
    rng = np.random.default_rng(seed)
    centres = unit(np.random.default_rng(99).standard_normal((topics, DIM)))
    sets = []
    for count in rng.integers(low, high, n):
        own = centres[rng.choice(topics, 4, replace=False)]
        sets.append(unit(own[rng.integers(0, 4, count)] + 0.2 * rng.standard_normal((count, DIM))))
    return sets


@pytest.fixture(scope="module")
def documents():
    return mixed(160, 1)


@pytest.fixture(scope="module")
def queries(documents):
    rng = np.random.default_rng(5)
    return [unit(d[:3] + 0.1 * rng.standard_normal((3, DIM))) for d in documents[::4]]


@pytest.fixture(scope="module")
def lemur(documents):
    return fb.LEMUR(features=48, dim=24, seed=3).train(documents, threads=1)


def exact(queries, documents):
    return np.array([[(q @ d.T).max(axis=1).sum() for d in documents] for q in queries])


def estimates(encoder, queries, documents):
    sets = read_sets(queries, DIM, "queries")[0]
    vectors, shared = encoder.of_queries(sets, 1)
    return vectors @ encoder.encode_documents(documents).T + shared[:, None]


def gelu(x):
    return x / (1 + np.exp(-1.702 * x))


def found(scores, top, n):
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    return np.mean([len(np.intersect1d(a, b)) / top.shape[1] for a, b in zip(ids, top, strict=True)])


# --- oracles ---


@pytest.mark.parametrize("features", [None, 48])
def test_unreduced_estimates_are_those_of_ridge_regression(documents, queries, features):
    encoder = fb.LEMUR(features=features, seed=2).train(documents)
    arrays = encoder._regression.arrays()
    points = (arrays["levels"].reshape(-1, DIM) * arrays["steps"][:, None]).astype(np.float64)
    of = (
        (lambda x: x)
        if features is None
        else (lambda x: gelu(x @ arrays["weights"].reshape(-1, DIM).T + arrays["bias"]))
    )
    values = of(points)
    targets = np.stack([(points @ d.T).max(axis=1) for d in documents], axis=1)
    ridge = np.sqrt(1e-3 * np.trace(values.T @ values) / values.shape[1])
    padded = np.concatenate([values, ridge * np.eye(values.shape[1])])
    rows = np.concatenate([targets, np.zeros((values.shape[1], targets.shape[1]))])
    weights = np.linalg.lstsq(padded, rows, rcond=None)[0]
    expected = np.stack([of(q.astype(np.float64)).sum(axis=0) for q in queries]) @ weights
    np.testing.assert_allclose(estimates(encoder, queries, documents), expected, atol=0.03)


def test_documents_of_one_token_are_single_vectors():
    tokens = unit(np.random.default_rng(0).standard_normal((600, DIM)))
    documents = list(tokens[:, None, :])
    queries = list(unit(np.random.default_rng(1).standard_normal((20, 1, DIM))))
    scores = estimates(fb.LEMUR().train(documents), queries, documents)  # linear functions
    np.testing.assert_allclose(scores, np.concatenate(queries) @ tokens.T, atol=0.02)  # but by rounding


def test_the_reduction_loses_least():
    documents, queries = mixed(300, 7), mixed(60, 8, 2, 6)
    whole = estimates(fb.LEMUR(features=48, seed=4).train(documents), queries, documents)
    errors = []
    for dim in (4, 8, 16, 32):
        reduced = estimates(fb.LEMUR(features=48, dim=dim, seed=4).train(documents), queries, documents)
        errors.append(float(np.mean((reduced - whole) ** 2)))
    assert errors == sorted(errors, reverse=True)
    rank = np.linalg.svd(whole - whole.mean(axis=1, keepdims=True))[1]
    assert errors[2] < 3 * np.sum(rank[16:] ** 2) / whole.size + 1e-4  # near the best of any 16 dimensions


def test_points_and_tokens_are_rounded_finely():
    rng = np.random.default_rng(3)
    for dim in (1, 5, 64, 300):
        points, tokens = (rng.standard_normal((40, dim)).astype(np.float32) for _ in range(2))
        levels, steps = _core.rounded_rows(points)
        assert np.abs(levels).max() <= 63
        np.testing.assert_allclose(levels * steps[:, None], points, atol=0.51 * steps.max())
        maxima = _core.token_maxima(levels, steps, tokens, np.array([0, 1, 12, 40]))
        expected = np.stack([(points @ part.T).max(axis=1) for part in (tokens[:1], tokens[1:12], tokens[12:])])
        scale = np.linalg.norm(points, axis=1) * np.linalg.norm(tokens, axis=1).max()
        assert (np.abs(maxima - expected) / scale).max() < 0.02
    levels, steps = _core.rounded_rows(np.zeros((2, 8), np.float32))
    assert not levels.any()
    assert not steps.any()


def test_features_are_gelu_units():
    rng = np.random.default_rng(4)
    x, weights = rng.standard_normal((50, 9)).astype(np.float32), rng.standard_normal((30, 9)).astype(np.float32)
    bias = rng.standard_normal(30).astype(np.float32)
    expected = gelu((x @ weights.T + bias).astype(np.float64))
    np.testing.assert_allclose(_core.token_features(x, weights, bias), expected, atol=1e-5)
    far = _core.token_features(
        np.array([[-1e6], [1e6]], np.float32), np.ones((1, 1), np.float32), np.zeros(1, np.float32)
    )
    np.testing.assert_allclose(far.ravel(), [0, 1e6], atol=1e-6)


def test_units_are_near_tokens_at_any_scale(documents):
    sample = np.concatenate(documents)[:2000]
    weights, bias = _units(sample, 300, 1)
    products = sample @ weights.T
    assert abs(products.std() - 0.25) < 0.02
    assert abs(products.mean() + bias[0] + 0.25) < 0.02
    nearest = (unit(weights) @ sample.T).max(axis=1)
    assert nearest.min() > 0.8  # a random direction: about 0.7
    larger, same = _units(sample * np.float32(8), 300, 1)
    np.testing.assert_allclose(larger, weights / 8, rtol=1e-4)
    np.testing.assert_allclose(same, bias, rtol=1e-3)
    few = _units(sample[:20], 48, 1)[0]  # more units than tokens
    assert len(np.unique(few, axis=0)) == 48
    for equal in (np.zeros((9, DIM), np.float32), np.ones((9, DIM), np.float32)):
        assert all(np.isfinite(part).all() for part in _units(equal, 5, 1))


def test_documents_that_share_few_tokens_with_a_query_are_found():
    rng = np.random.default_rng(21)
    words = unit(rng.standard_normal((400, DIM)))
    corpus = [words[rng.choice(400, 20, replace=False)] for _ in range(400)]
    queries = [np.concatenate([d[:2], unit(rng.standard_normal((6, DIM)))]) for d in corpus[::8]]
    best = np.argsort(-exact(queries, corpus), axis=1)[:, :1]
    linear, near = (fb.LEMUR(n, seed=0).train(corpus) for n in (None, 256))
    assert found(estimates(near, queries, corpus), best, 10) > found(estimates(linear, queries, corpus), best, 10) + 0.1


# --- what it is for ---


def test_it_finds_what_chamfer_ranks_of_documents_it_has_not_seen(documents):
    others, queries = mixed(300, 11), mixed(40, 12, 2, 5)
    top = np.argsort(-exact(queries, others), axis=1)[:, :5]
    mean = np.stack([q.sum(axis=0) for q in queries]) @ np.stack([d.mean(axis=0) for d in others]).T
    shares = [found(mean, top, 20)]
    for features, dim in ((None, None), (256, 64)):
        shares.append(found(estimates(fb.LEMUR(features, dim=dim).train(documents), queries, others), top, 20))
    assert shares == sorted(shares)
    assert shares[-1] > shares[0] + 0.05


def test_long_documents_are_found_as_short_ones_are():
    short, queries = mixed(300, 13, 8, 12), mixed(40, 14, 2, 5)
    longer = [np.concatenate(short[i : i + 16]) for i in range(0, 160, 16)]
    corpus = short[160:] + longer
    top = np.argsort(-exact(queries, corpus), axis=1)[:, :5]
    is_long = top >= 140
    assert is_long.mean() > 0.3
    ids = np.argsort(-estimates(fb.LEMUR(features=128, dim=48).train(corpus), queries, corpus), axis=1)[:, :20]
    held = (top[:, :, None] == ids[:, None, :]).any(axis=2)
    assert held[is_long].mean() > 0.9


def test_estimates_are_calibrated(lemur, documents, queries):
    true = exact(queries, documents)
    scores = estimates(lemur, queries, documents)
    assert abs(np.mean(scores) / np.mean(true) - 1) < 0.1
    index = fb.MultiVectorIndex(DIM, encoder=lemur, codec=fb.Float(32)).build(documents)
    result = index.search(queries, 5, rerank=0)
    np.testing.assert_allclose(result.scores, np.take_along_axis(scores, result.ids, axis=1), rtol=1e-4)
    low = float(np.median(result.scores))
    assert (index.search(queries, 5, rerank=0, min_score=low).counts < 5).any()


# --- the same bits ---


def test_neither_threads_nor_other_documents_matter(lemur, documents, queries):
    encoded = lemur.encode_documents(documents, threads=1)
    np.testing.assert_array_equal(lemur.encode_documents(documents, threads=3), encoded)
    np.testing.assert_array_equal(np.stack([lemur.encode_documents(d) for d in documents]), encoded)
    np.testing.assert_array_equal(np.stack([lemur.encode_queries(q) for q in queries]), lemur.encode_queries(queries))
    again = fb.LEMUR(features=48, dim=24, seed=3).train(documents, threads=3)
    np.testing.assert_array_equal(again.encode_documents(documents), encoded)
    other = fb.LEMUR(features=48, dim=24, seed=4).train(documents)
    assert not np.array_equal(other.encode_documents(documents), encoded)


def test_a_query_counts_by_its_tokens(lemur, queries):
    twice = lemur.encode_queries([np.concatenate([q, q]) for q in queries])
    np.testing.assert_allclose(twice, 2 * lemur.encode_queries(queries), rtol=1e-4, atol=1e-4)


def test_changes_of_an_index_touch_their_own_documents(tmp_path, documents, queries):
    spec = fb.LEMUR(features=48, dim=24)
    index = fb.MultiVectorIndex(DIM, encoder=spec, codec=fb.RaBitQ(2), tokens=fb.Scalar(8), seed=0)
    index.build(documents[:100])
    before = index.search(queries, 100, rerank=0)
    np.testing.assert_array_equal(before.ids, index.search(queries, 100, rerank=0, threads=3).ids)
    trained = index.encoder
    copy = fb.MultiVectorIndex.from_bytes(index.to_bytes())
    index.add(documents[100:])
    assert index.encoder is trained
    after = index.search(queries, 160, rerank=0)
    for i in range(len(queries)):
        was = dict(zip(before.ids[i], before.scores[i], strict=True))
        now = dict(zip(after.ids[i], after.scores[i], strict=True))
        assert {id_: now[id_] for id_ in was} == was
    for one in documents[100:]:
        copy.add([one])
    merged = fb.merge([fb.MultiVectorIndex.from_bytes(index.to_bytes())]).compact()
    index.save(tmp_path / "a.fb")
    for same in (copy, merged, fb.open(tmp_path / "a.fb"), pickle.loads(pickle.dumps(index))):
        np.testing.assert_array_equal(same.search(queries, 160, rerank=0).scores, after.scores)
        np.testing.assert_array_equal(same.search(queries, 5).ids, index.search(queries, 5).ids)
        assert same.encoder == spec
        np.testing.assert_array_equal(same.encoder.encode_queries(queries), trained.encode_queries(queries))
    index.remove(np.arange(50))
    assert np.isin(index.search(queries, 110, rerank=0).ids, np.arange(50, 160)).all()


def test_a_trained_encoder_is_used_as_it_is(lemur, documents):
    index = fb.MultiVectorIndex(DIM, encoder=lemur).build(documents[:30])
    assert index.encoder is lemur
    loaded = pickle.loads(pickle.dumps(lemur))
    np.testing.assert_array_equal(loaded.encode_documents(documents), lemur.encode_documents(documents))
    assert not pickle.loads(pickle.dumps(fb.LEMUR(7))).is_trained
    with pytest.raises(ValueError, match="trained already"):
        fb.MultiVectorIndex(DIM, encoder=lemur).build(documents, queries=documents)
    with pytest.raises(ValueError, match="trained on tokens of 16 dimensions, got 8"):
        fb.MultiVectorIndex(8, encoder=lemur)


def test_queries_are_half_of_the_sample(documents, queries):
    other = [unit(np.abs(np.random.default_rng(i).standard_normal((20, DIM)))) for i in range(40)]
    encoder = fb.LEMUR(sample=800).train(documents, other)
    levels = encoder._regression.arrays()["levels"].reshape(-1, DIM)
    assert (levels >= 0).all(axis=1).sum() == 400
    index = fb.MultiVectorIndex(DIM, encoder=fb.LEMUR(sample=800)).build(documents, queries=other)
    np.testing.assert_array_equal(index.encoder.encode_documents(documents), encoder.encode_documents(documents))
    with pytest.raises(ValueError, match="FDE learns nothing"):
        fb.MultiVectorIndex(DIM).build(documents, queries=queries)


# --- what is wrong ---


def test_settings_and_uses_are_checked(documents):
    for wrong, message in (
        ({"features": 0}, "LEMUR: features"),
        ({"sample": 0}, "LEMUR: sample"),
        ({"features": 8, "dim": 9}, "LEMUR: dim"),
        ({"seed": -1}, "LEMUR: seed"),
    ):
        with pytest.raises(ValueError, match=message):
            fb.LEMUR(**wrong)
    with pytest.raises(ValueError, match="at most as many dimensions as features, 16"):
        fb.MultiVectorIndex(DIM, encoder=fb.LEMUR(dim=17))
    for use in (fb.LEMUR().encode_documents, fb.LEMUR().encode_queries):
        with pytest.raises(fb.NotTrainedError, match="this encoder needs training"):
            use(documents)
    with pytest.raises(ValueError, match="at least 1 document"):
        fb.LEMUR().train((np.zeros((0, DIM), np.float32), [0]))
    with pytest.warns(UserWarning, match="tokens to fit 64 features to are few"):
        fb.LEMUR(features=64).train(documents[:3])


def hostile(file, change):
    """The file with other params or arrays."""
    engine = _core.Engine.from_bytes(file)
    params, arrays = engine.params, engine.arrays()
    change(params, arrays)
    return _core.Engine(params, arrays).to_bytes(engine.meta)


def spoilt(name, at, value):
    def change(params, arrays):
        arrays[name] = arrays[name].copy()
        arrays[name][at] = value

    return change


def narrowed(params, arrays):
    """An encoder in order, but of another number of dimensions than its settings and the index have."""
    params["lemur.dims"] = 20
    arrays["lemur.queries"] = arrays["lemur.queries"][[*range(20), -1]]
    for name in ("documents", "offset"):
        arrays[f"lemur.{name}"] = arrays[f"lemur.{name}"][:20]


@pytest.mark.parametrize(
    "change",
    [
        narrowed,
        *(
            (lambda params, arrays, name=name, value=value: params.update({f"lemur.{name}": value}))
            for name, value in (
                ("dim", 8), ("dim", 0), ("dims", 23), ("features", 47), ("features", 1 << 60), ("sample", 1 << 40),
                ("given.sample", 0), ("given.dim", 23), ("given.dim", 1 << 40),
            )
        ),
        *(
            (lambda params, arrays, name=name: arrays.pop(f"lemur.{name}"))
            for name in ("levels", "steps", "weights", "bias", "documents", "offset", "queries")
        ),
        *(
            spoilt(f"lemur.{name}", 0, np.nan)
            for name in ("steps", "weights", "bias", "documents", "offset", "queries")
        ),
        spoilt("lemur.steps", 0, -1),
        lambda params, arrays: params.pop("lemur.given.seed"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused(lemur, documents, change):
    file = fb.MultiVectorIndex(DIM, encoder=lemur).build(documents[:20]).to_bytes()
    with pytest.raises(fb.CorruptIndexError):
        fb.MultiVectorIndex.from_bytes(hostile(file, change))
    fb.MultiVectorIndex.from_bytes(hostile(file, lambda params, arrays: None))


def test_descriptions_say_what_it_is(lemur, documents):
    index = fb.MultiVectorIndex(DIM, encoder=lemur).build(documents)
    assert "LEMUR of 48 features near its tokens, reduced to 24 dimensions" in index.explain()
    assert "the tokens' coordinates" in fb.LEMUR().describe()
    assert repr(replace(lemur)) == "LEMUR(features=48, sample=16384, dim=24, seed=3)"


def test_no_queries_are_refused() -> None:
    documents = list(np.random.default_rng(0).normal(size=(20, 5, 8)).astype(np.float32))
    with pytest.raises(ValueError, match="queries: expected at least 1, got none"):
        fb.LEMUR(sample=64).train(documents, queries=[])
