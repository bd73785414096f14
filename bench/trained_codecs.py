"""Ranking quality of PQ codes at equal bytes, untrained and trained for ranking, compared with the float vectors.

python bench/trained_codecs.py DATA_FOLDER... [--bytes 12,24,48,96] [--bits 4,8] [--seeds 3] [--losses softmax]
    [--score-aware] [--repconc] [--topics N] [--chart FILE.svg] [--read LOG...]

--score-aware: anisotropic codes instead of plain ones. --repconc: also learn codes. --topics: also train with batches
of one topic each, out of N. --chart: nDCG@10 of clean queries against bytes, for methods measured at all of them.
--read: include the figures that earlier runs printed (only these, if no folder is given), for runs spread over time.

A folder holds base, queries_train, queries_test, qrels_train, qrels_test and queries_test_clean (test queries that are
not near duplicates of a training query and share no positive with one). Training uses the training split only. `clean`
is measured on the clean test queries, `full` on all of them, which rewards memorisation. Figures are means over the
seeds of both the index and training. Bytes are those of the codes.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
_NOTE = re.compile(r"# (\S+) (\d+) B, (\d+) bits, (.+): ([\d. ]+)$")
COLUMNS = ("nDCG@10", "MRR@10", "R@100", "float R@10", "full nDCG@10")


class Labelled(NamedTuple):
    name: str
    base: F32
    train: F32
    train_labels: I64
    test: F32
    labels: I64
    clean: I64
    neighbors: I64  # the exact ten best of the test queries

    def figures(self, ids: I64) -> list[float]:
        """The columns for results (test queries, 100)."""
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
    def __init__(self, data: Labelled, threads: int, score_aware: bool = False) -> None:
        self.data, self.threads = data, threads
        self.score_aware = None if score_aware else False  # None: the codec's default
        self.rows: dict[tuple[str, int, int], list[list[float]]] = defaultdict(list)

    def note(self, method: str, size: int, bits: int, index: fb.Index) -> None:
        self.found(method, size, bits, index.search(self.data.test, 100, threads=self.threads).ids)

    def found(self, method: str, size: int, bits: int, ids: I64) -> None:
        figures = self.data.figures(ids)
        self.rows[method, size, bits].append(figures)
        shown = " ".join(f"{figure:.4f}" for figure in figures)
        print(f"# {self.data.name} {size} B, {bits} bits, {method}: {shown}", flush=True)

    def index(self, size: int, bits: int, seed: int) -> fb.Index:
        codec = fb.PQ(size * 8 // bits, bits=bits, score_aware=self.score_aware)
        index = fb.Index(self.data.base.shape[1], metric="ip", transform=fb.OPQ(), codec=codec, seed=seed)
        return index.build(self.data.base, progress=False, threads=self.threads)

    def faiss(self, size: int, bits: int, seed: int) -> None:
        """The same codec, fitted by faiss."""
        import faiss

        data, m = self.data, size * 8 // bits
        faiss.omp_set_num_threads(self.threads)
        dim = data.base.shape[1]
        codes = faiss.IndexPQ(dim, m, bits, faiss.METRIC_INNER_PRODUCT)
        codes.pq.cp.seed, codes.pq.cp.min_points_per_centroid = seed + 1, 1
        codes.do_polysemous_training = False  # only renumbers codewords
        index = faiss.IndexPreTransform(faiss.OPQMatrix(dim, m), codes)
        index.train(data.base)
        index.add(data.base)
        self.found("OPQ of faiss", size, bits, index.search(data.test, 100)[1])

    def train(
        self, name: str, path: Path, size: int, bits: int, *labelled: Any, trainer: Any = None, **settings: Any
    ) -> None:
        index = fb.open(path)
        started = time.process_time()
        report = (trainer or fb.train.jpq)(index, *labelled, **settings)
        print(
            "# " + str(report).replace("\n", "\n# ") + f"\n# {time.process_time() - started:.0f} s of CPU", flush=True
        )
        self.note(name, size, bits, index)

    def run(
        self, size: int, bits: int, seed: int, losses: list[str], *, repconc: bool = False, topics: int | None = None
    ) -> None:
        data = self.data
        index = self.index(size, bits, seed)
        self.note("OPQ", size, bits, index)
        if find_spec("faiss"):
            self.faiss(size, bits, seed)
        settings = {"x": data.base, "seed": seed, "threads": self.threads, "progress": False}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "untrained.fb"
            index.save(path)
            self.train("JPQ, no labels", path, size, bits, data.train, **settings)
            for loss in losses:
                name = f"JPQ, labels ({loss})"
                self.train(name, path, size, bits, data.train, data.train_labels, loss=loss, **settings)
            if repconc:
                learnt = settings | {"trainer": fb.train.repconc}
                self.train("RepCONC, no labels", path, size, bits, data.train, **learnt)
                self.train("RepCONC, labels", path, size, bits, data.train, data.train_labels, **learnt)
            if topics:
                by_topic = settings | {"topics": topics}
                self.train(f"JPQ, no labels, {topics} topics", path, size, bits, data.train, **by_topic)
                labelled = data.train, data.train_labels
                self.train(f"JPQ, labels, {topics} topics", path, size, bits, *labelled, **by_topic)

    def floats(self, seed: int) -> None:
        """The float vectors, and a query map for them learnt from the same labels."""
        data, dim = self.data, self.data.base.shape[1]
        index = fb.Index(dim, metric="ip").build(data.base, progress=False)
        self.note("float", 4 * dim, 32, index)
        fb.train.adapter(
            index, data.train, data.train_labels, x=data.base, seed=seed, threads=self.threads, progress=False
        )
        self.note("float, adapter, labels", 4 * dim, 32, index)


class Results:
    """Figures of one data set by method, bytes and bits."""

    def __init__(self, name: str, rows: dict[tuple[str, int, int], list[list[float]]]) -> None:
        self.name, self.rows = name, rows

    def table(self) -> str:
        lines = [
            f"| {self.name} | bytes | bits | seeds | " + " | ".join(COLUMNS) + " |",
            "|---" * (4 + len(COLUMNS)) + "|",
        ]
        for (method, size, bits), figures in sorted(self.rows.items(), key=lambda item: (-item[0][1], item[0][2])):
            means = " | ".join(f"{figure:.3f}" for figure in np.mean(figures, axis=0))
            lines.append(f"| {method} | {size} | {bits} | {len(figures)} | {means} |")
        return "\n".join(lines)


def read(paths: list[str]) -> dict[str, Results]:
    """Figures in the output of earlier runs, by data set."""
    found: dict[str, Results] = {}
    for line in (line for path in paths for line in Path(path).read_text().splitlines()):
        if match := _NOTE.match(line):
            name, size, bits, method, figures = match.groups()
            results = found.setdefault(name, Results(name, defaultdict(list)))
            results.rows[method, int(size), int(bits)].append([float(figure) for figure in figures.split()])
    return found


def draw(sets: dict[str, Results], path: str) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(sets), figsize=(5.2 * len(sets), 3.8), squeeze=False)
    for axis, (name, results) in zip(axes[0], sorted(sets.items()), strict=True):
        curves: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
        for (method, size, bits), rows in results.rows.items():
            curves[method, bits][size] = float(np.mean(rows, axis=0)[0])
        longest = max(len(points) for points in curves.values())
        curves = {key: points for key, points in curves.items() if key[1] == 32 or len(points) == longest}
        methods = sorted({method for method, bits in curves if bits != 32})
        for (method, bits), points in sorted(curves.items()):
            if bits == 32:
                axis.axhline(*points.values(), color="gray", linestyle=":" if method == "float" else "-.", label=method)
                continue
            style = "--" if bits == 8 else "-"
            color = f"C{methods.index(method)}"
            values = [points[size] for size in sorted(points)]
            label = f"{method}, {bits} bits"
            axis.plot(sorted(points), values, style, marker="o", markersize=3, color=color, label=label)
        axis.set_xscale("log")
        sizes = sorted({size for points in curves.values() for size in points if size < 1024})
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
        axis.set_title(name)
        axis.set_xlabel("bytes per vector")
        axis.set_ylabel("nDCG@10, clean queries")
        axis.legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--bytes", default="12,24,48,96")
    parser.add_argument("--bits", default="4,8")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--losses", default="softmax")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--score-aware", action="store_true")
    parser.add_argument("--repconc", action="store_true")
    parser.add_argument("--topics", type=int)
    parser.add_argument("--chart")
    parser.add_argument("--read", nargs="+", default=[])
    arguments = parser.parse_args()
    if not arguments.folders and not arguments.read:
        parser.error("expected a data folder, or --read")
    sets = read(arguments.read)
    for folder in arguments.folders:
        data = load(folder, arguments.threads)
        bench = Bench(data, arguments.threads, arguments.score_aware)
        bench.floats(0)
        for size in map(int, arguments.bytes.split(",")):
            for bits in map(int, arguments.bits.split(",")):
                for seed in range(arguments.seeds):
                    losses = arguments.losses.split(",")
                    bench.run(size, bits, seed, losses, repconc=arguments.repconc, topics=arguments.topics)
        results = sets.setdefault(data.name, Results(data.name, defaultdict(list)))
        for key, rows in bench.rows.items():
            results.rows[key] += rows
    for results in sets.values():
        print(results.table(), flush=True)
    if arguments.chart:
        draw(sets, arguments.chart)


if __name__ == "__main__":
    main()
