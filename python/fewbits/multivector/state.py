"""The state of a multi-vector index, which includes the encoder, as training makes both encoder and engine."""

from __future__ import annotations

from dataclasses import dataclass

from ..index.state import State, Stateful
from ..index.turns import state_of
from .encoders import Encoder


@dataclass(frozen=True, kw_only=True)
class SetState(State):
    encoder: Encoder


def encoder_of(state: State) -> Encoder:
    assert isinstance(state, SetState)
    return state.encoder


def encoder_now(index: Stateful) -> Encoder:
    return encoder_of(state_of(index))
