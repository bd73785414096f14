"""BM25 as sparse vectors: the weight of a token in a document is computed when the document is added."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import F32, I64
from .csr import MAX_TERMS, Csr

Tokenizer = Callable[[str], Iterable[str]]
_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The built-in tokenizer: runs of letters, digits and underscores of the text, folded to one case."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True)
class Bm25:
    """Statistics of the documents that the index was built from.

    vocabulary: the number of each token, or None where documents are token numbers. found_in: by number, the documents
    that have a token. builtin: whether `words` made the tokens.
    """

    k1: float
    b: float
    n: int
    mean_length: float
    found_in: I64
    vocabulary: dict[str, int] | None
    builtin: bool

    @staticmethod
    def of(documents: Tokens, k1: float, b: float, vocabulary: dict[str, int] | None, builtin: bool) -> Bm25:
        counted = documents.counted()
        found_in = np.bincount(counted.terms).astype(np.int64)
        lengths = np.diff(documents.offsets)
        return Bm25(k1, b, len(lengths), float(lengths.mean()), found_in, vocabulary, builtin)

    def documents(self, tokens: Tokens) -> Csr:
        """log(1 + (n - found_in + .5) / (found_in + .5)) · tf / (tf + k1 (1 - b + b · length / mean length))."""
        counted = tokens.counted()
        length = np.diff(tokens.offsets)[np.repeat(np.arange(len(tokens)), np.diff(counted.offsets))]
        tf = counted.values.astype(np.float64)
        found_in = np.zeros(len(tf))
        known = counted.terms < len(self.found_in)
        found_in[known] = self.found_in[counted.terms[known]]
        idf = np.log1p((self.n - found_in + 0.5) / (found_in + 0.5))
        weights = idf * tf / (tf + self.k1 * (1 - self.b + self.b * length / self.mean_length))
        return counted._replace(values=weights.astype(np.float32))

    def same_statistics(self, other: Bm25) -> bool:
        """Whether both weigh a text alike, however their vocabularies have grown."""
        return (
            (self.k1, self.b, self.n, self.mean_length, self.builtin)
            == (other.k1, other.b, other.n, other.mean_length, other.builtin)
            and (self.vocabulary is None) == (other.vocabulary is None)
            and np.array_equal(self.found_in, other.found_in)
            and list(self.vocabulary or {})[: len(self.found_in)] == list(other.vocabulary or {})[: len(self.found_in)]
        )

    def with_vocabulary(self, vocabulary: dict[str, int] | None) -> Bm25:
        return replace(self, vocabulary=vocabulary)


@dataclass(frozen=True)
class Tokens:
    """Token numbers of texts: of text i, numbers[offsets[i] : offsets[i + 1]]."""

    offsets: I64
    numbers: I64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def counted(self) -> Csr:
        """How often each token is in each text."""
        owners = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        key, counts = np.unique(owners * np.int64(MAX_TERMS) + self.numbers, return_counts=True)
        per_text = np.bincount(key // MAX_TERMS, minlength=len(self))
        offsets = np.concatenate([[0], np.cumsum(per_text)]).astype(np.int64)
        values: F32 = counts.astype(np.float32)
        return Csr(offsets, (key % MAX_TERMS).astype(np.uint32), values)


def are_texts(x: Any) -> bool:
    return isinstance(x, list | tuple) and all(isinstance(text, str) for text in x)


def of_texts(
    texts: Sequence[str], tokenizer: Tokenizer, vocabulary: dict[str, int], grows: bool
) -> tuple[Tokens, dict[str, int]]:
    """The tokens of texts; the vocabulary with those that are new, if it grows, else these are left out."""
    known = dict(vocabulary) if grows else vocabulary
    numbers: list[int] = []
    offsets = [0]
    for text in texts:
        for token in tokenizer(text):
            number = known.get(token)
            if number is None and grows:
                if not isinstance(token, str):
                    raise TypeError(f"tokenizer: expected tokens of type str, got {token!r}")
                number = known[token] = len(known)
            if number is not None:
                numbers.append(number)
        offsets.append(len(numbers))
    if len(known) > MAX_TERMS:
        raise ValueError(f"documents: expected at most 2^24 different tokens, got {len(known)}")
    return Tokens(np.array(offsets, np.int64), np.array(numbers, np.int64)), known


def of_numbers(rows: Any, name: str) -> Tokens:
    """The tokens of texts given as token numbers, a sequence per text."""
    if not isinstance(rows, list | tuple | np.ndarray):
        raise TypeError(f"{name}: expected texts, or token numbers for each text, got {type(rows).__name__}")
    plain = all(type(row) is list for row in rows) and all(type(each) is int for row in rows for each in row)
    if plain:  # in one array at once: an array per row takes longer than a search
        flat = _numbers([each for row in rows for each in row], name)
    else:
        rows = [_numbers(row, name) for row in rows]
        flat = np.concatenate([np.zeros(0, np.int64), *rows])
    return Tokens(np.cumsum([0, *map(len, rows)]).astype(np.int64), flat)


def _numbers(row: Any, name: str) -> NDArray[np.int64]:
    array = np.asarray(row)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise TypeError(f"{name}: expected texts, or token numbers (int) for each text, got {row!r:.60}")
    if array.size and not 0 <= int(array.min()) <= int(array.max()) < MAX_TERMS:
        raise ValueError(f"{name}: expected token numbers of 0 to 2^24 - 1, got {array.min()} to {array.max()}")
    return array.astype(np.int64)
