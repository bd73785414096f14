"""RaBitQ: what its papers promise (quality, no bias, coverage), what docs/format.md says, and that skipping is safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fewbits as fb
from fewbits import _core
from support import format_reader
from support.data import F32, brute_force, overlap, vectors

F64 = NDArray[np.float64]
COSINES = {
    1: 0.797,
    2: 0.939,
    3: 0.982,
    4: 0.994,
    5: 0.998,
    6: 0.9995,
    7: 0.9999,
    8: 0.99997,
}  # of a vector with its grid vector


def coded(x: F32, bits: int) -> tuple[F64, F64]:
    """(g, a) of the rows of x, which are not centred."""
    dim = x.shape[1]
    params = {"dim": dim, "metric": 1, "codec.kind": 4, "codec.bits": bits}
    rows, a, b = _core.encode(params, {"codec.mean": np.zeros(dim, np.float32)}, "codec", x)
    assert b is None
    assert a is not None
    return unpacked(rows, bits, dim) - (2**bits - 1) / 2, a.astype(np.float64)


def unpacked(rows: Any, bits: int, dim: int) -> F64:
    """Codes of rows of `bits` planes, high first: docs/format.md, "Staged"."""
    planes = np.unpackbits(rows.reshape(len(rows), bits, -1), axis=2, bitorder="little")[:, :, :dim]
    weights = 2 ** np.arange(bits)[::-1]
    return np.asarray(np.einsum("nbd,b->nd", planes, weights), np.float64)


def cosine(x: Any, y: Any) -> F64:
    return np.asarray((x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1), np.float64)


def best_cosine(x: F32, bits: int) -> F64:
    """By brute force over the lengths of which a grid vector is the rounding."""
    best = np.zeros(len(x))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True) * np.sqrt(x.shape[1])
    for scale in np.geomspace(0.1, 2, 300) * 2 ** (bits - 1):
        g = np.clip(np.floor(unit * scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) + 0.5
        best = np.maximum(best, cosine(g, x))
    return best


@pytest.mark.parametrize("bits", range(1, 9))
def test_codes_are_the_nearest_directions(bits: int) -> None:
    x = np.random.default_rng(bits).normal(size=(200, 384)).astype(np.float32)
    g, a = coded(x, bits)
    found = cosine(g, x)
    assert found.mean() == pytest.approx(COSINES[bits], abs=0.003)
    if bits > 1:
        assert (1 - found).mean() < 1.15 * (1 - best_cosine(x, bits)).mean() + 2e-5
    np.testing.assert_allclose(a, (x.astype(np.float64) ** 2).sum(1) / (x * g).sum(1), rtol=1e-4)


@pytest.mark.parametrize("bits", [1, 2, 4, 7])
@pytest.mark.parametrize("dim", [100, 384])
def test_estimates_have_no_bias_and_the_error_that_is_promised(bits: int, dim: int) -> None:
    """A pair of unit vectors with an inner product of .6, in 4,000 random rotations."""
    random = np.random.default_rng(7 * bits + dim)
    u, w = random.normal(size=(2, 4000, dim))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    w -= (w * u).sum(1, keepdims=True) * u
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    x, q = u.astype(np.float32), 0.6 * u + 0.8 * w
    g, a = coded(x, bits)
    errors = a * (g * q).sum(1) - 0.6
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(len(errors))
    s = cosine(g, x)
    expected = 0.8 * np.sqrt((1 - s**2) / s**2 / (dim - 1))
    assert errors.std() == pytest.approx(np.sqrt((expected**2).mean()), rel=0.06)
    covered = (np.abs(errors) <= 1.9 * expected).mean()
    assert 0.92 < covered < 0.97


def staged_codes(arrays: Any, n: int, bits: int, dim: int) -> F64:
    """docs/format.md, "Staged"."""
    high = format_reader.codes(arrays, "seg0", 4, -(-dim // 4)).astype(np.uint8)
    high = np.packbits(np.unpackbits(high[..., None], axis=2, bitorder="little")[..., :4].reshape(n, -1), 1, "little")
    rest = arrays.get("seg0.rest", np.zeros(0, np.uint8)).reshape(n, -1)
    return unpacked(np.concatenate([high[:, : (dim + 7) // 8], rest], axis=1), bits, dim)


def whole_codes(arrays: Any, n: int, bits: int, dim: int) -> F64:
    """docs/format.md, "RaBitQ"."""
    if bits == 8:
        return np.asarray(format_reader.codes(arrays, "seg0", 8, dim), np.float64)
    runs = format_reader.codes(arrays, "seg0", 4, -(-dim // 4) * bits).reshape(n, -1, bits).astype(np.int64)
    found, at = np.zeros((*runs.shape[:2], 4), np.int64), 0
    for width in (4, 2, 1):
        if bits & width:
            for j in range(4):
                field = runs[:, :, at + j * width // 4] >> (j * width % 4) & (2**width - 1)
                found[:, :, j] = found[:, :, j] << width | field
            at += width
    return np.asarray(found.reshape(n, -1)[:, :dim], np.float64)


def of_digits(arrays: Any, n: int, dim: int) -> F64:
    """g of codes of digits: docs/format.md, "Digits"."""
    digits = arrays["codec.digits"].astype(np.int64)
    runs = format_reader.codes(arrays, "seg0", 4, 2 * int(digits.sum())).reshape(n, -1, 2).astype(np.int64)
    numbers, at = np.zeros((n, len(digits), 4), np.int64), 0
    for digit in range(int(digits[0]), 0, -1):
        quads = int((digits >= digit).sum())
        two = runs[:, at : at + quads]
        numbers[:, :quads] = 4 * numbers[:, :quads] + np.stack(
            [two[:, :, 0] % 4, two[:, :, 0] // 4, two[:, :, 1] % 4, two[:, :, 1] // 4], axis=2
        )
        at += quads
    centers = (4.0**digits - 1) / 2
    value = np.where(np.repeat(digits, 4)[:dim] > 0, arrays["codec.value"], 0)
    return np.asarray((numbers - centers[:, None]).reshape(n, -1)[:, :dim] * value, np.float64)


def estimates(path: Path, q: F32) -> tuple[NDArray[np.int64], F64]:
    """(ids, scores) of every vector as docs/format.md has them; no transform, ids in row order."""
    params, arrays = format_reader.read(path)
    dim, n = params["dim"], params["seg0.n"]
    if "codec.digits" in arrays:
        g = of_digits(arrays, n, dim)
    else:
        bits = params["codec.bits"]
        stored = staged_codes if params.get("codec.staged", 1) else whole_codes
        g = stored(arrays, n, bits, dim) - (2**bits - 1) / 2
    a, b = arrays["seg0.a"].astype(np.float64), arrays.get("seg0.b", np.zeros(n)).astype(np.float64)
    queries = q.astype(np.float64) - arrays.get("center", 0)
    if params["metric"] == 2:
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    if params["transform.kind"] == 1:
        queries = queries @ arrays["transform.matrix"].reshape(dim, dim).T.astype(np.float64)
    residual, ids = params["partition.kind"] == 1, arrays.get("seg0.ids", np.arange(n)).astype(np.int64)
    t = arrays["codec.mean"][None] if not residual else arrays["partition.centroids"].reshape(-1, dim)
    t = np.repeat(t.astype(np.float64), np.diff(arrays["seg0.lists"].astype(np.int64)), axis=0)
    if params["metric"]:
        share = queries @ t.T / (t**2).sum(1) if residual else 0
        return ids, queries @ t.T + a * (queries @ g.T) + share * b
    if residual:
        return ids, (queries**2).sum(1)[:, None] - 2 * queries @ t.T - 2 * a * (queries @ g.T) - b
    queries -= arrays["codec.mean"]
    return ids, (queries**2).sum(1)[:, None] - 2 * a * (queries @ g.T) - b


def largest_error(index: fb.Index, path: Path, q: F32) -> float:
    """Of the scores of all vectors, beside the estimates of the independent reader, in standard deviations of these."""
    index.save(path)
    ids, expected = estimates(path, q)
    by_id = np.empty_like(expected)
    by_id[:, ids] = expected
    lists = None if index.partition is None else index.stats().lists
    found = fb.open(path).search(q, len(index), nprobe=lists)
    errors = np.abs(found.scores - np.take_along_axis(by_id, found.ids, axis=1))
    if index.metric == "l2":
        errors[found.scores == 0] = 0  # estimates may be below zero, distances are not
    return float(errors.max() / by_id.std())


@pytest.mark.parametrize("bits", [1, 3, 6, 8])
@pytest.mark.parametrize("lists", [None, 6])
@pytest.mark.parametrize(("dim", "staged"), [(21, True), (32, True), (21, False), (32, False)])
def test_independent_reader_estimates_the_same_scores(
    tmp_path: Path, metric: str, bits: int, lists: int | None, dim: int, staged: bool
) -> None:
    x, q = vectors(500, dim), vectors(7, dim, seed=1)
    partition = None if lists is None else fb.IVF(lists)
    codec = fb.RaBitQ(bits, staged=staged)
    index = fb.Index(dim, metric=metric, transform=fb.Identity(), partition=partition, codec=codec).build(x)
    # 1 bit: tables of bytes; more: 8-bit queries, staged or not.
    assert largest_error(index, tmp_path / "a.fb", q) < (0.03 if bits == 1 else 0.02)


@pytest.mark.parametrize("lists", [None, 6])
@pytest.mark.parametrize(("dim", "size"), [(21, 13), (32, 24), (32, 36)])
def test_independent_reader_estimates_the_scores_of_digits(
    tmp_path: Path, metric: str, lists: int | None, dim: int, size: int
) -> None:
    scales = np.geomspace(1, 0.05, dim, dtype=np.float32)
    x, q = vectors(500, dim) * scales, vectors(7, dim, seed=1) * scales
    partition = None if lists is None else fb.IVF(lists)
    index = fb.Index(dim, metric=metric, partition=partition, codec=fb.RaBitQ(bytes=size)).build(x)
    assert largest_error(index, tmp_path / "a.fb", q) < 0.04  # 8-bit queries


def test_what_is_skipped_is_not_missed() -> None:
    x, q = vectors(6000, 64), vectors(100, 64, seed=1)
    for bits in (2, 4, 8):
        index = fb.Index(64, metric="ip", codec=fb.RaBitQ(bits, staged=True)).build(x)
        exhaustive = brute_force(index.reconstruct(np.arange(len(x))), q, 10, "ip")[0]
        assert overlap(index.search(q, 10).ids, exhaustive) > 0.98


def test_bytes_are_counted_right_staged_or_not(base: F32) -> None:
    for bits in range(1, 9):
        for dim in (13, 255, 256):
            for staged in (None, True, False):
                codec = fb.RaBitQ(bits, staged=staged)
                index = fb.Index(dim, metric="ip", codec=codec).build(vectors(32, dim))
                counted = index.stats()["bytes"]["per_vector"]
                assert ("rest" in counted) == bool(staged and bits > 1)
                codes = sum(counted.get(part, 0) for part in ("codes", "rest", "a", "stage")) / 32
                assert codes == pytest.approx(codec.bytes_per_vector(dim, "ip"), abs=0.5)


@pytest.mark.parametrize("lists", [None, 4])
def test_bytes_are_those_that_were_asked_for(metric: str, lists: int | None) -> None:
    for dim in (13, 32):
        for size in (9, 12, 17):
            for shift in (0.0, 3.0):  # in a cone, under ip and cosine: a factor more
                x = vectors(320, dim) + np.float32(shift)
                partition = None if lists is None else fb.IVF(lists)
                index = fb.Index(dim, metric=metric, partition=partition, codec=fb.RaBitQ(bytes=size)).build(x)
                counted = index.stats()["bytes"]["per_vector"]
                assert sum(counted.get(part, 0) for part in ("codes", "a", "b")) / 320 == pytest.approx(size, abs=0.1)
                assert "directions of" in index.explain()
                assert "rotation to the codec's principal directions" in index.explain()


def test_more_bits_for_strong_directions_find_more_than_equal_bits() -> None:
    """Against every number of directions and bits in as many bytes."""
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(96, 96)))[0].astype(np.float32)
    scales = np.arange(1, 97, dtype=np.float32) ** -0.6
    x, q = (vectors(4000, 96) * scales) @ turn, (vectors(200, 96, seed=1) * scales) @ turn
    exact = brute_force(x, q, 10, "ip")[0]
    for size in (12, 20, 28):
        equal = []
        for bits in (1, 2, 3, 4, 6):
            kept = min(96, 8 * size // bits // 4 * 4)
            index = fb.Index(96, metric="ip", transform=fb.PCA(kept), codec=fb.RaBitQ(bits)).build(x)
            equal.append(overlap(index.search(q, 10).ids, exact))
        index = fb.Index(96, metric="ip", codec=fb.RaBitQ(bytes=size + 4)).build(x)
        assert overlap(index.search(q, 10).ids, exact) > max(equal) + 0.005


def test_bytes_with_what_may_be_before_them(base: F32, queries: F32) -> None:
    """Any transform: the codec turns to the principal directions of what it is given."""
    recalls = []
    for transform in (fb.Identity(), fb.RandomRotation(), fb.PCA(32), fb.Chain([fb.RandomRotation(), fb.PCA(32)])):
        index = fb.Index(32, metric="ip", transform=transform, codec=fb.RaBitQ(bytes=20)).build(base)
        recalls.append(overlap(index.search(queries, 10).ids, brute_force(base, queries, 10, "ip")[0]))
        restored = index.reconstruct(np.arange(100))
        assert np.mean((restored - base[:100]) ** 2) < 0.2 * np.mean(base[:100] ** 2)
    assert max(recalls) - min(recalls) < 0.03
    index = fb.Index(32, metric="ip", transform=fb.LeanVec(), codec=fb.RaBitQ(bytes=20))
    with pytest.warns(UserWarning, match="LeanVec"):  # queries like the vectors: no map is as good
        index.build(base, queries=vectors(400, 32, seed=9))


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_recall_grows_with_bits(metric: str, base: F32, queries: F32) -> None:
    exact = brute_force(base, queries, 10, metric)[0]
    recalls = []
    for bits in (1, 2, 4, 8):
        index = fb.Index(32, metric=metric, partition=fb.IVF(12), codec=fb.RaBitQ(bits)).build(base)
        recalls.append(overlap(index.search(queries, 10, nprobe=12).ids, exact))
    assert recalls == sorted(recalls)
    assert recalls[0] > 0.4
    assert recalls[2] > 0.85
    assert recalls[3] > 0.97


def test_vectors_on_their_centroid_are_exact() -> None:
    x = np.repeat(vectors(8, 16), 5, axis=0)
    index = fb.Index(16, metric="l2", partition=fb.IVF(8), codec=fb.RaBitQ(1)).build(x)
    q = vectors(3, 16, seed=4)
    found = index.search(q, 40, nprobe=8)
    np.testing.assert_allclose(found.scores, brute_force(x, q, 40, "l2")[1], rtol=1e-3)


def test_the_index_rotates_for_it(base: F32) -> None:
    index = fb.Index(32, metric="ip", codec=fb.RaBitQ(2))
    assert "random rotation" in index.explain()
    # PCA orders its dimensions by what they hold; behind it the codec sees them turned.
    x = base * np.geomspace(1, 1e-3, 32, dtype=np.float32)
    q = x[:50]
    by_pca = fb.Index(32, metric="ip", transform=fb.PCA(16), codec=fb.RaBitQ(2)).build(x)
    assert overlap(by_pca.search(q, 10).ids, brute_force(x, q, 10, "ip")[0]) > 0.6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fb.RaBitQ(0), r"RaBitQ: bits: expected a whole number in 1\.\.8, got 0"),
        (lambda: fb.RaBitQ(9), r"in 1\.\.8, got 9"),
        (lambda: fb.Index(8, metric="l2", codec=fb.RaBitQ(2, residual=True)), "partition=None"),
        (lambda: fb.Index(8, metric="l2", rerank=fb.RaBitQ(2)), "rerank: .* not rotated"),
        (lambda: fb.RaBitQ(bytes=8), "RaBitQ: bytes: expected a whole number >= 9, got 8"),
        (lambda: fb.RaBitQ(2, bytes=48), "expected bits or bytes, got bits=2 and bytes=48"),
        (lambda: fb.RaBitQ(bytes=48, staged=True), "got staged=True and on_disk=False with bytes=48"),
        (lambda: fb.RaBitQ(bytes=48, on_disk=True), "on_disk=True with bytes=48"),
        (
            lambda: fb.Index(16, metric="ip", codec=fb.RaBitQ(bytes=21)),
            r"16 dimensions takes 9\.\.20 bytes",
        ),
        (lambda: fb.Index(4, metric="ip", codec=fb.RaBitQ(bytes=9)), "for 5 to 2048 dimensions, got 4"),
        (lambda: fb.Index(4096, metric="ip", codec=fb.RaBitQ(bytes=64)), "for 5 to 2048 dimensions, got 4096"),
        (lambda: fb.MultiVectorIndex(32, tokens=fb.RaBitQ(bytes=16)), "tokens: bytes is for codes whose directions"),
        (lambda: fb.Index(8, metric="l2", transform=fb.OPQ(), codec=fb.RaBitQ(2)), "OPQ is for PQ"),
    ],
)
def test_refuses(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
