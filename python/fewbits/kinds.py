"""The parts that the core has, as data: by name, the number that files hold and what the part can serve as."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """One row of the core's registry."""

    number: int
    name: str


class CodecKind(NamedTuple):
    """One codec of the core's registry, and what it allows."""

    number: int
    name: str
    residual_ok: bool  # may code differences from centroids
    rerank_ok: bool  # may be a rerank store, of vectors that are not rotated
    token_ok: bool  # may code the tokens of a multi-vector index
    trainable_scoring: bool  # has a codebook that scores, which training can replace


METRICS = {"l2": 0, "ip": 1, "cosine": 2}
TRANSFORMS = {kind.name: kind for kind in map(Kind, range(4), ("identity", "linear", "hadamard", "pair"))}
PARTITIONS = {kind.name: kind for kind in map(Kind, range(2), ("flat", "ivf"))}
CODECS = {
    kind.name: kind
    for kind in (
        CodecKind(1, "float", False, True, True, False),
        CodecKind(2, "scalar", False, True, True, False),
        CodecKind(3, "pq", True, True, True, True),
        CodecKind(4, "rabitq", True, False, True, False),
        CodecKind(5, "recurrent_binary", False, False, False, False),
    )
}
NONE = 0  # the number of a part that there is not
