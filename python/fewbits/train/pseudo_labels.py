"""fb.train.pseudo_labels: labels without judges, from where a lexical and a dense index agree."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..index.index import Index
from ..index.turns import state_of
from ..index.two_embeddings import require_one
from ..input.checks import whole_number
from ..numeric.arrays import I64
from ..sparse.index import SparseIndex


def pseudo_labels(
    sparse: SparseIndex,
    dense: Index,
    texts: Any,
    queries: ArrayLike,
    *,
    k: int = 1,
    agree: int = 50,
    threads: int | None = None,
) -> I64:
    """Label queries with what a sparse index finds, where a dense index agrees; to adapt to texts without judgements.

    Parameters
    ----------
    sparse : SparseIndex
        Such as `SparseIndex.bm25` of the documents. Its ids mean the same documents as those of `dense`.
    dense : Index
    texts : sequence of n queries
        As `sparse.search` takes them.
    queries : (n, dim) array
        The same queries, as `dense.search` takes them.
    k : int
        A label is one of the k best results of `sparse`...
    agree : int
        ... that is also one of the `agree` best results of `dense`.
    threads : int, optional
        None: all CPUs.

    Returns
    -------
    (m, 2) int64 array
        Rows (query number, id), for the `positives` of the trainers. Queries without agreement have no row.

    Raises
    ------
    TypeError, ValueError
        For other indexes, for wrong queries, or if there are not as many texts as vectors.

    Notes
    -----
    Measured on example sentences of WordNet, such labels gained nothing over distillation without labels, and
    `fb.train.jpq` did not keep what it learned from them (docs/trained-codebooks.md). They can be worth a try for texts
    that the encoder does not know; the trainers keep only what is clearly better.

    References
    ----------
    Thakur et al., "Domain Adaptation for Memory-Efficient Dense Retrieval", 2022 ("INCOME"); Wang et al., "GPL:
    Generative Pseudo Labeling for Unsupervised Domain Adaptation of Dense Retrieval", 2022: pseudo-labels for target
    domains, from generated queries.

    Examples
    --------
    >>> lexical = fb.SparseIndex.bm25(["a cat", "a dog"])
    >>> dense = fb.Index(2, metric="ip").add(np.eye(2))
    >>> fb.train.pseudo_labels(lexical, dense, ["cat", "dog"], np.eye(2))
    array([[0, 0],
           [1, 1]])
    """
    if not isinstance(sparse, SparseIndex):
        raise TypeError(f"sparse: expected a fewbits.SparseIndex, got {type(sparse).__name__}")
    if not isinstance(dense, Index):
        raise TypeError(f"dense: expected a fewbits.Index, got {type(dense).__name__}")
    require_one(state_of(dense).description, "dense")
    k, agree = whole_number(k, "k", 1), whole_number(agree, "agree", 1)
    found = np.atleast_2d(sparse.search(texts, k, threads=threads).ids)
    near = np.atleast_2d(dense.search(queries, agree, threads=threads).ids)
    if len(found) != len(near):
        raise ValueError(f"queries: expected a vector for each of the {len(found)} texts, got {len(near)}")
    agreed = (found[:, :, None] == near[:, None, :]).any(axis=2) & (found >= 0)
    rows, places = np.nonzero(agreed)
    return np.stack([rows, found[rows, places]], axis=1).astype(np.int64)
