"""What a sparse index is of, vectors or texts, as the section "meta" of its file: JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..errors import CorruptIndexError
from ..file.stored import finite_number
from ..input.checks import whole_number
from .bm25 import Bm25


def encode_bm25(bm25: Bm25 | None) -> bytes:
    """The section `meta` of a sparse index; None: of vectors."""
    if bm25 is None:
        return json.dumps({"kind": "sparse"}).encode()
    words_by_number = None if bm25.vocabulary is None else list(bm25.vocabulary)
    settings = {"k1": bm25.k1, "b": bm25.b, "n": bm25.n, "mean_length": bm25.mean_length, "builtin": bm25.builtin}
    return json.dumps(
        {"kind": "bm25", "found_in": bm25.found_in.tolist(), "vocabulary": words_by_number} | settings, sort_keys=True
    ).encode()


def decode_bm25(name: str, meta: bytes) -> Bm25 | None:
    """What `encode_bm25` was given."""
    try:
        return _decoded(json.loads(meta))
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise CorruptIndexError(f"{name}: section 'meta': the description is not readable ({error})") from None


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
