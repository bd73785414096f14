"""Codecs that fit nothing to data, or only a mean, take vectors at once."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.spec.codec import Codec
from support import parts
from support.data import F32, brute_force, overlap, vectors

EMPTY = {name: row for name, row in parts.ALL_CODECS.items() if row.codec.starts_empty}
MARGIN = 0.03
"""Recall that the fitted mean may be worth where it is short."""


def test_these_start_empty() -> None:
    kinds = {type(row.codec) for row in EMPTY.values()}
    assert kinds == {fb.Float, fb.Scalar, fb.RaBitQ, fb.RecurrentBinary}
    assert not fb.Scalar(8).starts_empty
    assert not fb.PQ(4).starts_empty


@pytest.mark.parametrize(("name", "metric"), [(name, metric) for name, metric in parts.ALL_SCORED if name in EMPTY])
def test_vectors_are_added_at_once_and_found(base: F32, queries: F32, name: str, metric: str) -> None:
    codec = EMPTY[name].codec
    index = fb.Index(32, metric=metric, codec=codec)
    assert index.is_trained
    assert index.search(queries, 3).counts.tolist() == [0] * len(queries)
    for begin in range(0, len(base), 1000):
        index.add(base[begin : begin + 1000], progress=False)
    built = fb.Index(32, metric=metric, codec=codec).build(base, progress=False)
    truth = brute_force(base, queries, 10, metric)[0]
    found = overlap(index.search(queries, 10).ids, truth)
    assert found >= overlap(built.search(queries, 10).ids, truth) - MARGIN
    assert index.stats().bytes_per_vector <= built.stats().bytes_per_vector


@pytest.mark.parametrize("name", EMPTY)
def test_parts_filled_apart_merge(base: F32, name: str) -> None:
    codec = EMPTY[name].codec
    halves = [
        fb.Index(32, metric="cosine", codec=codec).add(base[rows], ids=rows, progress=False)
        for rows in (np.arange(200), np.arange(200, 400))
    ]
    whole = fb.Index(32, metric="cosine", codec=codec).add(base[:400], progress=False)
    found, expected = (index.search(base[:20], 5) for index in (fb.merge(halves), whole))
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_an_empty_index_can_still_be_trained(base: F32) -> None:
    trained = fb.Index(32, metric="l2", codec=fb.RaBitQ(2)).train(base + 9, progress=False)
    assert np.abs(trained._engine.arrays()["center"]).max() > 5
    assert np.abs(trained.add(base + 9, progress=False).reconstruct([0]) - base[0] - 9).max() < 5


@pytest.mark.parametrize(
    ("parts_of_index", "what"),
    [({"codec": fb.Scalar(8)}, "Scalar"), ({"codec": fb.RaBitQ(2), "partition": fb.IVF(4)}, "lists")],
    ids=["levels", "lists"],
)
def test_what_is_fitted_to_data_still_needs_training(base: F32, parts_of_index: dict[str, Any], what: str) -> None:
    index = fb.Index(32, metric="l2", **parts_of_index)
    with pytest.raises(fb.NotTrainedError, match="train"):
        index.add(base)


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("codec", [fb.RaBitQ(4), fb.Scalar(4, levels="fixed")], ids=str)
def test_a_long_mean_is_warned_of_once(codec: Codec, metric: str) -> None:
    far = vectors(500, 32) + np.float32(4)
    index = fb.Index(32, metric=metric, codec=codec)
    with pytest.warns(UserWarning, match=r"mean .* build\(x\)") as seen:
        index.add(far, progress=False)
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index.add(far, progress=False)
        fb.Index(32, metric=metric, codec=codec).train(far, progress=False).add(far, progress=False)
        fb.Index(32, metric=metric, codec=fb.Float(16)).add(far, progress=False)
        fb.Index(32, metric=metric, codec=codec).add(far[:3], progress=False)  # too few to tell


def scalar_fixed_oracle(x: F32) -> F32:
    """`Scalar(8, levels="fixed")` in numpy: halves between integers, the largest magnitude at 127.5, best scale."""
    a = np.abs(x).max(axis=1, keepdims=True)
    codes = np.clip(np.rint(x / a * 127.5 - 0.5), -128, 127) + 0.5
    scale = (x * codes).sum(axis=1, keepdims=True) / np.square(codes).sum(axis=1, keepdims=True)
    return np.asarray(scale * codes, np.float32)


def test_fixed_levels_are_the_oracles(base: F32) -> None:
    index = fb.Index(32, metric="ip", codec=fb.Scalar(8, levels="fixed")).add(base[:200], progress=False)
    np.testing.assert_allclose(index.reconstruct(np.arange(200)), scalar_fixed_oracle(base[:200]), atol=1e-5)


def test_fixed_levels_of_4_bits_are_those_of_a_normal_distribution() -> None:
    x = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    errors = {}
    for levels in ("fixed", "uniform", "lloyd-max"):
        index = fb.Index(64, metric="ip", codec=fb.Scalar(4, levels=levels)).build(x, progress=False)
        errors[levels] = float(np.square(index.reconstruct(np.arange(300)) - x).mean())
    assert errors["fixed"] < errors["uniform"]
    assert errors["fixed"] == pytest.approx(0.01, abs=0.003)  # 0.0095 is Max's own figure
    assert errors["fixed"] < 1.1 * errors["lloyd-max"]


def test_levels_must_be_known() -> None:
    with pytest.raises(ValueError, match="'fixed'"):
        fb.Scalar(8, levels="any")
    with pytest.raises(ValueError, match="bits=4"):
        fb.Scalar(8, levels="fixed", staged=True)
    assert dataclasses.replace(fb.Scalar(4), levels="fixed").describe() == "scalar, 4 bits per dimension, fixed levels"
