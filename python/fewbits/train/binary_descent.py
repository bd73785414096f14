"""Training of the recurrent binarizer: ends with the state that is best on held-out vectors."""

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
_CHECKS = 8  # number of validations
_RIDGE = 1e-3
_MIN_GAINS = (0.8, 0.6, 0.4, 0.2)  # minimum gain of any direction when fitted to an older codec; otherwise 1
_WEIGHTS = (0.5, 2.0)


def start(data: Data, past: Past | None, m: int, settings: BinarySettings) -> Binarizer:
    """A random rotation of the principal directions, as many of each as available; or a map near an older codec's
    projections."""
    if past is not None:
        base = _imitation(data, past)
    else:
        directions = principal_directions(data.x)[0][:m]
        base = f32_array(random_rotation(m, settings.seed)[:, : len(directions)] @ directions)
    return Binarizer(base * np.float32(np.sqrt(m)), f32_array(base.T), settings.bits, settings.hidden, settings.seed)


def _imitation(data: Data, past: Past) -> F32:
    """The map nearest to the older codec's projections, but sensitive to every direction: what the older embedding
    lacks is mapped to where its codes have nothing. To old codes it is noise, so it gets the largest gain for which new
    queries find as much as old ones.
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
    """The matrix M that minimises |y - M x|, with a small ridge."""
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
    """Trains the net, and leaves it in the state that was best on the validation queries."""
    hook = progress.stage("recurrent binarizer")
    symmetric, steps, temperature = settings.symmetric, settings.steps, settings.temperature
    optimizer = Adam(net.parameters, [_RATE] * len(net.parameters))
    best, kept = _quality(net, data, past, symmetric), net.state()
    for step in range(1, steps + 1):
        batch = data.batches.draw(_BATCH, temperature, random)
        past_b = None if past is None else past.b[batch.rows]
        gradients = gradients_of(net, batch, past_b, symmetric, temperature)
        optimizer.step(gradients, min(1.0, step / _WARM_UP) * (1 + np.cos(np.pi * step / steps)) / 2)
        if step == steps or step % max(1, steps // _CHECKS) == 0:
            quality = _quality(net, data, past, symmetric)
            if quality > best:
                best, kept = quality, net.state()
        hook(step / steps)
    net.restore(kept)


def gradients_of(
    net: Binarizer, batch: Batch, past_b: Array | None, symmetric: bool, temperature: float
) -> list[Array]:
    """Gradients of the cross entropy between the target and the softmax over cosines of anchors and documents' codes;
    with an older codec's codes of the documents, also of the same over those codes."""
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
    """Recall of the answers to the validation queries; the mean reciprocal rank if there is one answer per query."""
    z, b, _ = net.forward(data.queries)
    queries = b if symmetric else z
    bases = [net.forward(data.base)[1], *([] if past is None else [past.base_b])]
    return float(np.mean([_found(queries @ normalized(base)[0].T, data.answers) for base in bases]))


def weight_beside(net: Binarizer, data: Data, past: Past, symmetric: bool) -> F32:
    """The factor that makes scores of new codes as large as those of old codes, over the answers to queries, so that an
    index of both prefers neither. Old codes retain less of a vector, and so less of it along a query."""
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
