"""The parts for a number of bytes per vector by rule, from n, dim and the shape of the vectors: nothing is tried.

This is `effort="quick"` of fb.build.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import _core
from ..input.rows import Rows
from ..numeric.arrays import evenly, f32_array
from ..numeric.moments import in_cone, unevenness
from ..spec.codec import FACTOR_BYTES, Codec
from ..spec.float import Float
from ..spec.ivf import IVF
from ..spec.opq import OPQ
from ..spec.pq import PQ
from ..spec.rabitq import RaBitQ
from ..spec.random_rotation import RandomRotation
from ..spec.scalar import Scalar
from ..spec.transform import MAX_DENSE_DIM, Transform

_MIN_N_FOR_LISTS = 10_000  # with fewer vectors, lists save less time than they cost
_MIN_BUDGET_FOR_LISTS = 12
_MIN_N_FOR_CODEBOOKS = 5_000  # fewer vectors are not worth a rotation and 256 codewords per group
_MIN_BITS_FOR_RABITQ = {"l2": 2, "ip": 3, "cosine": 3}  # instead of untrained 4-bit PQ (docs/binary-embeddings.md)
_SHAPE_ROWS = 16_384
_CONE_MARGIN = 0.95  # training may decide differently, by another sample; the budget must hold in both cases
_UNEVEN = 8.0  # times the typical spread: the 8 bits of such a column are coarse relative to the other columns


def id_bytes(own_ids: bool, lists: bool, labelled: bool) -> int:
    """Of a vector: its own id, or its number where lists or labels put vectors into another order."""
    return 8 if own_ids else 4 if lists or labelled else 0


class Choice(NamedTuple):
    transform: Transform | None
    partition: IVF | None
    codec: Codec
    rerank: Codec | None
    why: list[str]


class Shape(NamedTuple):
    """The properties of vectors that affect the choice: whether they lie in a cone, whose direction takes a factor, and
    how many times the typical spread the largest spread of a column is."""

    cone: bool = False
    unevenness: float = 1.0


def shape_of(rows: Rows, metric: str) -> Shape:
    """The shape of a sample of rows."""
    sample = f32_array(rows.array[evenly(len(rows), _SHAPE_ROWS)])
    if metric == "cosine":
        sample = _core.normalize_rows(sample)
    with np.errstate(all="ignore"):  # values that are not finite are rejected by the build
        return Shape(metric != "l2" and in_cone(sample, _CONE_MARGIN), unevenness(sample))


def choose(
    n: int,
    dim: int,
    metric: str,
    budget: float,
    own_ids: bool = False,
    shape: Shape | None = None,
    labelled: bool = False,
    other: int | None = None,
) -> Choice:
    """The parts for n vectors of `dim` dimensions within `budget` bytes per vector.

    other: dimensions of another embedding that is to rank the results, from disk."""
    shape = Shape() if shape is None else shape
    lists = n >= _MIN_N_FOR_LISTS and budget >= _MIN_BUDGET_FOR_LISTS
    room = int(budget) - id_bytes(own_ids, lists, labelled)
    factor = FACTOR_BYTES if shape.cone or (metric == "l2" and lists) else 0
    needed = 1 + factor
    if room < needed:
        raise ValueError(f"bytes_per_vector: {budget:g} leave {room} for a code after ids, expected at least {needed}")
    partition = IVF() if lists else None
    if lists:
        why = [
            f"{n:,} vectors: lists, so that a query scans a part of them; each needs a number (4 bytes) or an id (8)"
        ]
    else:
        why = [f"{n:,} vectors, {budget:g} bytes: all are scanned, as lists would not be worthwhile"]
    if shape.cone:
        why.append("the vectors lie in a cone: its direction is stored as a factor of 4 bytes, which saves recall")
    for codec, quality in ((Float(32), "exact"), (Float(16), "almost exact"), (Scalar(8), _of_scalar(shape))):
        size = codec.bytes_per_vector(dim, metric, direction=shape.cone and codec.directed)
        if size <= room:
            why.append(f"{size} bytes hold {codec.describe()}: {quality}")
            choice = _fine(codec, n, dim, 0 if other else room - size - factor, partition, why)
            break
    else:
        choice = _compressed(n, dim, metric, room, partition, why, shape.cone, factor)
    if other is None:
        return choice
    why.append(f"candidates are ranked by the other embedding, {other} dimensions in float16 on disk")
    return choice._replace(rerank=Float(16, dim=other, on_disk=True))


def _of_scalar(shape: Shape) -> str:
    if shape.unevenness < _UNEVEN:
        return "nearly exact"
    return (
        f"lossy, as one column has {shape.unevenness:.0f} times the typical spread, and its 8 bits determine "
        "the error of all; columns of similar units, or two more bytes per dimension, would lose less"
    )


def _fine(codec: Codec, n: int, dim: int, left: int, partition: IVF | None, why: list[str]) -> Choice:
    """Codes that are good enough to rank by; if bytes are left, also short codes that are scanned first."""
    m = min(2 * left, dim // 2) if partition is not None else 0
    if not m or 2 * m < dim // 2:
        return Choice(None, partition, codec, None, why)
    why.append(f"{m / 2:g} more bytes for 4-bit codes, which are scanned much faster; the finer codes rerank the best")
    return Choice(RandomRotation(), partition, PQ(m, bits=4), codec, why)


def _compressed(
    n: int, dim: int, metric: str, room: int, partition: IVF | None, why: list[str], cone: bool, factor: int
) -> Choice:
    """Product quantization with all bytes: splitting them between scan and rerank would rank worse."""
    of_rabitq, room = room, room - factor
    if n >= _MIN_N_FOR_CODEBOOKS:
        m = max(1, min(room, dim))
        why.append(f"{m} bytes of 8-bit PQ codes: the best ranking at this size")
        return Choice(_rotation(n, dim), partition, PQ(m, bits=8), None, why)
    lists = partition is not None
    sizes = {b: RaBitQ(b).bytes_per_vector(dim, metric, residual=lists, direction=cone) for b in range(8, 0, -1)}
    bits = next((b for b, size in sizes.items() if size <= of_rabitq), 0)
    if bits >= _MIN_BITS_FOR_RABITQ[metric]:
        rabitq = RaBitQ(bits)
        why.append(f"{rabitq.describe()}: {n:,} vectors are too few for codebooks, and it needs none")
        return Choice(RandomRotation(), partition, rabitq, None, why)
    m = max(1, min(2 * room, dim))
    why.append(f"4-bit PQ codes: {n:,} vectors are too few for the codebooks of 8-bit codes")
    return Choice(RandomRotation(), partition, PQ(m, bits=4), None, why)


def _rotation(n: int, dim: int) -> Transform:
    return OPQ() if dim <= MAX_DENSE_DIM and n >= _MIN_N_FOR_CODEBOOKS else RandomRotation()
