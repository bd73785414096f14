"""The configurations worth measuring for each byte budget.

A budget is the total RAM per vector: codes, row and id. Configurations come in families (one colour in the charts);
within a family only the bytes differ, so that a family is a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import fewbits as fb

from ..spec.codec import FACTOR_BYTES
from ..spec.description import CODEC_SAMPLE
from ..spec.rabitq import byte_sizes
from ..spec.transform import MAX_DENSE_DIM

Rerank = Literal["none", "ram", "disk"]
ID_BYTES = 4  # an inverted list stores the number of each vector beside its code
MIN_ROWS_FOR_LISTS = 10_000  # with fewer rows an exhaustive scan is fast enough and loses nothing
_BITS_PER_DIMENSION = (1, 2, 4)  # for codecs whose budget is not set by m
_FEW_PER_LIST = 32  # vectors that lists are trained with, if quick
_RERANKED = 2  # number of budgets whose shortest codes are shown with a rerank

FAMILIES = (  # in the order of charts; families of one colour together
    ("PQ 4-bit",),
    ("OPQ+PQ 4-bit", "rotated+PQ 4-bit"),
    ("PQ 8-bit", "OPQ+PQ 8-bit", "rotated+PQ 8-bit"),
    ("Scalar",),
    ("Float",),
    ("RaBitQ", "RaBitQ by direction"),
    ("Recurrent binary",),
)


@dataclass(frozen=True)
class Config:
    """One index to build: `make` returns it untrained."""

    label: str
    family: str
    rerank: Rerank
    parts: dict[str, Any]

    def make(self, dim: int, metric: str, seed: int) -> fb.Index:
        return fb.Index(dim=dim, metric=metric, seed=seed, **self.parts)

    def code(self, dim: int, metric: str, k: int) -> str:
        """The Python that builds and searches this index, with $NPROBE for the setting of a search."""
        parts = "".join(f", {name}={written(part)}" for name, part in self.parts.items() if part is not None)
        return (
            "import fewbits as fb\n\n"
            f'index = fb.Index({dim}, metric="{metric}"{parts})\n'
            "index = index.build(x)\n"
            f"ids, scores = index.search(queries, k={k}$NPROBE)\n"
            'index.save("index.fb")'
        )


def written(part: Any) -> str:
    """A part as Python source, without what is left at its default."""
    given = (field for field in fields(part) if field.init and getattr(part, field.name) != field.default)
    return f"fb.{type(part).__name__}({', '.join(f'{each.name}={getattr(part, each.name)!r}' for each in given)})"


def default_budgets(dim: int) -> list[int]:
    """Powers of two from 8 bytes to one per dimension, from where on `Scalar(8)` is used."""
    return [2**i for i in range(3, 16) if 2**i <= max(8, dim)]


def _kind(rerank: Any) -> Rerank:
    if rerank is None:
        return "none"
    return "disk" if rerank.on_disk else "ram"


def _rotation(dim: int, quick: bool) -> tuple[fb.OPQ | fb.RandomRotation | None, str]:
    """The transform in front of PQ, and the corresponding prefix of labels."""
    if quick:
        return None, ""
    return (fb.OPQ(), "OPQ+") if dim <= MAX_DENSE_DIM else (fb.RandomRotation(), "rotated+")


def ladder(n: int, dim: int, metric: str, budgets: Sequence[int] | None = None, *, quick: bool = False) -> list[Config]:
    """The configurations, family by family. `quick` omits what takes longest: rotations, PQ of 8 bits, f32, codes
    whose bits are learned, and most of the training sample of lists."""
    budgets = sorted(set(budgets)) if budgets is not None else default_budgets(dim)
    few = min(CODEC_SAMPLE, _FEW_PER_LIST * fb.IVF().lists(n)) if quick else None
    partition = fb.IVF(sample=few) if n >= MIN_ROWS_FOR_LISTS else None
    beside = ID_BYTES + (FACTOR_BYTES if metric == "l2" else 0) if partition else 0
    rooms = [budget - beside for budget in budgets if budget > beside]
    rotation, rotated = _rotation(dim, quick)
    whole = sorted({min(room, dim) for room in rooms})  # bytes of 8-bit codes: at most one per dimension
    short = sorted({min(room, dim // 2) for room in rooms} - {0})
    configs: list[Config] = []

    def add(label: str, family: str, **parts: Any) -> None:
        configs.append(Config(label, family, _kind(parts.get("rerank")), {"partition": partition, **parts}))

    for turn, name in dict.fromkeys([(None, ""), (rotation, rotated)]):
        for room in short:
            add(f"{name}PQ{2 * room}x4", f"{name}PQ 4-bit", transform=turn, codec=fb.PQ(2 * room, bits=4))
    for room in () if quick else whole:
        add(f"{rotated}PQ{room}x8", f"{rotated}PQ 8-bit", transform=rotation, codec=fb.PQ(room, bits=8))
    add("SQ4", "Scalar", codec=fb.Scalar(4, levels="lloyd-max"))
    add("SQ8", "Scalar", codec=fb.Scalar(8))
    for bits in _BITS_PER_DIMENSION:
        add(f"RaBitQ{bits}", "RaBitQ", codec=fb.RaBitQ(bits))
        if metric == "cosine" and not quick:
            add(f"binary{bits}", "Recurrent binary", codec=fb.RecurrentBinary(bits))
    sizes = byte_sizes(dim)
    for budget in () if quick or n < dim else budgets:
        if (size := budget - (ID_BYTES if partition else 0)) in sizes:
            add(f"RaBitQ{size}b", "RaBitQ by direction", codec=fb.RaBitQ(bytes=size))
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
