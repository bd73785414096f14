"""The whole of an index at one moment, as one immutable object that a call reads once.

A change prepares the state that comes next, on a copy of the engine that nobody else sees, and commits it by one store
of an attribute. Python raises KeyboardInterrupt when a call returns or a loop turns, not at a store or a `return`: a
commit that is the last thing a method does happens if and only if the method returns. Hence no `with`, no call and no
loop may follow it, which is why changes are written as

    turn, after = prepare(...)
    self._state = after
    del turn
    return self
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from .. import _core
from ..errors import NotTrainedError
from ..fit.few import warn_of_few
from ..fit.unseen import warn_if_far
from ..input.rows import check_scale
from ..numeric.arrays import F32
from ..spec.description import Description
from ..spec.parts import Model, Note
from .calibration import Calibration


class Training:
    """Stands for one training: codes made by one do not fit an index of another.

    few: what it had more of to fit than vectors to fit it to, or None, and how many vectors those were. notes: what the
    fits of its parts found. seen: whether there was a sample.
    """

    def __init__(
        self, few: str | None = None, sample: int = 0, notes: Sequence[Note] = (), *, seen: bool = True
    ) -> None:
        self._few, self._sample, self._notes, self._told = few, sample, notes, False
        self.seen = seen

    @property
    def found(self) -> tuple[str, ...]:
        return tuple(note.text for note in self._notes)

    def check(self, n: int, stacklevel: int) -> None:
        """Warns, once, of what its fits doubt, and if this was too small a sample for an index of n vectors."""
        for note in self._notes:
            if note.doubtful and not self._told:
                warnings.warn(note.text, UserWarning, stacklevel=stacklevel + 1)
        self._told = True
        if self._few is not None and warn_of_few(self._few, self._sample, n, stacklevel + 1):
            self._few = None


@dataclass(frozen=True)
class State:
    description: Description
    engine: _core.Engine | None  # never changed once it is part of a state
    why: tuple[str, ...]
    training: Training
    calibration: Calibration | None = None

    @property
    def n(self) -> int:
        return 0 if self.engine is None else len(self.engine)

    @property
    def next_id(self) -> int:
        """Above every id that was ever given."""
        return 0 if self.engine is None else self.engine.next_id

    def trained(self, action: str) -> _core.Engine:
        if self.engine is None:
            raise NotTrainedError(f"{action}: this index needs training first: call train(sample) or build(x)")
        return self.engine

    def untouched(self, action: str) -> State:
        """Itself, if it holds no vectors."""
        if self.n:
            raise ValueError(f"{action}: expected an empty index, got one that holds {self.n}; make a new one")
        return self

    def check_first(self, x: F32, name: str) -> None:
        """Refuses first vectors of an empty index that are too small, and warns if it should have been trained."""
        if self.description.metric != "cosine":
            check_scale(x, name)
        if self.description.codec.directed and not self.training.seen:
            warn_if_far(self.description, x, stacklevel=4)

    def of_training(self, before: State, action: str) -> State:
        """Itself, if codes made for `before` fit it."""
        if self.training is not before.training:
            raise RuntimeError(f"{action}: the index was trained or upgraded meanwhile, so this call changed nothing")
        return self

    def with_engine(self, engine: _core.Engine | None) -> State:
        return replace(self, engine=engine)

    def changed(self, action: str, change: Callable[[_core.Engine], object]) -> State:
        """The state after `change` of a copy of the engine."""
        engine = self.trained(action).copy()
        change(engine)
        return replace(self, engine=engine)

    def explained(self, why: tuple[str, ...]) -> State:
        """With these reasons for what it is made of."""
        return replace(self, why=why)

    def with_defaults(self, nprobe: int | None, rerank: int | None) -> State:
        """With these defaults of search; None: as they are."""

        def set_defaults(engine: _core.Engine) -> None:
            for name, value in (("nprobe", nprobe), ("rerank", rerank)):
                if value is not None:
                    engine.set_default(f"default.{name}", value)

        return self.changed("tune", set_defaults)

    def scored_by(self, model: Model) -> State:
        """With this scoring codebook and query map."""
        engine = self.trained("train").with_scoring(model.params, model.arrays)
        return replace(self, engine=engine, calibration=self._outdated())

    def calibrated(self, calibration: Calibration) -> State:
        """With this model of how likely results are to be relevant."""
        return replace(self, calibration=calibration)

    def retrained(
        self, engine: _core.Engine, description: Description | None = None, training: Training | None = None
    ) -> State:
        """With codes, or an encoder, that earlier vectors do not fit."""
        return replace(
            self,
            engine=engine,
            description=description or self.description,
            training=training or Training(),
            calibration=self._outdated(),
        )

    def _outdated(self) -> Calibration | None:
        return self.calibration and self.calibration.outdated()


class Stateful:
    """What holds a state: one reference to the present one, and whose turn it is to replace it."""

    _state: State
    _turns: _core.Turns

    def _begin(self, state: State) -> None:
        """The first thing that is done to a new object."""
        self._state, self._turns = state, _core.Turns()

    def _prepare(self, action: str, change: Callable[[State], State]) -> tuple[_core.Turn, State]:
        """Waits for this thread's turn to change the index; the turn, and the state that `change` makes of this one."""
        turn = self._turns.take(action)
        try:
            return turn, change(self._state)
        except BaseException:
            turn.end()
            raise


Held = TypeVar("Held", bound=Stateful)


def state_of(index: Stateful) -> State:
    return index._state


def started(index: Held, state: State) -> Held:
    """The same, a new and empty object so far, in a state that is there already."""
    index._begin(state)
    return index


def in_state(index: Held, state: State) -> Held:
    """A new index of the same kind and settings in another state."""
    other = type(index).__new__(type(index))
    other.__dict__.update(index.__dict__)
    other._begin(state)
    return other


def frozen(index: Held) -> Held:
    """An index of its own in the present state of this one, which later changes do not reach. Costs nothing."""
    return in_state(index, index._state)


def replace_state(index: Stateful, action: str, change: Callable[[State], State]) -> None:
    """Commits what `change` makes of the state, as the last thing it does."""
    turn, after = index._prepare(action, change)
    index._state = after
    del turn
