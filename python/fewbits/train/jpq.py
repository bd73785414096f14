"""fb.train.jpq: a product quantizer's scoring codebook and a query map, trained for ranking over frozen codes.

Order: distillation of the float ranking first (if there are float vectors), then labels (if there are any) with
distillation beside them, from the state that distillation reached. A later state is kept only if it validates better.
"""

from __future__ import annotations

from typing import Any

from ..codecs import PQ
from ..index import Index
from ..progress import ProgressArgument
from .report import TrainingReport
from .scorer import CodeScorer
from .session import Session
from .settings import check_index, checked, map_kind


def jpq(
    index: Index,
    queries: Any = None,
    positives: Any = None,
    *,
    x: Any = None,
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
    """Trains how a PQ index scores, in place; its codes, size and speed stay as they are.

    index: of metric "ip" or "cosine" with a PQ codec of 4 or 8 bits, flat or IVF, holding its vectors. queries: (n,
    dim), or None. positives: what is relevant to them, as rows (query number, id[, grade]) or for every query a list
    of ids; None to train without labels. x: the float vectors, row number = id; needed without labels, unless the index
    has a rerank store to take their place. They are held in memory while training.

    Without labels the ranking of the float vectors is distilled, on `queries` and on pseudo-queries made from the
    documents. With labels, a second stage lowers `loss`: "softmax" (cross entropy), "lambda" (pairs weighted by the
    difference of their reciprocal ranks, as JPQ's paper has it) or "mann_whitney" (all pairs alike), with
    `distillation` as the weight of the first stage's beside it (0: labels alone). Negatives are mined from the index as
    it scores at each step: the `negatives` best.

    query_map: "full", the rank of a low-rank residual, or None to train the codebook only. epochs: at most, for each of
    the two stages. topics: queries are clustered into so many, and a batch is of one topic (Hofstaetter et al., 2021);
    None: batches at random. pseudo_queries: made for an epoch of distillation (None: 6,000 less the given queries, and
    at least 2,000). rate: a factor on the learning rates, which are relative to the codebook's scale; beside a query
    map, labels move the codebook at a tenth of its own. validation: the share of queries held out, by document, to
    choose the state to keep and when to stop. Results are the same for the same seed, whatever `threads`.

    Returns a TrainingReport. All or nothing: an error leaves the index as it was; Ctrl-C keeps the best state so far;
    and the index is never worse than before on the validation queries. Vectors added later are encoded as before.

    >>> report = fb.train.jpq(index, train_queries, positives, x=x)
    >>> print(report)

    (Zhan et al., "Jointly Optimizing Query Encoder and Product Quantization to Improve Retrieval Performance", 2021.)
    """
    check_index(index)
    settings = checked(
        loss, distillation, epochs, batch_size, topics, negatives, pseudo_queries, rate, validation, seed, threads
    )
    kind = map_kind(query_map, index.dim)
    check_scores_are_trainable("jpq", index)
    session = Session(index, queries, positives, x, settings)
    session.start(CodeScorer(session.engine), kind, reranked=False)
    return session.run(progress)


def check_scores_are_trainable(name: str, index: Index) -> None:
    if not isinstance(index.codec, PQ):
        raise ValueError(f"{name}: expected an index with a PQ codec, got {index.codec}")
    if index.metric == "l2":
        raise ValueError(f"{name}: expected metric 'ip' or 'cosine' (trained codebooks score inner products), got 'l2'")
