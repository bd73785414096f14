"""Fits all parts of an index to a sample, which gives the params and arrays that the core uses.

The order: normalise (cosine) or center (l2), transform, lists, residuals, direction of the mean, rotation of OPQ (for
the vectors that will be coded), codec; the rerank codec is fitted in the input space. The result is determined by
sample and seed and does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .. import _core
from ..input.progress import Progress
from ..input.rows import in_place
from ..input.sample import Sample
from ..numeric.arrays import F32, evenly, f32_array
from ..numeric.directions import random_rotation
from ..numeric.moments import center, lengths, typical, without
from ..spec.codec import Codec, codec_direction
from ..spec.description import CODEC_SAMPLE, Description
from ..spec.ivf import default_nprobe, rms_distance, shift, stored
from ..spec.parts import Fitting, Model
from ..spec.transform import PAIR, TransformFitting, turned

Hook = Callable[[float], None]

_FAR = 3.0  # lists are tight if vectors are this many times as long as their residuals
_LONG = 4.0  # residuals of outliers are this many times as long as the median


def train(
    description: Description,
    sample: Sample,
    expected: int,
    threads: int,
    progress: Progress,
    queries: F32 | None = None,
    centroids: F32 | None = None,
    others: Sample | None = None,
) -> Model:
    """Fits a model to the sample, which is consumed. expected: how many vectors the index will hold. queries: a sample
    of the queries that it will be asked. centroids: of the lists, among the vectors; None: k-means of the sample.
    others: a sample of the other embedding, if the rerank store has one."""
    _check_queries(description, queries)
    dim, metric = description.dim, description.metric
    fitting = Fitting("l2" if metric == "l2" else "ip", description.seed, threads)
    model = Model.without_parts(dim, metric)
    x = sample.take()
    codecs = [description.codec] if description.two_embeddings else [description.codec, description.rerank]
    plain = description.partition is None and all(codec is None or codec.lossless for codec in codecs)
    _enter(model, "center", x, metric, plain)
    if metric == "cosine" and queries is not None:
        queries = _core.normalize_rows(queries)
    circumstances = TransformFitting(
        fitting.metric, description.seed, threads, codec=description.codec, queries=queries
    )
    transform = description.transform.fit(typical(x), circumstances)
    if description.transform.rotates_for(description.codec):
        transform = turned(transform, random_rotation(description.transform.out_dim(dim), description.seed))
    model.put("transform", transform)
    if description.rerank is not None:
        finer = _some(x)
        if others is not None:
            model.params["rerank.dim"] = description.rerank_dim
            finer = others.take()
            _enter(model, "rerank.center", finer, metric, description.rerank.lossless)
        direction, rows = _split(description.rerank, finer, fitting)
        _put_codec(model, "rerank", description.rerank, rows, direction, fitting, progress.stage("rerank codec"))
        model.params["rerank.on_disk"] = int(description.rerank.on_disk)
        del finer, rows
    y = x if description.transform.keeps_space else apply_transform(model, x, threads)
    del x  # only the lists are fitted to the whole sample
    if centroids is not None:
        centroids = apply_transform(model, centroids - model.arrays.get("center", np.float32(0)), threads)
    elif description.partition is not None:
        nlist = description.partition.lists(expected)
        centroids = description.partition.fit(y, nlist, fitting.reporting(progress.stage("lists (k-means)")))
    y = _some(y)
    fitting = replace(fitting, paired=transform.params["kind"] == PAIR)
    coding = replace(fitting, residual=description.residual)
    if centroids is not None:
        y, direction, coding, codec = _put_lists(description, model, y, centroids, coding, progress)
    else:
        direction, y = _split(description.codec, y, fitting)
        y, turn, codec = _rotate(description, model, y, replace(fitting, directed=direction is not None), progress)
        direction = _turned(direction, turn)
    _put_codec(model, "codec", codec, y, direction, coding, progress.stage("codec"))
    return model


def _check_queries(description: Description, queries: F32 | None) -> None:
    needed = description.transform.needs_queries
    if needed and (queries is None or not len(queries)):
        raise ValueError(
            f"transform: {description.transform} is fitted to queries as well; expected a sample of some 1,000 or more "
            "in queries= of Index.train or Index.build, got none; PCA(dim) and OPQ need none"
        )
    if queries is not None and not needed:
        raise ValueError(f"queries: only LeanVec is fitted to queries, got them with transform={description.transform}")


def _enter(model: Model, name: str, x: F32, metric: str, plain: bool) -> None:
    """Normalises rows under cosine, or subtracts their center under l2, in place. plain: whether all codecs of these
    vectors are float32, which would gain nothing from a center. name: of the center in the model."""
    if metric == "cosine":
        in_place(x, _core.normalize_rows)
    about = center(x) if metric == "l2" and not plain else None
    if about is not None:
        model.arrays[name] = about
        x -= about


def _put_codec(
    model: Model, name: str, codec: Codec, y: F32, direction: F32 | None, fitting: Fitting, progress: Hook
) -> None:
    model.put(name, codec.fit(y, fitting.reporting(progress)))
    if direction is not None:
        model.arrays[f"{name}.direction"] = direction


def _split(codec: Codec, y: F32, fitting: Fitting) -> tuple[F32 | None, F32]:
    """The direction that is left out of the codes (None: there is none), and y without it."""
    direction = codec_direction(codec, y) if fitting.metric == "ip" and not fitting.paired else None
    return direction, without(y, direction)


def _turned(direction: F32 | None, turn: F32 | None) -> F32 | None:
    return direction if direction is None or turn is None else f32_array(turn @ direction)


def apply_transform(model: Model, x: F32, threads: int = 0) -> F32:
    return _core.apply_transform(model.params, model.arrays, x, threads=threads)


def _put_lists(
    description: Description, model: Model, y: F32, centroids: F32, coding: Fitting, progress: Progress
) -> tuple[F32, F32 | None, Fitting, Codec]:
    """Adds the partition (and the rotation of OPQ or the codec, also applied to the centroids). Returns the vectors
    that the codec codes (y is overwritten), the direction that is left out of them, the settings of the codec's fit,
    and the codec to fit."""
    lists = _core.assign(y, centroids, spherical=coding.metric == "ip", threads=coding.threads)
    spread = rms_distance(y, centroids, lists)
    assert description.partition is not None
    spill = description.partition.spill_rule(y, centroids, lists, coding)
    direction = _split(description.codec, y, coding)[0]
    relative = False
    if description.residual:
        whole = lengths(y)
        shift(y, -centroids, lists)
        relative = coding.metric == "l2" and _wants_relative(whole, lengths(y))
    y = without(y, direction)
    y, turn, codec = _rotate(description, model, y, replace(coding, directed=direction is not None), progress)
    centroids = centroids if turn is None else f32_array(centroids @ turn.T)
    direction = _turned(direction, turn)
    part = stored(centroids, spread, description.residual, spill)
    model.put("partition", part)
    model.params["partition.relative"] = int(relative)
    model.params["partition.projected"] = int(_corrects(description, coding))
    model.params["default.nprobe"] = default_nprobe(len(centroids))
    if description.residual:  # relative to the stored centroids, which may be rounded
        shift(y, centroids - part.arrays["centroids"], lists)
    return y, direction, replace(coding, residual=description.residual and not relative), codec


def _corrects(description: Description, coding: Fitting) -> bool:
    """Whether codes have a factor that corrects the error of their <centroid, residual>."""
    return description.residual and coding.metric == "ip" and description.codec.corrected


def _wants_relative(whole: F32, residual: F32) -> bool:
    """Whether queries should be prepared for each list: if residuals are so much shorter than the vectors that the
    8-bit error of a whole query would outweigh them, or if a few are so long that they would set the step of all."""
    typical_residual = float(np.median(residual))
    return float(np.median(whole)) > _FAR * typical_residual or float(residual.max()) > _LONG * typical_residual


def _rotate(
    description: Description, model: Model, coded: F32, fitting: Fitting, progress: Progress
) -> tuple[F32, F32 | None, Codec]:
    """Fits the rotation of the transform or of the codec (if it has one) to `coded` and applies it; returns the result,
    the rotation, and the codec to fit."""
    hook = fitting.reporting(progress.stage("OPQ rotation"))
    codec, turn = description.codec, description.transform.rotation(coded, description.codec, hook)
    if turn is None:
        codec, turn = codec.arranged(coded, fitting)
    if turn is None:
        return coded, None, codec
    model.put("transform", turned(model.part("transform"), turn))
    return f32_array(coded @ turn.T), turn, codec


def _some(x: F32) -> F32:
    return x if len(x) <= CODEC_SAMPLE else f32_array(x[evenly(len(x), CODEC_SAMPLE)])
