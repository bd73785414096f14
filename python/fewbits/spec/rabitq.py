"""fb.RaBitQ: the nearest direction on a grid, after a random rotation."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np

from ..input.checks import boolean, whole_number
from ..kinds import CODECS
from ..numeric.arrays import F32, f32_array
from ..numeric.directions import principal_directions, random_rotation
from ..numeric.moments import mean, typical
from ..numeric.segments import MOST_DIGITS, QUAD, Split, split, steps
from .codec import FACTOR_BYTES, OWN_STAGE_FACTOR, Codec
from .parts import Fitted, Fitting, Need, Note

_LEAST_BYTES = 2 * FACTOR_BYTES + 1  # of codes by direction
_DEFAULT_BITS = 4
_MAX_DIM = 2048  # the rotation is a matrix


@dataclass(frozen=True)
class RaBitQ(Codec):
    """The nearest direction on a grid of 1 to 8 bits per dimension, and unbiased estimates of scores.

    Training is optional and fits only a mean. If no transform is given, the index uses a random rotation, which the
    estimates rely on: it spreads vectors evenly over the dimensions, so that one grid suits all dimensions and errors
    are random.

    With `bytes`, training finds the principal directions of what is coded, and gives strong ones 8, 6 or 4 bits, others
    2, and weak ones none: those numbers of directions whose error of inner products is the least in so many bytes.
    Directions of equal bits are rotated at random. No transform is needed before it, but `LeanVec` adds what queries
    know.

    Parameters
    ----------
    bits : int, optional
        Bits per dimension, 1..8. None: 4, or as `bytes` has it.
    residual : bool, optional
        Code the difference from the list's centroid. None: if there is an `IVF`.
    staged : bool, optional
        A search first scans one bit per dimension, and reads the others only for vectors that may still be among the
        best (within 2.85 standard deviations). Worthwhile on processors without AVX-512 from 256 dimensions, for
        queries that scan many codes. Takes 4 more bytes per vector. None: whole codes in one pass.
    on_disk : bool
        For the tokens of a `MultiVectorIndex`: keep the codes in a file. (RaBitQ cannot be a rerank store, as
        vectors there are not rotated.)
    bytes : int, optional
        Instead of `bits`: bytes per vector, including factors: at least 9, and at most one per dimension
        (rounded up to a multiple of 4) and 4 more. For 5 to 2,048 dimensions, and not for tokens.

    References
    ----------
    Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound", 2024. Gao et al.,
    "Practical and Asymptotically Optimal Quantization of High-Dimensional Vectors", 2024.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="cosine", codec=fb.RaBitQ(bits=2)).build(x)
    >>> index = fb.Index(x.shape[1], metric="cosine", codec=fb.RaBitQ(bytes=12)).build(x)
    >>> index.stats().bytes_per_vector
    12.0
    """

    bits: int | None = None
    residual: bool | None = None
    staged: bool | None = None
    on_disk: bool = False
    bytes: int | None = field(default=None, metadata={"stored_if_set": True})
    kind = CODECS["rabitq"]
    corrected: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.bytes is not None:
            self._check_bytes(self.bytes)
        elif self.bits is None:
            object.__setattr__(self, "bits", _DEFAULT_BITS)
        else:
            whole_number(self.bits, "RaBitQ: bits", 1, 8)
        boolean(self.on_disk, "RaBitQ: on_disk")
        if self.residual is not None:
            boolean(self.residual, "RaBitQ: residual")
        if self.staged is not None:
            boolean(self.staged, "RaBitQ: staged")

    def _check_bytes(self, size: int) -> None:
        whole_number(size, "RaBitQ: bytes", _LEAST_BYTES)
        if self.bits is not None:
            raise ValueError(f"RaBitQ: expected bits or bytes, got bits={self.bits} and bytes={size}")
        if self.staged or self.on_disk:
            raise ValueError(
                f"RaBitQ: staged and on_disk are for codes of equal bits, got staged={self.staged} and "
                f"on_disk={self.on_disk} with bytes={size}"
            )

    def check(self, name: str, dim: int, metric: str) -> None:
        super().check(name, dim, metric)
        if self.bytes is None:
            return
        sizes = byte_sizes(dim)
        if not sizes:
            raise ValueError(
                f"{name}: RaBitQ(bytes=...) is for {QUAD + 1} to {_MAX_DIM} dimensions, got {dim}; use RaBitQ(bits)"
            )
        if self.bytes not in sizes:
            raise ValueError(
                f"{name}: RaBitQ of {dim} dimensions takes {sizes[0]}..{sizes[-1]} bytes, got bytes={self.bytes}"
            )

    @property
    def starts_empty(self) -> bool:
        return self.bytes is None

    @property
    def rotates(self) -> bool:
        return self.bytes is None

    @property
    def directed(self) -> bool:
        return True

    @property
    def _is_staged(self) -> bool:
        return bool(self.staged) and self.bits != 1

    def code_bits(self, dim: int) -> int:
        return super().code_bits(dim) if self.bytes is None else 8 * (self.bytes - FACTOR_BYTES)

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        if self.bytes is not None:
            return self.bytes
        assert self.bits is not None
        if self._is_staged:
            code = (dim + 7) // 8 * self.bits
        else:
            code = dim if self.bits == 8 else ((dim + 3) // 4 * self.bits + 1) // 2
        return code + FACTOR_BYTES * (1 + (metric == "l2" or residual or direction) + self._is_staged)

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        """The mean that codes are relative to; residual codes are relative to the centroids of their lists instead."""
        arrays = {} if fitting.residual else {"mean": f32_array(mean(x))}
        assert self.bits is not None
        staged = OWN_STAGE_FACTOR if self._is_staged else 0
        return Fitted({"kind": self.kind.number, "bits": self.bits, "staged": staged}, arrays)

    @property
    def turned_to(self) -> str:
        return "" if self.bytes is None else "principal directions"

    def arranged(self, coded: F32, fitting: Fitting) -> tuple[Codec, F32 | None]:
        """With `bytes`: the split of directions by their energies, and the rotation to these directions."""
        if self.bytes is None:
            return self, None
        rows = typical(coded)
        about = np.zeros(coded.shape[1]) if fitting.residual or not len(rows) else rows.mean(axis=0, dtype=np.float64)
        directions, energies = principal_directions(f32_array(rows - about.astype(np.float32)))
        energies = energies / max(len(rows), 1)
        factors = 1 + (fitting.metric == "l2" or fitting.residual or fitting.directed)
        found = split(energies, self.bytes - FACTOR_BYTES * factors)
        for number, segment in enumerate(found.segments):
            own = slice(segment.first, segment.last)
            directions[own] = random_rotation(segment.last - segment.first, fitting.seed + number) @ directions[own]
        given = {each.name: getattr(self, each.name) for each in fields(RaBitQ)}
        return _Arranged(**given, split=found, energies=energies), f32_array(directions)

    def need(self, dim: int) -> Need:
        return Need() if self.bytes is None else Need(dim, f"the {dim:,} directions of {self.describe()}")

    @property
    def label(self) -> str:
        return super().label if self.bytes is None else f"RaBitQ(bytes={self.bytes})"

    def describe(self) -> str:
        if self.bytes is not None:
            return f"RaBitQ, {self.bytes} bytes per vector"
        return f"RaBitQ, {self.bits} {'bit' if self.bits == 1 else 'bits'} per dimension"


def byte_sizes(dim: int) -> range:
    """The numbers of bytes that codes by direction may have; none if they do not suit this dimension."""
    return range(_LEAST_BYTES, MOST_DIGITS * -(-dim // QUAD) + FACTOR_BYTES + 1) if QUAD < dim <= _MAX_DIM else range(0)


@dataclass(frozen=True)
class _Arranged(RaBitQ):
    """RaBitQ of a number of bytes, once it is known what its directions are."""

    split: Split = field(kw_only=True)
    energies: np.ndarray = field(kw_only=True)

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        step, value = steps(self.energies, self.split)
        arrays = {"digits": self.split.digits, "step": f32_array(step), "value": f32_array(value)}
        if not fitting.residual:
            arrays["mean"] = f32_array(mean(x))
        return Fitted({"kind": self.kind.number}, arrays, (Note(f"RaBitQ: {self.split.describe()}"),))
