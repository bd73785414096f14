"""fb.merge: one index from several of either kind that share their training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from . import _core
from .index.index import Index
from .index.turns import in_state, state_of
from .input.checks import conflict_rule
from .multivector.index import MultiVectorIndex

AnyIndex = TypeVar("AnyIndex", Index, MultiVectorIndex)


def merge(indexes: Sequence[AnyIndex], *, on_conflict: str = "error") -> AnyIndex:
    """Merge indexes into a new one, without coding vectors again.

    Codes are shared with the given indexes, which do not change. Segments remain separate until `compact` is called.

    Parameters
    ----------
    indexes : sequence of Index, or of MultiVectorIndex
        All must share their training, byte for byte: copies of one trained index (from `fb.open` of one file, say) that
        were filled separately.
    on_conflict : {"error", "replace"}
        What to do with an id that two of them have: raise ValueError, or keep the vector of the later index. Give your
        own ids when adding.

    Returns
    -------
    Index or MultiVectorIndex
        With the defaults, the description and `temp_dir` of the first.

    Raises
    ------
    TypeError
        For anything but indexes of one kind.
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
    kind = MultiVectorIndex if parts and isinstance(parts[0], MultiVectorIndex) else Index
    wrong = [part for part in parts if not isinstance(part, kind)]
    if wrong or not parts:
        raise TypeError(
            f"indexes: expected a sequence of fewbits.{kind.__name__}, got {wrong[0] if wrong else parts!r}"
        )
    states = [state_of(part) for part in parts]
    engines = [state.trained("merge") for state in states]
    return in_state(parts[0], states[0].retrained(_core.Engine.join(engines, on_conflict=on_conflict)))
