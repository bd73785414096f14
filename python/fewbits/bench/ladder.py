"""Which configurations are worth measuring for which byte budgets.

A budget is the RAM one vector costs in all: codes, row and id. Configurations come in families (one colour in the
charts); inside a family only the bytes differ, so that a family is a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import fewbits as fb

from ..spec.description import CODEC_SAMPLE
from ..spec.transforms import MAX_DENSE_DIM

Rerank = Literal["none", "ram", "disk"]
ID_BYTES = 4  # an inverted list keeps each vector's number beside its code
FACTOR_BYTES = 4  # and, where codes are of differences, l2 needs a factor
LEAST_ROWS_FOR_LISTS = 10_000  # below, an exhaustive scan is fast enough and loses nothing
_BITS_A_DIMENSION = (1, 2, 4)  # of the codecs that have no m to fill a budget with
_RERANKED = 2  # budgets whose shortest codes are shown with a rerank


@dataclass(frozen=True)
class Config:
    """One index to build: `make` gives it untrained."""

    label: str
    family: str
    rerank: Rerank
    parts: dict[str, Any]

    def make(self, dim: int, metric: str, seed: int) -> fb.Index:
        return fb.Index(dim=dim, metric=metric, seed=seed, **self.parts)


def default_budgets(dim: int) -> list[int]:
    """Powers of two from 8 bytes to one a dimension, where `Scalar(8)` takes over."""
    return [2**i for i in range(3, 16) if 2**i <= max(8, dim)]


def _kind(rerank: Any) -> Rerank:
    if rerank is None:
        return "none"
    return "disk" if rerank.on_disk else "ram"


def ladder(n: int, dim: int, metric: str, budgets: Sequence[int] | None = None, *, quick: bool = False) -> list[Config]:
    """The configurations, family by family. `quick` leaves out what takes longest: rotations, f32, short 8-bit codes,
    codes of a few bits a dimension, and most of the lists' training sample."""
    budgets = sorted(set(budgets)) if budgets is not None else default_budgets(dim)
    partition = fb.IVF(sample=CODEC_SAMPLE if quick else None) if n >= LEAST_ROWS_FOR_LISTS else None
    beside = ID_BYTES + (FACTOR_BYTES if metric == "l2" else 0) if partition else 0
    rooms = [budget - beside for budget in budgets if budget > beside]
    rotation = None if quick else fb.OPQ() if dim <= MAX_DENSE_DIM else fb.RandomRotation()
    rotated = {type(None): "", fb.OPQ: "OPQ+", fb.RandomRotation: "rotated+"}[type(rotation)]
    whole = sorted({min(room, dim) for room in rooms})  # bytes of 8-bit codes: one a dimension at most
    short = sorted({min(room, dim // 2) for room in rooms} - {0})
    configs: list[Config] = []

    def add(label: str, family: str, **parts: Any) -> None:
        configs.append(Config(label, family, _kind(parts.get("rerank")), {"partition": partition, **parts}))

    for turn, name in dict.fromkeys([(None, ""), (rotation, rotated)]):
        for room in short:
            add(f"{name}PQ{2 * room}x4", f"{name}PQ 4-bit", transform=turn, codec=fb.PQ(2 * room, bits=4))
    for room in whole[-1:] if quick else whole:
        add(f"{rotated}PQ{room}x8", f"{rotated}PQ 8-bit", transform=rotation, codec=fb.PQ(room, bits=8))
    add("SQ4", "Scalar", codec=fb.Scalar(4, levels="lloyd-max"))
    add("SQ8", "Scalar", codec=fb.Scalar(8))
    for bits in () if quick else _BITS_A_DIMENSION:
        add(f"RaBitQ{bits}", "RaBitQ", codec=fb.RaBitQ(bits))
        if metric == "cosine":
            add(f"binary{bits}", "Recurrent binary", codec=fb.RecurrentBinary(bits))
    add("f16", "Float", codec=fb.Float(16))
    if not quick:
        add("f32", "Float", codec=fb.Float(32))
    for room in short[-1:] if quick else short[1 : 1 + _RERANKED]:
        scan: dict[str, Any] = {"transform": rotation, "codec": fb.PQ(2 * room, bits=4)}
        label, family = f"{rotated}PQ{2 * room}x4", f"{rotated}PQ 4-bit"
        if not quick:
            add(f"{label} → SQ8", family, **scan, rerank=fb.Scalar(8))
        add(f"{label} → f16 on disk", family, **scan, rerank=fb.Float(16, on_disk=True))
    return configs
