"""What labels and teachers add to distillation, at equal bytes and steps: nDCG@10 of clean test queries.

    python bench/losses.py [FOLDER ...] [--wordnet FOLDER VECTORS] [--bytes 24] [--seeds 0 1 2] [--only METHOD ...]

FOLDER as in bench/trained_codecs.py. --wordnet: definitions and example sentences with their vectors
(bench/encoder.py), 3,000 training and up to 2,000 test queries; grade 2 for the synset of an example, 1 for its
neighbours. Clean test queries have no training query above a cosine of .9 and no judged synset in common with one.

    distillation    twice as many epochs without labels, on the same queries
    softmax         labels; positives of a query do not compete
    listnet         labels; the whole list, with the grades as shares, so that positives compete
    margin          margins of the float scores of the positives and of the 20 best
    margin-trained  the same, of float scores with a query map that was trained on the labels (fb.train.adapter)
    pseudo          softmax on what BM25 finds and the float vectors confirm, in place of the labels (--wordnet only)

Means and standard deviations over seeds of both the index and training. "kept": in how many of them the last stage was
clearly better on held-out training queries. CPU time of one thread, per training.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

import encoder
import fewbits as fb
from trained_codecs import Bench, Labelled, load

METHODS = ("distillation", "softmax", "listnet", "margin", "margin-trained", "pseudo")
QUIET: dict[str, Any] = {"progress": False, "threads": 1}
EPOCHS, CANDIDATES, TRAINING = 4, 20, 3000


class Texts:
    """Documents and training queries."""

    def __init__(self, documents: list[str], queries: list[str]) -> None:
        self.lexical, self.queries = fb.SparseIndex.bm25(documents), queries


def of_wordnet(folder: str, vectors: str) -> tuple[Labelled, Texts]:
    texts = encoder.texts_of(folder)
    base, queries = encoder.load(vectors)
    numbers = encoder.chosen(texts)
    grades = texts.graded(numbers)
    train, test = queries[:TRAINING], queries[TRAINING : TRAINING + 2000]
    labels = grades[grades[:, 0] < TRAINING]
    judged = grades[(grades[:, 0] >= TRAINING) & (grades[:, 0] < TRAINING + len(test))] - [TRAINING, 0, 0]
    shared = judged[np.isin(judged[:, 1], labels[labels[:, 2] == 2, 1]), 0]
    near = fb.exact_search(train, test, 1, metric="cosine", threads=1).scores[:, 0] > 0.9
    clean = np.setdiff1d(np.flatnonzero(~near), shared)
    neighbors = fb.exact_search(base, test, 10, metric="ip", threads=1).ids
    data = Labelled("wordnet", base, train, labels, test, judged, clean, neighbors)
    return data, Texts(texts.documents, [texts.queries[i] for i in numbers[:TRAINING]])


class Supervision:
    """The arguments of `fb.train.jpq` by method."""

    def __init__(self, data: Labelled, texts: Texts | None) -> None:
        self.data, self.texts = data, texts

    def floats(self) -> fb.Index:
        return fb.Index(self.data.base.shape[1], metric="ip").build(self.data.base, **QUIET)

    def of(self, method: str) -> dict[str, Any]:
        if method == "distillation":
            return {"epochs": 2 * EPOCHS}
        if method == "pseudo":
            assert self.texts is not None
            found = fb.train.pseudo_labels(
                self.texts.lexical, self.floats(), self.texts.queries, self.data.train, threads=1
            )
            return {"positives": found, "epochs": EPOCHS}
        if not method.startswith("margin"):
            return {"positives": self.data.train_labels, "epochs": EPOCHS, "loss": method}
        teacher = self.floats()
        if method == "margin-trained":
            labels = self.data.train_labels
            fb.train.adapter(teacher, self.data.train, labels, x=self.data.base, epochs=EPOCHS, **QUIET)
        return {"epochs": EPOCHS, "loss": "margin"} | self._scored(teacher)

    def _scored(self, teacher: fb.Index) -> dict[str, Any]:
        ids = teacher.search(self.data.train, CANDIDATES, threads=1).ids
        owners = np.repeat(np.arange(len(ids)), CANDIDATES)
        candidates = np.column_stack([owners, ids.ravel(), np.zeros_like(owners)])
        rows = np.concatenate([candidates, self.data.train_labels])  # of duplicates the last one counts
        scores = teacher.score(self.data.train[rows[:, 0]], rows[:, 1:2], threads=1)
        return {"positives": rows, "teacher": np.ravel(scores)}


def compare(data: Labelled, texts: Texts | None, methods: list[str], size: int, seeds: list[int]) -> None:
    bench, supervision = Bench(data, threads=1), Supervision(data, texts)
    rows: dict[str, list[tuple[float, float, float, bool]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            path = Path(folder) / f"{seed}.fb"
            untrained = bench.index(size, 4, seed)
            untrained.save(path)
            rows["OPQ"].append((*ranking(data, untrained), 0.0, False))
        for method in methods:
            given = supervision.of(method)
            for seed in seeds:
                index = fb.open(Path(folder) / f"{seed}.fb")
                started = time.process_time()
                report = fb.train.jpq(index, data.train, x=data.base, seed=seed, **given, **QUIET)
                taken = time.process_time() - started
                rows[method].append((*ranking(data, index), taken, report.stages[-1].kept))
                print(f"# {data.name}, {method}, seed {seed}: {rows[method][-1]}", flush=True)
    print(f"\n| {data.name}, {size} bytes, {len(data.clean):,} queries | nDCG@10 | R@100 | kept | CPU, s |")
    print("|---|---|---|---|---|")
    for method, figures in rows.items():
        ndcg, recall, taken, kept = np.array(figures, float).T
        last = f"{kept.sum():.0f} of {len(kept)} | {taken.mean():.0f} |"
        print(f"| {method} | {ndcg.mean():.4f} ± {ndcg.std():.4f} | {recall.mean():.4f} | {last}", flush=True)


def ranking(data: Labelled, index: fb.Index) -> tuple[float, float]:
    figures = data.figures(index.search(data.test, 100, threads=1).ids)
    return figures[0], figures[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--wordnet", nargs=2, metavar=("FOLDER", "VECTORS"))
    parser.add_argument("--bytes", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=METHODS, default=METHODS)
    arguments = parser.parse_args()
    for folder in arguments.folders:
        methods = [method for method in arguments.only if method != "pseudo"]
        compare(load(folder, 1), None, methods, arguments.bytes, arguments.seeds)
    if arguments.wordnet:
        data, texts = of_wordnet(*arguments.wordnet)
        compare(data, texts, list(arguments.only), arguments.bytes, arguments.seeds)


if __name__ == "__main__":
    main()
