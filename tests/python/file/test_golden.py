"""Files that were saved once open for ever, and answer with the same ids and the same score bits.

`python tests/python/file/test_golden.py` writes those that are missing. To write others anew, which is for a new major
version of the format only, remove them first.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import fewbits as fb

GOLDEN = Path(__file__).parents[2] / "golden"
DIM = 12


def vectors(n, seed):
    """Small whole numbers, so that they are the same on every machine."""
    return np.random.Generator(np.random.PCG64(seed)).integers(-50, 50, (n, DIM)).astype(np.float32)


def indexes():
    lists = fb.IVF(nlist=5)
    yield "l2-ivf-pq4-scalar8", fb.Index(DIM, metric="l2", partition=lists, codec=fb.PQ(6, bits=4), rerank=fb.Scalar(8))
    yield "cosine-opq-pq8", fb.Index(DIM, metric="cosine", transform=fb.OPQ(), partition=lists, codec=fb.PQ(4))
    yield (
        "ip-rotation-staged",
        fb.Index(DIM, metric="ip", transform=fb.RandomRotation(), codec=fb.Scalar(4, staged=True)),
    )
    yield "cosine-ivf-rabitq3", fb.Index(DIM, metric="cosine", partition=lists, codec=fb.RaBitQ(3))
    yield "cosine-binary3-symmetric", fb.Index(DIM, metric="cosine", codec=fb.RecurrentBinary(3, symmetric=True))
    yield "ip-pq8-query-map", fb.Index(DIM, metric="ip", partition=fb.IVF(nlist=3), codec=fb.PQ(2))
    disk = fb.Float(16, on_disk=True)
    yield "l2-pca-float32-disk", fb.Index(DIM, metric="l2", transform=fb.PCA(8), codec=fb.Float(32), rerank=disk)
    fde = fb.FDE(DIM, 4, 2, 4, seed=9)
    yield "multivector-scalar4", fb.MultiVectorIndex(DIM, encoder=fde, tokens=fb.Scalar(4))
    yield (
        "multivector-lists-rabitq2-pooled",
        fb.MultiVectorIndex(
            DIM, encoder=fde, partition=lists, codec=fb.PQ(8), tokens=fb.RaBitQ(2), pooling=fb.Pooling(tokens=2)
        ),
    )
    # Saved since tokens lie beside the vectors.
    disk = fb.Scalar(8, on_disk=True)
    yield "multivector-rows-scalar8-disk", fb.MultiVectorIndex(DIM, encoder=fde, tokens=disk)
    yield (
        "multivector-rows-lists-float16",
        fb.MultiVectorIndex(DIM, encoder=fde, partition=lists, codec=fb.Scalar(8), tokens=fb.Float(16)),
    )
    # Saved since vectors may have two lists.
    second = fb.IVF(nlist=20, spill=1.7)
    yield (
        "cosine-second-lists-rabitq4-rows",
        fb.Index(DIM, metric="cosine", partition=second, codec=fb.RaBitQ(4, staged=True), rerank=fb.Scalar(8)),
    )
    # Saved since vectors may have labels.
    yield "l2-labels-ivf-pq8", fb.Index(DIM, metric="l2", partition=lists, codec=fb.PQ(4))
    # Saved since codes may have more bits in front.
    yield "ip-ivf-rabitq-bytes", fb.Index(DIM, metric="ip", partition=lists, codec=fb.RaBitQ(bytes=15))
    # Saved since a rerank store may hold another embedding.
    other = fb.Scalar(8, dim=9, on_disk=True)
    yield "l2-two-embeddings-scalar8", fb.Index(DIM, metric="l2", partition=lists, codec=fb.PQ(6, bits=4), rerank=other)
    # With logs beside them.
    yield "l2-log-ivf-pq8", fb.Index(DIM, metric="l2", partition=lists, codec=fb.PQ(4), rerank=fb.Scalar(8))
    yield "multivector-log-scalar8", fb.MultiVectorIndex(DIM, encoder=fde, tokens=fb.Scalar(8))
    yield "sparse-log-vectors", fb.SparseIndex()


def data(index, n, seed):
    """What it is built from, or asked: for multi-vector indexes sets of 3 tokens, for sparse ones 12 terms each."""
    if isinstance(index, fb.SparseIndex):
        terms = np.sort(
            np.argsort(vectors(n, seed) + np.arange(DIM) / DIM, axis=1) * 5 + np.arange(n)[:, None] % 5, axis=1
        )
        return np.arange(n + 1) * DIM, terms.ravel(), np.abs(vectors(n, seed + 10)).ravel() + 1
    several = isinstance(index, fb.MultiVectorIndex)
    return (vectors(3 * n, seed), np.arange(n + 1) * 3) if several else vectors(n, seed)


def beside(index, name, x):
    """The same objects in the other embedding, if the index has two: columns in another order, far from the origin."""
    return {name: x[:, ::-1][:, :9] + 1000} if "another embedding" in repr(index) else {}


def scored_as_trained(index):
    """With a query map of low rank and codebooks to score with, as fb.train leaves them: here of whole numbers."""
    book = index._engine.arrays()["codec.codebook"]
    scoring = {"codec.scoring": book + np.arange(book.size, dtype=np.float32) % 3}
    maps = {"query.down": vectors(2, seed=3) / 64, "query.up": np.ascontiguousarray(vectors(2, seed=4).T) / 64}
    index._engine = index._engine.with_scoring({"query.kind": 2, "query.rank": 2}, scoring | maps)
    return index


def built(name, threads=1):
    index = dict(indexes())[name]
    ids = np.arange(100, 400) if "pca" in name else None
    labels = {"labels": (np.arange(300) * 7 % 11 - 4) << 40} if "labels" in name else {}
    how = {} if isinstance(index, fb.SparseIndex) else {"threads": threads, "progress": False} | labels
    x = data(index, 300, seed=1)
    index.build(x, ids, **how, **beside(index, "rerank_vectors", x))
    if "rows" in name:
        index.remove(range(0, 300, 7))
        index.add(data(index, 20, seed=3), np.arange(990, 1010)[::-1], threads=threads, progress=False)
    if "second" in name:
        index._engine.set_default("default.nprobe", 3)
    return scored_as_trained(index) if "query-map" in name else index


def opened(path, mmap):
    return (fb.MultiVectorIndex.open if path.stem.startswith("multivector") else fb.open)(path, mmap=mmap)


def answers(index):
    allowed = {"filter": fb.Filter.label([2 << 40, -3 << 40])} if index.stats().get("label_runs") else {}
    q = data(index, 7, seed=2)
    ids, scores = index.search(q, 5, **allowed, **beside(index, "rerank_queries", q))
    return {"ids": ids.tolist(), "score_bits": scores.view(np.uint32).tolist()}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.fb")), ids=lambda path: path.stem)
def test_golden_file(path):
    fb.verify(path)
    for mmap in (True, False):
        assert answers(opened(path, mmap)) == json.loads(path.with_suffix(".json").read_text())


def test_there_are_golden_files():
    assert len(list(GOLDEN.glob("*.fb"))) == len(list(indexes()))


@pytest.mark.parametrize("name", [name for name, _ in indexes()])
def test_a_file_is_the_same_bytes_for_any_threads(tmp_path, name):
    built(name, threads=1).save(tmp_path / "one.fb")
    built(name, threads=3).save(tmp_path / "three.fb")
    assert (tmp_path / "one.fb").read_bytes() == (tmp_path / "three.fb").read_bytes()


def write():
    for name, _ in indexes():
        if not (GOLDEN / f"{name}.fb").exists():
            index = built(name)
            index.save(GOLDEN / f"{name}.fb")
            for i in range(3 if "-log-" in name else 0):
                index.remove(range(i, 300, 5))
                index.sync(GOLDEN / f"{name}.fb")
                index.add(data(index, 20 + i, seed=4 + i))
                index.sync(GOLDEN / f"{name}.fb")
            (GOLDEN / f"{name}.json").write_text(json.dumps(answers(index)) + "\n")


if __name__ == "__main__":
    write()
