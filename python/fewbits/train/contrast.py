"""What the recurrent binarizer learns from: batches of anchors and documents, and which document an anchor should find.

From embeddings alone the float similarities are the target: a batch is a few neighbourhoods, so that near vectors,
which are what a search confuses, are told apart. With pairs, documents near an anchor's own are the hard negatives.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..evaluation.measures import exact_search
from ..input.inputs import F32, I64
from .binarizer import Array

NEIGHBOURHOOD = 8  # documents of a batch that are near each other
_NEIGHBOURS = 32  # of which those are drawn


class Batch(NamedTuple):
    anchors: F32
    documents: F32
    target: Array  # (anchors, documents): what a document's share of the softmax should be
    allowed: Array  # which documents take part
    rows: I64  # of the documents


def softmax(scores: Array, allowed: Array) -> Array:
    masked = np.where(allowed, scores, -np.inf)
    shares = np.exp(masked - masked.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


class Neighbourhoods:
    """Every vector is an anchor, the others of its batch are the documents."""

    def __init__(self, x: F32, threads: int) -> None:
        self.x = x
        found = exact_search(x, x, min(_NEIGHBOURS + 1, len(x)), metric="cosine", threads=threads or None).ids
        self.near = found[:, 1:] if found.shape[1] > 1 else found

    def around(self, rows: I64, size: int, random: np.random.Generator) -> I64:
        """`size` rows: the given ones and neighbours of theirs."""
        places = random.integers(self.near.shape[1], size=(-(-size // len(rows)), len(rows)))
        return np.concatenate([rows, self.near[rows, places].ravel()])[:size]

    def draw(self, size: int, temperature: float, random: np.random.Generator) -> Batch:
        rows = self.around(random.integers(len(self.x), size=max(1, size // NEIGHBOURHOOD)), size, random)
        vectors = self.x[rows]
        allowed = rows[:, None] != rows[None]
        target = softmax(vectors @ vectors.T / np.float32(temperature), allowed)
        return Batch(vectors, vectors, target, allowed, rows)


class Pairs:
    """Anchors with the row of x that they should find; documents near it are there to be told from it."""

    def __init__(self, x: F32, anchors: F32, rows: I64, threads: int) -> None:
        self.neighbourhoods, self.anchors, self.rows = Neighbourhoods(x, threads), anchors, rows

    def draw(self, size: int, temperature: float, random: np.random.Generator) -> Batch:
        """The target is half the anchor's own document, half the float similarities: the floats know more documents
        that answer than one, and without them a few pairs would be learnt by heart."""
        picked = random.integers(len(self.anchors), size=size // 2)
        rows = self.neighbourhoods.around(self.rows[picked], size, random)
        anchors, documents = self.anchors[picked], self.neighbourhoods.x[rows]
        positive = self.rows[picked][:, None] == rows[None]
        scores = anchors @ documents.T / np.float32(temperature)
        allowed = np.ones_like(positive)
        own = positive / positive.sum(axis=1, keepdims=True)
        return Batch(anchors, documents, (own + softmax(scores, allowed)) / 2, allowed, rows)
