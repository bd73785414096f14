"""Fewer vectors a set: pooling makes documents smaller, ball carving makes queries cheaper. Both cost some ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from ..input.inputs import I64, real_number, thread_count, whole_number
from ..input.sets import Sets, read_sets, token_dim
from ..spec.parts import one_of

_ANY = 2**31


@dataclass(frozen=True)
class Pooling:
    """Documents of fewer tokens: similar ones of a document become their mean, stretched to their mean length.

    share: how many of a document's tokens are left, in (0, 1]. tokens: at most so many. At least one of the two; every
    document keeps at least one token. method: "agglomerative" (Ward's criterion: time and memory grow with the square
    of a document's tokens, of which it takes up to 8,192) or "kmeans".
    (Clavié, Chaffin and Adams, "Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact via
    Token Pooling", 2024; Veneroso et al., "CRISP: Clustering Multi-Vector Representations for Denoising and Pruning",
    2025.)

    >>> index = fb.MultiVectorIndex(128, pooling=fb.Pooling(0.5))
    """

    share: float | None = None
    tokens: int | None = None
    method: str = "agglomerative"

    def __post_init__(self) -> None:
        if self.share is None and self.tokens is None:
            raise ValueError("Pooling: expected a share or a number of tokens, got neither")
        if self.share is not None and not 0 < real_number(self.share, "Pooling: share", 0) <= 1:
            raise ValueError(f"Pooling: share: expected a number in (0, 1], got {self.share!r}")
        if self.tokens is not None:
            whole_number(self.tokens, "Pooling: tokens", 1, _ANY)
        one_of(self.method, "Pooling: method", ("agglomerative", "kmeans"))

    def pool(self, documents: Any, *, threads: int | None = None) -> Sets:
        """(tokens, offsets) of the pooled documents, in any form that `MultiVectorIndex.add` takes. The same bits for
        any number of threads."""
        sets, _ = read_sets(documents, token_dim(documents, "documents"), "documents")
        return self.of(sets, thread_count(threads))

    def counts(self, tokens: I64) -> I64:
        """How many are left of so many tokens of each document; "kmeans" may leave fewer."""
        wanted = np.floor((self.share or 1.0) * tokens + 0.5)
        left: I64 = np.maximum(1, np.minimum(wanted, self.tokens or _ANY)).astype(np.int64)
        return left

    def of(self, sets: Sets, threads: int) -> Sets:
        share, most = self.share or 1.0, self.tokens or _ANY
        return Sets(*_core.pool(*sets, share=share, most=most, method=self.method, threads=threads))

    def describe(self) -> str:
        share = None if self.share is None else f"{self.share:.0%} of a document's tokens"
        most = None if self.tokens is None else f"at most {self.tokens} tokens a document"
        return f"{', '.join(filter(None, (share, most)))}, {self.method}"


def carve(queries: Any, least: float = 0.7, *, threads: int | None = None) -> Sets:
    """Ball carving: queries of fewer tokens. The first token that is left takes along all tokens whose inner product
    with it is at least `least`, and their sum takes their place; so on until none is left. Chamfer with the sums is at
    most Chamfer with the tokens, and takes time by their number.

    queries: in any form that `MultiVectorIndex.search` takes. Returns (tokens, offsets), which is such a form. The same
    bits for any number of threads. (Dhulipala et al., "MUVERA", 2024, arXiv 2405.19504.)

    >>> index.search(fb.carve(queries, 0.7))
    """
    sets, _ = read_sets(queries, token_dim(queries, "queries"), "queries")
    return carved(sets, least, thread_count(threads))


def carved(sets: Sets, least: float, threads: int) -> Sets:
    return Sets(*_core.carve(*sets, least=real_number(least, "least", float("-inf")), threads=threads))
