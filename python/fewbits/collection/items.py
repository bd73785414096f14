"""Rows of the table `items`: from arguments to SQL, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..numeric.arrays import I64
from .columns import Column, are_texts, checked_metadata, checked_scalar, checked_text, to_json
from .where import Condition, Sql

Key = str | int
_AT_ONCE = 900  # parameters of a statement, which old builds of SQLite limit to 999


@dataclass(frozen=True)
class Item:
    key: Key
    document: Any
    metadata: dict[str, Any]


def checked_keys(keys: object, *, unique: bool = True) -> list[Key]:
    """keys as Python objects: each a str, or a whole number of 64 bits."""
    if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
        raise TypeError(f"keys: expected a sequence of str or int, got {keys!r}")
    given = list(keys)
    checked: list[Key] = given if are_texts(given) else [_checked_key(key, row) for row, key in enumerate(given)]
    if unique and len(set(checked)) < len(checked):
        seen: set[Key] = set()
        twice = next(key for key in checked if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"keys: expected each key once, got {twice!r} twice")
    return checked


def _checked_key(key: object, row: int) -> Key:
    plain = key.item() if isinstance(key, np.generic) else key
    if isinstance(plain, bool) or not isinstance(plain, str | int):
        raise TypeError(f"keys: expected str or int, got {plain!r} in row {row}")
    checked_scalar(plain, "keys: row ", row)
    return plain


class Rows(NamedTuple):
    """What is stored of new items beside their vectors, checked."""

    keys: list[Key]
    documents: list[str | bytes | None]
    metadata: list[dict[str, Any]]


def checked_rows(keys: object, documents: object, metadata: object) -> Rows:
    own = checked_keys(keys)
    return Rows(own, checked_documents(documents, len(own)), checked_metadata(metadata, len(own)))


def checked_documents(documents: object, n: int) -> list[str | bytes | None]:
    """As SQLite holds them: text as it is, other values as the bytes of their JSON."""
    if documents is None:
        return [None] * n
    if isinstance(documents, str | bytes | Mapping) or not isinstance(documents, Iterable):
        raise TypeError(f"documents: expected a sequence, one per key, got {type(documents).__name__}")
    given = list(documents)
    stored = given if are_texts(given) else [_stored(each, "documents: row ", row) for row, each in enumerate(given)]
    if len(stored) != n:
        raise ValueError(f"documents: expected one per key ({n}), got {len(stored)}")
    return stored


def _stored(document: object, *place: object) -> str | bytes | None:
    if document is None or isinstance(document, str):
        return document if document is None else checked_text(document, *place)
    return to_json(document, *place).encode()


def columns_of(connection: sqlite3.Connection) -> dict[str, Column]:
    rows = connection.execute("SELECT name, position, kind FROM columns ORDER BY position")
    return {name: Column(name, position, kind) for name, position, kind in rows}


def put_columns(connection: sqlite3.Connection, before: Mapping[str, Column], after: Mapping[str, Column]) -> None:
    for column in after.values():
        if column.name not in before:
            connection.execute(f"ALTER TABLE items ADD COLUMN {column.sql_name}")
        if before.get(column.name) != column:
            connection.execute("INSERT OR REPLACE INTO columns VALUES (?, ?, ?)", [column.position, *column[::2]])


def insert(connection: sqlite3.Connection, columns: Mapping[str, Column], rows: Rows) -> I64:
    """The ids of new items."""
    used = [columns[name] for name in dict.fromkeys(name for row in rows.metadata for name in row)]
    names = ", ".join(["key", "document", *(column.sql_name for column in used)])
    statement = f"INSERT INTO items ({names}) VALUES ({', '.join('?' * (2 + len(used)))})"
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'items'").fetchone()
    first = 1 + (row[0] if row else 0)
    connection.executemany(
        statement,
        (
            (key, document, *(column.stored(values.get(column.name)) for column in used))
            for key, document, values in zip(*rows, strict=True)
        ),
    )
    return np.arange(first, first + len(rows.keys), dtype=np.int64)


def ids_of(connection: sqlite3.Connection, keys: Sequence[Key]) -> dict[Key, int]:
    """Of the keys that there are."""
    found: dict[Key, int] = {}
    for some in _chunks(keys):
        found.update(connection.execute(f"SELECT key, id FROM items WHERE key IN ({_marks(some)})", some))
    return found


def matching(condition: Condition | None, columns: Mapping[str, Column]) -> Sql:
    """The condition for SELECT."""
    return Sql("TRUE", []) if condition is None else condition.sql(columns)


def items_of(connection: sqlite3.Connection, columns: Mapping[str, Column], ids: Sequence[int]) -> dict[int, Item]:
    """The items of these ids, by id."""
    found: dict[int, Item] = {}
    for some in _chunks(ids):
        found.update(selected(connection, columns, f"id IN ({_marks(some)})", some))
    return found


def selected(
    connection: sqlite3.Connection, columns: Mapping[str, Column], condition: str, values: Sequence[Any]
) -> Iterator[tuple[int, Item]]:
    names = ", ".join(["id", "key", "document", *(column.sql_name for column in columns.values())])
    for id, key, document, *row in connection.execute(f"SELECT {names} FROM items WHERE {condition}", list(values)):
        metadata = {
            column.name: column.loaded(value)
            for column, value in zip(columns.values(), row, strict=True)
            if value is not None
        }
        yield id, Item(key, loaded(document), metadata)


def loaded(document: str | bytes | None) -> Any:
    """A document as it was given."""
    return json.loads(document) if isinstance(document, bytes) else document


def _chunks(values: Sequence[Any]) -> Iterator[list[Any]]:
    for begin in range(0, len(values), _AT_ONCE):
        yield list(values[begin : begin + _AT_ONCE])


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
