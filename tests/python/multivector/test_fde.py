"""Fixed-dimensional encodings: their defining properties, and a numpy oracle for each part."""

import numpy as np
import pytest

import fewbits as fb

DIM = 24


def unit(shape, seed):
    x = np.random.default_rng(seed).standard_normal((*shape, DIM)).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def ragged(n, seed, low=1, high=40):
    counts = np.random.default_rng(seed).integers(low, high, n)
    return [unit((count,), seed * 1000 + i) for i, count in enumerate(counts)]


def buckets_of(tokens, fde):
    """(repetitions, t): the one bucket that each token's own query encoding fills."""
    plain = fb.FDE(DIM, fde.repetitions, fde.simhash_bits, projection=None, seed=fde.seed, directions=fde.directions)
    encoded = plain.encode_queries(list(tokens[:, None, :])).reshape(
        len(tokens), fde.repetitions, 1 << fde.simhash_bits, DIM
    )
    filled = np.abs(encoded).sum(axis=3) > 0
    assert (filled.sum(axis=2) == 1).all()
    return filled.argmax(axis=2).T


def oracle(tokens, buckets, n_buckets, document, fill, stretched=False):
    """(repetitions, buckets, dim) by the paper's words, or with means stretched to the mean length of their tokens."""
    out = np.zeros((len(buckets), n_buckets, tokens.shape[1]))
    for r, bucket in enumerate(buckets):
        for b in range(n_buckets):
            here = tokens[bucket == b].astype(np.float64)
            if len(here):
                out[r, b] = here.mean(axis=0) if document else here.sum(axis=0)
                if document and stretched:
                    out[r, b] *= np.linalg.norm(here, axis=1).mean() / np.linalg.norm(out[r, b])
            elif document and fill:
                distance = [bin(int(other) ^ b).count("1") for other in bucket]
                out[r, b] = tokens[int(np.argmin(distance))]
    return out


@pytest.mark.parametrize("bits", [0, 1, 3, 5])
@pytest.mark.parametrize("fill", [True, False])
@pytest.mark.parametrize("stretched", [True, False])
def test_without_a_projection_an_encoding_is_sums_and_filled_means(bits, fill, stretched):
    fde = fb.FDE(DIM, 3, bits, projection=None, fill_empty=fill, seed=7, length_fair=stretched)
    for tokens in ragged(5, 1):
        tokens *= np.linspace(0.5, 2, len(tokens), dtype=np.float32)[:, None]
        buckets = buckets_of(tokens, fde)
        for document in (False, True):
            got = fde.encode_documents(tokens) if document else fde.encode_queries(tokens)
            expected = oracle(tokens, buckets, 1 << bits, document, fill, stretched)
            np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=1e-5)


@pytest.mark.parametrize("directions", ["gaussian", "hadamard"])
def test_a_bucket_is_the_signs_of_its_directions(directions):
    fde = fb.FDE(DIM, 4, 5, projection=None, seed=3, directions=directions)
    tokens = unit((400,), 2)
    bits = (buckets_of(tokens, fde)[:, :, None] >> np.arange(5)) & 1  # (repetitions, t, bits)
    opposite = (buckets_of(-tokens, fde)[:, :, None] >> np.arange(5)) & 1
    np.testing.assert_array_equal(bits + opposite, 1)  # each bit is a sign, so the opposite token has the other one
    near = tokens + 1e-4 * unit((400,), 5)
    assert (buckets_of(near, fde) == buckets_of(tokens, fde)).mean() > 0.99
    for r in range(4):  # every bit alone is a half space: some direction separates its tokens
        for bit in range(5):
            ones = bits[r, :, bit] == 1
            direction = tokens[ones].mean(axis=0) - tokens[~ones].mean(axis=0)
            assert ((tokens @ direction > 0) == ones).mean() > 0.9


