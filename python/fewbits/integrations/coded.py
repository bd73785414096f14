"""An index from codes that another library has made: they are stored as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..index.index import Index, index_of
from ..input.ids import are_positions, check_unique
from ..numeric.arrays import F32, I64
from ..spec.description import Description
from ..spec.parts import Model


class Coded(NamedTuple):
    """Codes in row form, with the list (None without lists) and the factors (None: none) of each."""

    rows: NDArray[np.uint8]
    lists: NDArray[np.uint32] | None = None
    a: F32 | None = None
    b: F32 | None = None


def index_of_codes(
    description: Description, model: Model, blocks: Iterable[Coded], ids: I64, why: tuple[str, ...]
) -> Index:
    """An index of these codes, block by block; ids: of all of them, unique."""
    engine = _core.Engine(model.params, model.arrays)
    if len(ids):
        check_unique(ids)
        builder = engine.builder(len(ids))
        numbered, first = not are_positions(ids), 0
        for block in blocks:
            own = ids[first : first + len(block.rows)] if numbered else None
            builder.append_codes(block.rows, lists=block.lists, a=block.a, b=block.b, ids=own)
            first += len(block.rows)
        engine.publish(builder)
    return index_of(description, engine, why)
