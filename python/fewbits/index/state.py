"""The complete state of an index, as one immutable object that each call reads once (turns.py)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from .. import _core
from ..errors import NotTrainedError
from ..fit.few import warn_of_few
from ..fit.unseen import warn_if_far
from ..input.rows import check_scale
from ..numeric.arrays import F32
from ..spec.description import Description
from ..spec.parts import Model, Note
from .calibration import Calibration
from .notes import NotedState
from .tried import Tries
from .turns import Turned


class Training:
    """Identifies one training: codes of one training are not valid in an index of another.

    few: what the sample was too small for, in words, or None. sample: its number of vectors. notes: findings of fits
    of parts. seen: whether there was a sample.
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
        """Warns, once, of doubtful fits, and if the sample was too small for an index of n vectors."""
        for note in self._notes:
            if note.doubtful and not self._told:
                warnings.warn(note.text, UserWarning, stacklevel=stacklevel + 1)
        self._told = True
        if self._few is not None and warn_of_few(self._few, self._sample, n, stacklevel + 1):
            self._few = None


class Defaults(NamedTuple):
    """What searches read that do not say. 0: nothing is stored."""

    nprobe: int
    rerank: int
    patience: int


@dataclass(frozen=True)
class State(NotedState):
    description: Description
    engine: _core.Engine | None  # never changed once it is part of a state
    why: tuple[str, ...]
    training: Training
    calibration: Calibration | None = None
    automatic: Literal["no", "in add", "in compact"] = "no"  # when it is coded anew (spec/automatic.py)
    tries: Tries | None = None

    @property
    def n(self) -> int:
        return 0 if self.engine is None else len(self.engine)

    @cached_property
    def defaults(self) -> Defaults:
        """Read from the engine once: every search needs them."""
        params = {} if self.engine is None else self.engine.params
        return Defaults(*(params.get(f"default.{name}", 0) for name in Defaults._fields))

    @property
    def next_id(self) -> int:
        """Larger than every id ever assigned."""
        return 0 if self.engine is None else self.engine.next_id

    def trained(self, action: str) -> _core.Engine:
        if self.engine is None:
            raise NotTrainedError(f"{action}: this index needs training first: call train(sample) or build(x)")
        return self.engine

    def untouched(self, action: str) -> State:
        """This state; raises ValueError if it holds vectors."""
        if self.n:
            raise ValueError(f"{action}: expected an empty index, got one that holds {self.n}; make a new one")
        return self

    def check_first(self, x: F32, name: str) -> None:
        """Rejects first vectors that are too small, and warns if the index should have been trained."""
        if self.description.metric != "cosine":
            check_scale(x, name)
        if self.description.codec.directed and not self.training.seen:
            warn_if_far(self.description, x, stacklevel=4)

    def of_training(self, before: State, action: str) -> State:
        """This state; raises RuntimeError if codes made for `before` are not valid in it."""
        if self.training is not before.training:
            raise RuntimeError(f"{action}: the index was trained or upgraded meanwhile, so this call changed nothing")
        return self

    def with_engine(self, engine: _core.Engine | None) -> State:
        return replace(self, engine=engine)

    def changed(self, action: str, change: Callable[[_core.Engine], object]) -> State:
        """The state after `change`, which is applied to a copy of the engine."""
        engine = self.trained(action).copy()
        change(engine)
        return replace(self, engine=engine)

    def explained(self, why: tuple[str, ...], tries: Tries | None = None) -> State:
        """The state with these reasons for its parts, and the configurations that they were chosen from."""
        return replace(self, why=why, tries=tries)

    def with_defaults(
        self, nprobe: int | None, rerank: int | None, patience: int = 0, margin: float | None = None
    ) -> State:
        """The state with these defaults for searches; nprobe and rerank of None: unchanged."""

        def set_defaults(engine: _core.Engine) -> None:
            for name, value in (("nprobe", nprobe), ("rerank", rerank)):
                if value is not None:
                    engine.set_default(f"default.{name}", value)
            for name, value in (("patience", patience), ("margin", in_thousandths(margin))):
                if value or f"default.{name}" in engine.params:
                    engine.set_default(f"default.{name}", value)

        return self.changed("tune", set_defaults)

    def scored_by(self, model: Model) -> State:
        """The state with this scoring codebook and query map."""
        engine = self.trained("train").with_scoring(model.params, model.arrays)
        return replace(self, engine=engine, calibration=self._outdated())

    def calibrated(self, calibration: Calibration) -> State:
        """The state with this model of how likely results are to be relevant."""
        return replace(self, calibration=calibration)

    def retrained(
        self, engine: _core.Engine, description: Description | None = None, training: Training | None = None
    ) -> State:
        """The state with a newly trained engine, or a newer encoder, which vectors coded before do not fit."""
        return replace(
            self,
            engine=engine,
            description=description or self.description,
            training=training or Training(),
            calibration=self._outdated(),
        )

    def _outdated(self) -> Calibration | None:
        return self.calibration and self.calibration.outdated()


def in_thousandths(margin: float | None) -> int:
    """A margin as a file holds it: rounded up, and at least 1; 0 is none."""
    return 0 if margin is None else max(1, math.ceil(1000 * margin))


Stateful = Turned[State]  # an index of vectors, or of documents
