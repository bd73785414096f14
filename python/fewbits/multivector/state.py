"""The state of a multi-vector index: that of an index, and how documents become vectors and stored tokens.

The encoder is part of it, as training makes both encoder and engine.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..index.state import State, Stateful
from ..index.turns import state_of
from .encoders import Encoder
from .pooling import Pooling
from .token_codecs import TokenCodec


@dataclass(frozen=True, kw_only=True)
class SetState(State):
    encoder: Encoder
    token_dim: int
    tokens: TokenCodec
    pooling: Pooling | None


def sets_of(state: State) -> SetState:
    assert isinstance(state, SetState)
    return state


def sets_now(index: Stateful) -> SetState:
    return sets_of(state_of(index))
