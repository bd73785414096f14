"""Recurrent binary codes: the binarizer against numpy, exact symmetric scores, the file, and when they are refused."""

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
I64 = NDArray[np.int64]


def unit(x: Any) -> F64:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float64)


def binarized(x: F32, bits: int, maps: dict[str, F32] | None = None) -> I64:
    """docs/format.md: codes of the rows of x, in float64."""

    def apply(name: str, step: int, y: F64) -> F64:
        if maps is None:
            return y
        linear, *branch = (np.asarray(maps[name + tail][step], np.float64) for tail in ("", "_in", "_bias", "_out"))
        return y @ linear.T + np.maximum(y @ branch[0].T + branch[1], 0) @ branch[2].T

    b, codes = np.zeros(()), np.zeros((), np.int64)
    for step in range(bits):
        z = (
            apply("base", 0, unit(x))
            if step == 0
            else apply("refine", step - 1, unit(x) - unit(apply("back", step - 1, b)))
        )
        signs = np.where(z < 0, -1, 1)
        b, codes = b + 2.0**-step * signs, 2 * codes + (signs > 0)
    return np.asarray(codes)


def fields(elements: Any, bits: int, m: int) -> I64:
    """Codes (n, m) of the half bytes of a file: docs/format.md, "Recurrent binary"."""
    sections = [(1, 2), (2, 0)] if bits == 3 else [(bits, 0)]
    codes, at = np.zeros((len(elements), m), np.int64), 0
    for width, shift in sections:
        each = 4 // width
        half_bytes = elements[:, at : at + -(-m // each)].astype(np.int64)
        at += half_bytes.shape[1]
        parts = half_bytes[:, :, None] >> (width * np.arange(each)) & (2**width - 1)
        codes |= parts.reshape(len(elements), -1)[:, :m] << shift
    assert at == elements.shape[1]
    return codes


def elements_of(bits: int, m: int) -> int:
    return -(-m // 4) + -(-m // 2) if bits == 3 else -(-m * bits // 4)


def random_maps(bits: int, m: int, dim: int, hidden: int) -> dict[str, F32]:
    random = np.random.default_rng(bits)
    shapes = {"base": (1, m, dim), "back": (bits - 1, dim, m), "refine": (bits - 1, m, dim)}
    maps: dict[str, F32] = {}
    for name, (steps, rows, cols) in shapes.items():
        maps[name] = random.normal(size=(steps, rows, cols)).astype(np.float32)
        maps[name + "_in"] = random.normal(size=(steps, hidden, cols)).astype(np.float32)
        maps[name + "_bias"] = random.normal(size=(steps, hidden)).astype(np.float32)
        maps[name + "_out"] = random.normal(size=(steps, rows, hidden)).astype(np.float32)
    return maps


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("hidden", [0, 17])
def test_codes_are_what_the_recursion_says(bits: int, hidden: int) -> None:
    dim, m = 21, 30 if hidden else 21
    x = vectors(400, dim)
    maps = random_maps(bits, m, dim, hidden) if hidden else None
    params = {"dim": dim, "metric": 1, "codec.kind": 5, "codec.bits": bits, "codec.m": m, "codec.symmetric": 0}
    arrays = {f"codec.{name}": array for name, array in (maps or {}).items()}
    rows, a, _ = _core.encode(params | {"codec.hidden": hidden}, arrays, "codec", x)
    codes = fields(format_reader.unpack(rows, 4, elements_of(bits, m)), bits, m)
    assert (codes == binarized(x, bits, maps)).mean() > 0.999
    levels = 2 * codes - (2**bits - 1)
    np.testing.assert_allclose(a, 1 / np.linalg.norm(levels, axis=1), rtol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("lists", [None, 5])
def test_symmetric_search_ranks_by_the_cosine_of_codes(tmp_path: Path, bits: int, lists: int | None) -> None:
    dim = 45
    x, q = vectors(700, dim), vectors(9, dim, seed=1)
    codec = fb.RecurrentBinary(bits, symmetric=True)
    index = fb.Index(dim, metric="cosine", transform=fb.Identity(), partition=lists and fb.IVF(lists), codec=codec)
    index.build(x).save(tmp_path / "a.fb")
    params, arrays = format_reader.read(tmp_path / "a.fb")
    assert params["codec.kind"] == 5
    codes = fields(format_reader.codes(arrays, "seg0", 4, elements_of(bits, dim)), bits, dim)
    in_order = np.empty_like(codes)
    in_order[arrays.get("seg0.ids", np.arange(len(x))).astype(np.int64)] = codes
    levels, own = 2 * in_order - (2**bits - 1), 2 * binarized(q, bits) - (2**bits - 1)
    if bits == 1:
        hamming = (own[:, None] != levels[None]).sum(-1)
        np.testing.assert_array_equal(own @ levels.T, dim - 2 * hamming)
    exact = own @ levels.T / np.linalg.norm(levels, axis=1) / np.linalg.norm(own, axis=1, keepdims=True)
    found = fb.open(tmp_path / "a.fb").search(q, 50, nprobe=lists)
    np.testing.assert_allclose(found.scores, -np.sort(-exact, axis=1)[:, :50], atol=1e-6)
    np.testing.assert_allclose(found.scores, np.take_along_axis(exact, found.ids, axis=1), atol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_bit_planes_give_the_same_scores(bits: int) -> None:
    """<b, b'> = sum over planes s, t of 2^-(s + t) (m - 2 Hamming(r_s, r'_t))."""
    m = 75
    x, q = vectors(64, m), vectors(8, m, seed=1)
    index = fb.Index(m, metric="cosine", transform=fb.Identity(), codec=fb.RecurrentBinary(bits, symmetric=True))
    found = index.build(x).search(q, 64)

    def planes(y: F32) -> I64:
        return binarized(y, bits)[:, None] >> np.arange(bits)[::-1, None] & 1

    differ = (planes(q)[:, None, :, None] != planes(x)[None, :, None]).sum(-1)
    weights = 2.0 ** -(np.arange(bits)[:, None] + np.arange(bits))
    products = ((m - 2 * differ) * weights).sum((-1, -2))

    def norms(y: F32) -> F64:
        return np.linalg.norm((2 * binarized(y, bits) - (2**bits - 1)) / 2.0 ** (bits - 1), axis=1)

    expected = products / norms(q)[:, None] / norms(x)
    np.testing.assert_allclose(found.scores, np.take_along_axis(expected, found.ids, axis=1), atol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_nothing_overflows_in_many_dimensions_and_padding_is_not_returned(bits: int) -> None:
    """Vectors and a query of one level only, the outermost where it is positive: the largest sums there are."""
    dim = 4096
    x = np.where(np.arange(33)[:, None] % 2 == 0, 1, -1) * np.ones(dim, np.float32)
    x[2, : dim // 2] = -1
    levels = 2 * binarized(x.astype(np.float32), bits) - (2**bits - 1)
    norms = np.linalg.norm(levels, axis=1) * np.sqrt(dim)
    for symmetric in (True, False):
        codec = fb.RecurrentBinary(bits, symmetric=symmetric)
        index = fb.Index(dim, metric="cosine", transform=fb.Identity(), codec=codec).build(x)
        found = index.search(np.ones(dim, np.float32), 40)
        assert set(found.ids[:33].tolist()) == set(range(33))
        assert (found.ids[33:] == -1).all()
        np.testing.assert_allclose(found.scores[:33], levels.sum(1)[found.ids[:33]] / norms[found.ids[:33]], atol=1e-5)
        assert np.isneginf(found.scores[33:]).all()


def test_more_bits_and_whole_queries_find_more(base: F32, queries: F32) -> None:
    exact = brute_force(base, queries, 10, "cosine")[0]

    def recall(codec: fb.RecurrentBinary, **parts: Any) -> float:
        index = fb.Index(32, metric="cosine", codec=codec, **parts).build(base)
        return overlap(index.search(queries, 10, nprobe=20 if "partition" in parts else None).ids, exact)

    whole = [recall(fb.RecurrentBinary(bits)) for bits in (1, 2, 3, 4)]
    coded = [recall(fb.RecurrentBinary(bits, symmetric=True)) for bits in (1, 2, 3, 4)]
    assert whole == sorted(whole)
    assert coded == sorted(coded)
    assert (np.array(whole) > coded).all()
    assert whole[3] > 0.85
    assert recall(fb.RecurrentBinary(2), partition=fb.IVF(20)) == pytest.approx(whole[1], abs=1e-3)
    assert recall(fb.RecurrentBinary(2), partition=fb.IVF(20), rerank=fb.Scalar(8)) > whole[1] + 0.1
    assert recall(fb.RecurrentBinary(2), transform=fb.PCA(24)) > 0.3


def test_needs_no_sample_unless_another_part_does() -> None:
    index = fb.Index(16, metric="cosine", codec=fb.RecurrentBinary(2))
    assert index.is_trained
    index.add(vectors(50, 16))
    assert index.search(vectors(50, 16)[3], 1).ids[0] == 3
    near = index.reconstruct(np.arange(50))
    assert (unit(near) * unit(vectors(50, 16))).sum(1).mean() > 0.9
    assert not fb.Index(16, metric="cosine", transform=fb.PCA(8), codec=fb.RecurrentBinary(2)).is_trained


def test_words(tmp_path: Path) -> None:
    maps = random_maps(2, 20, 16, 3)
    codec = fb.RecurrentBinary(2, dim=20, maps=maps)
    index = fb.Index(16, metric="cosine", codec=codec).build(vectors(100, 16))
    assert "recurrent binary codes of 20 trained dimensions, 2 bits per dimension" in index.explain()
    assert "transform  none" in index.explain()
    index.save(tmp_path / "a.fb")
    opened = fb.open(tmp_path / "a.fb")
    assert opened.explain() == index.explain()
    np.testing.assert_array_equal(opened.search(vectors(3, 16), 5).ids, index.search(vectors(3, 16), 5).ids)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fb.RecurrentBinary(0), r"RecurrentBinary: bits: expected a whole number in 1\.\.4"),
        (lambda: fb.RecurrentBinary(5), r"in 1\.\.4, got 5"),
        (lambda: fb.Index(8, metric="ip", codec=fb.RecurrentBinary()), "is for metric 'cosine', got metric 'ip'"),
        (lambda: fb.Index(8, metric="l2", codec=fb.RecurrentBinary()), "is for metric 'cosine', got metric 'l2'"),
        (lambda: fb.Index(8, metric="cosine", rerank=fb.RecurrentBinary()), "rerank: .* not rotated"),
        (lambda: fb.Index(8, metric="cosine", codec=fb.RecurrentBinary(dim=8)).train(vectors(99, 8)), "PCA"),
        (
            lambda: fb.Index(8, metric="cosine", transform=fb.PCA(4), codec=fb.RecurrentBinary(dim=8)),
            "maps of its own",
        ),
        (
            lambda: fb.Index(8, metric="cosine", codec=fb.RecurrentBinary(dim=8, maps=random_maps(2, 8, 9, 2))),
            "trained on 9 dimensions, got 8",
        ),
    ],
)
def test_refuses(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
