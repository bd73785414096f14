"""The fixed rule of codec="auto": how an index begins, when it is coded anew, and as what.

There are no lists, whose recall would depend on how later vectors differ from the first ones, and no codebooks, whose
training would be a long pause in an `add`.
"""

from __future__ import annotations

from typing import Any

from .description import Description
from .float import Float
from .rabitq import RaBitQ
from .scalar import Scalar

AUTO = "auto"
START = Float(16)
ENOUGH = 16_384
"""Vectors from which on there are enough to fit the mean and the ranges of codes to."""
_MIN_DIM_FOR_SCAN = 32  # shorter vectors are scanned as fast by their 8-bit numbers
_MIN_DIM_FOR_TWO_BITS = 256  # the error of a code falls with the number of dimensions


def recoded_parts(dim: int) -> dict[str, Any]:
    """The parts of the index once it is coded anew: 8 bits per dimension to rank by, and 2 or 3 to scan before."""
    if dim < _MIN_DIM_FOR_SCAN:
        return {"codec": Scalar(8)}
    return {"codec": RaBitQ(2 if dim >= _MIN_DIM_FOR_TWO_BITS else 3), "rerank": Scalar(8)}


def starts(description: Description) -> bool:
    """Whether an index with codec="auto" still holds its vectors as it began."""
    return description.codec == START


def starting_reason(dim: int) -> str:
    return f"codec='auto': float16 until there are {ENOUGH:,} vectors, then {_named(dim)}"


def recoded_reason(dim: int, n: int) -> str:
    return f"codec='auto': coded anew from float16 when there were {n:,} vectors, as {_named(dim)}"


def _named(dim: int) -> str:
    parts = recoded_parts(dim)
    rerank = f", reranked by {parts['rerank'].describe()}" if "rerank" in parts else ""
    return f"{parts['codec'].describe()}{rerank}"
