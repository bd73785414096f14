"""Files that were saved once open for ever, and answer with the same ids and the same score bits.

`python tests/python/test_golden.py` writes them anew: only for a new major version of the format.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import fewbits as fb

GOLDEN = Path(__file__).parents[1] / "golden"
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
    disk = fb.Float(16, on_disk=True)
    yield "l2-pca-float32-disk", fb.Index(DIM, metric="l2", transform=fb.PCA(8), codec=fb.Float(32), rerank=disk)


def answers(index):
    ids, scores = index.search(vectors(7, seed=2), 5)
    return {"ids": ids.tolist(), "score_bits": scores.view(np.uint32).tolist()}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.fb")), ids=lambda path: path.stem)
def test_golden_file(path):
    fb.verify(path)
    for mmap in (True, False):
        assert answers(fb.open(path, mmap=mmap)) == json.loads(path.with_suffix(".json").read_text())


def test_there_are_golden_files():
    assert len(list(GOLDEN.glob("*.fb"))) == len(list(indexes()))


@pytest.mark.parametrize("name", [name for name, _ in indexes()])
def test_a_file_is_the_same_bytes_for_any_threads(tmp_path, name):
    index = dict(indexes())[name].build(vectors(300, seed=1), threads=1, progress=False)
    index.save(tmp_path / "one.fb")
    again = dict(indexes())[name].build(vectors(300, seed=1), threads=3, progress=False)
    again.save(tmp_path / "three.fb")
    assert (tmp_path / "one.fb").read_bytes() == (tmp_path / "three.fb").read_bytes()


def write():
    for name, index in indexes():
        ids = np.arange(100, 400) if "pca" in name else None
        index.build(vectors(300, seed=1), ids, progress=False).save(GOLDEN / f"{name}.fb")
        (GOLDEN / f"{name}.json").write_text(json.dumps(answers(index)) + "\n")


if __name__ == "__main__":
    write()
