"""A multi-vector index in a file: its settings beside the engine, written and read."""

from __future__ import annotations

from .. import _core
from ..errors import CorruptIndexError
from ..file.engines import is_multivector
from ..file.meta import decode_by, decode_meta, decode_part, encode_meta
from ..index.notes import notes_of
from ..index.state import Training
from .encoders import restored
from .pooling import Pooling, checked_pooling
from .state import SetState
from .token_codecs import checked


def meta_of(state: SetState) -> bytes:
    """The section `meta` of the index's file."""
    notes = state.notes.stored()
    return encode_meta(state.description, state.why, notes=notes, tokens=state.tokens, pooling=state.pooling)


def state_of_file(name: str, engine: _core.Engine) -> SetState:
    """The state with an engine that was read. name: of its source, for messages."""
    if not is_multivector(engine.params):
        raise ValueError(f"{name}: holds an index of single vectors: open it with fewbits.Index")
    description, why = decode_meta(name, engine)
    try:
        dim = engine.params["tokens.dim"]
        encoder = restored(engine)
        tokens = checked(decode_part(name, engine, "tokens"), dim)
        pooling = checked_pooling(decode_part(name, engine, "pooling", Pooling))
        if encoder.dims_of(dim) != description.dim:
            raise ValueError("encodings, index and tokens differ in their dimensions")
    except (CorruptIndexError, KeyError, IndexError, TypeError, ValueError) as error:
        raise CorruptIndexError(f"{name}: the settings of encodings or tokens are not valid ({error})") from None
    return SetState(
        description,
        engine,
        why,
        Training(),
        encoder=encoder,
        token_dim=dim,
        tokens=tokens,
        pooling=pooling,
        notes=decode_by(name, engine, notes_of),
    )
