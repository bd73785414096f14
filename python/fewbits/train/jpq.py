"""fb.train.jpq: the scoring codebook of a product quantizer and a query map, trained for ranking with frozen codes.

The first stage distils the float ranking (if there are float vectors); the second starts from its result and trains on
labels (if there are any), with distillation added. A later state is kept only if it validates better.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from ..index.index import Index
from ..input.progress import ProgressArgument
from .report import TrainingReport
from .scorer import CodeScorer
from .session import Session
from .settings import Settings, check_index, map_kind


def jpq(
    index: Index,
    queries: Any = None,
    positives: Any = None,
    *,
    x: Any = None,
    x_ids: ArrayLike | None = None,
    loss: str = "softmax",
    teacher: ArrayLike | None = None,
    query_map: str | int | None = "full",
    distillation: float = 1.0,
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
    """Train how a PQ index scores, in place; codes, size and speed are unchanged.

    Without labels the ranking of the float vectors is distilled, on `queries` and on pseudo-queries made from the
    documents. With labels, a second stage lowers `loss`. Negatives are the `negatives` best results of the index at
    each step, with its current scores.

    Parameters
    ----------
    index : Index
        With metric "ip" or "cosine" and a 4- or 8-bit PQ codec, flat or IVF, not empty.
    queries : (n, dim) array, optional
        Queries like those that will be searched.
    positives : array or list, optional
        Relevant ids: an array of rows (query number, id) or (query number, id, grade), or the ids of each query as a
        list of arrays. A list of lists is accepted if it is not ambiguous. None: train without labels.
    x : (n, dim) array, optional
        The float vectors that were added, held in memory during training. Required without labels, unless the index has
        a rerank store, which then replaces them. Rows that do not match the vectors of their ids are rejected.
    x_ids : (n,) array of int, optional
        The id of each row of x; None: row numbers.
    loss : {"softmax", "lambda", "mann_whitney", "listnet", "margin"}
        Cross entropy of each positive against what has a lower grade, so that positives do not compete; pairs weighted
        by the difference of their reciprocal ranks, as in the JPQ paper; pairs with equal weights; cross entropy of the
        whole list with the grades as shares (ListNet), so that positives compete; or the squared difference from the
        margins of `teacher`.
    teacher : (m,) array, optional
        For loss "margin": the score of each row of `positives`, such as those of a cross-encoder; rows of grade 0 are
        its negatives. Margins are compared in units of the spread of the scores within a query. It takes a teacher that
        ranks better than the float vectors: their own scores gain nothing over distillation.
    query_map : "full", int or None
        A linear map of queries that is also trained: a full map, or a low-rank residual of this rank. None: train only
        the codebook.
    distillation : float
        Weight of the first stage's loss in the second (0: labels only).
    epochs : int
        Maximum number of epochs of each of the two stages.
    batch_size : int
        Number of queries per step.
    topics : int, optional
        Number of clusters of queries; a batch consists of queries of one cluster (Hofstaetter et al., 2021). None:
        random batches.
    negatives : int
        Number of results per query in the loss.
    pseudo_queries : int, optional
        Number made per epoch of distillation. None: 6,000 minus the number of given queries, at least 2,000.
    rate : float
        Factor for the learning rates, which are relative to the scale of the codebook. With a query map, the stage with
        labels trains the codebook at a tenth of its rate.
    validation : float
        Share of the queries held out, by document, to select the best state and to decide when to stop. Queries with a
        positive in common are held out together.
    seed : int
        Seed of all random numbers. The same seed gives the same results for any number of threads.
    progress : bool or callable, optional
        As in `Index.build`.
    threads : int, optional
        Number of threads. None: all CPUs.

    Returns
    -------
    TrainingReport
        Measurements on the validation queries, which are not used in training.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described, if x does not belong to the index, or if labels leave no query to validate
        on; the index is then unchanged.

    Warns
    -----
    UserWarning
        If fewer than 30 queries can be held out; the message explains why.

    Notes
    -----
    The index is never worse than before on the validation queries. Ctrl-C keeps the best state so far. Vectors added
    later are encoded as before.

    References
    ----------
    Zhan et al., "Jointly Optimizing Query Encoder and Product Quantization to Improve Retrieval Performance", 2021.

    Examples
    --------
    >>> report = fb.train.jpq(index, train_queries, positives, x=x, epochs=1)
    >>> report.after >= report.before
    True
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
    check_scores_are_trainable("jpq", index)
    session = Session(index, queries, positives, x, x_ids, settings, teacher)
    session.start(CodeScorer(session.engine), kind, reranked=False)
    return session.run(progress)


def check_scores_are_trainable(name: str, index: Index) -> None:
    if not index.codec.kind.traits.scoring:
        raise ValueError(f"{name}: expected an index with a PQ codec, got {index.codec}")
    if index.metric == "l2":
        raise ValueError(f"{name}: expected metric 'ip' or 'cosine' (trained codebooks score inner products), got 'l2'")
