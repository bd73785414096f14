"""Word vectors as text, a word and its numbers per line: GloVe's .txt, and .vec of word2vec and fastText (a header)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..file.places import shown

WORD = "word"  # the name of the column of words


def matrix(path: Path, column: str | None) -> NDArray[Any]:
    """The vectors, read whole."""
    if column is not None:
        raise ValueError(f"column: {shown(path)} holds one array without a name, got column={column!r}")
    return _read(path)[1]


def words(path: Path, column: str) -> NDArray[Any]:
    """The words, in the order of their vectors."""
    if column != WORD:
        raise ValueError(f"column: {shown(path)}: expected another column than {column!r}, one of {WORD!r}")
    return np.array(_read(path)[0])


def _read(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    found: list[str] = []
    rows: list[NDArray[np.float32]] = []
    width = announced = 0
    for number, line in _lines(path):
        fields = line.rstrip("\n ").split(" ")
        if number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
            announced, width = int(fields[0]), int(fields[1])
            continue
        width = width or len(fields) - 1
        try:
            row = np.array(fields[len(fields) - width :], np.float32)
        except ValueError:
            row = np.zeros(0, np.float32)
        if width < 1 or len(fields) <= width or len(row) != width:
            raise ValueError(f"{shown(path)}: expected a word and {max(width, 1)} numbers in line {number}")
        found.append(" ".join(fields[:-width]))  # a word may have spaces
        rows.append(row)
    if not rows or (announced and announced != len(rows)):
        raise ValueError(f"{shown(path)}: expected {announced or 'some'} words with numbers, got {len(rows)}")
    return found, np.stack(rows)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        try:
            yield from enumerate(file, 1)
        except UnicodeDecodeError as error:
            raise ValueError(f"{shown(path)}: expected text in UTF-8 ({error})") from None
