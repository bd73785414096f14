"""How likely a result is to be relevant: a monotone logistic model of its score and the query's other scores.

Six numbers are fitted (`fb.train.calibrate`): an intercept, and weights for a result's score, the number of standard
deviations by which it exceeds the mean of the query's scores over all vectors, its distance to the best score, its
rank, and the distance between the two best scores. The first four weights are never negative.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _core
from ..file.stored import array_of, array_to, finite_number, text_of
from ..numeric.arrays import F32, F64
from ..spec.description import Description
from .result import CalibratedResult, SearchResult

FEATURES = ("score", "deviations", "gap", "rank", "margin")
_RANK = 32  # of the stored approximation of the covariance
_SAMPLE = 1024


@dataclass(frozen=True)
class Moments:
    """Mean of the stored vectors, and their covariance, approximated by factor.T @ factor + diag(rest).

    Under l2 a vector x is replaced by (x, -|x|^2 / 2), whose product with (q, 1) ranks as the distance does.
    """

    mean: F64
    factor: F64
    rest: F64

    @staticmethod
    def of(x: F32, metric: str) -> Moments:
        """The moments of a sample of at least two vectors."""
        rows = _lifted(x, metric)[:_SAMPLE]
        mean = rows.mean(axis=0)
        centered = (rows - mean) / np.sqrt(len(rows))
        vectors = np.linalg.eigh(centered @ centered.T).eigenvectors  # of the Gram matrix of rows
        factor = vectors[:, ::-1][:, :_RANK].T @ centered
        rest = np.maximum((centered**2).sum(axis=0) - (factor**2).sum(axis=0), 0)
        return Moments(*(part.astype(np.float32).astype(np.float64) for part in (mean, factor, rest)))

    def deviations(self, scores: F64, queries: F32, metric: str) -> F64:
        """The number of standard deviations by which similarities (n, k) exceed the mean of the query's scores."""
        q = _lifted(queries, metric, one=True)
        mean = (q * self.mean).sum(axis=1)
        variance = (q * q * self.rest).sum(axis=1)
        for row in self.factor:  # sums along rows, so that a query alone gives the same bits
            variance += (q * row).sum(axis=1) ** 2
        deviation = np.sqrt(np.maximum(variance, 1e-12))
        if metric == "l2":
            mean, deviation = 2 * mean - (queries.astype(np.float64) ** 2).sum(axis=1), 2 * deviation
        return np.asarray((scores - mean[:, None]) / deviation[:, None])


def _lifted(x: F32, metric: str, one: bool = False) -> F64:
    rows = x.astype(np.float64)
    if metric == "cosine":
        return np.asarray(rows / np.maximum(np.sqrt((rows * rows).sum(axis=1, keepdims=True)), 1e-30))
    if metric == "ip":
        return rows
    last = np.ones(len(rows)) if one else -(rows * rows).sum(axis=1) / 2
    return np.concatenate([rows, last[:, None]], axis=1)


@dataclass(frozen=True)
class Calibration:
    """weights: one per entry of FEATURES, then the intercept. current: false once the index scores in another way."""

    weights: tuple[float, ...]
    moments: Moments
    fingerprint: str
    queries: int
    k: int
    current: bool = True

    def outdated(self) -> Calibration:
        return replace(self, current=False)

    def probabilities(self, found: SearchResult, queries: F32, metric: str) -> F32:
        """(n, k), non-increasing along rows; 0 for padding."""
        x = features(found, queries, metric, self.moments)
        logit = np.full(found.scores.shape, self.weights[-1])
        for i, weight in enumerate(self.weights[:-1]):
            logit += weight * x[..., i]
        p = np.where(found.ids >= 0, sigmoid(logit), 0)
        return np.minimum.accumulate(p, axis=1).astype(np.float32) if p.size else p.astype(np.float32)

    def cut(self, found: SearchResult, queries: F32, metric: str, k: int, least: float) -> CalibratedResult:
        """Those of the first k results whose probability is at least `least`."""
        p = self.probabilities(found, queries, metric)[:, :k]
        keeps = (p >= np.float32(least)) & (found.ids[:, :k] >= 0)
        worst = np.inf if metric == "l2" else -np.inf
        return CalibratedResult(
            np.where(keeps, found.ids[:, :k], -1),
            np.where(keeps, found.scores[:, :k], np.float32(worst)),
            np.where(keeps, p, np.float32(0)),
        )

    def stored(self) -> dict[str, Any]:
        """The form in which a file's description stores it."""
        parts = {name: array_to(getattr(self.moments, name)) for name in ("mean", "factor", "rest")}
        fitted = {"fingerprint": self.fingerprint, "queries": self.queries, "k": self.k}
        return {"weights": list(self.weights)} | fitted | parts


def calibration_of(stored: dict[str, Any], description: Description, engine: _core.Engine) -> Calibration:
    """The calibration that `stored` gave, for the engine of its file; raises ValueError if it is not valid."""
    width = description.dim + (description.metric == "l2")
    weights = tuple(finite_number(weight) for weight in stored["weights"])
    if len(weights) != len(FEATURES) + 1 or min(weights[: len(FEATURES) - 1]) < 0:
        raise ValueError(f"calibration: expected {len(FEATURES) + 1} weights, those of scores >= 0, got {weights}")
    mean, factor, rest = (array_of(stored[name]) for name in ("mean", "factor", "rest"))
    if len(mean) != width or len(rest) != width or len(factor) % width or (rest < 0).any():
        raise ValueError(f"calibration: expected moments of {width} dimensions")
    own = text_of(stored["fingerprint"])
    moments = Moments(mean, factor.reshape(-1, width), rest)
    return Calibration(weights, moments, own, int(stored["queries"]), int(stored["k"]), own == fingerprint(engine))


def fingerprint(engine: _core.Engine) -> str:
    """A hash of all that determines scores: codecs, transform, query map; not of lists or stored vectors."""
    digest = hashlib.sha256()
    decides = ("codec", "rerank", "transform", "query", "metric", "dim", "center", "direction")
    for name, value in sorted(engine.params.items()):
        if name.startswith(decides):
            digest.update(f"{name}={value};".encode())
    for name, array in sorted(engine.arrays().items()):
        if name.startswith(decides):
            digest.update(f"{name}:".encode() + array.tobytes())
    return digest.hexdigest()[:16]


def features(found: SearchResult, queries: F32, metric: str, moments: Moments) -> F64:
    """FEATURES of every result, (n, k, 5); all but the last are non-increasing along rows. 0 for padding."""
    has = found.ids >= 0
    s = np.where(has, found.scores, 0).astype(np.float64) * (-1 if metric == "l2" else 1)
    n, k = s.shape
    x = np.zeros((n, k, len(FEATURES)))
    if not k:
        return x
    x[..., 0] = s
    x[..., 1] = moments.deviations(s, queries, metric)
    x[..., 2] = s - s[:, :1]
    x[..., 3] = -np.log(2 + np.arange(k))
    if k > 1:
        x[..., 4] = np.where(has[:, 1], s[:, 0] - s[:, 1], 0)[:, None]
    x[~has] = 0
    return x


def sigmoid(logit: F64) -> F64:
    return np.asarray(0.5 * (1 + np.tanh(logit / 2)))
