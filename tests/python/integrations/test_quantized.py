"""fb.from_quantized: packed bits and bytes are the codes; rankings are numpy's by Hamming distance and by products."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import F32, brute_force, vectors

D = 64
X = vectors(3000, D, seed=3)
Q = vectors(40, D, seed=4)
X /= np.linalg.norm(X, axis=1, keepdims=True)
Q /= np.linalg.norm(Q, axis=1, keepdims=True)
RANGES = np.stack([X.min(axis=0), X.max(axis=0)])


def quantized(x: F32, precision: str) -> np.ndarray:
    """As `sentence_transformers.quantization.quantize_embeddings` of 5.1 does it."""
    if precision == "ubinary":
        return np.packbits(x > 0, axis=1)
    if precision == "binary":
        return (np.packbits(x > 0, axis=1).astype(np.int16) - 128).astype(np.int8)
    t = (x - RANGES[0]) / ((RANGES[1] - RANGES[0]) / 255)
    return t.astype(np.uint8) if precision == "uint8" else (t - 128).astype(np.int8)


def hamming(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.unpackbits(a[:, None] ^ b[None], axis=2).sum(axis=2)


@pytest.mark.parametrize("precision", ["ubinary", "binary"])
def test_bits_are_the_codes(precision: str) -> None:
    packed = quantized(X, precision)
    index = fb.from_quantized(packed, precision)
    signs = np.where(X > 0, 1, -1)
    np.testing.assert_array_equal(np.sign(index.reconstruct(np.arange(len(X)))), signs)
    encoded = fb.Index(D, metric="cosine", transform=fb.Identity(), codec=fb.RecurrentBinary(1))
    encoded.build(fb.unpack_bits(packed), progress=False)
    assert index.codec == encoded.codec
    for queries in (Q, fb.unpack_bits(quantized(Q, precision))):
        found, expected = index.search(queries, k=50), encoded.search(queries, k=50)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_packed_queries_rank_by_hamming_distance() -> None:
    index = fb.from_quantized(quantized(X, "ubinary"), "ubinary", symmetric=True)
    found = index.search(fb.unpack_bits(quantized(Q, "ubinary")), k=50)
    np.testing.assert_array_equal(index.search(Q, k=50).ids, found.ids)
    distances = hamming(quantized(Q, "ubinary"), quantized(X, "ubinary"))
    order = np.lexsort((np.broadcast_to(np.arange(len(X)), distances.shape), distances))[:, :50]
    np.testing.assert_array_equal(found.ids, order)  # ties by id
    expected = 1 - 2 * np.take_along_axis(distances, order, axis=1) / D
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)


def test_float_queries_rank_by_products_with_signs() -> None:
    index = fb.from_quantized(quantized(X, "ubinary"), "ubinary")
    products = Q @ np.where(X > 0, 1, -1).T / np.sqrt(D)
    found = index.search(Q, k=10)
    np.testing.assert_allclose(found.scores, np.take_along_axis(products, found.ids, axis=1), atol=5e-3)
    best = np.argsort(-products, axis=1)[:, :10]
    assert np.mean([len(set(a) & set(b)) for a, b in zip(found.ids, best, strict=True)]) > 9.5


@pytest.mark.parametrize("precision", ["int8", "uint8"])
@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("ranges", [None, RANGES], ids=["bytes", "floats"])
def test_bytes_are_the_codes(precision: str, metric: str, ranges: Any) -> None:
    codes = quantized(X, precision)
    index = fb.from_quantized(codes, precision, np.arange(len(X)) * 2, metric=metric, ranges=ranges)
    level = codes.astype(np.float64) + (128 if precision == "int8" else 0)
    stored = codes.astype(np.float64) if ranges is None else RANGES[0] + level * (RANGES[1] - RANGES[0]) / 255
    own = index.reconstruct(np.arange(0, 200, 2))
    np.testing.assert_allclose(own, stored[:100], rtol=1e-5, atol=1e-6 * np.abs(stored).max())
    queries = Q if ranges is not None else quantized(Q, precision).astype(np.float32)
    ids, scores = brute_force(stored.astype(np.float32), queries, 10, metric)
    found = index.search(queries, k=10)
    assert np.mean([len(set(a) & set(2 * b)) for a, b in zip(found.ids, ids, strict=True)]) > 9.5
    spread = np.abs(scores).max()
    np.testing.assert_allclose(index.score(queries, 2 * ids), scores, rtol=0, atol=0.015 * spread)  # queries of 8 bits


def test_the_rescoring_recipe(tmp_path: Path) -> None:
    """Bits find candidates, bytes rank them: as floats do, nearly."""
    bits = fb.from_quantized(quantized(X, "ubinary"), "ubinary")
    ints = fb.from_quantized(quantized(X, "int8"), "int8", ranges=RANGES)

    def by_bytes(rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
        products = Q[rows] * ints.reconstruct(ids)
        return np.asarray(products.sum(axis=1))

    truth = brute_force(X, Q, 10, "ip")[0]
    found = bits.search(Q, k=10, rerank=200, scorer=by_bytes).ids
    again = bits.search(Q, k=200).ids
    scores = ints.score(Q, again)
    best = np.take_along_axis(again, np.argsort(-scores, axis=1, kind="stable")[:, :10], axis=1)
    shares = [np.mean([len(set(a) & set(b)) / 10 for a, b in zip(x, truth, strict=True)]) for x in (found, best)]
    assert min(shares) > 0.9
    assert min(shares) > 0.2 + np.mean(
        [len(set(a) & set(b)) / 10 for a, b in zip(bits.search(Q, k=10).ids, truth, strict=True)]
    )


def test_files_and_more_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.integrations.quantized._BLOCK_ROWS", 700)
    np.save(tmp_path / "x.npy", quantized(X, "ubinary"))
    index = fb.from_quantized(np.load(tmp_path / "x.npy", mmap_mode="r"), "ubinary", np.arange(len(X)) + 5)
    index.save(tmp_path / "x.fb")
    again = fb.open(tmp_path / "x.fb", verify=True)
    np.testing.assert_array_equal(again.search(Q, k=5).ids, index.search(Q, k=5).ids)
    again.add(fb.unpack_bits(quantized(Q, "ubinary")), progress=False)
    assert again.search(Q, k=1).ids.ravel().tolist() == list(range(len(X) + 5, len(X) + 45))
    merged = fb.merge([index, fb.from_quantized(quantized(Q, "ubinary"), "ubinary", np.arange(40) + 10_000)])
    assert merged.search(Q, k=1).ids.ravel().tolist() == list(range(10_000, 10_040))
    assert len(fb.from_quantized(np.zeros((0, 4), np.uint8), "ubinary")) == 0


PACKED = quantized(X, "ubinary")
WRONG: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ((X, "ubinary"), {}, TypeError, "uint8.*got float32"),
    ((PACKED, "binary"), {}, TypeError, r"int8 \(binary\), got uint8"),
    ((PACKED[0], "ubinary"), {}, TypeError, "shape"),
    ((PACKED, "float"), {}, ValueError, "precision: expected"),
    ((PACKED, "ubinary"), {"metric": "ip"}, ValueError, "of bits expected 'cosine'"),
    ((PACKED, "ubinary"), {"ranges": RANGES}, ValueError, "ranges: are for int8"),
    ((PACKED, "uint8"), {"metric": "cosine"}, ValueError, "metric: expected"),
    ((PACKED, "uint8"), {"symmetric": True}, ValueError, "symmetric: is for bits"),
    ((PACKED, "ubinary"), {"symmetric": 1}, TypeError, "symmetric"),
    ((PACKED, "uint8"), {"ranges": RANGES}, ValueError, r"ranges: expected \(2, 8\)"),
    ((quantized(X, "int8"), "int8"), {"ranges": RANGES[::-1]}, ValueError, "smaller ones first"),
    ((quantized(X, "int8"), "int8"), {"ranges": RANGES * np.nan}, ValueError, "finite"),
    ((PACKED, "ubinary", [1, 2]), {}, ValueError, "ids"),
    ((PACKED[:2], "ubinary", [1, 1]), {}, ValueError, "ids"),
]


@pytest.mark.parametrize(("given", "named", "error", "match"), WRONG, ids=range(len(WRONG)))
def test_other_input_is_refused(
    given: tuple[Any, ...], named: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        fb.from_quantized(*given, **named)
