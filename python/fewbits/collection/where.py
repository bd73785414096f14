"""Conditions on metadata: a small grammar, as a tree, and as SQL with bound parameters.

    condition  = term {"or" term};  term = factor {"and" factor};  factor = "not" factor | "(" condition ")" | test
    test       = name ("=" | "!=" | "<" | "<=" | ">" | ">=") literal
               | name ["not"] "in" "(" literal {"," literal} ")" | name "is" ["not"] "null"
    literal    = number | 'text' | true | false;  name = letters, digits and _ | "any text"

Conditions are true or false, as in Python: a missing value equals nothing but a missing value, and is neither less nor
greater than anything. Neither names nor values become part of the SQL text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .columns import Column, Scalar, checked_scalar

MAX_TESTS = 400  # SQLite's expressions have at most 1,000 levels
_MAX_NESTING = 50
_ORDER = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_EQUAL = {"=": "IS", "!=": "IS NOT"}
_SAME = {"==": "=", "<>": "!="}
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<word>[^\W\d]\w*)
    | (?P<sign><=|>=|!=|<>|==|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)
_END = re.compile(r"\s*\Z")
_KEYWORDS = {"and", "or", "not", "in", "is", "null", "true", "false"}


class Sql(NamedTuple):
    text: str
    values: list[Scalar]


class Condition:
    """A node of the tree."""

    def sql(self, columns: Mapping[str, Column]) -> Sql:
        raise NotImplementedError


@dataclass(frozen=True)
class Compare(Condition):
    """Whether the value of a column is =, !=, <, <=, > or >= another."""

    name: str
    sign: str
    value: Scalar

    def sql(self, columns: Mapping[str, Column]) -> Sql:
        column = _column(columns, self.name)
        value = column.comparable(self.value, ordered=self.sign in _ORDER)
        if self.sign in _EQUAL:
            return Sql(f"({column.sql_name} {_EQUAL[self.sign]} ?)", [value])
        return Sql(f"(({column.sql_name} {_ORDER[self.sign]} ?) IS TRUE)", [value])


@dataclass(frozen=True)
class OneOf(Condition):
    """Whether the value of a column is one of several."""

    name: str
    values: Sequence[Scalar]

    def sql(self, columns: Mapping[str, Column]) -> Sql:
        column = _column(columns, self.name)
        values = [column.comparable(value, ordered=False) for value in self.values]
        cut = next((value for value in values if isinstance(value, str) and "\0" in value), None)
        if cut is not None:  # json_each would end it there
            raise ValueError(f"where: several texts: expected texts without U+0000, got {cut!r}; compare it by =")
        return Sql(f"(({column.sql_name} IN (SELECT value FROM json_each(?))) IS TRUE)", [json.dumps(values)])


@dataclass(frozen=True)
class Missing(Condition):
    """Whether there is no value."""

    name: str

    def sql(self, columns: Mapping[str, Column]) -> Sql:
        return Sql(f"({_column(columns, self.name).sql_name} IS NULL)", [])


@dataclass(frozen=True)
class Not(Condition):
    part: Condition

    def sql(self, columns: Mapping[str, Column]) -> Sql:
        text, values = self.part.sql(columns)
        return Sql(f"(NOT {text})", values)


@dataclass(frozen=True)
class Junction(Condition):
    """All of the parts ("and"), or at least one ("or"); of no parts, true or false."""

    word: str
    parts: Sequence[Condition]

    def sql(self, columns: Mapping[str, Column]) -> Sql:
        if not self.parts:
            return Sql("TRUE" if self.word == "and" else "FALSE", [])
        parts = [part.sql(columns) for part in self.parts]
        text = f" {self.word.upper()} ".join(part.text for part in parts)
        return Sql(f"({text})", [value for part in parts for value in part.values])


def condition(where: object) -> Condition | None:
    """What `where=` says: None, a text of the grammar, or a tree."""
    if where is None or isinstance(where, Condition):
        return where
    if not isinstance(where, str):
        raise TypeError(f"where: expected a condition as text, such as \"year >= 2020 and lang = 'de'\", got {where!r}")
    return _Parser(where).whole()


def _column(columns: Mapping[str, Column], name: str) -> Column:
    if name not in columns:
        known = ", ".join(map(repr, columns)) or "none yet"
        raise ValueError(f"where: expected a column of the metadata ({known}), got {name!r}")
    return columns[name]


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0
        self._tests = 0
        self._nesting = 0

    def whole(self) -> Condition:
        found = self._any()
        if self._peek().kind != "end":
            raise self._wrong("'and', 'or' or the end")
        return found

    def _any(self) -> Condition:
        return self._joined("or", self._all)

    def _all(self) -> Condition:
        return self._joined("and", self._factor)

    def _joined(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self._accept(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Junction(word, tuple(parts))

    def _factor(self) -> Condition:
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise ValueError(f"where: expected at most {_MAX_NESTING} levels of 'not' and parentheses, got more")
        if self._accept("not"):
            found: Condition = Not(self._factor())
        elif self._accept("("):
            found = self._any()
            self._expect(")")
        else:
            found = self._test()
        self._nesting -= 1
        return found

    def _test(self) -> Condition:
        self._tests += 1
        if self._tests > MAX_TESTS:
            raise ValueError(f"where: expected at most {MAX_TESTS} comparisons, got more; use in (...)")
        name = self._name()
        if self._accept("is"):
            negated = self._accept("not")
            self._expect("null")
            return Not(Missing(name)) if negated else Missing(name)
        if self._accept("not"):
            self._expect("in")
            return Not(OneOf(name, self._list()))
        if self._accept("in"):
            return OneOf(name, self._list())
        sign = _SAME.get(self._peek().text, self._peek().text)
        if self._peek().kind != "sign" or sign not in _EQUAL | _ORDER:
            raise self._wrong("a comparison, 'in' or 'is'")
        self._next += 1
        return Compare(name, sign, self._literal())

    def _name(self) -> str:
        token = self._peek()
        if token.kind == "quoted":
            self._next += 1
            return token.text[1:-1].replace('""', '"')
        if token.kind != "word" or token.text.lower() in _KEYWORDS:
            raise self._wrong("the name of a column")
        self._next += 1
        return token.text

    def _list(self) -> tuple[Scalar, ...]:
        self._expect("(")
        values = [self._literal()]
        while self._accept(","):
            values.append(self._literal())
        self._expect(")")
        return tuple(values)

    def _literal(self) -> Scalar:
        token = self._peek()
        word = token.text.lower()
        value: Scalar
        if token.kind == "number":
            value = int(token.text) if re.fullmatch(r"[+-]?\d+", token.text) else float(token.text)
        elif token.kind == "text":
            value = token.text[1:-1].replace("''", "'")
        elif token.kind == "word" and word in ("true", "false"):
            value = word == "true"
        else:
            raise self._wrong("a number, 'text', true or false")
        self._next += 1
        return checked_scalar(value, "where")

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _accept(self, text: str) -> bool:
        token = self._peek()
        found = token.kind in ("word", "sign") and token.text.lower() == text
        self._next += found
        return found

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._wrong(repr(text))

    def _wrong(self, expected: str) -> ValueError:
        token = self._peek()
        got = "the end" if token.kind == "end" else repr(token.text)
        return ValueError(f"where: expected {expected} at character {token.at}, got {got}: {self._text!r}")


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while not _END.match(text, at):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            start = len(text) - len(text[at:].lstrip())
            raise ValueError(f"where: expected a name, a value or a sign at character {start}: {text!r}")
        yield _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
        at = match.end()
    yield _Token("end", "", len(text))


def all_equal(values: Mapping[str, Any]) -> Condition:
    """Whether every named column has this value, or one of these; None: no value."""
    return Junction("and", tuple(_equal(name, value) for name, value in values.items()))


def _equal(name: str, value: Any) -> Condition:
    """None stands for a missing value."""
    if not isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return Missing(name) if value is None else Compare(name, "=", value)
    some = OneOf(name, tuple(each for each in value if each is not None))
    return some if len(some.values) == len(value) else Junction("or", (Missing(name), some))
