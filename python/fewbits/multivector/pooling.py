"""Fewer vectors per set: pooling makes documents smaller, ball carving makes queries cheaper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from ..input.checks import one_of, real_number, thread_count, whole_number
from ..input.renamed import renamed
from ..input.sets import Sets, read_sets, token_dim
from ..numeric.arrays import I64

_ANY = 2**31


@dataclass(frozen=True)
class Pooling:
    """Reduces documents to fewer tokens: similar tokens are replaced by their mean, scaled to their mean length.

    Parameters
    ----------
    share : float, optional
        The share of a document's tokens that is kept, in (0, 1].
    tokens : int, optional
        Maximum per document. At least one of `share` and `tokens` is given; every document keeps at least one token.
    method : {"agglomerative", "kmeans"}
        "agglomerative": Ward's criterion, whose time and memory grow with the square of a document's tokens; for at
        most 8,192 tokens per document.

    References
    ----------
    Clavié, Chaffin and Adams, "Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact via
    Token Pooling", 2024. Veneroso et al., "CRISP: Clustering Multi-Vector Representations for Denoising and Pruning",
    2025.

    Examples
    --------
    >>> documents_index = fb.MultiVectorIndex(16, pooling=fb.Pooling(0.5)).build(documents)
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
        """Pool documents.

        Parameters
        ----------
        documents : sets of vectors
            As in `MultiVectorIndex.add`.
        threads : int, optional
            None: all CPUs. The result has the same bits for any number.

        Returns
        -------
        (tokens, offsets)
            Arrays (T, d) float32 and (n + 1,) int64, a form that `MultiVectorIndex.add` takes.
        """
        sets, _ = read_sets(documents, token_dim(documents, "documents"), "documents")
        return self.of(sets, thread_count(threads))

    def counts(self, tokens: I64) -> I64:
        """The number of tokens that are kept per document.

        Parameters
        ----------
        tokens : (n,) array of int
            Tokens per document.

        Returns
        -------
        (n,) int64 array
            "kmeans" may keep fewer.
        """
        wanted = np.floor((self.share or 1.0) * tokens + 0.5)
        left: I64 = np.maximum(1, np.minimum(wanted, self.tokens or _ANY)).astype(np.int64)
        return left

    def of(self, sets: Sets, threads: int) -> Sets:
        share, max_tokens = self.share or 1.0, self.tokens or _ANY
        return Sets(*_core.pool(*sets, share=share, max_tokens=max_tokens, method=self.method, threads=threads))

    def describe(self) -> str:
        share = None if self.share is None else f"{self.share:.0%} of a document's tokens"
        limit = None if self.tokens is None else f"at most {self.tokens} tokens per document"
        return f"{', '.join(filter(None, (share, limit)))}, {self.method}"


@renamed(least="min_similarity")
def carve(queries: Any, min_similarity: float = 0.7, *, threads: int | None = None) -> Sets:
    """Ball carving: reduce queries to fewer tokens.

    The first remaining token and all remaining tokens whose inner product with it is at least `min_similarity` are
    replaced by their sum, until no tokens remain. The Chamfer similarity of the sums is at most that of the tokens, and
    is computed in time proportional to the number of sums.

    Parameters
    ----------
    queries : sets of vectors
        In any form that `MultiVectorIndex.search` takes.
    min_similarity : float
    threads : int, optional
        None: all CPUs. The result has the same bits for any number.

    Returns
    -------
    (tokens, offsets)
        Arrays (T, d) float32 and (n + 1,) int64, a form that `MultiVectorIndex.search` takes.

    References
    ----------
    Dhulipala et al., "MUVERA: Multi-Vector Retrieval via Fixed Dimensional Encodings", 2024, arXiv 2405.19504.

    Examples
    --------
    >>> fewer = fb.carve(query_sets, 0.7)
    >>> ids, scores = documents_index.search(fewer)
    """
    sets, _ = read_sets(queries, token_dim(queries, "queries"), "queries")
    return carved(sets, min_similarity, thread_count(threads))


def carved(sets: Sets, min_similarity: float, threads: int) -> Sets:
    threshold = real_number(min_similarity, "min_similarity", float("-inf"))
    return Sets(*_core.carve(*sets, min_similarity=threshold, threads=threads))


def checked_pooling(pooling: object) -> Pooling | None:
    if pooling is not None and not isinstance(pooling, Pooling):
        raise TypeError(f"pooling: expected None or Pooling (an instance), got {pooling!r}")
    return pooling
