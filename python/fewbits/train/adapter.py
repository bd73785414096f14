"""fb.train.adapter: a query map alone, trained for ranking over any index; the index is otherwise unchanged."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from ..index.index import Index
from ..input.progress import ProgressArgument
from .report import TrainingReport
from .scorer import VectorScorer
from .session import Session
from .settings import Settings, check_index, map_kind


def adapter(
    index: Index,
    queries: Any = None,
    positives: Any = None,
    *,
    x: Any = None,
    x_ids: ArrayLike | None = None,
    loss: str = "softmax",
    teacher: ArrayLike | None = None,
    query_map: str | int = 32,
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
    """Train a linear map of queries for ranking, in place; stored vectors are unchanged.

    Negatives are the results of the index at each step with the current map, reranked if it has a rerank store.

    Parameters
    ----------
    index : Index
        With any codec, metric and partition, not empty. Its decoded vectors are held in memory during training.
    queries, positives, x, x_ids
        As in `fb.train.jpq`.
    query_map : "full" or int
        A full map, or the rank of a low-rank residual q + up (down q), at most the dimension.
    loss, teacher, distillation, epochs, batch_size, topics, negatives, pseudo_queries, rate, validation, seed
        As in `fb.train.jpq`.
    progress, threads
        As in `fb.train.jpq`.

    Returns
    -------
    TrainingReport
        Measurements on the validation queries, which are not used in training.

    Raises
    ------
    ValueError, TypeError
        As in `fb.train.jpq`.

    References
    ----------
    Zhan et al., "Optimizing Dense Retrieval Model Training with Hard Negatives", 2021, for dynamic negatives;
    arXiv 2310.05380 for adapted dense retrieval, with a residual map.

    Examples
    --------
    >>> report = fb.train.adapter(index, train_queries, positives, x=x)  # doctest: +SKIP
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
    if kind is None:
        raise ValueError("query_map: expected a rank or 'full', as only the map is trained, got None")
    session = Session(index, queries, positives, x, x_ids, settings, teacher)
    session.start(VectorScorer(session.engine, index.metric), kind, reranked=True)
    return session.run(progress)
