"""fb.train.repconc: codes, codebook and the maps of documents and queries, trained for ranking together.

Order: the codes first (constrained clustering, straight-through gradients), then what `fb.train.jpq` does, over the
codes that came of it, frozen; where they were learnt from labels, labels alone. Each stage is kept only if it validates
clearly better.
"""

from __future__ import annotations

from typing import Any

from ..index import Index
from ..inputs import real_number
from ..progress import ProgressArgument
from .joint import CodesSettings
from .jpq import check_scores_are_trainable
from .report import TrainingReport
from .scorer import CodeScorer
from .session import Session
from .settings import check_index, checked, map_kind


def repconc(
    index: Index,
    queries: Any = None,
    positives: Any = None,
    *,
    x: Any,
    loss: str = "softmax",
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
    """Trains the codes of a PQ index for ranking, in place: every vector is coded anew; bytes and speed stay.

    index, queries, positives and the arguments not named here: as in `fb.train.jpq`. x: the float vectors, row number =
    id, as the index got them.

    Learnt are a map of documents, the codebook that codes them and a map of queries: the ranking loss is of decoded
    codes, its gradient goes to the codewords and straight through them to the map. Within a batch the codes are those
    of a transport plan that uses all codewords of a subspace alike (epsilon: how strictly; 0: plain nearest), so have
    some hundred documents or more; the index itself codes by the nearest codeword. reconstruction: the weight of the
    squared error of codes, as a share of the vectors' energy. Afterwards the codes are frozen, and scores are trained
    as by `fb.train.jpq`.

    Returns a TrainingReport; the stage "codes" comes first. All or nothing, and never worse on the validation queries,
    as there; an index that was changed meanwhile is a RuntimeError. Vectors that are added later pass the map of
    documents. An anisotropic codec (score_aware) becomes a plain one.

    >>> report = fb.train.repconc(index, train_queries, positives, x=x)

    (Zhan et al., "Learning Discrete Representations via Constrained Clustering for Effective and Efficient Dense
    Retrieval", 2021. Where the paper trains two encoders, linear maps of finished vectors are trained here.)
    """
    check_index(index)
    settings = checked(
        loss, distillation, epochs, batch_size, topics, negatives, pseudo_queries, rate, validation, seed, threads
    )
    kind = map_kind(query_map, index.dim)
    check_scores_are_trainable("repconc", index)
    if x is None:
        raise ValueError("x: expected the float vectors, which are coded anew, got None")
    codes = CodesSettings(real_number(epsilon, "epsilon", 0), real_number(reconstruction, "reconstruction", 0))
    session = Session(index, queries, positives, x, settings)
    session.start(CodeScorer(session.engine), kind, reranked=False)
    return session.run(progress, codes=codes)
