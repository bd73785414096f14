"""One reference to an immutable state, which threads replace in turns: what every kind of index is.

A change prepares the next state on a private copy, and commits it with a single store of an attribute. Python raises
KeyboardInterrupt when a call returns or a loop iterates, not at a store or a `return`. A commit that is the last step
of a method therefore happens if and only if the method returns. As no `with`, call or loop may follow it, changes are
written as

    turn, after = prepare(...)
    self._state = after
    del turn
    return self
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .. import _core
from ..file.files import Files

S = TypeVar("S")


class Turned(Generic[S]):
    """Holds one reference to the current state, and the turns in which threads replace it."""

    _state: S
    _turns: _core.Turns
    _files: Files

    def _begin(self, state: S) -> None:
        """Initializes a new object; called before anything else."""
        self._state, self._turns, self._files = state, _core.Turns(), Files()

    def _prepare(self, action: str, change: Callable[[S], S]) -> tuple[_core.Turn, S]:
        """Waits for this thread's turn to change the index; returns the turn, and `change` of the current state."""
        turn = self._turns.take(action)
        try:
            return turn, change(self._state)
        except BaseException:
            turn.end()
            raise


Held = TypeVar("Held", bound=Turned[Any])


def state_of(index: Turned[S]) -> S:
    return index._state


def files_of(index: Turned[Any]) -> Files:
    return index._files


def started(index: Held, state: object) -> Held:
    """The same index, a new object without a state so far, with this state."""
    index._begin(state)
    return index


def in_state(index: Held, state: object) -> Held:
    """A new index of the same kind and settings in another state."""
    other = type(index).__new__(type(index))
    other.__dict__.update(index.__dict__)
    other._begin(state)
    return other


def frozen(index: Held) -> Held:
    """A separate index with the current state of this one, which later changes do not affect. Costs nothing."""
    return in_state(index, index._state)


def continued(index: Held) -> Held:
    """As `frozen`, for a change that is synced before it is seen: the copy continues the files of this index."""
    other = frozen(index)
    other._files = index._files
    return other


def replace_state(index: Turned[S], action: str, change: Callable[[S], S]) -> None:
    """Commits `change` of the current state, as the last step."""
    turn, after = index._prepare(action, change)
    index._state = after
    del turn
