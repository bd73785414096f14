"""Ranking quality of PQ codes at equal bytes, untrained and trained for ranking, beside the float vectors.

python bench/trained_codecs.py DATA_FOLDER... [--bytes 12,24,48,96] [--bits 4,8] [--seeds 3] [--losses softmax]

A folder holds base, queries_train, queries_test, qrels_train, qrels_test and queries_test_clean (the test queries that
nearly repeat no training query and share no positive with one). Training sees the training split only. `clean` is on
the clean test queries; `full` on all of them, which rewards learning by heart. Means over the seeds, of the index and
of training alike. Bytes are those of the codes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
COLUMNS = ("nDCG@10", "MRR@10", "R@100", "float R@10", "full nDCG@10")


class Labelled(NamedTuple):
    name: str
    base: F32
    train: F32
    train_labels: I64
    test: F32
    labels: I64
    clean: I64
    neighbors: I64  # exact ten best of the test queries

    def figures(self, ids: I64) -> list[float]:
        """The columns, of results (test queries, 100)."""
        clean = self.labels[np.isin(self.labels[:, 0], self.clean)]
        top, full = fb.evaluate(ids, None, clean), fb.evaluate(ids, None, self.labels)
        deep = fb.evaluate(ids, None, clean, 100)
        same = np.mean([len(np.intersect1d(ids[q, :10], self.neighbors[q])) / 10 for q in self.clean])
        return [top["ndcg"], top["mrr"], deep["recall"], float(same), full["ndcg"]]


def load(folder: str, threads: int) -> Labelled:
    path = Path(folder)

    def vectors(name: str) -> F32:
        return np.ascontiguousarray(np.load(path / f"{name}.npy"), dtype=np.float32)

    def numbers(name: str) -> I64:
        return np.load(path / f"{name}.npy").astype(np.int64)

    base, test = vectors("base"), vectors("queries_test")
    neighbors = fb.exact_search(base, test, 10, metric="ip", threads=threads).ids
    train = vectors("queries_train"), numbers("qrels_train")
    return Labelled(path.name, base, *train, test, numbers("qrels_test"), numbers("queries_test_clean"), neighbors)


class Bench:
    def __init__(self, data: Labelled, threads: int) -> None:
        self.data, self.threads = data, threads
        self.rows: dict[tuple[str, int, int], list[list[float]]] = defaultdict(list)

    def note(self, method: str, size: int, bits: int, index: fb.Index) -> None:
        figures = self.data.figures(index.search(self.data.test, 100, threads=self.threads).ids)
        self.rows[method, size, bits].append(figures)
        shown = " ".join(f"{figure:.4f}" for figure in figures)
        print(f"# {self.data.name} {size} B, {bits} bits, {method}: {shown}", flush=True)

    def index(self, size: int, bits: int, seed: int) -> fb.Index:
        codec = fb.PQ(size * 8 // bits, bits=bits, score_aware=False)
        index = fb.Index(self.data.base.shape[1], metric="ip", transform=fb.OPQ(), codec=codec, seed=seed)
        return index.build(self.data.base, progress=False, threads=self.threads)

    def train(self, name: str, path: Path, size: int, bits: int, *labelled: Any, **settings: Any) -> None:
        index = fb.open(path)
        started = time.process_time()
        report = fb.train.jpq(index, *labelled, **settings)
        print(
            "# " + str(report).replace("\n", "\n# ") + f"\n# {time.process_time() - started:.0f} s of CPU", flush=True
        )
        self.note(name, size, bits, index)

    def run(self, size: int, bits: int, seed: int, losses: list[str]) -> None:
        data = self.data
        index = self.index(size, bits, seed)
        self.note("OPQ", size, bits, index)
        settings = {"x": data.base, "seed": seed, "threads": self.threads, "progress": False}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "untrained.fb"
            index.save(path)
            self.train("JPQ, no labels", path, size, bits, data.train, **settings)
            for loss in losses:
                name = f"JPQ, labels ({loss})"
                self.train(name, path, size, bits, data.train, data.train_labels, loss=loss, **settings)

    def table(self) -> str:
        lines = [
            f"| {self.data.name} | bytes | bits | " + " | ".join(COLUMNS) + " |",
            "|---" * (3 + len(COLUMNS)) + "|",
        ]
        for (method, size, bits), figures in self.rows.items():
            means = " | ".join(f"{figure:.3f}" for figure in np.mean(figures, axis=0))
            lines.append(f"| {method} | {size} | {bits} | {means} |")
        return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--bytes", default="12,24,48,96")
    parser.add_argument("--bits", default="4,8")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--losses", default="softmax")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    for folder in arguments.folders:
        data = load(folder, arguments.threads)
        bench = Bench(data, arguments.threads)
        flat = fb.Index(data.base.shape[1], metric="ip").build(data.base, progress=False)
        bench.note("float", 4 * data.base.shape[1], 32, flat)
        for size in map(int, arguments.bytes.split(",")):
            for bits in map(int, arguments.bits.split(",")):
                for seed in range(arguments.seeds):
                    bench.run(size, bits, seed, arguments.losses.split(","))
        print(bench.table(), flush=True)


if __name__ == "__main__":
    main()
