"""What a sparse index is of, vectors or texts, as the section "meta" of its file: JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CorruptIndexError
from ..file.stored import finite_number
from ..index.notes import Notes, notes_of
from ..input.checks import whole_number
from .bm25 import Bm25


@dataclass(frozen=True)
class Defaults:
    """How an index searches if nothing is said: exactly, or as `fb.tune` has found."""

    mass: float = 1.0
    rerank: int = 0


EXACT = Defaults()


def encode(bm25: Bm25 | None, defaults: Defaults, notes: Notes) -> bytes:
    """The section `meta` of a sparse index; bm25: None for one of vectors."""
    more = {} if defaults == EXACT else {"mass": defaults.mass, "rerank": defaults.rerank}
    more |= notes.stored()
    if bm25 is None:
        return json.dumps({"kind": "sparse"} | more).encode()
    words_by_number = None if bm25.vocabulary is None else list(bm25.vocabulary)
    settings = {"k1": bm25.k1, "b": bm25.b, "n": bm25.n, "mean_length": bm25.mean_length, "builtin": bm25.builtin}
    return json.dumps(
        {"kind": "bm25", "found_in": bm25.found_in.tolist(), "vocabulary": words_by_number} | settings | more,
        sort_keys=True,
    ).encode()


def decode(name: str, meta: bytes) -> tuple[Bm25 | None, Defaults, Notes]:
    """What `encode` was given."""
    try:
        read = json.loads(meta)
        return _decoded(read), _defaults(read), notes_of(read)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise CorruptIndexError(f"{name}: section 'meta': the description is not readable ({error})") from None


def _defaults(meta: dict[str, Any]) -> Defaults:
    mass, rerank = finite_number(meta.get("mass", 1.0)), whole_number(meta.get("rerank", 0), "rerank", 0)
    if not 0 < mass <= 1:
        raise ValueError(f"mass {mass}")
    return Defaults(mass, rerank)


def _decoded(meta: dict[str, Any]) -> Bm25 | None:
    if meta["kind"] == "sparse":
        return None
    if meta["kind"] != "bm25":
        raise ValueError(f"kind {meta['kind']!r}")
    tokens = meta["vocabulary"]
    vocabulary = None if tokens is None else {str(token): number for number, token in enumerate(tokens)}
    if tokens is not None and len(vocabulary or {}) != len(tokens):
        raise ValueError("vocabulary: a token is there twice")
    found_in = np.array(meta["found_in"], np.int64)
    n, mean = whole_number(meta["n"], "n", 1), finite_number(meta["mean_length"])
    k1, b = finite_number(meta["k1"]), finite_number(meta["b"])
    if found_in.ndim != 1 or (found_in < 0).any() or (found_in > n).any() or mean <= 0 or k1 < 0 or not 0 <= b <= 1:
        raise ValueError("expected statistics of BM25")
    return Bm25(k1, b, n, mean, found_in, vocabulary, bool(meta["builtin"]))
