"""fb.chamfer: exact Chamfer similarity (MaxSim), without an index."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..input.checks import thread_count
from ..input.sets import read_sets, token_dim
from ..numeric.arrays import F32


def chamfer(queries: Any, documents: Any, *, threads: int | None = None) -> F32:
    """Compute exact Chamfer similarities (MaxSim) of queries with documents.

    The similarity is the sum, over the tokens of the query, of the largest inner product with a token of the document.

    Parameters
    ----------
    queries, documents : sets of vectors
        Each a list of (t, d) arrays, an (n, t, d) array or (tokens, offsets); or a single (t, d) array. Sets must
        not be empty.
    threads : int, optional
        None: all CPUs. The result has the same bits for any number.

    Returns
    -------
    (queries, documents) float32 array
        Without the corresponding axis if an argument is a single (t, d) array.

    References
    ----------
    Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over
    BERT", 2020.

    Examples
    --------
    >>> fb.chamfer(query_sets[0], documents).shape
    (100,)
    """
    dim = token_dim(documents, "documents")
    left, one_query = read_sets(queries, dim, "queries")
    right, one_document = read_sets(documents, dim, "documents")
    scores = _core.chamfer(*left, *right, threads=thread_count(threads))
    scores = scores[0] if one_query else scores
    return scores[..., 0] if one_document else scores
