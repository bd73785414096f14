"""fb.merge: indexes that were trained as one become one, without coding a vector again."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _core
from ..input.checks import conflict_rule
from .index import Index, index_of
from .state import state_of


def merge(indexes: Sequence[Index], *, on_conflict: str = "error") -> Index:
    """A new index of all vectors of `indexes`, which stay as they are; codes are shared with them, not copied.

    All must share their training, byte for byte: copies of one trained index (`fb.open` of one file, say) that were
    filled apart. Ids must differ: give your own when adding; on_conflict="replace" keeps the vector of the later
    index. Defaults and description are those of the first. The segments stay apart until `compact()`.

    Raises ValueError for another training or an id in two indexes, NotTrainedError for an index without training.

    >>> whole = fb.merge([monday, tuesday]).compact()
    """
    conflict_rule(on_conflict)
    parts = list(indexes)
    wrong = [part for part in parts if not isinstance(part, Index)]
    if wrong or not parts:
        raise TypeError(f"indexes: expected a sequence of fewbits.Index, got {wrong[0] if wrong else parts!r}")
    states = [state_of(part) for part in parts]
    engines = [state.trained("merge") for state in states]
    return index_of(states[0].description, _core.Engine.join(engines, on_conflict=on_conflict), states[0].why)
