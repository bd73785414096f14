"""Feedback and fusion: what they change in ranking and in recall, on test queries.

    python bench/hybrid.py [FOLDER ...] [--wordnet FOLDER] [--encoder FOLDER] [--stem]

FOLDER: vectors with judgements (bench/judged.py); nDCG@10, R@100 and R@1000 of the clean test queries without feedback,
with the default of `fb.feedback`, and with the usual settings of the literature. --wordnet: BM25 and a dense index of
the same texts (bench/wordnet.py), alone and fused: nDCG@10 and R@100 of 2,000 test queries, by normalisation; the
weight is learned from 50 other queries by `fb.train.fuse` (mean and deviation of 5 draws), and compared with the best
weight on the test queries; then with feedback, by what each index finds and by the fused list. Vectors are those of a
sentence encoder (--encoder FOLDER, written by bench/encoder.py), or else of latent semantic analysis (256 dimensions).
--stem: English stems in place of words (PyStemmer).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import encoder
import fewbits as fb
import judged
import wordnet
from fewbits.sparse.bm25 import words

F32 = NDArray[np.float32]
TEST, JUDGED, DRAWS = 2000, 50, 5
HOW: list[tuple[str, dict[str, Any], bool]] = [
    ("rrf", {"normalize": "rrf"}, False),
    ("minmax", {"normalize": "minmax"}, False),
    ("zscore", {"normalize": "zscore"}, False),
    ("theoretical", {"normalize": "theoretical", "lowest": [-1, 0]}, False),
    ("minmax, scored", {"normalize": "minmax"}, True),
    ("theoretical, scored", {"normalize": "theoretical", "lowest": [-1, 0]}, True),
]
SETTINGS: dict[str, dict[str, Any]] = {
    "none": {"k": 0},
    "default: k=3 .8/.2": {},
    "k=1 .9/.1": {"k": 1, "alpha": 0.9, "beta": 0.1},
    "k=3 .9/.1": {"k": 3, "alpha": 0.9, "beta": 0.1},
    "softmax k=3 .8/.2": {"weights": "softmax"},
    "Rocchio k=5 .4/.6": {"k": 5, "alpha": 0.4, "beta": 0.6},
    "average k=3": {"k": 3, "alpha": 0.25, "beta": 0.75},
}


def feedback(folder: str) -> None:
    data = judged.load(folder)
    index = fb.Index(data.base.shape[1], metric="cosine").add(data.base, progress=False, threads=1)
    queries = data.test[data.clean]
    print(f"{data.name}, {len(queries)} clean test queries\n{'feedback':22} {'nDCG@10':>8} {'R@100':>8} {'R@1000':>8}")
    for name, settings in SETTINGS.items():
        ids = index.search(fb.feedback(index, queries, threads=1, **settings), 1000, threads=1).ids
        measured = [
            fb.evaluate(ids, None, data.clean_qrels, k)["ndcg" if k == 10 else "recall"] for k in (10, 100, 1000)
        ]
        print(f"{name:22}" + "".join(f" {value:8.4f}" for value in measured), flush=True)


def embedded(documents: list[str], queries: list[str]) -> tuple[F32, F32]:
    """By latent semantic analysis of the documents."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    weigh = TfidfVectorizer(sublinear_tf=True, min_df=3)
    x = weigh.fit_transform(documents)
    svd = TruncatedSVD(256, n_iter=2, random_state=0).fit(x)
    return tuple(np.asarray(svd.transform(each), np.float32) + 1e-9 for each in (x, weigh.transform(queries)))


class Side(NamedTuple):
    """Queries of one kind for both indexes, what these find, and the judgements."""

    asked: list[Any]
    lists: list[Any]
    qrels: NDArray[np.int64]


