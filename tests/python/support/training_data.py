"""A small world in which queries are a warp of what they ask for, so that there is something to train."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from support.data import F32, vectors

N, DIM = 1200, 24
TRAIN = 400


class World(NamedTuple):
    x: F32
    queries: F32  # the first TRAIN for training
    positives: NDArray[np.int64]  # rows (query, id), of all


def world(scale: float = 1.0, mean: float = 0.0) -> World:
    """mean: length of what is added to all vectors (of length 1), which changes no ranking."""
    x = vectors(N, DIM, seed=7)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    random = np.random.default_rng(3)
    asked = random.permutation(N)[: 2 * TRAIN]
    warp = np.eye(DIM) + 0.9 * random.normal(size=(DIM, DIM)) / np.sqrt(DIM)
    queries = x[asked] @ warp.T + 0.3 * random.normal(size=(2 * TRAIN, DIM)) / np.sqrt(DIM)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    positives = np.stack([np.arange(2 * TRAIN), asked], axis=1)
    x = x + mean / np.sqrt(DIM)
    return World((scale * x).astype(np.float32), (scale * queries).astype(np.float32), positives)


def build(
    w: World, codec: fb.PQ, metric: str = "ip", lists: int | None = None, rerank: fb.Scalar | None = None
) -> fb.Index:
    partition = None if lists is None else fb.IVF(nlist=lists)
    index = fb.Index(
        DIM, metric=metric, transform=fb.OPQ(iterations=3), partition=partition, codec=codec, rerank=rerank
    )
    return index.build(w.x, progress=False)


def unseen_ndcg(index: fb.Index, w: World) -> float:
    """On the queries that training did not get."""
    unseen = w.positives[TRAIN:] - [TRAIN, 0]
    judgements = np.concatenate([unseen, np.ones((len(unseen), 1), np.int64)], axis=1)
    return fb.evaluate(index, w.queries[TRAIN:], judgements)["ndcg"]
