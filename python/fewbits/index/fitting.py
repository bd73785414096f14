"""From a sample to an engine without vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from ..fit.few import too_few
from ..fit.model import train
from ..input.progress import Progress
from ..input.rows import Rows
from ..input.sample import Sample
from ..numeric.arrays import F32
from ..spec.description import Description
from ..spec.ivf import MAX_NLIST
from ..spec.parts import Model
from .state import Training


def fitted(
    description: Description,
    sample: Sample,
    expected: int,
    threads: int | None,
    progress: Progress,
    queries: F32 | None,
    centroids: F32 | None = None,
    others: Sample | None = None,
) -> tuple[_core.Engine, Training]:
    """An engine without vectors, trained on a sample. centroids: of its lists, if they are known. others: as in
    `train`."""
    size = len(sample)
    model = fitted_model(description, sample, expected, threads, progress, queries, centroids, others)
    training = Training(too_few(description, size, expected, lists=centroids is None), size, model.notes)
    return _core.Engine(model.params, model.arrays), training


def untrained(description: Description) -> _core.Engine:
    """An engine for a description that needs no sample."""
    others = _nothing(description.rerank_dim) if description.two_embeddings else None
    model = train(description, _nothing(description.dim), 0, 0, Progress(False), others=others)
    return _core.Engine(model.params, model.arrays)


def _nothing(dim: int) -> Sample:
    return Sample(np.zeros((0, dim), np.float32))


def fitted_model(
    description: Description,
    sample: Sample,
    expected: int,
    threads: int | None,
    progress: Progress,
    queries: F32 | None = None,
    centroids: F32 | None = None,
    others: Sample | None = None,
) -> Model:
    if description.needs_training and not len(sample):
        raise ValueError(f"training: expected at least 1 vector of dimension {description.dim}, got none")
    with progress:
        return train(description, sample, expected, threads or 0, progress, queries, centroids, others)


def given_centroids(description: Description, centroids: Any) -> F32 | None:
    """The centroids that `train` was given, checked."""
    if centroids is None:
        return None
    if description.partition is None:
        raise ValueError("centroids: this index has no partition, so every vector is scanned")
    rows = Rows(centroids, description.dim, "centroids")
    wanted = description.partition.nlist or len(rows)
    if len(rows) != wanted or not 0 < wanted <= MAX_NLIST:
        raise ValueError(f"centroids: expected {wanted or 1}, one per list, got {len(rows)}")
    return rows.all(nonzero=description.metric == "cosine")
