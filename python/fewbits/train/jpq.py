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
    documents. With labels, a second stage lowers `loss`. Negatives are the `negatives` best that the index finds at
    each step, with its scores at that step.

    Parameters
    ----------
    index : Index
        Of metric "ip" or "cosine" with a 4- or 8-bit PQ codec, flat or IVF, holding its vectors.
    queries : (n, dim) array, optional
        Queries like those that will be searched.
    positives : array or list, optional
        What is relevant to them: an array of rows (query number, id) or (query number, id, grade), or the ids of each
        query as a list of arrays. Lists of lists are taken where they can be read in one way only. None trains without
        labels.
    x : (n, dim) array, optional
        The float vectors that were added, held in memory while training. Needed without labels, unless the index has a
        rerank store to take their place. Rows that are not the vectors of their ids are refused.
    x_ids : (n,) array of int, optional
        The id of each row of x; None: row numbers.
    loss : {"softmax", "lambda", "mann_whitney"}
        Cross entropy; pairs weighted by the difference of their reciprocal ranks, as in JPQ's paper; or all pairs
        alike.
    query_map : "full", int or None
        A linear map of queries that is trained too: of full rank, or the rank of a low-rank residual. None trains the
        codebook only.
    distillation : float
        Weight of the first stage's loss in the second (0: labels alone).
    epochs : int
        At most, for each of the two stages.
    batch_size : int
        Queries per step.
    topics : int, optional
        Number of clusters of queries, of which a batch takes one (Hofstaetter et al., 2021); None: batches at random.
    negatives : int
        Results per query that the loss sees.
    pseudo_queries : int, optional
        Made per epoch of distillation (None: 6,000 less the given queries, and at least 2,000).
    rate : float
        Factor on the learning rates, which are relative to the codebook's scale. Beside a query map, labels move the
        codebook at a tenth of its own rate.
    validation : float
        Share of the queries held out, by document, to choose the state that is kept and when to stop. Queries with a
        positive in common are held out together.
    seed : int
        Of everything random. The same seed gives the same results for any number of threads.
    progress : bool or callable, optional
        As in `Index.build`.
    threads : int, optional
        None: all CPUs.

    Returns
    -------
    TrainingReport
        What was measured on the validation queries, which training did not see.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described, if x does not belong to the index, or if labels leave no query to validate
        on; the index is then unchanged.

    Warns
    -----
    UserWarning
        If fewer than 30 queries can be held out; says why.

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
    session = Session(index, queries, positives, x, x_ids, settings)
    session.start(CodeScorer(session.engine), kind, reranked=False)
    return session.run(progress)


def check_scores_are_trainable(name: str, index: Index) -> None:
    if not index.codec.kind.traits.scoring:
        raise ValueError(f"{name}: expected an index with a PQ codec, got {index.codec}")
    if index.metric == "l2":
        raise ValueError(f"{name}: expected metric 'ip' or 'cosine' (trained codebooks score inner products), got 'l2'")
