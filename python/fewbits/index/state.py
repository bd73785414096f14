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

from collections.abc import Callable
from dataclasses import dataclass, replace

from .. import _core
from ..errors import NotTrainedError
from ..fit.few import warn_of_few
from ..spec.description import Description


class Training:
    """Stands for one training: codes made by one do not fit an index of another.

    few: what it had more of to fit than vectors to fit it to, or None, and how many vectors those were.
    """

    def __init__(self, few: str | None = None, sample: int = 0) -> None:
        self._few, self._sample = few, sample

    def check(self, n: int, stacklevel: int) -> None:
        """Warns, once, if the index is to hold so many vectors that this was too small a sample of them."""
        if self._few is not None and warn_of_few(self._few, self._sample, n, stacklevel + 1):
            self._few = None


@dataclass(frozen=True)
class State:
    description: Description
    engine: _core.Engine | None  # never changed once it is part of a state
    why: tuple[str, ...]
    training: Training

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

    def of_training(self, before: State, action: str) -> State:
        """Itself, if codes made for `before` fit it."""
        if self.training is not before.training:
            raise RuntimeError(f"{action}: the index was trained or upgraded meanwhile, so this call changed nothing")
        return self

    def with_engine(self, engine: _core.Engine | None) -> State:
        return replace(self, engine=engine)

    def explained(self, why: tuple[str, ...]) -> State:
        return replace(self, why=why)

    def changed(self, action: str, change: Callable[[_core.Engine], object]) -> State:
        """The state after `change` of a copy of the engine."""
        engine = self.trained(action).copy()
        change(engine)
        return replace(self, engine=engine)

    def retrained(
        self, engine: _core.Engine, description: Description | None = None, training: Training | None = None
    ) -> State:
        """With codes, or an encoder, that earlier vectors do not fit."""
        return replace(
            self, engine=engine, description=description or self.description, training=training or Training()
        )
