"""One row or more for every kind of part that the core's registry has, by the registry's names.

Tests take their lists of parts from here, so that a new kind is tested wherever the others are by a row of its own;
test_parts.py refuses a registry with a kind that has none.
"""

from __future__ import annotations

from typing import NamedTuple

import fewbits as fb
from fewbits.kinds import METRICS
from fewbits.spec.codec import Codec
from fewbits.spec.transform import Transform


class Coded(NamedTuple):
    """A codec for 32 dimensions, and the recall@10 that its codes alone reach at least on `vectors(3000, 32)`."""

    codec: Codec
    min_recall: float


CODECS: dict[str, dict[str, Coded]] = {
    "float": {"f32": Coded(fb.Float(), 1.0), "f16": Coded(fb.Float(16), 0.98)},
    "scalar": {
        "scalar8": Coded(fb.Scalar(8), 0.9),
        "scalar4": Coded(fb.Scalar(4), 0.6),
        "scalar4-max": Coded(fb.Scalar(4, levels="lloyd-max"), 0.6),
        "scalar8-fixed": Coded(fb.Scalar(8, levels="fixed"), 0.9),
        "scalar4-fixed": Coded(fb.Scalar(4, levels="fixed"), 0.6),
        "scalar4-staged": Coded(fb.Scalar(4, staged=True), 0.6),
    },
    "pq": {
        "pq8": Coded(fb.PQ(8), 0.4),
        "pq4": Coded(fb.PQ(16, bits=4), 0.4),
        "pq4-odd": Coded(fb.PQ(11, bits=4), 0.25),
        "pq8-plain": Coded(fb.PQ(8, residual=False, score_aware=False), 0.4),
    },
    "rabitq": {
        "rabitq1": Coded(fb.RaBitQ(1), 0.2),
        "rabitq4": Coded(fb.RaBitQ(4), 0.7),
        "rabitq8": Coded(fb.RaBitQ(8), 0.95),
        "rabitq4-staged": Coded(fb.RaBitQ(4, staged=True), 0.7),
        "rabitq4-plain": Coded(fb.RaBitQ(4, residual=False), 0.6),
        "rabitq-bytes": Coded(fb.RaBitQ(bytes=24), 0.5),
    },
    "recurrent_binary": {
        "binary1": Coded(fb.RecurrentBinary(1), 0.2),
        "binary3": Coded(fb.RecurrentBinary(3), 0.4),
        "binary2-symmetric": Coded(fb.RecurrentBinary(2, symmetric=True), 0.25),
    },
}
TRANSFORMS: dict[str, dict[str, Transform]] = {
    "identity": {"identity": fb.Identity()},
    "dense": {
        "pca": fb.PCA(20),
        "opq": fb.OPQ(iterations=2),
        "opq-reduced": fb.OPQ(20, iterations=2),
        "chain": fb.Chain([fb.RandomRotation(), fb.PCA(20)]),
    },
    "block_hadamard": {"rotation": fb.RandomRotation(seed=3)},
    "pair": {"leanvec": fb.LeanVec(20)},  # training makes pairs of the others, too: test_train_repconc.py
}
PARTITIONS: dict[str, dict[str, fb.IVF | None]] = {
    "flat": {"flat": None},
    "ivf": {"ivf": fb.IVF(12), "ivf-spill": fb.IVF(12, spill=1.6)},
}
ALL_CODECS = {name: row for rows in CODECS.values() for name, row in rows.items()}
ALL_TRANSFORMS = {name: row for rows in TRANSFORMS.values() for name, row in rows.items()}
ALL_PARTITIONS = {name: row for rows in PARTITIONS.values() for name, row in rows.items()}


def fits(codec: Codec, metric: str) -> bool:
    return metric == "cosine" or not codec.kind.traits.cosine_only


ALL_SCORED = [(name, metric) for name, row in ALL_CODECS.items() for metric in METRICS if fits(row.codec, metric)]
"""Every codec with every metric that it can score."""
