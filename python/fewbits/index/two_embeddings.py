"""Indexes of two embeddings: codes of one find candidates, and the rerank store holds another one of the same objects.

The rerank codec then has a `dim` of its own. Whatever is added or searched is given in both embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..input.beside import NAME, Beside
from ..input.blocks import all_rows, is_blocks
from ..input.queries import as_queries
from ..input.rows import Rows
from ..input.sample import Sample, split_sample
from ..numeric.arrays import F32
from ..spec.description import Description

_QUERIES = "rerank_queries"


def beside(description: Description, given: Any, n: int | None) -> Beside | None:
    """The rows of the other embedding; None if the index has one only. n: the number of vectors, if it is known."""
    if not _wanted(description, given):
        return None
    known = None if is_blocks(given) else len(Rows(given, description.rerank_dim, NAME))
    _check_count(n, known)
    return _beside(description, all_rows(given, description.rerank_dim, NAME))


def sampled(description: Description, given: Any, n: int | None) -> tuple[Sample | None, Beside | None]:
    """The same, and a sample of them for training."""
    if not _wanted(description, given):
        return None, None
    size, nonzero = description.rerank_sample_size, description.metric == "cosine"
    sample, source, known = split_sample(
        given, description.rerank_dim, size, description.seed, nonzero=nonzero, name=NAME
    )
    _check_count(n, known)
    return sample, _beside(description, source)


def other_queries(description: Description, given: Any, n: int, single: bool, reranks: bool) -> F32 | None:
    """The n queries of a search in the other embedding; None if they are not needed."""
    if not description.two_embeddings or not reranks:
        if given is not None:
            why = "with rerank=0" if description.two_embeddings else "for an index of one embedding"
            raise ValueError(f"{_QUERIES}: expected None {why}, which does not use them, got {type(given).__name__}")
        return None
    if given is None:
        raise ValueError(
            f"{_QUERIES}: expected the queries in the embedding of the rerank store, shape ({n}, "
            f"{description.rerank_dim}), or rerank=0 to rank by the codes alone; got None"
        )
    matrix, alone = as_queries(given, description.rerank_dim, nonzero=description.metric == "cosine", name=_QUERIES)
    if len(matrix) != n or alone != single:
        expected = f"({description.rerank_dim},)" if single else f"({n}, {description.rerank_dim})"
        got = f"({description.rerank_dim},)" if alone else f"{matrix.shape}"
        raise ValueError(f"{_QUERIES}: expected one per query, shape {expected}, got {got}")
    return matrix


def require_one(description: Description, what: str) -> None:
    """Raises ValueError for an index of two embeddings. what: what is called with it."""
    if description.two_embeddings:
        raise ValueError(
            f"{what}: expected an index of one embedding, got one whose rerank store has another one: "
            f"{description.rerank}"
        )


def _wanted(description: Description, given: Any) -> bool:
    if description.two_embeddings and given is None:
        raise ValueError(
            f"{NAME}: expected the same objects in the embedding of the rerank store, shape (n, "
            f"{description.rerank_dim}), got None"
        )
    if not description.two_embeddings and given is not None:
        raise ValueError(
            f"{NAME}: expected None: this index has one embedding; for another one in the rerank store, give its codec "
            "a dim"
        )
    return description.two_embeddings


def _check_count(n: int | None, others: int | None) -> None:
    if n is not None and others is not None and n != others:
        raise ValueError(f"{NAME}: expected one for each vector of x ({n}), got {others}")


def _beside(description: Description, source: Iterator[Rows]) -> Beside:
    return Beside(source, description.rerank_dim, nonzero=description.metric == "cosine")
