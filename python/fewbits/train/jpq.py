"""fb.train.jpq: a product quantizer's scoring codebook and a query map, trained for ranking over frozen codes.

Order: distillation of the float ranking first (if there are float vectors), then labels (if there are any) with
distillation beside them, from the state that distillation reached. A later state is kept only if it validates better.
"""

from __future__ import annotations

from typing import Any

from ..codecs import PQ
from ..index import Index
from ..inputs import real_number, thread_count, whole_number
from ..parts import one_of
from ..progress import ProgressArgument
from .compiled import require_numba
from .losses import RANKING_LOSSES
from .query_map import starting_map
from .report import TrainingReport
from .scorer import CodeScorer
from .session import Session, Settings


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
    documents. With labels, `loss` is lowered too: "softmax" (cross entropy), "lambda" (pairs weighted by the difference
    of their reciprocal ranks, as JPQ's paper has it) or "mann_whitney" (all pairs alike), with `distillation` as the
    weight of the former beside it (0: labels alone). Negatives are mined from the index as it scores at each step: the
    `negatives` best.

    query_map: "full", the rank of a low-rank residual, or None to train the codebook only. epochs: at most, for each of
    the two stages. pseudo_queries: made for an epoch of distillation (None: 6,000 less the given queries, and at least
    2,000). rate: a factor on the learning rates, which are relative to the codebook's scale. validation: the share of
    queries held out, by document, to choose the state to keep and when to stop. Results are the same for the same seed,
    whatever `threads`.

    Returns a TrainingReport. All or nothing: an error leaves the index as it was; Ctrl-C keeps the best state so far;
    and the index is never worse than before on the validation queries. Vectors added later are encoded as before.

    >>> report = fb.train.jpq(index, train_queries, positives, x=x)
    >>> print(report)

    (Zhan et al., "Jointly Optimizing Query Encoder and Product Quantization to Improve Retrieval Performance", 2021.)
    """
    require_numba()
    if not isinstance(index, Index):
        raise TypeError(f"index: expected a fewbits.Index, got {type(index).__name__}")
    if not isinstance(index.codec, PQ):
        raise ValueError(f"jpq: expected an index with a PQ codec, got {index.codec}")
    if index.metric == "l2":
        raise ValueError("jpq: expected metric 'ip' or 'cosine' (trained codebooks score inner products), got 'l2'")
    one_of(loss, "loss", RANKING_LOSSES)
    if query_map not in ("full", None):
        query_map = whole_number(query_map, "query_map: 'full', None or a rank", 1, index.dim)
    settings = Settings(
        loss=loss,
        distillation=real_number(distillation, "distillation", 0),
        epochs=whole_number(epochs, "epochs", 0),
        batch_size=whole_number(batch_size, "batch_size", 1),
        negatives=whole_number(negatives, "negatives", 1),
        pseudo_queries=None if pseudo_queries is None else whole_number(pseudo_queries, "pseudo_queries", 0),
        rate=real_number(rate, "rate", 0),
        validation=real_number(validation, "validation", 0),
        seed=whole_number(seed, "seed", 0, 2**63 - 1),
        threads=thread_count(threads),
    )
    session = Session(index, queries, positives, x, settings)
    session.start(CodeScorer(session.engine), starting_map(session.engine, query_map, settings.seed))
    return session.run(progress)
