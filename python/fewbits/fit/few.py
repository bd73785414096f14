"""Whether an index was trained on too few vectors for what it is to hold."""

from __future__ import annotations

import warnings

from ..spec.description import Description
from ..spec.parts import Need

# Measured on medquad, 384 dimensions: half as many vectors as codewords cost 10 to 14 % of the recall (four times as
# many 1 %), half as many as PCA's directions 84 to 90 %, as lists 23 %.
_TIMES = 4  # as many vectors as were trained on: what was fitted then has to hold for others


def too_few(description: Description, sample: int, expected: int) -> str | None:
    """What has more parts to fit than there are vectors in the sample, so that some have no vector of their own."""
    needed, what = max(_needs(description, expected))
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


def _needs(description: Description, expected: int) -> list[Need]:
    needs = [description.codec.need(), description.transform.need(description.dim)]
    if description.rerank is not None:
        needs.append(description.rerank.need())
    if description.partition is not None:
        needs.append(description.partition.need(expected))
    return needs
