"""Whether an index was trained on too few vectors for what it is to hold."""

from __future__ import annotations

import warnings

from ..spec.codecs import PQ, Codec, Scalar
from ..spec.description import Description
from ..spec.transforms import OPQ, PCA

# Measured on medquad, 384 dimensions: half as many vectors as codewords cost 10 to 14 % of the recall (four times as
# many 1 %), half as many as PCA's directions 84 to 90 %, as lists 23 %.
_TIMES = 4  # as many vectors as were trained on: what was fitted then has to hold for others
_LEAST_FOR_LEVELS = 16  # vectors that show the spread of a dimension


def too_few(description: Description, sample: int, expected: int) -> str | None:
    """What has more parts to fit than there are vectors in the sample, so that some have no vector of their own."""
    needed, what = max(_to_fit(description, expected), default=(0, ""))
    return what if sample < needed else None


def warn_of_few(what: str, sample: int, n: int, stacklevel: int) -> bool:
    """Warns if an index of n vectors is much larger than the sample it was trained on; returns whether it did."""
    if n < _TIMES * sample:
        return False
    warnings.warn(
        f"{sample:,} vectors to train on are fewer than {what}, for an index of {n:,} vectors, and cost recall; "
        "expected a larger sample of what it is to hold",
        UserWarning,
        stacklevel=stacklevel + 1,
    )
    return True


def _to_fit(description: Description, expected: int) -> list[tuple[int, str]]:
    transform, partition = description.transform, description.partition
    parts = [_of_codec(codec) for codec in (description.codec, description.rerank)]
    if isinstance(transform, PCA | OPQ):
        directions = transform.out_dim(description.dim)
        parts.append((directions, f"the {directions:,} directions of {transform.describe()}"))
    if partition is not None:
        lists = partition.lists(expected)
        parts.append((lists, f"the {lists:,} lists"))
    return parts


def _of_codec(codec: Codec | None) -> tuple[int, str]:
    if isinstance(codec, PQ):
        return 1 << codec.bits, f"the {1 << codec.bits:,} codewords of {codec.describe()}"
    if isinstance(codec, Scalar):
        return _LEAST_FOR_LEVELS, f"the {_LEAST_FOR_LEVELS} that show the range of values for {codec.describe()}"
    return 0, ""
