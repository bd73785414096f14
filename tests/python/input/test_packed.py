"""Binary embeddings: unpacked, and packed ones told apart from 8-bit numbers wherever vectors are taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.input.packed import looks_packed
from support.data import F32, brute_force, overlap, vectors

X = vectors(2000, 128) - vectors(2000, 128).mean(axis=0)
UBINARY = np.packbits(X > 0, axis=1)
BINARY = (UBINARY.astype(np.int16) - 128).astype(np.int8)
SIGNS = np.where(X > 0, 1, -1)


def scaled(x: F32, sigmas: float) -> Any:
    return np.clip(128 + 127 * x / (sigmas * x.std()), 0, 255)


NUMBERS: dict[str, Any] = {
    "calibrated uint8": scaled(X, 4).astype(np.uint8),
    "clipped uint8": scaled(X, 1.5).astype(np.uint8),
    "int8": (scaled(X, 4) - 128).astype(np.int8),
    "coarse int8": np.round(X / X.std()).astype(np.int8),
    "not negative": np.clip(X / X.std() * 60, 0, 255).astype(np.uint8),
    "black and white": (255 * (X > 0)).astype(np.uint8),
    "signs": SIGNS.astype(np.int8),
    "bits": (X > 0).astype(np.uint8),
    "uniform": np.random.default_rng(0).integers(0, 256, (2000, 16)).astype(np.uint8),
    "all alike": np.full((2000, 16), 77, np.uint8),
}


def test_bits_are_unpacked_as_they_were_packed() -> None:
    for packed in (UBINARY, BINARY, UBINARY[:, ::2], BINARY[::2]):
        unpacked = fb.unpack_bits(packed)
        assert unpacked.dtype == np.int8
        expected = np.unpackbits(packed if packed.dtype == np.uint8 else (packed.astype(int) + 128).astype(np.uint8), 1)
        np.testing.assert_array_equal(unpacked, 2 * expected.astype(int) - 1)
    np.testing.assert_array_equal(fb.unpack_bits(BINARY), SIGNS)
    np.testing.assert_array_equal(fb.unpack_bits(UBINARY[3]), SIGNS[3])
    for wrong, error in ((X, TypeError), (UBINARY.astype(np.int64), TypeError), (UBINARY[None], ValueError)):
        with pytest.raises(error, match="x: expected"):
            fb.unpack_bits(wrong)


def test_unpacked_bits_are_searched_by_their_cosines() -> None:
    index = fb.Index(128, metric="cosine", transform=fb.Identity(), codec=fb.RecurrentBinary(1))
    index.build(fb.unpack_bits(UBINARY))
    q = vectors(50, 128, seed=3)
    assert overlap(index.search(q).ids, brute_force(SIGNS.astype(np.float32), q, 10, "cosine")[0]) > 0.95


@pytest.mark.parametrize("packed", [UBINARY, BINARY], ids=["ubinary", "binary"])
@pytest.mark.parametrize(
    "take",
    [
        lambda x: fb.build(x, metric="cosine"),
        lambda x: fb.Index(16, metric="cosine", codec=fb.RaBitQ(4)).build(x),
        lambda x: fb.Index(16, metric="l2", codec=fb.Float()).add(x),
        lambda x: fb.Index(16, metric="ip", codec=fb.Scalar(8)).build(iter([x])),
    ],
)
def test_packed_bits_are_hinted_at(take: Callable[[Any], Any], packed: Any) -> None:
    with pytest.warns(UserWarning, match=r"x: these u?int8 vectors look like bits packed .* fb\.unpack_bits\(x\)"):
        take(packed)
    take(packed.astype(np.float32))


def test_a_hint_is_given_before_anything_changes() -> None:
    index = fb.Index(16, metric="l2", codec=fb.Float()).add(vectors(10, 16))
    with pytest.raises(UserWarning, match="bits packed into bytes"):  # an error under pytest
        index.add(UBINARY)
    assert len(index) == 10


def test_trainers_of_codes_refuse_packed_bits() -> None:
    for arguments in (
        {"x": UBINARY},
        {"x": BINARY},
        {"x": X, "pairs": (np.repeat(UBINARY, 8, axis=1), np.arange(2000))},
    ):
        with pytest.raises(ValueError, match=r"vectors look like bits packed into bytes .* fb\.unpack_bits"):
            fb.train.recurrent_binary(arguments.pop("x"), **arguments, steps=0)
    fb.train.recurrent_binary(fb.unpack_bits(UBINARY), steps=0, progress=False)
    fb.train.recurrent_binary(UBINARY.astype(np.float32), steps=0, progress=False)


@pytest.mark.parametrize("n", [64, 100, 2000])
@pytest.mark.parametrize("numbers", NUMBERS)
def test_numbers_do_not_look_packed(numbers: str, n: int) -> None:
    assert not looks_packed(NUMBERS[numbers][:n])
    assert looks_packed(UBINARY[:n])
    assert looks_packed(BINARY[:n])
