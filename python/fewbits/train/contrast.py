"""Training data of the recurrent binarizer: batches of anchors and documents, and the documents each anchor should
find.

With embeddings alone, the target is the float similarities, and a batch consists of a few neighbourhoods, so that
training separates near vectors, the ones that a search confuses. With pairs, documents near an anchor's own document
are the hard negatives.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..evaluation.measures import exact_search
from ..numeric.arrays import F32, I64
from .binarizer import Array

NEIGHBOURHOOD = 8  # number of documents of a batch that are near each other
_NEIGHBOURS = 32  # number of neighbours they are drawn from


class Batch(NamedTuple):
    anchors: F32
    documents: F32
    target: Array  # (anchors, documents): target share of each document in the softmax
    allowed: Array  # which documents take part
    rows: I64  # of the documents


def softmax(scores: Array, allowed: Array) -> Array:
    masked = np.where(allowed, scores, -np.inf)
    shares = np.exp(masked - masked.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


class Neighbourhoods:
    """Every vector is an anchor; the other vectors of its batch are the documents."""

    def __init__(self, x: F32, threads: int) -> None:
        self.x = x
        found = exact_search(x, x, min(_NEIGHBOURS + 1, len(x)), metric="cosine", threads=threads or None).ids
        self.near = found[:, 1:] if found.shape[1] > 1 else found

    def around(self, rows: I64, size: int, random: np.random.Generator) -> I64:
        """`size` rows: the given ones and some of their neighbours."""
        places = random.integers(self.near.shape[1], size=(-(-size // len(rows)), len(rows)))
        return np.concatenate([rows, self.near[rows, places].ravel()])[:size]

    def draw(self, size: int, temperature: float, random: np.random.Generator) -> Batch:
        rows = self.around(random.integers(len(self.x), size=max(1, size // NEIGHBOURHOOD)), size, random)
        vectors = self.x[rows]
        allowed = rows[:, None] != rows[None]
        target = softmax(vectors @ vectors.T / np.float32(temperature), allowed)
        return Batch(vectors, vectors, target, allowed, rows)


class Pairs:
    """Anchors, each with the row of x that it should find; documents near that row are the negatives."""

    def __init__(self, x: F32, anchors: F32, rows: I64, threads: int) -> None:
        self.neighbourhoods, self.anchors, self.rows = Neighbourhoods(x, threads), anchors, rows

    def draw(self, size: int, temperature: float, random: np.random.Generator) -> Batch:
        """The target is half the anchor's own document and half the float similarities: several documents may be
        relevant, and without the similarities a small set of pairs would be memorised."""
        picked = random.integers(len(self.anchors), size=size // 2)
        rows = self.neighbourhoods.around(self.rows[picked], size, random)
        anchors, documents = self.anchors[picked], self.neighbourhoods.x[rows]
        positive = self.rows[picked][:, None] == rows[None]
        scores = anchors @ documents.T / np.float32(temperature)
        allowed = np.ones_like(positive)
        own = positive / positive.sum(axis=1, keepdims=True)
        return Batch(anchors, documents, (own + softmax(scores, allowed)) / 2, allowed, rows)
