"""fb.merge: indexes that were trained as one become one, without coding a vector again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .. import _core
from ..input.inputs import conflict_rule
from ..multivector.index import MultiVectorIndex
from .index import Index

AnyIndex = TypeVar("AnyIndex", Index, MultiVectorIndex)


def merge(indexes: Sequence[AnyIndex], *, on_conflict: str = "error") -> AnyIndex:
    """A new index of everything in `indexes`, which stay as they are; codes are shared with them, not copied.

    Parameters
    ----------
    indexes : sequence of Index, or of MultiVectorIndex
        All share their training, byte for byte: copies of one trained index (`fb.open` of one file, say) that were
        filled apart.
    on_conflict : {"error", "replace"}
        What to do with an id that two of them have: raise ValueError, or keep what the later index has. Give ids of
        your own when adding.

    Returns
    -------
    Index or MultiVectorIndex
        Defaults, description and `temp_dir` are those of the first. The segments stay apart until `compact()`.

    Raises
    ------
    ValueError
        For another training, or an id in two indexes.
    NotTrainedError
        For an index without training.

    Examples
    --------
    >>> whole = fb.merge([monday, tuesday]).compact()
    """
    conflict_rule(on_conflict)
    parts = list(indexes)
    kind = MultiVectorIndex if parts and isinstance(parts[0], MultiVectorIndex) else Index
    wrong = [part for part in parts if not isinstance(part, kind)]
    if wrong or not parts:
        raise TypeError(
            f"indexes: expected a sequence of fewbits.{kind.__name__}, got {wrong[0] if wrong else parts!r}"
        )
    states = [part._state for part in parts]
    engines = [state.trained("merge") for state in states]
    return parts[0]._in(states[0].retrained(_core.Engine.join(engines, on_conflict=on_conflict)))
