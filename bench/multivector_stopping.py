"""Rules for when the ranking of candidates stops, beside the one of fewbits (`margin`): how many of 100 candidates a
query ranks with each if no more than .002 of recall may be lost.

A rule gives every candidate the least margin with which it is ranked. Margins are fitted to half of the queries and
measured on the other half, over several splits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from fewbits.choose.margin import LEAST_RANKED, needed
from multivector_data import Data, as_list, best, recall

F64 = NDArray[np.float64]
_DEPTH, _K, _LOSS, _SPLITS = 100, 10, 0.002, 8
_AT_ONCE = 4  # candidates that are ranked before errors are predicted anew


def of_queries(estimates: F64, scores: F64, deviations: F64) -> F64:
    """As `needed`, but with a deviation per query that is known in advance."""
    least = np.full(scores.shape, -np.inf)
    for place in range(LEAST_RANKED, _DEPTH):
        kth = -np.sort(-scores[:, :place], axis=1)[:, _K - 1]
        error = (scores - estimates)[:, :place].mean(axis=1)
        least[:, place] = (kth - estimates[:, place] - error) / deviations
    return np.maximum.accumulate(least, axis=1)


def by_similar(estimates: F64, scores: F64, similar: F64) -> F64:
    """One query. Errors are a Gaussian process: constant and slope are free, and errors of similar documents are alike.
    The candidate that most probably is among the k best comes next. similar: (depth, depth), of mean variance 1."""
    x = (estimates - estimates[:LEAST_RANKED].mean()) / estimates[:LEAST_RANKED].std()
    covariance = 3 * similar + 100 + np.outer(x, x)
    least = np.full(_DEPTH, -np.inf)
    ranked, highest = np.arange(LEAST_RANKED), -np.inf
    while len(ranked) < _DEPTH:
        rest = np.setdiff1d(np.arange(_DEPTH), ranked)
        errors = (scores - estimates)[ranked]
        inverse = np.linalg.inv(covariance[np.ix_(ranked, ranked)] + np.eye(len(ranked)))
        weights = covariance[np.ix_(rest, ranked)] @ inverse
        unit = np.sqrt(errors @ inverse @ errors / len(ranked))
        variance = covariance.diagonal()[rest] + 1 - (weights * covariance[np.ix_(rest, ranked)]).sum(axis=1)
        kth = -np.sort(-scores[ranked])[_K - 1]
        gap = (kth - estimates[rest] - weights @ errors) / (unit * np.sqrt(variance))
        order = np.argsort(gap)[:_AT_ONCE]
        highest = max(highest, float(gap[order[0]]))
        least[rest[order]] = np.maximum(highest, gap[order])
        ranked = np.append(ranked, rest[order])
    return least


def fitted(least: F64, scores: F64, ids: NDArray[np.int64], top: NDArray[np.int64]) -> tuple[float, float, float]:
    """Recall of all candidates, with margins fitted to other queries, and how many are ranked with these."""

    def found(rows: NDArray[np.int64], margin: float) -> float:
        kept = np.where(least[rows] <= margin, scores[rows], -np.inf)
        return recall(np.take_along_axis(ids[rows], best(kept, _K), axis=1), top[rows])

    rng, results = np.random.default_rng(0), []
    for _ in range(_SPLITS):
        fit, held_out = np.array_split(rng.permutation(len(scores)), 2)
        margins = np.quantile(least[fit][np.isfinite(least[fit])], np.linspace(0, 1, 256))
        low, high, enough = 0, len(margins) - 1, found(fit, np.inf) - _LOSS
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if found(fit, margins[middle]) >= enough else (middle + 1, high)
        ranked = float((least[held_out] <= margins[high]).sum(axis=1).mean())
        results.append((found(held_out, np.inf), found(held_out, margins[high]), ranked))
    whole, kept, ranked = np.mean(results, axis=0)
    return float(whole), float(kept), float(ranked)


def stopping(data: Data) -> None:
    print(f"\nRules that stop ranking, of {_DEPTH} candidates, for a loss of {_LOSS} of recall@{_K} on other queries\n")
    documents = as_list(data.documents)
    encoders: list[tuple[Any, Any]] = [(fb.FDE(data.dim), fb.RaBitQ(1)), (fb.LEMUR(2048, dim=256), fb.RaBitQ(4))]
    for encoder, codec in encoders:
        index = fb.MultiVectorIndex(data.dim, encoder=encoder, codec=codec, tokens=fb.RaBitQ(4))
        index.train(documents[::2], progress=False, threads=1).add(documents, progress=False, threads=1)
        found = index.search(data.queries, _DEPTH, rerank=0, threads=1)
        scores = index.score(data.queries, found.ids, threads=1).astype(np.float64)
        estimates = found.scores.astype(np.float64)
        encoded = index.encoder.encode_documents(documents)
        encoded -= encoded.mean(axis=0)
        products = [encoded[ids] @ encoded[ids].T for ids in found.ids]
        similar = [(each / each.diagonal().mean()).astype(np.float64) for each in products]
        last = best(scores, _K).max(axis=1) + 1
        print(f"{encoder.describe().partition(', ')[0]}: the last of the {_K} best is number {last.mean():.1f}")
        rules = {
            "deviation of the query's errors (fewbits)": needed(found.scores, scores.astype(np.float32), _K),
            "spread of the query's estimates": of_queries(estimates, scores, estimates.std(axis=1)),
            "one deviation for all queries": of_queries(
                estimates, scores, np.full(len(scores), (scores - estimates).std(axis=1).mean())
            ),
            "errors of similar candidates": np.stack(
                [by_similar(*each) for each in zip(estimates, scores, similar, strict=True)]
            ),
        }
        for name, least in rules.items():
            whole, kept, ranked = fitted(least, scores, found.ids, data.top)
            print(f"    {name:<44}{ranked:6.1f} ranked, recall {kept:.4f} of {whole:.4f}", flush=True)
