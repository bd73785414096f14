"""The description of an index in its file. The file's format is the core's; here is only the section "meta".

It is JSON of the parts' names and settings. It explains an index; what search does follows from the params and arrays
alone. A file without a usable description is refused as corrupt.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from .. import _core
from ..errors import CorruptIndexError
from ..kinds import METRICS, NONE
from ..spec.chain import Chain
from ..spec.description import Description
from ..spec.registry import PARTS

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def encode_meta(description: Description, why: tuple[str, ...], **others: Any) -> bytes:
    """others: parts that are not of the description, by name."""
    parts = {}
    for name, part in (description.parts | others).items():
        parts[name] = None if part is None else _stored(part)
    return json.dumps({"parts": parts, "seed": description.seed, "why": why}, sort_keys=True).encode()


def decode_meta(name: str, engine: _core.Engine) -> tuple[Description, tuple[str, ...]]:
    params = engine.params
    try:
        meta = _meta(engine)
        parts = {name: _part(meta["parts"][name]) for name in Description.PARTS}
        metric = {number: name for name, number in METRICS.items()}[params["metric"]]
        description = Description(dim=params["dim"], metric=metric, seed=int(meta["seed"]), **parts)
        _check_kinds(description, params)
        return description, tuple(str(reason) for reason in meta["why"])
    except _UNREADABLE as error:
        raise _unreadable(name, error) from None


def _check_kinds(description: Description, params: dict[str, int]) -> None:
    """Whether the description is of the parts that the file has."""
    for name, part in description.parts.items():
        kinds = (NONE,) if part is None else part.stored_as
        if params[f"{name}.kind"] not in kinds:
            raise ValueError(f"{name}: {part} is described, the file has kind {params[f'{name}.kind']}")


def decode_part(name: str, engine: _core.Engine, part: str, *kinds: type) -> Any:
    """One of encode_meta's others; kinds: what it may be beside the parts of the registry."""
    try:
        return _part(_meta(engine)["parts"][part], *kinds)
    except _UNREADABLE as error:
        raise _unreadable(name, error) from None


def _meta(engine: _core.Engine) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads(engine.meta)
    return meta


def _unreadable(name: str, error: Exception) -> CorruptIndexError:
    return CorruptIndexError(f"{name}: section 'meta': the description of the index is not readable ({error})")


def _stored(part: Any) -> dict[str, Any]:
    """Its kind and fields, but those that are arrays of the file."""
    settings: dict[str, Any] = {"kind": type(part).__name__}
    for field in fields(part):
        value = getattr(part, field.name)
        if field.metadata.get("stored", True):
            settings[field.name] = [_stored(inner) for inner in value] if isinstance(part, Chain) else value
    return settings


def _part(stored: dict[str, Any] | None, *kinds: type) -> Any:
    if stored is None:
        return None
    settings = dict(stored)
    known = (PARTS | {kind.__name__: kind for kind in kinds})[settings.pop("kind")]
    if known is Chain:
        return Chain([_part(inner) for inner in settings["parts"]])
    return known(**settings)
