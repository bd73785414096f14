"""The recurrent binarizer on its way down: to the state that is best on vectors that it does not learn from."""

from __future__ import annotations

import numpy as np

from ..evaluation.measures import exact_search
from ..input.progress import Progress
from ..numeric.arrays import F32, I64, f32_array
from ..numeric.directions import principal_directions, random_rotation
from .adam import Adam
from .binarizer import Array, Binarizer, normalized, through_norm
from .binary_data import DEPTH, VALIDATION_QUERIES, Data, Past
from .contrast import Batch, softmax
from .settings import BinarySettings

_BATCH = 512
_RATE = 1e-3
_WARM_UP = 20  # steps
_CHECKS = 8  # looks at the validation vectors
_RIDGE = 1e-3
_MIN_GAINS = (0.8, 0.6, 0.4, 0.2)  # of any direction in a start that is fitted to an older codec; a free start has 1
_WEIGHTS = (0.5, 2.0)


def start(data: Data, past: Past | None, m: int, settings: BinarySettings) -> Binarizer:
    """A random rotation of the principal directions, as many of each as there are; or near an older codec's
    projections."""
    if past is not None:
        base = _imitation(data, past)
    else:
        directions = principal_directions(data.x)[0][:m]
        base = f32_array(random_rotation(m, settings.seed)[:, : len(directions)] @ directions)
    return Binarizer(base * np.float32(np.sqrt(m)), f32_array(base.T), settings.bits, settings.hidden, settings.seed)


def _imitation(data: Data, past: Past) -> F32:
    """The map nearest to the older codec's projections, but deaf to no direction: what the older embedding lacks goes
    where its codes have nothing. It is noise to them, so there is as much of it as leaves new queries as good as old.
    """
    rows = np.arange(0, len(data.base), -(-len(data.base) // VALIDATION_QUERIES))
    answers = exact_search(data.base, data.base[rows], min(DEPTH, len(data.base)), metric="cosine").ids
    old_codes = normalized(past.base_b)[0]
    enough = _found(past.base_z[rows] @ old_codes.T, answers)
    nearest = f32_array(least_squares(data.x, past.z) / np.sqrt(past.z.shape[1]))
    left, values, right = np.linalg.svd(nearest, full_matrices=False)
    for gain in _MIN_GAINS:
        base = f32_array(left * np.maximum(values, gain) @ right)
        if _found(data.base[rows] @ base.T @ old_codes.T, answers) >= enough:
            return base
    return nearest


def least_squares(x: F32, y: F32) -> F32:
    """The matrix M of the least |y - M x|, a little smoothed."""
    squares = x.T.astype(np.float64) @ x
    ridge = _RIDGE * np.trace(squares) / len(squares) * np.eye(len(squares))
    return f32_array(np.linalg.solve(squares + ridge, x.T.astype(np.float64) @ y).T)


def descend(
    net: Binarizer,
    data: Data,
    past: Past | None,
    settings: BinarySettings,
    random: np.random.Generator,
    progress: Progress,
) -> None:
    """Leaves the net in the state that was best on the validation queries."""
    hook = progress.stage("recurrent binarizer")
    symmetric, steps, temperature = settings.symmetric, settings.steps, settings.temperature
    optimizer = Adam(net.parameters, [_RATE] * len(net.parameters))
    best, kept = _quality(net, data, past, symmetric), net.state()
    for step in range(1, steps + 1):
        batch = data.batches.draw(_BATCH, temperature, random)
        past_b = None if past is None else past.b[batch.rows]
        gradients = _gradients(net, batch, past_b, symmetric, temperature)
        optimizer.step(gradients, min(1.0, step / _WARM_UP) * (1 + np.cos(np.pi * step / steps)) / 2)
        if step == steps or step % max(1, steps // _CHECKS) == 0:
            quality = _quality(net, data, past, symmetric)
            if quality > best:
                best, kept = quality, net.state()
        hook(step / steps)
    net.restore(kept)


def _gradients(net: Binarizer, batch: Batch, past_b: Array | None, symmetric: bool, temperature: float) -> list[Array]:
    """Of the cross entropy between the target and the softmax over cosines of anchors and documents' codes; and, with
    an older codec's codes of the documents, of the same over those."""
    own = len(batch.anchors)
    together = batch.anchors is batch.documents
    z, b, cache = net.forward(batch.anchors if together else np.concatenate([batch.anchors, batch.documents]), True)
    queries, norms = normalized((b if symmetric else z)[:own])
    first = 0 if together else own
    documents, document_norms = normalized(b[first:])

    def of_scores(codes: Array) -> Array:
        shares = softmax(queries @ codes.T / z.dtype.type(temperature), batch.allowed)
        return np.asarray((shares - batch.target) / z.dtype.type(temperature * own))

    gradient = of_scores(documents)
    of_queries, of_z, of_b = gradient @ documents, np.zeros_like(z), np.zeros_like(b)
    if past_b is not None:
        old_codes = normalized(past_b)[0]
        of_queries = of_queries + of_scores(old_codes) @ old_codes
    of_b[first:] += through_norm(gradient.T @ queries, documents, document_norms)
    (of_b if symmetric else of_z)[:own] += through_norm(of_queries, queries, norms)
    return net.backward(of_z, of_b, cache)


def _quality(net: Binarizer, data: Data, past: Past | None, symmetric: bool) -> float:
    """Recall of what the validation queries should find, or the mean reciprocal rank of the one that they should."""
    z, b, _ = net.forward(data.queries)
    queries = b if symmetric else z
    bases = [net.forward(data.base)[1], *([] if past is None else [past.base_b])]
    return float(np.mean([_found(queries @ normalized(base)[0].T, data.answers) for base in bases]))


def weight_beside(net: Binarizer, data: Data, past: Past, symmetric: bool) -> F32:
    """What makes scores of the new codes as large as the old ones' are, of what queries should find: so that an index
    of both prefers neither. Old codes say less of a vector, hence less of it is along a query."""
    z, b, _ = net.forward(data.queries)
    queries = normalized(b if symmetric else z)[0]
    new, old = (
        float((queries[:, None] * normalized(codes)[0][data.answers]).sum(axis=2).mean())
        for codes in (net.forward(data.base)[1], past.base_b)
    )
    return f32_array(np.array([past.weight * np.clip(old / new if new > 0 else 1, *_WEIGHTS)]))


def _found(scores: Array, answers: I64) -> float:
    ranks = (scores[:, None, :] > np.take_along_axis(scores, answers, axis=1)[:, :, None]).sum(axis=2)
    if answers.shape[1] > 1:
        return float((ranks < answers.shape[1]).mean())
    return float(np.where(ranks < DEPTH, 1 / (1 + ranks), 0.0).mean())
