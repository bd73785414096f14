"""Warns if an index was trained on too few vectors."""

from __future__ import annotations

import warnings

from ..spec.description import Description
from ..spec.parts import Need

# Measured on medquad, 384 dimensions: with half as many training vectors as codewords, 10 to 14 % of the recall is lost
# (with four times as many 1 %), with half as many as PCA directions 84 to 90 %, with half as many as lists 23 %.
_TIMES = 4  # an index with this many times the training vectors relies on the fit for vectors outside the sample


def too_few(description: Description, sample: int, expected: int, *, lists: bool = True) -> str | None:
    """What the sample is too small for (such as codewords or lists, one vector each), in words; None if nothing.

    lists: whether the lists are fitted to it.
    """
    needed, what = max(_needs(description, expected, lists))
    return what if sample < needed else None


def warn_of_few(what: str, sample: int, n: int, stacklevel: int) -> bool:
    """Warns if an index of n vectors is much larger than the sample it was trained on; returns whether it did."""
    if n < _TIMES * sample:
        return False
    warnings.warn(
        f"{sample:,} vectors to train on are fewer than {what}, which reduces recall for an index of {n:,} vectors; "
        "train on a larger sample",
        UserWarning,
        stacklevel=stacklevel + 1,
    )
    return True


def _needs(description: Description, expected: int, lists: bool) -> list[Need]:
    dim = description.dim
    needs = [description.codec.need(description.transform.out_dim(dim)), description.transform.need(dim)]
    if description.rerank is not None:
        needs.append(description.rerank.need(dim))
    if description.partition is not None and lists:
        needs.append(description.partition.need(expected))
    return needs
