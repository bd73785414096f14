"""The template of a build without one: parts chosen for a sample, and lists that are means of more vectors than one
process has to hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core
from ..choose.build import build as build_index
from ..index.index import Index
from ..index.turns import state_of
from ..index.two_embeddings import require_one
from ..numeric.arrays import F32, f32_array
from ..shards.clustering import ClusterSums, kmeans_step, next_centroids
from ..spec.ivf import IVF
from .package import ray
from .sources import Piece, Source, some
from .tasks import results_of, task_of

_SAMPLE = 262_144
_STEPS = 4  # of k-means, after that of the sample

Report = Callable[[float], None]


def trained(
    given: Source | None, template: Index | None, metric: str | None, bytes_per_vector: float, report: Report
) -> Index:
    """A trained index without vectors."""
    if template is not None:
        if not isinstance(template, Index):
            raise TypeError(f"template: expected a fewbits.Index or None, got {template!r}")
        require_one(state_of(template).description, "template")
        if metric is not None:
            raise ValueError(f"metric: expected without template, which has one; got metric={metric!r}")
        return template.empty()
    if metric is None:
        raise ValueError("template: expected a trained index, or metric='l2', 'ip' or 'cosine' for one of fb.build")
    if given is None:
        raise ValueError("template: expected a trained index for a dataset; train it on a sample, such as take_batch()")
    sample = given.sample(_SAMPLE)
    chosen = build_index(sample, metric=metric, bytes_per_vector=bytes_per_vector, progress=False)
    if len(sample) == given.n:
        return chosen.empty()
    parts: dict[str, Any] = {name: getattr(chosen, name) for name in ("transform", "partition", "codec", "rerank")}
    centroids = None
    if chosen.partition is not None and chosen.partition.sample_size(given.n) > len(sample):
        centroids = _clustered(given, sample, chosen.partition, metric, report)
    return Index(chosen.dim, metric=metric, **parts).train(
        sample, expected=given.n, centroids=centroids, progress=False
    )


def _clustered(source: Source, sample: Any, partition: IVF, metric: str, report: Report) -> F32:
    """Centroids of lists: k-means of the sample, continued by tasks over more vectors, evenly from all pieces."""
    share = min(1.0, partition.sample_size(source.n) / source.n)
    centroids = _start(sample, partition.lists(source.n), metric)
    extent = 1.0
    if metric != "cosine":
        of_piece = task_of(_extent)
        extent = max(results_of((of_piece.remote(piece, share) for piece in source.pieces()), len(source), report))
        extent = max(extent, np.finfo(np.float32).tiny)
    step = task_of(_step)
    for number in range(_STEPS):
        stored = ray.put(centroids)
        calls = (step.remote(piece, share, stored, metric, extent) for piece in source.pieces())

        def so_far(fraction: float, number: int = number) -> None:
            report((number + fraction) / _STEPS)

        centroids = next_centroids(results_of(calls, len(source), so_far), centroids)
    return centroids


def _start(sample: Any, nlist: int, metric: str) -> F32:
    x = f32_array(np.asarray(sample))
    x = _core.normalize_rows(x) if metric == "cosine" else x
    around = x.mean(axis=0) if metric == "l2" else np.float32(0)  # as distances from afar are not exact
    return f32_array(_core.kmeans(x - around, nlist, spherical=metric != "l2") + around)


def _extent(piece: Piece, share: float) -> float:
    """A task: the largest absolute value."""
    return float(np.abs(some(piece.read()[1], share)).max(initial=0))


def _step(piece: Piece, share: float, centroids: F32, metric: str, extent: float) -> ClusterSums:
    """A task: what a step of k-means sums up in a piece."""
    return kmeans_step(some(piece.read()[1], share), centroids, metric=metric, extent=extent)