@pytest.mark.parametrize("directions", ["gaussian", "hadamard"])
@pytest.mark.parametrize("bits", [2, 9])
def test_bits_differ_as_often_as_the_angle_says(directions, bits):
    fde = fb.FDE(DIM, 240 // bits, bits, projection=None, seed=4, directions=directions)
    x, y = unit((30,), 11), unit((30,), 12)
    near = x + 0.3 * y
    angle = np.arccos(np.sum(x * near, axis=1) / np.linalg.norm(near, axis=1))
    changed = buckets_of(x, fde) ^ buckets_of(near, fde)  # (repetitions, t)
    share = np.mean((changed[:, :, None] >> np.arange(bits)) & 1)
    assert abs(share - angle.mean() / np.pi) < 0.015  # of 30 pairs and 240 directions


def test_settings_of_older_files_mean_gaussian_directions_and_plain_means():
    params = fb.FDE(DIM, 3, 4).params
    assert fb.FDE.of(params).directions == "hadamard"
    older = fb.FDE.of({name: value for name, value in params.items() if name not in ("directions", "length_fair")})
    assert older == fb.FDE(DIM, 3, 4, directions="gaussian", length_fair=False)


@pytest.mark.parametrize("bits", [0, 2, 4])
def test_with_fill_means_are_never_above_chamfer(bits):
    fde = fb.FDE(DIM, 5, bits, projection=None, seed=11, length_fair=False)
    queries, documents = ragged(12, 3, 1, 12), ragged(15, 4)
    scores = fde.encode_queries(queries) @ fde.encode_documents(documents).T / fde.repetitions
    chamfer = np.array([[(q @ d.T).max(axis=1).sum() for d in documents] for q in queries])
    assert (scores <= chamfer + 1e-4).all()


@pytest.mark.parametrize("bits", [0, 2, 4])
def test_stretched_means_are_above_chamfer_by_no_more_than_they_are_stretched(bits):
    fair, plain = (fb.FDE(DIM, 5, bits, projection=None, seed=11, length_fair=how) for how in (True, False))
    queries, documents = ragged(12, 3, 1, 12), ragged(15, 4)
    chamfer = np.array([[(q @ d.T).max(axis=1).sum() for d in documents] for q in queries])
    scores = fair.encode_queries(queries) @ fair.encode_documents(documents).T / fair.repetitions
    longer = fair.encode_documents(documents) - plain.encode_documents(documents)
    stretched = np.linalg.norm(longer.reshape(len(documents), -1, DIM), axis=2).max(axis=1)
    assert (scores <= chamfer + np.outer([len(q) for q in queries], stretched) + 1e-4).all()


@pytest.mark.parametrize("projection", ["sketch", "dense", None])
def test_documents_of_many_tokens_are_found_too(projection):
    short, queries = ragged(400, 21, 8, 12), ragged(40, 22, 2, 5)
    corpus = short[160:] + [np.concatenate(short[i : i + 16]) for i in range(0, 160, 16)]
    top = np.argsort(-fb.chamfer(queries, corpus), axis=1)[:, :5]
    assert (top >= 240).mean() > 0.5
    shares = []
    for how in (True, False):
        fde = fb.FDE(DIM, 40, 4, projection=projection, length_fair=how)
        ids = np.argsort(-(fde.encode_queries(queries) @ fde.encode_documents(corpus).T), axis=1)[:, :20]
        shares.append(np.mean((top[:, :, None] == ids[:, None, :]).any(axis=2)[top >= 240]))
    assert shares[0] > 0.9 > shares[1] + 0.3


def test_with_fill_more_buckets_come_nearer_to_chamfer():
    queries, documents = ragged(12, 3, 1, 12), ragged(15, 4)
    means = []
    for bits in (0, 2, 4, 6):
        fde = fb.FDE(DIM, 20, bits, projection=None, seed=5, length_fair=False)
        means.append(float(np.mean(fde.encode_queries(queries) @ fde.encode_documents(documents).T)))
    assert means == sorted(means)


def test_buckets_of_queries_stay_empty():
    fde = fb.FDE(DIM, 6, 5, 4)
    for tokens in ragged(5, 9, 1, 6):
        filled = np.abs(fde.encode_queries(tokens).reshape(6, 32, 4)).sum(axis=2) > 0
        assert (filled.sum(axis=1) <= len(tokens)).all()
        assert (np.abs(fde.encode_documents(tokens).reshape(6, 32, 4)).sum(axis=2) > 0).all()


@pytest.mark.parametrize("projection", ["sketch", "dense"])
@pytest.mark.parametrize("projection_dim", [1, 5, 8, 24])
def test_projections_are_unbiased(projection, projection_dim):
    queries, documents = unit((4, 6), 5), unit((4, 9), 6)
    plain, projected = [], []
    for seed in range(60):
        for out, kind in ((plain, None), (projected, projection)):
            fde = fb.FDE(DIM, 8, 2, projection_dim if kind else None, projection=kind, seed=seed, length_fair=False)
            out.append(np.sum(fde.encode_queries(queries) * fde.encode_documents(documents), axis=1))
    error = np.mean(projected, axis=0) - np.mean(plain, axis=0)
    spread = np.std(np.subtract(projected, plain), axis=0) / np.sqrt(60)
    assert (np.abs(error) < 5 * spread + 1e-4).all()


@pytest.mark.parametrize("projection", ["sketch", "dense"])
def test_a_cycle_of_projections_is_an_orthogonal_matrix(projection):
    # One bucket: the sums of 3 repetitions of 8 of 24 dimensions (of 4, where signs need a power of two) must be exact.
    repetitions = 3 if projection == "dense" else 4
    fde = fb.FDE(DIM, repetitions, 0, 8, projection=projection, seed=2)
    x, y = unit((20, 1), 8), unit((20, 1), 9)
    scores = np.sum(fde.encode_queries(x) * fde.encode_documents(y), axis=1)
    np.testing.assert_allclose(scores, repetitions * np.sum(x * y, axis=(1, 2)), rtol=1e-4, atol=1e-4)


def test_final_dim_is_unbiased_and_smaller():
    queries, documents = unit((5, 6), 15), unit((5, 9), 16)
    errors = []
    for seed in range(60):
        whole, short = (fb.FDE(DIM, 4, 3, 8, final_dim=final, seed=seed) for final in (None, 100))
        assert (whole.dims, short.dims) == (256, 100)
        scores = [np.sum(f.encode_queries(queries) * f.encode_documents(documents), axis=1) for f in (whole, short)]
        errors.append(scores[1] - scores[0])
    assert (np.abs(np.mean(errors, axis=0)) < 5 * np.std(errors, axis=0) / np.sqrt(60)).all()


def test_the_forms_of_sets_are_one():
    fde = fb.FDE(DIM, 4, 3, 8)
    sets = ragged(20, 6)
    flat, offsets = np.concatenate(sets), np.cumsum([0, *map(len, sets)])
    expected = fde.encode_documents(sets)
    np.testing.assert_array_equal(fde.encode_documents((flat, offsets)), expected)
    np.testing.assert_array_equal(fde.encode_documents((flat[::-1][::-1], offsets.astype(np.int32))), expected)
    np.testing.assert_array_equal(np.stack([fde.encode_documents(s) for s in sets]), expected)
    np.testing.assert_array_equal(fde.encode_documents(sets, threads=3), fde.encode_documents(sets, threads=1))
    same = np.stack([s[:1] for s in sets])
    np.testing.assert_array_equal(fde.encode_queries(same), fde.encode_queries(list(same)))
    half = [s.astype(np.float16) for s in sets]
    np.testing.assert_array_equal(fde.encode_queries(half), fde.encode_queries([s.astype(np.float32) for s in half]))


def test_tensors_are_taken_as_they_are():
    class Tensor:  # what torch gives on a CPU: the array protocol and no more
        def __init__(self, x):
            self.x, self.ndim, self.shape = x, x.ndim, x.shape

        def __array__(self, dtype=None, copy=None):
            return self.x

    fde = fb.FDE(DIM, 4, 3, 8)
    sets = ragged(5, 7)
    expected = fde.encode_documents(sets)
    np.testing.assert_array_equal(fde.encode_documents([Tensor(s) for s in sets]), expected)
    np.testing.assert_array_equal(fde.encode_documents(Tensor(sets[0])), expected[0])


def test_seeds_differ_and_repeat():
    sets = ragged(3, 8)
    encode = lambda seed: fb.FDE(DIM, 4, 3, 8, seed=seed).encode_documents(sets)  # noqa: E731
    np.testing.assert_array_equal(encode(5), encode(5))
    assert not np.array_equal(encode(5), encode(6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 0}, "FDE: dim"),
        ({"repetitions": 0}, "repetitions"),
        ({"simhash_bits": 17}, "simhash_bits"),
        ({"directions": "uniform"}, "directions: expected 'gaussian' or 'hadamard'"),
        ({"projection": "ams"}, "projection: expected 'sketch' or 'dense' or None"),
        ({"projection_dim": 25}, "projection_dim"),
        ({"projection": None, "projection_dim": 8}, "projection_dim"),
        ({"final_dim": 10**9}, "final_dim"),
        ({"simhash_bits": 16, "repetitions": 4096}, "dimensions before final_dim"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        fb.FDE(**{"dim": DIM} | arguments)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([np.zeros((0, DIM))], "at least 1 token per set, got none in set 0"),
        ([np.zeros((2, DIM)), np.zeros((2, 3))], r"set 1: expected shape \(t, 24\), got \(2, 3\)"),
        ([np.full((2, DIM), np.nan)], "finite"),
        ((np.zeros((4, DIM)), [0, 3, 5]), "offsets that ascend from 0"),
        ((np.zeros((4, DIM)), [0, 3, 2, 4]), "offsets that ascend from 0"),
    ],
)
def test_bad_sets_are_named(sets, message):
    with pytest.raises(ValueError, match=message):
        fb.FDE(DIM).encode_documents(sets)
    with pytest.raises(TypeError, match="list of"):
        fb.FDE(DIM).encode_documents(np.zeros(DIM))
