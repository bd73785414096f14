"""Metadata as typed columns: a column has the type of its first value, and whole numbers may become floats."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Scalar = bool | int | float | str
MAX_COLUMNS = 1000
_LONGEST_INT = 2**63
_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "json": "a list or dict",
}


class Column(NamedTuple):
    """position: its number, which makes its name in SQL."""

    name: str
    position: int
    kind: str

    @property
    def sql_name(self) -> str:
        return f"m{self.position}"

    def comparable(self, value: Scalar | np.generic, *, ordered: bool) -> Scalar:
        """value as a Python object, if it can be compared with those of the column."""
        if self.kind == "json":
            raise ValueError(f"where: {self.name!r} holds lists or dicts, which can only be tested by 'is null'")
        if ordered and self.kind == "bool":
            raise ValueError(f"where: {self.name!r} holds true and false, which have no order; expected = or !=")
        plain: Scalar = value.item() if isinstance(value, np.generic) else value
        number = {"int", "float"}
        if kind_of(plain) != self.kind and not {kind_of(plain), self.kind} <= number:
            raise ValueError(f"where: {self.name!r} holds {_WORDS[self.kind]}, got {plain!r}")
        return checked_scalar(plain, "where: ", repr(self.name))

    def stored(self, value: Any) -> Any:
        return json.dumps(value) if self.kind == "json" and value is not None else value

    def loaded(self, value: Any) -> Any:
        if self.kind == "json":
            return json.loads(value)
        if self.kind == "float":
            return _as_float(value)
        return bool(value) if self.kind == "bool" else value


def _as_float(value: float) -> float:
    """A whole number that no float is equal to stays one."""
    return float(value) if float(value) == value else value


_KINDS: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "str"}


def kind_of(value: object) -> str:
    kind = _KINDS.get(type(value))
    return kind or next((kind for of, kind in _KINDS.items() if isinstance(value, of)), "json")


def checked_scalar(value: Scalar, *place: object) -> Scalar:
    """value, if SQLite can hold it as it is. place: what it is, in parts, for messages."""
    if isinstance(value, str):
        return checked_text(value, *place)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{_joined(place)}: expected finite numbers, got {value}")
    if isinstance(value, int) and not -_LONGEST_INT <= value < _LONGEST_INT:
        raise ValueError(f"{_joined(place)}: expected whole numbers of 64 bits, got {value}")
    return value


def checked_text(value: str, *place: object) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        name = _joined(place)
        raise ValueError(f"{name}: expected text that UTF-8 can hold, got {value!r} ({error.reason})") from None
    return value


def are_texts(values: list[Any]) -> bool:
    """Whether all are str that UTF-8 can hold, without a step of Python for each. A subclass is not."""
    if set(map(type, values)) != {str}:
        return False
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return False
    return True


def to_json(value: object, *place: object) -> str:
    try:
        return checked_text(json.dumps(value, ensure_ascii=False, allow_nan=False), *place)
    except (TypeError, ValueError, RecursionError) as error:
        got = f"got {type(value).__name__} ({error})"
        raise TypeError(f"{_joined(place)}: expected what JSON can hold, {got}") from None


def _joined(place: tuple[object, ...]) -> str:
    return "".join(map(str, place))


def checked_metadata(metadata: object, n: int) -> list[dict[str, Any]]:
    """One dict of plain values per item, without those that are None."""
    if metadata is None:
        return [{} for _ in range(n)]
    if isinstance(metadata, str | Mapping) or not isinstance(metadata, Iterable):
        raise TypeError(f"metadata: expected a sequence of dicts, one per key, got {type(metadata).__name__}")
    rows = list(metadata)
    if len(rows) != n:
        raise ValueError(f"metadata: expected one dict per key ({n}), got {len(rows)}")
    return [_row(row, number) for number, row in enumerate(rows)]


def _row(row: object, number: int) -> dict[str, Any]:
    if row is None:
        return {}
    if not isinstance(row, Mapping):
        raise TypeError(f"metadata: expected dicts, got {type(row).__name__} in row {number}")
    checked = {}
    for name, value in row.items():
        if not isinstance(name, str):
            raise TypeError(f"metadata: expected names as str, got {name!r} in row {number}")
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is None:
            continue
        place = ("metadata: '", checked_text(name, "metadata"), "' in row ", number)
        if kind_of(plain) == "json":
            to_json(plain, *place)
        checked[name] = checked_scalar(plain, *place)
    return checked


def with_new(columns: Mapping[str, Column], rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """The columns that hold these rows too."""
    after = dict(columns)
    for number, row in enumerate(rows):
        for name, value in row.items():
            kind = kind_of(value)
            known = after.get(name)
            if known is None:
                after[name] = Column(name, len(after), kind)
            elif known.kind != kind:
                after[name] = known._replace(kind=_joint(known, kind, value, number))
    if len(after) > MAX_COLUMNS:
        raise ValueError(f"metadata: expected at most {MAX_COLUMNS} names in a collection, got {len(after)}")
    return after


def _joint(column: Column, kind: str, value: object, number: int) -> str:
    if {column.kind, kind} == {"int", "float"}:
        return "float"
    raise ValueError(
        f"metadata: {column.name!r} holds {_WORDS[column.kind]} in this collection, got {value!r} in row {number}"
    )
