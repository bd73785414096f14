"""What users pass to a sparse index, checked: rows as vectors or texts, ids, and how exactly to search."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..input.checks import real_number, whole_number
from ..input.ids import check_unique, vector_ids
from ..numeric.arrays import I64
from .bm25 import Bm25, Tokenizer, are_texts, of_numbers, of_texts, words
from .csr import Csr, are_rows, as_csr
from .description import Defaults

MAX_RESULTS = 2**40


def tokens_of(bm25: Bm25, x: Any, name: str, tokenizer: Tokenizer | None) -> list[Any]:
    """The tokens of each text of an index of texts, as text or numbers; the tokenizer is the index's own, if any."""
    if bm25.vocabulary is None:
        tokens = of_numbers(x, name)
        return [tokens.numbers[a:b] for a, b in zip(tokens.offsets, tokens.offsets[1:], strict=False)]
    if not are_texts(x):
        raise TypeError(f"{name}: expected texts, for an index of texts, got {type(x).__name__} {x!r:.60}")
    if not bm25.builtin and tokenizer is None:
        raise ValueError(
            "tokenizer: the index was built with one that is not in its file: SparseIndex.open(path, tokenizer=...)"
        )
    own = tokenizer or words
    return [list(own(text)) for text in x]


def query_rows(bm25: Bm25 | None, queries: Any, tokenizer: Tokenizer | None) -> tuple[Csr, bool]:
    """The rows of queries, and whether there is one only. An index of texts takes vectors too, as weighted terms."""
    if bm25 is None or are_rows(queries):
        return as_csr(queries, "queries")
    single = isinstance(queries, str) or (
        bm25.vocabulary is None
        and isinstance(queries, list | tuple | np.ndarray)
        and len(queries) > 0
        and np.ndim(queries[0]) == 0
    )
    given = [queries] if single else queries
    if bm25.vocabulary is None:
        return of_numbers(given, "queries").counted(), single
    texts = tokens_of(bm25, given, "queries", tokenizer)
    tokens, _ = of_texts(texts, _same, bm25.vocabulary, grows=False)
    return tokens.counted(), single


def weighed(bm25: Bm25, texts: list[Any]) -> tuple[Csr, Bm25]:
    """The rows of documents given as tokens, and the statistics with a vocabulary that has their new tokens."""
    if bm25.vocabulary is None:
        return bm25.documents(of_numbers(texts, "x")), bm25
    tokens, vocabulary = of_texts(texts, _same, bm25.vocabulary, grows=True)
    return bm25.documents(tokens), bm25.with_vocabulary(vocabulary)


def _same(tokens: Any) -> Any:
    return tokens


def checked_tokenizer(tokenizer: object) -> Tokenizer:
    if tokenizer is None:
        return words
    if not callable(tokenizer):
        raise TypeError(f"tokenizer: expected a function of str to an iterable of str, got {tokenizer!r}")
    return tokenizer


def own_ids(ids: ArrayLike | None, n: int) -> I64 | None:
    if ids is None:
        return None
    own = vector_ids(ids, n)
    check_unique(own)
    return own


def least_score(min_score: float) -> float:
    """A minimum score as float32, rounded up; scores are never below 0."""
    lowest = np.float32(max(min_score, 0.0))
    return float(np.nextafter(lowest, np.float32(np.inf))) if float(lowest) < min_score else float(lowest)


def approximation(defaults: Defaults, mass: float | None, rerank: int | None, k: int) -> tuple[float, int]:
    """The mass, and the number of candidates."""
    share = defaults.mass if mass is None else real_number(mass, "mass", 0.0)
    if not 0 < share <= 1:
        raise ValueError(f"mass: expected a number above 0, at most 1, got {mass!r}")
    if rerank is None:
        return share, max(k, defaults.rerank or 10 * k)
    depth = whole_number(rerank, "rerank", 1, MAX_RESULTS)
    if share == 1:
        raise ValueError("rerank: expected mass below 1 with it, as a search with mass=1 is exact")
    if depth < k:
        raise ValueError(f"rerank: expected at least k={k} candidates, got {depth}")
    return share, depth
