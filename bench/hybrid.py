"""Feedback and fusion: what they change in ranking and in recall, on test queries.

    python bench/hybrid.py [FOLDER ...] [--wordnet FOLDER]

FOLDER: vectors with judgements (bench/judged.py); nDCG@10, R@100 and R@1000 of the clean test queries without feedback,
with the default of `fb.feedback`, and with the usual settings of the literature. --wordnet: BM25 and a dense index of
the same texts (bench/wordnet.py; latent semantic analysis, 256 dimensions), alone and fused: nDCG@10 and R@100 of 2,000
test queries, by normalisation; the weight is learned from 50 other queries by `fb.train.fuse`, and compared with the
best weight on the test queries.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
import judged
import wordnet

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


def embedded(documents: list[str], queries: list[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """By latent semantic analysis of the documents."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    weigh = TfidfVectorizer(sublinear_tf=True, min_df=3)
    x = weigh.fit_transform(documents)
    svd = TruncatedSVD(256, n_iter=2, random_state=0).fit(x)
    return tuple(np.asarray(svd.transform(each), np.float32) + 1e-9 for each in (x, weigh.transform(queries)))


def renumbered(qrels: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.column_stack([np.arange(len(chosen)), qrels[chosen, 1:]])  # a judgement per query, in their order


def hybrid(folder: str) -> None:
    texts = wordnet.load(folder)
    order = np.random.default_rng(0).permutation(len(texts.queries))
    test, train = order[:2000], order[2000:2050]
    x, q = embedded(texts.documents, [texts.queries[i] for i in order[:2050]])
    dense = fb.Index(x.shape[1], metric="cosine", codec=fb.Scalar(8)).build(x, progress=False, threads=1)
    lexical = fb.SparseIndex.bm25(texts.documents)
    indexes = [dense, lexical]
    asked = {
        "test": [q[:2000], [texts.queries[i] for i in test]],
        "train": [q[2000:], [texts.queries[i] for i in train]],
    }
    lists = {
        name: [index.search(own, 100, threads=1) for index, own in zip(indexes, each, strict=True)]
        for name, each in asked.items()
    }
    qrels = {"test": renumbered(texts.qrels, test), "train": renumbered(texts.qrels, train)}
    print(f"WordNet, {len(texts.documents):,} definitions, 2,000 test queries\n{'':44} {'nDCG@10':>8} {'R@100':>8}")
    for name, each in zip(("dense (LSA)", "BM25"), lists["test"], strict=True):
        print(f"{name:44}" + shown(each.ids, qrels["test"]))
    for how, more in (
        ("rrf", {}),
        ("minmax", {}),
        ("zscore", {}),
        ("theoretical", {"lowest": [-1, 0]}),
        ("minmax, scored", {"indexes": indexes}),
    ):
        settings: dict[str, Any] = {"normalize": how.split(",")[0]} | more
        own = {name: settings | ({"queries": asked[name]} if "indexes" in more else {}) for name in asked}
        learned = fb.train.fuse(lists["train"], qrels["train"], **own["train"])
        fused = {
            w: fb.evaluate(fb.fuse(lists["test"], [w, 1 - w], **own["test"]).ids, None, qrels["test"])["ndcg"]
            for w in np.linspace(0, 1, 21)
        }
        best = max(fused, key=lambda w: fused[w])
        for weight, label in (
            (0.5, "equal"),
            (learned.weights[0], f"learned ±{learned.standard_error:.2f}"),
            (best, "best on test"),
        ):
            ids = fb.fuse(lists["test"], [weight, 1 - weight], k=100, **own["test"]).ids
            print(f"{f'{how}, {weight:.2f} dense ({label})':44}" + shown(ids, qrels["test"]), flush=True)


def shown(ids: NDArray[np.int64], qrels: NDArray[np.int64]) -> str:
    return f" {fb.evaluate(ids, None, qrels)['ndcg']:8.4f} {fb.evaluate(ids, None, qrels, 100)['recall']:8.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--wordnet")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        feedback(folder)
    if arguments.wordnet:
        hybrid(arguments.wordnet)


if __name__ == "__main__":
    main()
