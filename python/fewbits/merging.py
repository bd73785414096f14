"""fb.merge: one index from several of a kind that share their training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from . import _core
from .index.index import Index
from .index.notes import merged_notes
from .index.turns import in_state, state_of
from .input.checks import conflict_rule
from .multivector.index import MultiVectorIndex
from .sparse.index import SparseIndex
from .sparse.merging import merged

AnyIndex = TypeVar("AnyIndex", Index, MultiVectorIndex, SparseIndex)


def merge(indexes: Sequence[AnyIndex], *, on_conflict: str = "error") -> AnyIndex:
    """Merge indexes into a new one, without coding vectors again.

    Codes are shared with the given indexes, which do not change. Segments remain separate until `compact` is called.

    Parameters
    ----------
    indexes : sequence of Index, of MultiVectorIndex, or of SparseIndex
        All must share their training, byte for byte: copies of one trained index (from `fb.open` of one file, say) that
        were filled separately. Sparse indexes of vectors need not: values are coded again, in the largest scale of each
        term, where the first index does not have it. Those of texts must share the statistics of BM25.
    on_conflict : {"error", "replace"}
        What to do with an id that two of them have: raise ValueError, or keep the vector of the later index. Give your
        own ids when adding.

    Returns
    -------
    Index, MultiVectorIndex or SparseIndex
        With the defaults, the description, the metadata and `temp_dir` of the first, and the largest epoch.

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
    parts: list[Any] = list(indexes)
    kind = next((own for own in (MultiVectorIndex, SparseIndex) if parts and isinstance(parts[0], own)), Index)
    wrong = [part for part in parts if not isinstance(part, kind)]
    if wrong or not parts:
        raise TypeError(
            f"indexes: expected a sequence of fewbits.{kind.__name__}, got {wrong[0] if wrong else parts!r}"
        )
    if kind is SparseIndex:
        whole: AnyIndex = merged(parts, on_conflict)  # type: ignore[assignment]
        return whole
    states = [state_of(part) for part in parts]
    engines = [state.trained("merge") for state in states]
    joined = states[0].retrained(_core.Engine.join(engines, on_conflict=on_conflict))
    of_all: AnyIndex = in_state(parts[0], replace(joined, notes=merged_notes(states)))
    return of_all