class Hybrid:
    """A dense and a lexical index of the same texts; the first queries are for testing, the others for training."""

    def __init__(self, texts: wordnet.Texts, numbers: NDArray[np.int64], x: F32, q: F32, tokenizer: Any) -> None:
        dense = fb.Index(x.shape[1], metric="cosine", codec=fb.Scalar(8)).build(x, progress=False, threads=1)
        self.indexes = [dense, fb.SparseIndex.bm25(texts.documents, tokenizer=tokenizer)]
        self.texts, self.numbers, self.q = texts, numbers, q
        self.test = self.side(slice(0, TEST))
        self.draws = [self.side(slice(at, at + JUDGED)) for at in range(TEST, TEST + DRAWS * JUDGED, JUDGED)]

    def side(self, which: slice) -> Side:
        own = self.numbers[which]
        asked = [self.q[which], [self.texts.queries[i] for i in own]]
        lists = [index.search(each, 100, threads=1) for index, each in zip(self.indexes, asked, strict=True)]
        return Side(asked, lists, np.column_stack([np.arange(len(own)), self.texts.qrels[own, 1:]]))

    def fused(self, weight: float, settings: dict[str, Any], scored: bool) -> list[float]:
        more = {"indexes": self.indexes, "queries": self.test.asked} if scored else {}
        ids = fb.fuse(self.test.lists, [weight, 1 - weight], k=100, **settings, **more).ids
        return measured(ids, self.test.qrels)

    def learned(self, side: Side, settings: dict[str, Any], scored: bool) -> float:
        more = {"indexes": self.indexes, "queries": side.asked} if scored else {}
        return fb.train.fuse(side.lists, side.qrels, **settings, **more).weights[0]

    def report(self, name: str) -> None:
        print(f"{name}, {len(self.texts.documents):,} definitions, {TEST:,} test queries")
        print(f"{'':44} {'nDCG@10':15} R@100")
        for label, found in zip(("dense", "BM25"), self.test.lists, strict=True):
            show(label, [measured(found.ids, self.test.qrels)])
        for how, settings, scored in HOW:
            show(f"{how}, equal weights", [self.fused(0.5, settings, scored)])
            weights = [self.learned(side, settings, scored) for side in self.draws]
            label = f"learned, {np.mean(weights):.2f} ± {np.std(weights):.2f} dense"
            show(f"{how}, {label}", [self.fused(weight, settings, scored) for weight in weights])
            grid = {weight: self.fused(weight, settings, scored) for weight in np.linspace(0, 1, 21)}
            best = max(grid, key=lambda weight: grid[weight][0])
            show(f"{how}, best on test, {best:.2f} dense", [grid[best]])
        for name, settings in SETTINGS.items():
            self.report_feedback(name, settings)

    def report_feedback(self, name: str, settings: dict[str, Any]) -> None:
        """Of each index by its own results, before fusion; and of both by the fused results, after it."""

        def searched(results: Any) -> list[Any]:
            pairs = zip(self.indexes, self.test.asked, strict=True)
            moved = [fb.feedback(index, asked, results=results, threads=1, **settings) for index, asked in pairs]
            return [index.search(each, 100, threads=1) for index, each in zip(self.indexes, moved, strict=True)]

        before, after = searched(None), searched(fb.fuse(self.test.lists))
        figures = {"dense": before[0].ids, "BM25": before[1].ids}
        figures |= {"before fusion": fb.fuse(before, k=100).ids, "after fusion": fb.fuse(after, k=100).ids}
        for where, ids in figures.items():
            show(f"feedback {name}, {where}", [measured(ids, self.test.qrels)])


def measured(ids: NDArray[np.int64], qrels: NDArray[np.int64]) -> list[float]:
    return [fb.evaluate(ids, None, qrels)["ndcg"], fb.evaluate(ids, None, qrels, 100)["recall"]]


def show(label: str, figures: list[list[float]]) -> None:
    mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0)
    print(f"{label:44}" + "".join(f" {m:.4f} ± {s:.4f}" for m, s in zip(mean, spread, strict=True)), flush=True)


def hybrid(folder: str, vectors: str | None, stem: bool) -> None:
    texts = encoder.texts_of(folder) if vectors else wordnet.load(folder)
    numbers = encoder.chosen(texts)[: TEST + DRAWS * JUDGED]
    if vectors:
        x, q = encoder.load(vectors)
    else:
        x, q = embedded(texts.documents, [texts.queries[i] for i in numbers])
    made = Hybrid(texts, numbers, x, q[: len(numbers)], stems() if stem else None)
    made.report("WordNet and a sentence encoder" if vectors else "WordNet and LSA")


def stems() -> Callable[[str], list[str]]:
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    return lambda text: stemmer.stemWords(words(text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--wordnet")
    parser.add_argument("--encoder")
    parser.add_argument("--stem", action="store_true")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        feedback(folder)
    if arguments.wordnet:
        hybrid(arguments.wordnet, arguments.encoder, arguments.stem)


if __name__ == "__main__":
    main()
