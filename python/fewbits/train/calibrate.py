"""fb.train.calibrate: from labelled queries, how likely a result is to be relevant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.measures import require_index
from ..index.calibration import FEATURES, Calibration, Moments, features, fingerprint
from ..index.index import Index
from ..index.result import SearchResult
from ..index.state import State
from ..index.turns import frozen, replace_state, state_of
from ..index.two_embeddings import require_one
from ..input.checks import whole_number
from ..input.queries import as_queries
from ..numeric.arrays import F32, F64, I64, evenly
from ..numeric.logistic import logistic
from .examples import judged

_SAMPLE = 1024
_FREE = ("margin",)  # the weight of a query's feature may have either sign


@dataclass(frozen=True)
class CalibrationReport:
    """What `fb.train.calibrate` fitted.

    Attributes
    ----------
    queries : int
        Labelled queries.
    results, relevant : int
        What they found, and how many of these are labelled relevant.
    weights : dict of str to float
        Of the features of a result, each in units of its standard deviation, and the intercept.
    log_loss, constant_log_loss : float
        Mean over the results that were fitted to, with the model and with one probability for all.
    """

    queries: int
    results: int
    relevant: int
    weights: dict[str, float]
    log_loss: float
    constant_log_loss: float


def calibrate(
    index: Index, queries: Any, positives: Any, *, k: int = 20, threads: int | None = None
) -> CalibrationReport:
    """Fit how likely a result is to be relevant, for ``index.search(..., min_probability=p)``.

    The model is logistic in the score of a result, its deviation from the mean of the query's scores over all vectors,
    its gap to the best score, its rank, and the margin of the best over the second. A lower score is never more likely
    than a higher one of the same query, so the ranking does not change. It is kept in the index and its file; training,
    `upgrade` and `fb.merge` make it invalid until it is fitted again. Adding and removing vectors do not.

    Parameters
    ----------
    index : Index
        It is changed.
    queries : (n, dim) array
        Not the ones that the index was trained on. 100 to 300 suffice.
    positives : rows (query, id) or (query, id, grade), or a list of the ids of each query
        The relevant vectors; every other result counts as not relevant, and grade 0 says the same.
    k : int
        Results per query that are fitted to.
    threads : int, optional
        None: all CPUs.

    Returns
    -------
    CalibrationReport

    Raises
    ------
    TypeError, ValueError
        As the other trainers; also if all results are relevant, or none is. The index is then unchanged.

    References
    ----------
    The idea of one threshold on a monotone, query-dependent map of scores is that of Rossi et al., "Relevance filtering
    for embedding-based retrieval", 2024, who predict the map from the query's embedding.

    Examples
    --------
    >>> report = fb.train.calibrate(index, train_queries, positives)
    >>> found = index.search(queries, k=10, min_probability=.5)
    >>> found.probabilities.shape, found.counts.shape
    ((40, 10), (40,))
    """
    require_index(index)
    k = whole_number(k, "k", 2)
    same = frozen(index)
    before = state_of(same)
    require_one(before.description, "calibrate")
    engine = before.trained("calibrate")
    matrix, single = as_queries(queries, same.dim, nonzero=same.metric == "cosine")
    if single:
        raise ValueError(f"queries: expected shape (n, {same.dim}), got {matrix[0].shape}")
    ids = same.ids()
    if len(ids) < 2:
        raise ValueError(f"calibrate: expected an index of at least 2 vectors, got {len(ids)}")
    examples, _ = judged(matrix, positives, ids)
    found = same.search(examples.queries, k, threads=threads)
    relevant = _is_relevant(found, ids, examples.rows, examples.starts)
    moments = Moments.of(same.reconstruct(ids[evenly(len(ids), _SAMPLE)]), same.metric)
    weights, report = _fitted(found, relevant, examples.queries, same.metric, moments)
    calibration = Calibration(weights, moments, fingerprint(engine), len(examples), k)

    def calibrated(now: State) -> State:
        if now.training is not before.training or state_scores_otherwise(now, before):
            raise RuntimeError("calibrate: the index was trained or upgraded meanwhile, so this call changed nothing")
        return now.calibrated(calibration)

    replace_state(index, "calibrate", calibrated)
    return report


def state_scores_otherwise(now: State, before: State) -> bool:
    """Whether a trainer has changed the scores between two states of one training."""
    return now.engine is not before.engine and fingerprint(now.trained("calibrate")) != fingerprint(
        before.trained("calibrate")
    )


def _is_relevant(found: SearchResult, ids: I64, rows: I64, starts: I64) -> F64:
    """(n, k): 1 where a result is one of its query's positives, which are rows of `ids`."""
    relevant = np.zeros(found.ids.shape)
    for query, results in enumerate(found.ids):
        relevant[query] = np.isin(results, ids[rows[starts[query] : starts[query + 1]]])
    return relevant


def _fitted(
    found: SearchResult, relevant: F64, queries: F32, metric: str, moments: Moments
) -> tuple[tuple[float, ...], CalibrationReport]:
    has = found.ids >= 0
    x, y = features(found, queries, metric, moments)[has], relevant[has]
    if not 0 < y.sum() < len(y):
        raise ValueError(
            f"positives: expected some relevant and some other results to fit to, got {int(y.sum())} relevant of "
            f"{len(y)} results of {len(queries)} queries"
        )
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-12, scale, 1)
    z = (x - mean) / scale
    lower = np.array([-np.inf if name in _FREE else 0.0 for name in FEATURES])
    w = logistic(z, y, lower)
    own = w[:-1] / scale
    logit, rate = z @ w[:-1] + w[-1], y.mean()
    report = CalibrationReport(
        queries=len(queries),
        results=len(y),
        relevant=int(y.sum()),
        weights=dict(zip((*FEATURES, "intercept"), w.tolist(), strict=True)),
        log_loss=float((np.logaddexp(0, logit) - y * logit).mean()),
        constant_log_loss=float(-(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))),
    )
    return (*own.tolist(), float(w[-1] - own @ mean)), report
