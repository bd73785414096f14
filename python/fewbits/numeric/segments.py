"""How many bits each direction of vectors is worth: 8, 6, 4, 2 or none, in closed form.

Directions are in order of falling energy. Neighbouring ones with the same bits are a segment, in which a random
rotation spreads energy and error evenly. Codes are `digits` of 2 bits: a direction of 6 bits has three.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arrays import F64

BITS_PER_DIGIT = 2
MOST_DIGITS = 4
QUAD = 4  # dimensions whose digits share a byte

# A direction that is left out costs this many times its noise among random vectors: those that compete to be a query's
# nearest are alike, and differ in what is left out more than random ones do. Chosen by recall on training queries.
_LEFT_OUT = 2.0
_POINTS = 64  # numbers of quads that are tried for each number of digits, at most
_FLOOR = 1e-6  # of the typical deviation: directions of no energy


class Rounding(NamedTuple):
    """Uniform rounding of a standard normal variable that loses least. step: between points. error: mean square."""

    step: float
    error: float

    @property
    def gain(self) -> float:
        """What points are multiplied by so that their product with the variable is right on average."""
        return 1 / (1 - self.error)

    @property
    def noise(self) -> float:
        """The mean square of the error that is left then, which is independent of the variable."""
        return self.error * self.gain


ROUNDINGS = (
    Rounding(0.99569, 0.118846),
    Rounding(0.33520, 0.0115429),
    Rounding(0.10406, 0.00104005),
    Rounding(0.03076, 8.76862e-5),
)
"""By the number of digits less 1."""


class Segment(NamedTuple):
    """Directions first .. last - 1 have codes of `digits` digits."""

    first: int
    last: int
    digits: int


class Split(NamedTuple):
    """quads: by the number of digits less 1, how many quads of directions have as many or more."""

    quads: tuple[int, ...]
    dim: int

    @property
    def digits(self) -> np.ndarray:
        """(quads,) uint8: the number of digits of every quad."""
        every = np.arange(-(-self.dim // QUAD))
        return np.asarray(sum((every < count for count in self.quads), np.zeros(len(every), np.uint8)), np.uint8)

    @property
    def segments(self) -> list[Segment]:
        """Those with codes, in order."""
        ends = [*self.quads, 0]
        found = [
            Segment(QUAD * ends[count], min(QUAD * ends[count - 1], self.dim), count)
            for count in range(MOST_DIGITS, 0, -1)
        ]
        return [segment for segment in found if segment.last > segment.first]

    def describe(self) -> str:
        parts = [
            f"{each.last - each.first} directions of {BITS_PER_DIGIT * each.digits} bits" for each in self.segments
        ]
        left = self.dim - self.segments[-1].last
        return ", ".join([*parts, f"{left} left out"] if left else parts)


def split(energies: F64, code_bytes: int) -> Split:
    """The split of codes of exactly this many bytes with the least noise of inner products.

    energies : (dim,) second moments of vectors, falling. Queries are assumed to have the same.
    code_bytes : a byte holds a digit of four dimensions, so it is 1 .. 4 ceil(dim / 4).

    """
    dim, every = len(energies), -(-len(energies) // QUAD)
    sums, squares = _cumulated(energies), _cumulated(energies**2)
    best: tuple[float, tuple[int, ...]] = (np.inf, ())
    for four in _tried(max(0, code_bytes - 3 * every), code_bytes // 4, code_bytes):
        after = code_bytes - four
        for three in _tried(max(four, after - 2 * every), after // 3, code_bytes):
            rest = after - three
            two = _tried(max(three, rest - every), rest // 2, code_bytes)
            quads = [rest - two, two, np.full_like(two, three), np.full_like(two, four)]
            noises = _noise(sums, squares, quads, _LEFT_OUT)
            at = int(np.argmin(noises))
            if noises[at] < best[0]:
                best = float(noises[at]), tuple(int(count[at]) for count in quads)
    return Split(best[1], dim)


def noise(energies: F64, chosen: Split) -> float:
    """The mean square of the error of the inner product of two vectors that have these energies independently."""
    quads = [np.array([count]) for count in chosen.quads]
    return float(_noise(_cumulated(energies), _cumulated(energies**2), quads, 1.0)[0])


def _noise(sums: F64, squares: F64, quads: list[np.ndarray], left_out: float) -> F64:
    """Segments of d directions add noise (sum of energies)^2 / d, as their rotations make the error independent of the
    direction; what is left out adds its squared energies."""
    total = left_out * (squares[-1] - squares[quads[0]])
    for last, first, rounding in zip(quads, [*quads[1:], np.zeros_like(quads[0])], ROUNDINGS, strict=True):
        total += rounding.noise * (sums[last] - sums[first]) ** 2 / np.maximum(QUAD * (last - first), 1)
    return np.asarray(total)


def _cumulated(values: F64) -> F64:
    """(quads + 1,) sums of the first quads; the last quad may be short."""
    padded = np.zeros(-(-len(values) // QUAD) * QUAD)
    padded[: len(values)] = values
    return np.concatenate([[0.0], np.cumsum(padded.reshape(-1, QUAD).sum(axis=1))])


def _tried(least: int, most: int, code_bytes: int) -> np.ndarray:
    return np.arange(least, most + 1, -(-code_bytes // _POINTS))


def steps(energies: F64, chosen: Split) -> tuple[F64, F64]:
    """(step, value) of every direction, zero where there is no code: what coordinates are rounded to multiples of, and
    what these multiples then count as, for vectors whose coded coordinates have deviation 1."""
    step, value = np.zeros(chosen.dim), np.zeros(chosen.dim)
    typical = np.sqrt(float(np.mean(energies[: chosen.segments[-1].last])))
    for segment in chosen.segments:
        own = slice(segment.first, segment.last)
        deviation = np.sqrt(float(np.mean(energies[own]))) / typical if typical > 0 else 1.0
        rounding = ROUNDINGS[segment.digits - 1]
        step[own] = rounding.step * max(deviation, _FLOOR)
        value[own] = step[own] * rounding.gain
    return step, value
