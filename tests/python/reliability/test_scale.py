"""Vectors so long or so small that float32 cannot hold their scores are errors; between them scale does not matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import F32, overlap, vectors

DIM = 16
LONGEST = 2.0**62
CODECS = [
    fb.Float(32),
    fb.Scalar(8),
    fb.Scalar(4),
    fb.Scalar(4, staged=True),
    fb.PQ(8),
    fb.PQ(8, bits=4),
    fb.RaBitQ(4),
    fb.RaBitQ(4, staged=True),
]


@pytest.fixture(scope="module")
def x() -> F32:
    return vectors(1500, DIM)


def scaled(x: F32, longest: float) -> F32:
    """x times a power of two, so that its longest row is at most this long, and longer than half of it."""
    now = float(np.linalg.norm(x.astype(np.float64), axis=1).max())
    return x * np.float32(2.0 ** np.floor(np.log2(longest / now)))


def too_long(x: F32) -> F32:
    wrong = x.copy()
    wrong[[3, 700]] *= np.float32(1e19)
    return wrong


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("codec", CODECS, ids=str)
@pytest.mark.parametrize("lists", [None, 8])
def test_rows_that_are_too_long_change_nothing(x: F32, metric: str, codec: Any, lists: int | None) -> None:
    def fresh() -> fb.Index:
        return fb.Index(DIM, metric=metric, codec=codec, partition=None if lists is None else fb.IVF(lists))

    index = fresh().build(x, progress=False)
    before = index.to_bytes()
    for action in (fresh().build, fresh().train, index.add, index.search):
        with pytest.raises(ValueError, match=r"length 4\.6e\+18 or less.*rows 3, 700$"):
            action(too_long(x))
    with pytest.raises(ValueError, match=r"block 1: .*row 700$"):
        index.add(iter([x[:10], too_long(x)[10:]]))
    assert index.to_bytes() == before


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_exact_search_and_build_refuse_them_too(x: F32, metric: str) -> None:
    actions: list[Callable[[], Any]] = [
        lambda: fb.exact_search(too_long(x), x[:2], metric=metric),
        lambda: fb.exact_search(x, too_long(x), metric=metric),
        lambda: fb.build(too_long(x), metric=metric),
        lambda: fb.recall(fb.Index(DIM, metric=metric).add(x), x[:5], x=too_long(x)),
    ]
    for action in actions:
        with pytest.raises(ValueError, match=r"length.*rows 3, 700$"):
            action()


def test_tokens(x: F32) -> None:
    """Scores sum over the tokens of a set, so the limit of a token falls with their number."""
    sets = [x[:8], x[8:40]]
    index = fb.MultiVectorIndex(DIM).build(sets, progress=False)
    wrong = [sets[0], scaled(sets[1], LONGEST)]
    for action in (index.add, index.search, fb.MultiVectorIndex(DIM).build, fb.MultiVectorIndex(DIM).train):
        with pytest.raises(ValueError, match=r"set 1: expected vectors of length 1\.4e\+17 or less"):
            action(wrong)
    for call in (lambda: fb.chamfer(sets, wrong), lambda: fb.chamfer(wrong, sets), lambda: fb.carve(wrong)):
        with pytest.raises(ValueError, match="set 1: expected vectors of length"):
            call()
    for encode in (fb.FDE(DIM).encode_queries, fb.FDE(DIM).encode_documents):
        with pytest.raises(ValueError, match="set 1: expected vectors of length"):
            encode(wrong)
    assert len(index) == 2
    right = [set_ * np.float32(2.0**50) for set_ in sets]
    assert np.array_equal(fb.chamfer(right, right), fb.chamfer(sets, sets) * np.float32(2.0**100))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize(
    ("codec", "transform"),
    [
        *((codec, transform) for codec in (fb.PQ(8), fb.Scalar(8), fb.RaBitQ(4)) for transform in (None, fb.PCA(12))),
        (fb.PQ(8), fb.OPQ(iterations=2)),
        (fb.Float(32), None),
    ],
    ids=str,
)
def test_up_to_the_limit_the_scale_does_not_matter(x: F32, metric: str, codec: Any, transform: Any) -> None:
    long, q = scaled(x, LONGEST), x[:40]
    index = fb.Index(DIM, metric=metric, transform=transform, codec=codec, partition=fb.IVF(8)).build(long)
    usual = fb.Index(DIM, metric=metric, transform=transform, codec=codec, partition=fb.IVF(8)).build(x)
    found = index.search(q * (long[0, 0] / x[0, 0]), nprobe=8)
    assert np.isfinite(found.scores).all()
    assert overlap(found.ids, usual.search(q, nprobe=8).ids) > 0.85  # training rounds elsewhere


@pytest.mark.parametrize("power", [-140, -100, 100, 122])
@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_cosine_takes_any_rows_that_are_finite_and_not_zero(codec: Any, power: int) -> None:
    whole = np.random.default_rng(0).integers(-9, 9, size=(300, DIM)).astype(np.float32) + np.float32(0.5)
    rows = (whole.astype(np.float64) * 2.0**power).astype(np.float32)  # exact: denormals have bits enough for these
    assert np.array_equal(rows.astype(np.float64), whole * 2.0**power)
    index = fb.Index(DIM, metric="cosine", codec=codec, partition=fb.IVF(4)).build(rows)
    usual = fb.Index(DIM, metric="cosine", codec=codec, partition=fb.IVF(4)).build(whole)
    for found, expected in zip(index.search(rows[:9]), usual.search(whole[:9]), strict=True):
        assert np.array_equal(found, expected)
    exact = fb.exact_search(rows, rows[:9], metric="cosine")
    assert np.array_equal(exact.scores, fb.exact_search(whole, whole[:9], metric="cosine").scores)


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("codec", [fb.Float(32), fb.PQ(8)], ids=str)
def test_the_first_vectors_are_not_all_tiny(x: F32, metric: str, codec: Any) -> None:
    tiny = x * np.float32(1e-17)
    index = fb.Index(DIM, metric=metric, codec=codec)
    for action in (index.build, index.train, lambda rows: index.build(iter([rows[:9], rows[9:]]))):
        with pytest.raises(ValueError, match=r"1e-15 or more.*multiply all vectors and queries"):
            action(tiny)
    assert not len(index)
    if index.is_trained:
        with pytest.raises(ValueError, match="1e-15 or more"):
            index.add(tiny)
    assert len(index.build(np.concatenate([x, tiny]))) == 3000  # among others they are as good as zero
    assert len(index.add(tiny)) == 4500
    assert len(fb.Index(DIM, metric=metric).add(np.zeros((3, DIM), np.float32))) == 3


def test_the_first_tokens_are_not_all_tiny(x: F32) -> None:
    with pytest.raises(ValueError, match="documents: expected values of 1e-15 or more"):
        fb.MultiVectorIndex(DIM).build([x[:8] * np.float32(1e-17)])


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_values_that_vanish_in_float32_are_named(x: F32, metric: str) -> None:
    wide = x.astype(np.float64)
    wide[[2, 8]] *= 1e-60
    for action in (fb.Index(DIM, metric=metric).add, fb.Index(DIM, metric=metric).build):
        with pytest.raises(ValueError, match=r"range of float32, got only smaller ones in rows 2, 8$"):
            action(wide)
    wide[[2, 8], 1:] = 1.0  # a value or two of many
    assert len(fb.Index(DIM, metric=metric).add(wide)) == 1500
