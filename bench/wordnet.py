"""WordNet as texts with judgements: of every synset its words and definition, and example sentences as queries.

FOLDER holds data.noun, data.verb, data.adj and data.adv, as the Debian package wordnet-base ships them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}  # the letter by which pointers name each file
_NEAR = {"@", "@i", "~", "~i", "&", "$"}  # more general, more special, similar, and verbs of one group


class Texts(NamedTuple):
    documents: list[str]
    queries: list[str]
    qrels: NDArray[np.int64]  # each query's own synset
    related: list[list[int]]  # the synsets that each points to

    def graded(self, queries: NDArray[np.int64]) -> NDArray[np.int64]:
        """Judgements of these queries, numbered in their order: 2 for the own synset, 1 for what is related to it."""
        rows = [
            (q, document, grade) for q, own in enumerate(self.qrels[queries, 1]) for document, grade in self._of(own)
        ]
        return np.array(rows, np.int64)

    def _of(self, synset: int) -> Iterator[tuple[int, int]]:
        yield synset, 2
        yield from ((other, 1) for other in self.related[synset] if other != synset)


def load(folder: str, parts: Iterable[str] = tuple(_PARTS)) -> Texts:
    documents, queries, qrels = [], [], []
    number: dict[tuple[str, str], int] = {}
    pointers: list[list[tuple[str, str]]] = []
    for part in parts:
        for line in (Path(folder) / f"data.{part}").read_text("utf8").splitlines():
            if line.startswith(" "):
                continue
            fields, _, gloss = line.partition(" | ")
            columns = fields.split()
            end = 4 + 2 * int(columns[3], 16)
            words = [word.replace("_", " ") for word in columns[4:end:2]]
            examples = re.findall(r'"([^"]+)"', gloss)
            definition = re.sub(r';?\s*"[^"]+"', "", gloss).strip()
            number[_PARTS[part], columns[0]] = len(documents)
            pointers.append(_near(columns[end + 1 : end + 1 + 4 * int(columns[end])]))
            for example in examples:
                qrels.append((len(queries), len(documents), 1))
                queries.append(example)
            documents.append(f"{', '.join(words)}: {definition}")
    related = [sorted({number[each] for each in own if each in number}) for own in pointers]
    return Texts(documents, queries, np.array(qrels), related)


def _near(columns: list[str]) -> list[tuple[str, str]]:
    """File and offset of the synsets, from four columns for each pointer."""
    fields = zip(columns[::4], columns[1::4], columns[2::4], strict=True)
    return [("a" if part == "s" else part, offset) for symbol, offset, part in fields if symbol in _NEAR]
