"""fb.train.adapter: a query map alone, trained for ranking over any index as it stands."""

from __future__ import annotations

from typing import Any

from ..index import Index
from ..progress import ProgressArgument
from .report import TrainingReport
from .scorer import VectorScorer
from .session import Session
from .settings import check_index, checked, map_kind


def adapter(
    index: Index,
    queries: Any = None,
    positives: Any = None,
    *,
    x: Any = None,
    loss: str = "softmax",
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
    """Trains a linear map of queries for ranking, in place; what is stored stays as it is.

    index: of any codec, metric and partition, holding its vectors; its decoded vectors are held in memory while
    training. Negatives are what the index finds at each step with the map as it is then, after rerank if it has a
    rerank store. query_map: the rank of a low-rank residual q + up (down q), at most the dimension, or "full".
    Everything else, the report and the promises are as in `fb.train.jpq`.

    >>> report = fb.train.adapter(index, train_queries, positives, x=x)

    (Dynamic negatives: Zhan et al., "Optimizing Dense Retrieval Model Training with Hard Negatives", 2021. The residual
    map: adapted dense retrieval, arXiv 2310.05380.)
    """
    check_index(index)
    settings = checked(
        loss, distillation, epochs, batch_size, topics, negatives, pseudo_queries, rate, validation, seed, threads
    )
    kind = map_kind(query_map, index.dim)
    if kind is None:
        raise ValueError("query_map: expected a rank or 'full': the map is all that is trained, got None")
    session = Session(index, queries, positives, x, settings)
    session.start(VectorScorer(session.engine, index.metric), kind, reranked=True)
    return session.run(progress)
