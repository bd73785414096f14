"""The description of an index in its file. The core handles the file format; this module only the section "meta".

The description is JSON with the names and settings of the parts. It explains an index, but search depends on the params
and arrays alone. A file without a usable description is rejected as corrupt.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from .. import _core
from ..errors import CorruptIndexError
from ..kinds import METRICS, NONE
from ..spec.chain import Chain
from ..spec.description import Description
from ..spec.registry import PARTS

T = TypeVar("T")

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def encode_meta(
    description: Description,
    why: tuple[str, ...],
    calibration: dict[str, Any] | None = None,
    automatic: bool = False,
    tries: dict[str, Any] | None = None,
    notes: dict[str, Any] | None = None,
    **others: Any,
) -> bytes:
    """notes: of the owner, by name. others: parts that do not belong to the description, by name."""
    parts = {}
    for name, part in (description.parts | others).items():
        parts[name] = None if part is None else _stored(part)
    meta: dict[str, Any] = {"parts": parts, "seed": description.seed, "why": why}
    meta |= {"calibration": calibration} if calibration else {}
    meta |= {"automatic": True} if automatic else {}
    meta |= {"tries": tries} if tries else {}
    meta |= notes or {}
    return json.dumps(meta, sort_keys=True).encode()


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
    """Raises ValueError unless the description matches the parts in the file."""
    for name, part in description.parts.items():
        kinds = (NONE,) if part is None else part.stored_as
        if params[f"{name}.kind"] not in kinds:
            raise ValueError(f"{name}: the description has {part}, but the file has kind {params[f'{name}.kind']}")
    own = description.rerank_dim if description.two_embeddings else None
    if own != params.get("rerank.dim"):
        raise ValueError(f"rerank: the description has dim={own}, but the file has {params.get('rerank.dim')}")


def decode_part(name: str, engine: _core.Engine, part: str, *kinds: type) -> Any:
    """One of the `others` of encode_meta; kinds: classes that it may have besides those of the registry."""
    return decode_by(name, engine, lambda meta: _part(meta["parts"][part], *kinds))


def decode_optional(name: str, engine: _core.Engine, key: str, made: Callable[[dict[str, Any]], T]) -> T | None:
    """What `made` makes of the calibration or the tries that a file has, or None if it has none."""
    return decode_by(name, engine, lambda meta: None if meta.get(key) is None else made(meta[key]))


def decode_automatic(name: str, engine: _core.Engine) -> bool:
    """Whether the index was made with codec="auto"."""

    def stored(meta: dict[str, Any]) -> bool:
        found = meta.get("automatic", False)
        if not isinstance(found, bool):
            raise TypeError(f"automatic: expected true or false, got {found!r}")
        return found

    return decode_by(name, engine, stored)


def decode_by(name: str, engine: _core.Engine, made: Callable[[dict[str, Any]], T]) -> T:
    """What `made` makes of the description in a file; a CorruptIndexError if it raises."""
    try:
        return made(_meta(engine))
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
        if field.metadata.get("stored_if_set") and value == field.default:
            continue  # so that files of older settings do not change
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
