"""From a description of an index and a sample to the params and arrays that the core runs.

The order: normalise (cosine), transform, lists, residuals, OPQ's rotation on what will be coded, codec, rerank store
(which works in the input space). Everything is deterministic in (sample, seed), whatever the number of threads.
"""

from __future__ import annotations

from dataclasses import replace

from . import _core
from .codecs import PQ
from .description import CODEC_SAMPLE, Description
from .inputs import F32, Sample, in_place
from .opq import rotation
from .partitions import default_nprobe, evenly, rms_distance, shift, stored
from .parts import METRIC_CODES, Fitting, Model, f32_array
from .progress import Progress
from .transforms import OPQ, PCA, Identity, Transform, dense, random_rotation


def train(description: Description, sample: Sample, expected: int, threads: int, progress: Progress) -> Model:
    """The model of `description` fitted to the sample, which is used up; expected: how many vectors it will hold."""
    dim, metric = description.dim, description.metric
    fitting = Fitting("l2" if metric == "l2" else "ip", description.seed, threads)
    model = Model({"dim": dim, "metric": METRIC_CODES[metric], "default.nprobe": 0, "default.rerank": 0})
    model.params["rerank.kind"] = model.params["partition.kind"] = 0
    x = sample.take()
    if metric == "cosine":
        in_place(x, _core.normalize_rows)
    model.put("transform", description.transform.fit(x, fitting))
    if isinstance(description.transform, PCA) and description.rotates:
        turn = random_rotation(description.transform.dim, description.seed)
        model.put("transform", dense(turn @ model.arrays["transform.matrix"]))
    if description.rerank is not None:
        part = description.rerank.fit(_some(x), fitting.reporting(progress.stage("rerank codec")))
        model.put("rerank", part)
        model.params["rerank.on_disk"] = int(description.rerank.on_disk)
    y = x if _keeps_the_space(description.transform) else apply_transform(model, x, threads)
    del x  # the large sample is for the lists alone: from here on a part of it is all there is
    centroids = None
    if description.partition is not None:
        nlist = description.partition.lists(expected)
        centroids = description.partition.fit(y, nlist, fitting.reporting(progress.stage("lists (k-means)")))
    y = _some(y)
    if centroids is not None:
        y = _put_lists(description, model, y, centroids, fitting, progress)
    elif isinstance(description.transform, OPQ):
        y = _rotate(description, model, y, fitting, progress)[0]
    coding = replace(fitting.reporting(progress.stage("codec")), residual=description.residual)
    model.put("codec", description.codec.fit(y, coding))
    return model


def apply_transform(model: Model, x: F32, threads: int = 0) -> F32:
    return _core.apply_transform(model.params, model.arrays, x, threads=threads)


def _keeps_the_space(transform: Transform) -> bool:
    """Whether the transform is the identity so far (OPQ turns it later): saves a copy of the sample."""
    return isinstance(transform, Identity) or (isinstance(transform, OPQ) and transform.dim is None)


def _put_lists(
    description: Description, model: Model, y: F32, centroids: F32, fitting: Fitting, progress: Progress
) -> F32:
    """Puts the partition (and OPQ's rotation, which turns the centroids too) and returns what the codec codes, in y's
    place."""
    lists = _core.assign(y, centroids, spherical=fitting.metric == "ip", threads=fitting.threads)
    spread = rms_distance(y, centroids, lists)
    if description.residual:
        shift(y, -centroids, lists)
    if isinstance(description.transform, OPQ):
        y, turn = _rotate(description, model, y, fitting, progress)
        centroids = f32_array(centroids @ turn.T)
    part = stored(centroids, spread, description.residual)
    model.put("partition", part)
    model.params["default.nprobe"] = default_nprobe(len(centroids))
    if description.residual:  # of what is stored, which may be rounded
        shift(y, centroids - part.arrays["centroids"], lists)
    return y


def _rotate(
    description: Description, model: Model, coded: F32, fitting: Fitting, progress: Progress
) -> tuple[F32, F32]:
    """Fits OPQ's rotation to `coded`, turns the transform by it, and returns `coded` turned, and the rotation."""
    assert isinstance(description.transform, OPQ)
    assert isinstance(description.codec, PQ)
    hook = fitting.reporting(progress.stage("OPQ rotation"))
    turn = rotation(coded, description.codec, description.transform.iterations, hook)
    model.put("transform", dense(turn @ model.arrays["transform.matrix"]))
    return f32_array(coded @ turn.T), turn


def _some(x: F32) -> F32:
    return x if len(x) <= CODEC_SAMPLE else f32_array(x[evenly(len(x), CODEC_SAMPLE)])
