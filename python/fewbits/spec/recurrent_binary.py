"""fb.RecurrentBinary: signs, then signs of the remaining error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from ..input.checks import boolean, whole_number
from ..kinds import CODECS
from ..numeric.arrays import F32
from .codec import FACTOR_BYTES, Codec
from .parts import Fitted, Fitting


class Predecessor(NamedTuple):
    """An older encoder of compatible codes: the fingerprint of its maps, and a map of its inputs to the newer ones."""

    fingerprint: str
    forth: F32  # (dim, dim of the older embedding), the linear map with the least error


@dataclass(frozen=True)
class RecurrentBinary(Codec):
    """Signs of all dimensions, then signs of the remaining error with half the weight: 1 to 4 bits, for cosine.

    Without training, vectors are rotated at random before they are coded (after `PCA`, if that is the transform).
    `fb.train.recurrent_binary` returns a codec with trained maps; it sets `dim`, `maps` and `predecessor`.

    Parameters
    ----------
    bits : int
        Bits per dimension, 1..4.
    symmetric : bool
        Code queries too; scores are then cosines of codes, computed by exact integer sums. False: queries are not
        coded, which gives better recall in the same time.
    dim : int, optional
        Number of dimensions of trained codes.
    maps : mapping of str to float32 arrays, optional
        The trained maps.
    predecessor : Predecessor, optional
        The older encoder that this codec is compatible with.

    References
    ----------
    Gan et al., "Binary Embedding-based Retrieval at Tencent", 2023.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="cosine", codec=fb.RecurrentBinary(2)).build(x)
    """

    bits: int = 2
    symmetric: bool = False
    dim: int | None = None
    maps: Mapping[str, F32] | None = field(default=None, repr=False, compare=False, metadata={"stored": False})
    predecessor: Predecessor | None = field(default=None, repr=False, compare=False, metadata={"stored": False})
    kind = CODECS["recurrent_binary"]

    def __post_init__(self) -> None:
        whole_number(self.bits, "RecurrentBinary: bits", 1, 4)
        boolean(self.symmetric, "RecurrentBinary: symmetric")
        if self.dim is not None:
            whole_number(self.dim, "RecurrentBinary: dim", 1, 65_535)

    @property
    def directed(self) -> bool:
        return self.dim is None  # trained maps account for the mean

    @property
    def has_maps(self) -> bool:
        return self.dim is not None

    def bytes_per_vector(self, dim: int, metric: str, residual: bool = False, direction: bool = False) -> int:
        m = dim if self.dim is None else self.dim
        widths = (1, 2) if self.bits == 3 else (self.bits,)
        half_bytes = sum(-(-m * width // 4) for width in widths)
        return (half_bytes + 1) // 2 + FACTOR_BYTES * (1 + direction)

    def code_bits(self, dim: int) -> int:
        return self.bits * (dim if self.dim is None else self.dim)

    def fit(self, x: F32, fitting: Fitting) -> Fitted:
        params = {"kind": self.kind.number, "bits": self.bits, "symmetric": int(self.symmetric)}
        if self.dim is None:
            return Fitted(params | {"m": x.shape[1]}, {})
        if self.maps is None:
            raise ValueError(
                f"codec: expected the codec that fb.train.recurrent_binary returned, got {self} without maps (that of "
                "an opened index has none); for untrained codes of fewer dimensions use PCA(dim) and leave dim out"
            )
        if self.maps["base"].shape[-1] != x.shape[1]:
            raise ValueError(
                f"codec: its maps were trained on {self.maps['base'].shape[-1]} dimensions, got {x.shape[1]}"
            )
        hidden = self.maps["base_bias"].shape[-1] if "base_bias" in self.maps else 0
        return Fitted(params | {"m": self.dim, "hidden": hidden}, dict(self.maps))

    def describe(self) -> str:
        codes = "" if self.dim is None else f" of {self.dim} trained dimensions"
        bits = f"{self.bits} {'bit' if self.bits == 1 else 'bits'} per dimension"
        return f"recurrent binary codes{codes}, {bits}{', symmetric' if self.symmetric else ''}"


def trained(codec: object) -> RecurrentBinary | None:
    """The codec, if it is trained (its maps may be only in a file), or None."""
    return codec if isinstance(codec, RecurrentBinary) and codec.dim is not None else None


def with_maps(codec: RecurrentBinary, stored: Mapping[str, F32], dim: int) -> RecurrentBinary:
    """The codec with its maps, from the flat arrays of an index of `dim` dimensions."""
    assert codec.dim is not None
    arrays, m = dict(stored), codec.dim
    ins, outs = {"base": dim, "back": m, "refine": dim}, {"base": m, "back": dim, "refine": m}
    maps = {"decoder": arrays.pop("decoder").reshape(dim, m)} if "decoder" in arrays else {}
    maps |= {"weight": arrays.pop("weight")} if "weight" in arrays else {}
    for name, array in arrays.items():
        part, _, end = name.partition("_")
        steps = () if part == "base" else (codec.bits - 1,)
        shape = {"": (outs[part], ins[part]), "in": (-1, ins[part]), "bias": (-1,), "out": (outs[part], -1)}[end]
        maps[name] = array.reshape(*steps, *shape)
    return replace(codec, maps=maps)


def fingerprint(bits: int, maps: Mapping[str, F32]) -> str:
    """Identifies an encoder by its maps, but not their shapes, which files do not store."""
    digest = blake2b(bytes([bits]), digest_size=16)
    for name in sorted(maps):
        digest.update(f"{name} {maps[name].size} ".encode())
        digest.update(np.ascontiguousarray(maps[name], "<f4").tobytes())
    return digest.hexdigest()
