"""Warns if vectors are added to an index without training that should have been trained."""

from __future__ import annotations

import warnings

from .. import _core
from ..numeric.arrays import F32, evenly, f32_array
from ..numeric.moments import in_cone
from ..spec.description import Description

_LOOKED_AT = 1024  # rows


def warn_if_far(description: Description, x: F32, stacklevel: int) -> None:
    """Warns if the mean of x, which was not fitted, is large relative to the vectors."""
    rows = f32_array(x[evenly(len(x), _LOOKED_AT)])
    if in_cone(_core.normalize_rows(rows) if description.metric == "cosine" else rows):
        warnings.warn(
            f"the mean of these vectors is far from the origin, which costs recall with {description.codec.describe()} "
            "in an index without training: use build(x), or train(sample) before the first add",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
