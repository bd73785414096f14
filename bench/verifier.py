"""A query map for ranking candidates, trained on the candidates alone or on the whole collection.

    python bench/verifier.py FOLDER ... [--bytes 12] [--seeds 3] [--depths 20,100]

FOLDER as in bench/trained_codecs.py. Codes find the candidates, float vectors rank them. The maps have rank 32 and are
trained on the same labels by the same trainer (`fb.train.adapter`), which searches for negatives at each step: among
the candidates that the codes return for the query without a map (locality-centric sampling, as in BiDR: Xiao et al.,
2022), or in the whole collection. nDCG@10 of clean test queries, mean and deviation over seeds of codes and training,
for each number of candidates: without a map, with either map where candidates are ranked only, and with the second one
in both stages. CPU time of one thread, per training.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from typing import Any

import numpy as np

import fewbits as fb
from fewbits.index.turns import state_of
from fewbits.train.descent import Descent
from fewbits.train.query_map import map_of, starting_map
from fewbits.train.scorer import VectorScorer
from fewbits.train.session import Session
from fewbits.train.settings import Settings
from trained_codecs import F32, I64, Bench, Labelled, load

RANK = 32
TRAINING: dict[str, Any] = {
    "loss": "softmax",
    "distillation": 1.0,
    "epochs": 4,
    "batch_size": 64,
    "topics": None,
    "pseudo_queries": 0,
    "rate": 1.0,
    "validation": 0.15,
    "threads": 1,
}


class Shortlisting(Descent):
    """Ranks what `codes` find for a query without a map."""

    codes: fb.Index
    vectors: F32

    def search(self, queries: F32, k: int) -> I64:
        ids = self.codes.search(queries, self.depth, threads=1).ids
        return ranked(ids, self.query_map.apply(queries), self.vectors)[:, :k]


def ranked(ids: I64, queries: F32, vectors: F32) -> I64:
    scores = np.einsum("qd,qkd->qk", queries, vectors[ids])
    return np.take_along_axis(ids, np.argsort(-scores, axis=1, kind="stable"), axis=1)


def trained_map(data: Labelled, seed: int, depth: int, codes: fb.Index | None) -> Any:
    """codes: those whose candidates are the negatives. None: negatives of the whole collection."""
    floats = fb.Index(data.base.shape[1], metric="ip").build(data.base, progress=False, threads=1)
    settings = Settings(**TRAINING, negatives=depth, seed=seed)
    session = Session(floats, data.train, data.train_labels, None, None, settings)
    scorer = VectorScorer(session.engine, "ip")
    session.start(scorer, RANK, reranked=False)
    if codes is not None:
        own = starting_map(session.engine, RANK, seed)
        shortlisting = Shortlisting(session.engine, scorer, own, depth=depth, threads=1)
        shortlisting.codes, shortlisting.vectors = codes, data.base
        session.descent = shortlisting
    session.run(False)
    return map_of(state_of(floats).engine)


class Comparison:
    def __init__(self, data: Labelled) -> None:
        self.data, self.queries = data, data.test[data.clean]
        number = np.full(len(data.test), -1)
        number[data.clean] = np.arange(len(data.clean))
        rows = data.labels[number[data.labels[:, 0]] >= 0]
        self.qrels = np.column_stack([number[rows[:, 0]], rows[:, 1:]])
        self.rows: dict[tuple[str, int], list[float]] = defaultdict(list)
        self.taken: dict[str, list[float]] = defaultdict(list)

    def run(self, size: int, seed: int, depths: list[int]) -> None:
        codes = Bench(self.data, threads=1).index(size, 4, seed)
        whole = self.timed("whole collection", seed, 200, None)
        for depth in depths:
            near = self.timed(f"{depth} candidates", seed, depth, codes)
            plain, mapped = (codes.search(q, depth, threads=1).ids for q in (self.queries, whole.apply(self.queries)))
            self.note("no map", depth, plain, self.queries)
            self.note("map of the candidates", depth, plain, near.apply(self.queries))
            self.note("map of the whole collection", depth, plain, whole.apply(self.queries))
            self.note("the same in both stages", depth, mapped, whole.apply(self.queries))

    def timed(self, name: str, seed: int, depth: int, codes: fb.Index | None) -> Any:
        started = time.process_time()
        made = trained_map(self.data, seed, depth, codes)
        self.taken[name].append(time.process_time() - started)
        return made

    def note(self, name: str, depth: int, candidates: I64, queries: F32) -> None:
        ids = ranked(candidates, queries, self.data.base)
        self.rows[name, depth].append(fb.evaluate(ids, None, self.qrels)["ndcg"])
        print(f"# {self.data.name}, {depth} candidates, {name}: {self.rows[name, depth][-1]:.4f}", flush=True)

    def report(self) -> None:
        for (name, depth), figures in self.rows.items():
            print(f"| {self.data.name} | {depth} | {name} | {np.mean(figures):.4f} ± {np.std(figures):.4f} |")
        for name, figures in self.taken.items():
            print(f"{self.data.name}, training on {name}: {np.mean(figures):.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--bytes", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--depths", default="20,100")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        comparison = Comparison(load(folder, 1))
        for seed in range(arguments.seeds):
            comparison.run(arguments.bytes, seed, [int(depth) for depth in arguments.depths.split(",")])
        comparison.report()


if __name__ == "__main__":
    main()
