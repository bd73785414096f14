"""fb.merge: indexes that were trained as one become one, without coding a vector again."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _core
from ..input.checks import conflict_rule
from .index import Index, index_of
from .state import state_of


def merge(indexes: Sequence[Index], *, on_conflict: str = "error") -> Index:
    """Merge indexes into a new one, without coding a vector again.

    Codes are shared with the given indexes, which stay as they are. The segments stay apart until `Index.compact`.

    Parameters
    ----------
    indexes : sequence of Index
        All share their training, byte for byte: copies of one trained index (`fb.open` of one file, say) that were
        filled apart.
    on_conflict : {"error", "replace"}
        What to do with an id that two of them have: raise ValueError, or keep the vector of the later index. Give ids
        of your own when adding.

    Returns
    -------
    Index
        With the defaults and the description of the first.

    Raises
    ------
    ValueError
        For indexes of different trainings, or an id in two of them.
    NotTrainedError
        For an index without training.

    Examples
    --------
    >>> monday, tuesday = fb.open("empty.fb"), fb.open("empty.fb")
    >>> monday = monday.add(x[:1000])
    >>> tuesday = tuesday.add(x[1000:], ids=np.arange(1000, len(x)))
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
