"""The closed form that splits bits among directions, against brute force and against what codes measure."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import fewbits as fb
from fewbits.numeric.segments import ROUNDINGS, Split, noise, split, steps


def falling(dim: int, power: float) -> np.ndarray:
    return np.arange(1, dim + 1) ** -power


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_roundings_lose_what_they_say_and_others_lose_more(digits: int) -> None:
    x = np.random.default_rng(0).normal(size=400_000)
    half = 4**digits / 2

    def error(step: float) -> float:
        return float(np.mean((x - (np.clip(np.floor(x / step), -half, half - 1) + 0.5) * step) ** 2))

    rounding = ROUNDINGS[digits - 1]
    assert error(rounding.step) == pytest.approx(rounding.error, rel=0.03)
    assert error(rounding.step) < min(error(0.9 * rounding.step), error(1.1 * rounding.step))


def cost(energies: np.ndarray, one: Split) -> float:
    """What is left out counts twice."""
    return noise(energies, one) + float(np.sum(energies[4 * one.quads[0] :] ** 2))


@pytest.mark.parametrize("dim", [8, 13, 32])
def test_split_is_the_best_of_all_and_takes_exactly_its_bytes(dim: int) -> None:
    every = -(-dim // 4)
    for power in (0.0, 0.5, 1.0, 2.0):
        energies = falling(dim, power)
        for size in range(1, 4 * every + 1):
            chosen = split(energies, size)
            assert sum(chosen.quads) == size
            assert list(chosen.quads) == sorted(chosen.quads, reverse=True)
            assert chosen.quads[0] <= every
            of = [
                Split(quads, dim)
                for quads in itertools.product(range(every + 1), repeat=4)
                if sum(quads) == size and list(quads) == sorted(quads, reverse=True)
            ]

            least = min(cost(energies, one) for one in of)
            assert cost(energies, chosen) == pytest.approx(least, rel=1e-9, abs=1e-12)


def test_directions_of_equal_energy_have_equal_bits() -> None:
    assert split(np.ones(64), 16).quads == (16, 0, 0, 0)
    assert split(np.ones(64), 32).quads == (16, 16, 0, 0)
    assert split(np.ones(64), 64).quads == (16, 16, 16, 16)
    assert split(falling(2048, 1.0), 517).quads[0] > 100  # many bytes: a coarser search, as exact


def test_split_describes_itself() -> None:
    chosen = Split((5, 3, 1, 0), 26)
    assert chosen.digits.tolist() == [3, 2, 2, 1, 1, 0, 0]
    assert chosen.describe() == "4 directions of 6 bits, 8 directions of 4 bits, 8 directions of 2 bits, 6 left out"
    assert Split((7, 7, 0, 0), 26).describe() == "26 directions of 4 bits"


def test_steps_of_directions_without_energy_are_positive() -> None:
    for energies in (np.zeros(16), np.r_[np.ones(4), np.zeros(12)]):
        step, value = steps(energies, Split((4, 2, 1, 0), 16))
        assert (step > 0).all()
        assert (value >= step).all()


@pytest.mark.parametrize(("dim", "size"), [(96, 16), (96, 32), (128, 56)])
def test_noise_is_what_codes_measure(dim: int, size: int) -> None:
    """Normal vectors and queries of falling energies, rotated: errors of scores, with what is left out."""
    random = np.random.default_rng(size)
    energies = falling(dim, 1.0)
    turn = np.linalg.qr(random.normal(size=(dim, dim)))[0]
    x, q = ((random.normal(size=(n, dim)) * np.sqrt(energies)) @ turn.T for n in (20_000, 200))
    x, q = x.astype(np.float32), q.astype(np.float32)
    index = fb.Index(dim, metric="ip", codec=fb.RaBitQ(bytes=size + 4)).build(x)
    found = index.search(q, len(x))
    exact = np.take_along_axis(q @ x.T, found.ids, axis=1)
    assert np.mean(np.square(found.scores - exact)) == pytest.approx(noise(energies, split(energies, size)), rel=0.15)
