"""The calibrated cut: how well one threshold separates relevant results from others, on clean test queries.

    python bench/calibration.py FOLDER ... [--codec rabitq4]

Of the 20 results of every clean test query: area under the precision-recall curve, precision at 95 and 80 % recall, and
the expected calibration error in ten bins. "score": one threshold on the score itself. "Platt": a logistic function of
the score alone, from 100 labelled queries. Then `fb.train.calibrate` from 100, 300 and 1,000 labelled queries: mean and
deviation over draws of them from the training queries.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from fewbits.numeric.logistic import logistic
from judged import Judged, load

CODECS = {"float": fb.Float(), "rabitq4": fb.RaBitQ(4), "pq24": fb.PQ(48, bits=4)}
K, DRAWS = 20, 5


def measures(p: NDArray[np.floating], relevant: NDArray[np.bool_]) -> list[float]:
    """Area, precision at 95 % and 80 % recall, calibration error."""
    order = np.argsort(-p, kind="stable")
    hits = relevant[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    share = np.cumsum(hits) / hits.sum()
    at = [float(precision[share >= least].max()) for least in (0.95, 0.8)]
    bins = np.clip((p * 10).astype(int), 0, 9)
    error = sum(abs(p[bins == b].mean() - relevant[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    return [float(precision[hits].sum() / hits.sum()), *at, float(error)]


def relevant_of(ids: NDArray[np.int64], data: Judged, queries: NDArray[np.int64], train: bool) -> NDArray[np.bool_]:
    labels = data.train_labels if train else data.test_labels
    return np.array([[(int(query), int(i)) in labels for i in row] for query, row in zip(queries, ids, strict=True)])


def row(name: str, several: list[list[float]]) -> str:
    mean, spread = np.mean(several, axis=0), np.std(several, axis=0)
    return f"{name:26}" + "".join(f" {m:8.3f} ±{s:.3f}" for m, s in zip(mean, spread, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--codec", choices=CODECS, default="float")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        data = load(folder)
        index = fb.Index(data.base.shape[1], metric="cosine", codec=CODECS[arguments.codec])
        index.build(data.base, progress=False, threads=1)
        found = index.search(data.test[data.clean], K, threads=1)
        relevant = relevant_of(found.ids, data, data.clean, train=False).ravel()
        labels = data.relevant_train
        print(f"{data.name}, {arguments.codec}, {len(data.clean)} clean test queries, {K} results each")
        print(f"{'':26} {'PR-AUC':>15} {'P@R95':>15} {'P@R80':>15} {'ECE':>15}")
        raw = measures(found.scores.ravel().astype(float), relevant)
        print(f"{'score':26}" + "".join(f" {value:8.3f}       " for value in raw[:3]))
        for labelled in (100, 300, 1000):
            platt, fitted = [], []
            for draw in range(DRAWS):
                queries = np.random.default_rng(draw).permutation(data.judged_train)[:labelled]
                own = index.search(data.train[queries], K, threads=1)
                y = relevant_of(own.ids, data, queries, train=True).ravel().astype(float)
                s, mean, scale = own.scores.ravel().astype(float), own.scores.mean(), own.scores.std()
                w = logistic(((s - mean) / scale)[:, None], y, np.zeros(1))
                logit = (found.scores.ravel() - mean) / scale * w[0] + w[1]
                platt.append(measures(1 / (1 + np.exp(-logit)), relevant))
                rows = np.array([(i, d, 1) for i, q in enumerate(queries) for d in labels[int(q)]])
                fb.train.calibrate(index, data.train[queries], rows, k=K, threads=1)
                p = index.search(data.test[data.clean], K, min_probability=0, threads=1).probabilities
                fitted.append(measures(p.ravel().astype(float), relevant))
            print(row(f"Platt, {labelled:,} queries", platt))
            print(row(f"calibrate, {labelled:,} queries", fitted), flush=True)


if __name__ == "__main__":
    main()
