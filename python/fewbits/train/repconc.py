"""fb.train.repconc: codes, codebook and the maps of documents and queries, trained together for ranking.

The codes come first (constrained clustering, straight-through gradients). They are then frozen, and trained on as in
`fb.train.jpq`; if they were learnt from labels, with labels only. A stage is kept only if it validates clearly better.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from ..index.index import Index
from ..index.turns import state_of
from ..index.two_embeddings import require_one
from ..input.checks import real_number
from ..input.progress import ProgressArgument
from .joint import CodesSettings
from .jpq import check_scores_are_trainable
from .report import TrainingReport
from .scorer import CodeScorer
from .session import Session
from .settings import Settings, check_index, map_kind


def repconc(
    index: Index,
    queries: Any = None,
    positives: Any = None,
    *,
    x: Any,
    x_ids: ArrayLike | None = None,
    loss: str = "softmax",
    teacher: ArrayLike | None = None,
    query_map: str | int | None = "full",
    distillation: float = 1.0,
    reconstruction: float = 1.0,
    epsilon: float = 0.003,
    epochs: int = 8,
    batch_size: int = 64,
    topics: int | None = None,
    negatives: int = 200,
    pseudo_queries: int | None = None,
    rate: float = 1.0,
    validation: float = 0.15,
    seed: int = 0,
    progress: ProgressArgument = None,
    threads: int | None = None,
) -> TrainingReport:
    """Train the codes of a PQ index for ranking, in place: all vectors are encoded again; size and speed are unchanged.

    A map of documents, the codebook that codes them and a map of queries are learnt together: the ranking loss is
    computed on decoded codes, and its gradient passes to the codewords and straight through them to the map of
    documents. The codes are then frozen, and scores are trained as in `fb.train.jpq`.

    Parameters
    ----------
    index, queries, positives
        As in `fb.train.jpq`.
    x : (n, dim) array
        The float vectors that were added. Rows that do not match the vectors of their ids are rejected.
    x_ids : (n,) array of int, optional
        The id of each row of x; None: row numbers.
    reconstruction : float
        Weight of the squared error of codes, relative to the mean squared length of the vectors.
    epsilon : float
        Regularisation of the transport plan that balances the use of a subspace's codewords within a batch. Smaller
        values give a more equal use; 0: nearest codewords, without a plan. Needs some hundred documents or more. The
        index itself always encodes with the nearest codeword.
    loss, teacher, query_map, distillation, epochs, batch_size, topics, negatives, pseudo_queries, rate
        As in `fb.train.jpq`; codes are learnt with "softmax".
    validation, seed, progress, threads
        As in `fb.train.jpq`.

    Returns
    -------
    TrainingReport
        The first stage is "codes".

    Raises
    ------
    ValueError, TypeError
        As in `fb.train.jpq`.
    RuntimeError
        If the index is changed during training.

    Notes
    -----
    Either all changes are made or none, and the index is never worse on the validation queries. Vectors that are added
    later are transformed by the map of documents. An anisotropic codec (score_aware) becomes an ordinary one. The paper
    trains two encoders; this function trains linear maps of given vectors.

    References
    ----------
    Zhan et al., "Learning Discrete Representations via Constrained Clustering for Effective and Efficient Dense
    Retrieval", 2021.

    Examples
    --------
    >>> report = fb.train.repconc(index, train_queries, positives, x=x)  # doctest: +SKIP
    """
    check_index(index)
    settings = Settings(
        loss=loss,
        distillation=distillation,
        epochs=epochs,
        batch_size=batch_size,
        topics=topics,
        negatives=negatives,
        pseudo_queries=pseudo_queries,
        rate=rate,
        validation=validation,
        seed=seed,
        threads=threads,
    )
    kind = map_kind(query_map, index.dim)
    check_scores_are_trainable("repconc", index)
    require_one(state_of(index).description, "repconc")  # all vectors are encoded again, also in the rerank store
    if x is None:
        raise ValueError("x: expected the float vectors, which are encoded again, got None")
    codes = CodesSettings(real_number(epsilon, "epsilon", 0), real_number(reconstruction, "reconstruction", 0))
    session = Session(index, queries, positives, x, x_ids, settings, teacher)
    session.start(CodeScorer(session.engine), kind, reranked=False)
    return session.run(progress, codes=codes)
