"""A search of a collection: by vectors, by words, or by both (hybrid); diverse if asked for.

A request is checked as a whole before anything is read; what would have no effect is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..fusing import NORMALIZATIONS, fuse
from ..index.asked import result_count
from ..index.index import Index
from ..index.result import SearchResult
from ..input.checks import one_of, real_number, thread_count, whole_number
from ..input.queries import as_queries
from ..numeric.arrays import F32, I64
from .diversity import diverse
from .texts import Texts

_DIVERSE = 4  # candidates per result
_FUSED = 100  # candidates of each ranking, or four per result
_FUSIONS = tuple(name for name in NORMALIZATIONS if name != "theoretical")
_OF_VECTORS = ("nprobe", "rerank", "patience", "min_score", "max_distance")


@dataclass(frozen=True)
class Found:
    ids: I64
    scores: F32
    single: bool


@dataclass(frozen=True)
class Request:
    """vectors: as given; texts: a list, single or not as `one_text` says."""

    k: int
    vectors: Any
    texts: list[str] | None
    one_text: bool
    text_weight: float
    fusion: str
    diversity: float | None
    candidates: int
    settings: Mapping[str, Any]

    def run(self, index: Index, words: Texts | None, only: I64 | None) -> Found:
        """only: the ids that may be found."""
        if self.vectors is None:
            found = self._by_words(words, self.k, only)
            return _found(found, self.one_text)
        queries, single = as_queries(self.vectors, index.dim, nonzero=index.metric == "cosine")
        if self.texts is None:
            return _found(self._by_vectors(index, queries, only), single)
        if (single, len(queries)) != (self.one_text, len(self.texts)):
            raise ValueError(f"text: expected one per query ({len(queries)}), got {self._shown()}")
        near = index.search(queries, self.candidates, **self._filtered(only))
        similar = SearchResult(near.ids, -near.scores if index.metric == "l2" else near.scores)
        lists = [similar, self._by_words(words, self.candidates, only)]
        weights = [1 - self.text_weight, self.text_weight]
        return _found(fuse(lists, weights, k=self.k, normalize=self.fusion), single)

    def _by_words(self, words: Texts | None, k: int, only: I64 | None) -> SearchResult:
        assert words is not None
        assert self.texts is not None
        return words.search(self.texts, k, only, thread_count(self.settings.get("threads")))

    def _by_vectors(self, index: Index, queries: F32, only: I64 | None) -> SearchResult:
        found = index.search(queries, self.candidates, **self._filtered(only))
        return found if self.diversity is None else _diverse(index, queries, found, self.k, self.diversity)

    def _filtered(self, only: I64 | None) -> dict[str, Any]:
        return dict(self.settings) if only is None else {**self.settings, "filter": only}

    def _shown(self) -> str:
        return "one" if self.one_text else str(len(self.texts or []))


def request(
    q: Any,
    k: int,
    text: Any,
    text_weight: float | None,
    fusion: str | None,
    diversity: float | None,
    candidates: int | None,
    settings: Mapping[str, Any],
) -> Request:
    """What the arguments of `Collection.search` ask for."""
    for name in ("filter", "scorer"):
        if name in settings:
            raise TypeError(f"search: {name} is for internal ids, which a collection does not show; use where or keys")
    count = result_count(k)
    texts, one_text = _texts(text)
    if q is None and texts is None:
        raise ValueError("search: expected q, text or both, got neither")
    hybrid = q is not None and texts is not None
    for name, value in (("text_weight", text_weight), ("fusion", fusion)):
        if value is not None and not hybrid:
            raise ValueError(f"{name}: joins the rankings by q and by text, expected both, got {name}={value!r}")
    if texts is not None:
        _refuse_beside_text(settings, diversity, hybrid)
    weight = 0.5 if text_weight is None else _share(text_weight, "text_weight")
    own = NORMALIZATIONS[0] if fusion is None else fusion
    one_of(own, "fusion", _FUSIONS)
    depth = _depth(count, diversity, candidates, hybrid)
    return Request(count, q, texts, one_text, weight, own, diversity, depth, settings)


def _texts(text: Any) -> tuple[list[str] | None, bool]:
    """A list of texts, and whether a single one was given."""
    if text is None or isinstance(text, str):
        return (None if text is None else [text]), True
    if not isinstance(text, list | tuple) or not all(isinstance(each, str) for each in text):
        raise TypeError(f"text: expected str, or a list of str, got {type(text).__name__} {text!r:.60}")
    return list(text), False


def _refuse_beside_text(settings: Mapping[str, Any], diversity: float | None, hybrid: bool) -> None:
    if diversity is not None:
        raise ValueError(f"diversity: is for searches by q alone, expected no text, got diversity={diversity!r}")
    refused = ("min_score", "max_distance") if hybrid else _OF_VECTORS
    for name in refused:
        if settings.get(name) is not None:
            why = "fused scores have no scale of their own" if hybrid else "there is no search of vectors"
            raise ValueError(f"{name}: expected None with text ({why}), got {name}={settings[name]!r}")
    unknown = set(settings) - {*_OF_VECTORS, "threads"}
    if unknown:
        raise TypeError(f"search: got an unexpected argument {sorted(unknown)[0]!r}")


def _depth(k: int, diversity: float | None, candidates: int | None, hybrid: bool) -> int:
    """How many candidates there are."""
    if diversity is not None:
        _share(diversity, "diversity")
    elif not hybrid:
        if candidates is not None:
            raise ValueError(
                f"candidates: are for diverse or hybrid results, expected diversity or text with q, got {candidates!r}"
            )
        return k
    usual = max(_FUSED, _DIVERSE * k) if hybrid else _DIVERSE * k
    return usual if candidates is None else whole_number(candidates, "candidates", k)


def _share(value: float, name: str) -> float:
    number = real_number(value, name, 0.0)
    if number > 1:
        raise ValueError(f"{name}: expected a number in 0..1, got {value}")
    return number


def _found(result: SearchResult, single: bool) -> Found:
    return Found(result.ids, result.scores, single)


def _diverse(index: Index, queries: F32, found: SearchResult, k: int, diversity: float) -> SearchResult:
    ids, scores = np.full((len(queries), k), -1, np.int64), np.zeros((len(queries), k), np.float32)
    for row, count in enumerate(found.counts.tolist()):
        own = found.ids[row, :count]
        chosen = diverse(queries[row], index.reconstruct(own), k, diversity)
        ids[row, : len(chosen)], scores[row, : len(chosen)] = own[chosen], found.scores[row, chosen]
    return SearchResult(ids, scores)
