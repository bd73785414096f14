"""`fb.train.recurrent_binary`: maps for recurrent binary codes, learnt from embeddings, or from pairs too.

It starts at the best binarizer without training, a random rotation (of the principal directions, if there are to be
fewer), and keeps whatever state did best on vectors that it did not learn from: never worse than the start there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..evaluation.measures import exact_search
from ..evaluation.misfits import check_fits
from ..index.index import Index
from ..index.upgrades import fingerprint
from ..input.inputs import F32, I64, Rows, real_number, thread_count, vector_ids, whole_number
from ..input.packed import advice, looks_packed
from ..input.progress import Progress, ProgressArgument
from ..spec.codecs_rotated import Predecessor, RecurrentBinary
from ..spec.parts import f32_array
from ..spec.transforms import principal_directions, random_rotation
from .adam import Adam
from .binarizer import Array, Binarizer, embed, normalized, through_norm
from .contrast import Batch, Neighbourhoods, Pairs, softmax

_SAMPLE = 20_000  # vectors that are learnt from
_BATCH = 512
_RATE = 1e-3
_WARM_UP = 20  # steps
_CHECKS = 8  # looks at the validation vectors
_VALIDATION_QUERIES = 500
_VALIDATION_BASE = 8_000
_DEPTH = 10  # of recall, and of the reciprocal rank
_RIDGE = 1e-3
_LEAST_GAINS = (0.8, 0.6, 0.4, 0.2)  # of any direction in a start that is fitted to an older codec; a free start has 1
_WEIGHTS = (0.5, 2.0)
_LEAST = 64  # vectors, or pairs
_COMPARED = 500  # rows of two embeddings
_MISFITS = 0.25  # of these; an embedding and 4 of its dimensions have 0.07 to 0.13


def recurrent_binary(
    x: Any,
    *,
    bits_per_dim: int = 2,
    dim: int | None = None,
    symmetric: bool = False,
    pairs: tuple[Any, ArrayLike] | None = None,
    compatible_with: RecurrentBinary | Index | None = None,
    old: Any = None,
    hidden: int = 0,
    steps: int = 300,
    temperature: float = 0.03,
    seed: int = 0,
    threads: int | None = None,
    progress: ProgressArgument = None,
) -> RecurrentBinary:
    """Train the maps of a `RecurrentBinary` codec for vectors like x: codes of `dim` x `bits_per_dim` bits, for cosine.

    Parameters
    ----------
    x : (n, d) array
        At least 64 vectors, of which up to 20,000 are used. Binary embeddings packed into bytes are refused: pass
        ``fb.unpack_bits(x)``.
    bits_per_dim : int
        1 to 4.
    dim : int, optional
        Dimensions of the codes (None: d).
    symmetric : bool
        Train for queries that become codes too, not for queries that stay as they are.
    pairs : tuple (anchors, rows), optional
        A (p, d) array of queries, and for each the row of x that it should find. Without pairs, the similarities of x
        itself are learnt.
    compatible_with : RecurrentBinary or Index, optional
        A trained codec of another (older) embedding, or an index of its codes. The new codec's queries then search the
        old codec's codes too, and `Index.upgrade` takes it.
    old : (n, d_old) array, optional
        With `compatible_with`: the vectors that the older embedding has for the rows of x, in the same order. Rows in
        another order are refused.
    hidden : int
        Width of the maps' nonlinear part. 0: linear maps. As many as `dim` triples the maps' bytes in the file, and is
        worthwhile where queries are like x.
    steps : int
        Of 512 vectors each.
    temperature : float
        Of the softmax over cosines.
    seed : int
        Of everything random.
    threads : int, optional
        For the searches for neighbours; the rest is numpy's.
    progress : bool or callable, optional
        As in `Index.build`.

    Returns
    -------
    RecurrentBinary
        A codec for `Index`, with its maps.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described. Ctrl-C stops the training.

    References
    ----------
    Gan et al., "Binary Embedding-based Retrieval at Tencent", 2023.

    Examples
    --------
    >>> codec = fb.train.recurrent_binary(x, bits_per_dim=2)
    >>> index = fb.Index(x.shape[1], metric="cosine", codec=codec).build(x)
    """
    vectors = _unit_rows(x, "x")
    bits = whole_number(bits_per_dim, "bits_per_dim", 1, 4)
    if not isinstance(symmetric, bool):
        raise TypeError(f"symmetric: expected True or False, got {symmetric!r}")
    if (compatible_with is None) != (old is None):
        raise ValueError("compatible_with and old go together: the older codec, and its embedding's vectors of x")
    m = vectors.shape[1] if dim is None else whole_number(dim, "dim", 1, 65_535)
    random = np.random.default_rng(whole_number(seed, "seed", 0, 2**63 - 1))
    width = whole_number(hidden, "hidden", 0, 65_535)
    count = whole_number(steps, "steps", 0)
    heat = real_number(temperature, "temperature", 1e-4)
    workers = thread_count(threads)
    elder = None if old is None else _unit_rows(old, "old")
    if elder is not None and len(elder) != len(vectors):
        raise ValueError(f"old: expected a row for each of the {len(vectors)} rows of x, got {len(elder)}")
    if elder is not None:
        _check_same_rows(vectors, elder)
    data = _split(vectors, pairs, elder, random, workers)
    elder_codec = compatible_with._encoder() if isinstance(compatible_with, Index) else compatible_with
    past = None if elder_codec is None else _past(elder_codec, data, bits, dim)
    m = m if past is None else past.b.shape[1]
    net = _start(data, past, m, bits, width, seed)
    with Progress(progress) as shown:
        _descend(net, data, past, symmetric, count, heat, random, shown)
    maps = net.arrays() | {"decoder": _least_squares(net.forward(data.x)[1], data.x)}
    predecessor = None
    if past is not None and elder_codec is not None and data.old is not None:
        maps["weight"] = _weight(net, data, past, symmetric)
        predecessor = Predecessor(fingerprint(bits, elder_codec.maps or {}), _least_squares(data.old, data.x))
    return RecurrentBinary(bits, symmetric, m, maps, predecessor)


class _Data(NamedTuple):
    """What is learnt from, and apart from it what is validated on."""

    batches: Neighbourhoods | Pairs
    x: F32
    old: F32 | None  # the older embedding's vectors of x
    queries: F32  # validation
    answers: I64  # (queries, some) rows of base that they should find
    base: F32
    old_base: F32 | None


class _Past(NamedTuple):
    """What an older codec makes of the same vectors in its own embedding."""

    z: F32
    b: F32
    base_z: F32
    base_b: F32
    weight: float


def _unit_rows(x: Any, name: str, dim: int | None = None) -> F32:
    shape = np.shape(x)
    if len(shape) != 2 or not shape[1]:
        raise ValueError(f"{name}: expected shape (n, dim), got {shape}")
    rows = Rows(x, shape[1] if dim is None else dim, name)
    if looks_packed(rows.array):
        raise ValueError(advice(rows.array, name))
    return _core.normalize_rows(np.concatenate([np.zeros((0, shape[1]), np.float32), *rows.blocks(nonzero=True)]))


def _check_same_rows(x: F32, old: F32) -> None:
    """That both embeddings are of the same things, row by row: their similarities to the others are then alike."""
    picked = np.sort(np.random.default_rng(0).permutation(len(x))[:_COMPARED])
    check_fits(
        [_profiles(x[picked]) @ _profiles(old[picked]).T],
        _MISFITS,
        lambda row: f"old: row {picked[row]} is not of what row {picked[row]} of x is; expected both in one order",
    )


def _profiles(unit: F32) -> NDArray[np.float64]:
    """Each row's cosines with all others, less their mean, as unit rows."""
    cosines = (unit @ unit.T).astype(np.float64)
    np.fill_diagonal(cosines, np.nan)
    cosines -= np.nanmean(cosines, axis=1, keepdims=True)
    cosines -= np.nanmean(cosines, axis=0)  # some rows are near to all others
    np.fill_diagonal(cosines, 0)
    return np.asarray(normalized(cosines)[0])


def _split(
    x: F32, pairs: tuple[Any, ArrayLike] | None, old: F32 | None, random: np.random.Generator, threads: int
) -> _Data:
    if len(x) < _LEAST:
        raise ValueError(f"x: expected at least {_LEAST} vectors to learn from, got {len(x)}")
    if pairs is None:
        order = random.permutation(len(x))
        held = min(_VALIDATION_QUERIES, len(x) // 10)
        queries, rows = x[order[:held]], np.sort(order[held : held + _SAMPLE])
        base = rows[:: max(1, len(rows) // _VALIDATION_BASE)]
        answers = exact_search(x[base], queries, min(_DEPTH, len(base)), metric="cosine", threads=threads or None).ids
        batches: Neighbourhoods | Pairs = Neighbourhoods(x[rows], threads)
    else:
        anchors, wanted = _checked_pairs(pairs, x)
        held_rows = random.permutation(np.unique(wanted))
        held_rows = np.sort(held_rows[: max(1, len(held_rows) // 10)])
        held_pairs = np.isin(wanted, held_rows)
        others = np.setdiff1d(random.permutation(len(x))[:_SAMPLE], held_rows)
        rows = np.union1d(others, wanted[~held_pairs])
        picked = random.permutation(np.flatnonzero(held_pairs))[:_VALIDATION_QUERIES]
        base = np.union1d(held_rows, random.permutation(rows)[:_VALIDATION_BASE])
        queries, answers = anchors[picked], np.searchsorted(base, wanted[picked])[:, None]
        batches = Pairs(x[rows], anchors[~held_pairs], np.searchsorted(rows, wanted[~held_pairs]), threads)
    parts = (None, None) if old is None else (old[rows], old[base])
    return _Data(batches, x[rows], parts[0], queries, answers, x[base], parts[1])


def _checked_pairs(pairs: tuple[Any, ArrayLike], x: F32) -> tuple[F32, I64]:
    if not isinstance(pairs, tuple) or len(pairs) != 2:
        raise TypeError(f"pairs: expected a tuple (anchors, rows), got {type(pairs).__name__}")
    anchors, rows = _unit_rows(pairs[0], "pairs[0]", x.shape[1]), vector_ids(pairs[1])
    if len(anchors) != len(rows):
        raise ValueError(f"pairs: expected as many rows as anchors, got {len(anchors)} anchors and {len(rows)} rows")
    if len(rows) < _LEAST:
        raise ValueError(f"pairs: expected at least {_LEAST}, got {len(rows)}")
    if rows.min() < 0 or rows.max() >= len(x):
        raise ValueError(f"pairs[1]: expected rows of x, 0..{len(x) - 1}, got {rows.min()}..{rows.max()}")
    if len(np.unique(rows)) < 2:
        raise ValueError("pairs[1]: expected more than one row of x, for some to be validated on")
    return anchors, rows


def _past(codec: RecurrentBinary, data: _Data, bits: int, dim: int | None) -> _Past:
    if not isinstance(codec, RecurrentBinary) or codec.maps is None or codec.dim is None:
        raise TypeError(f"compatible_with: expected a codec that fb.train.recurrent_binary returned, got {codec!r}")
    if codec.bits != bits or dim not in (None, codec.dim):
        raise ValueError(
            f"compatible_with: codes that are compared have the same size; old are {codec.dim} x {codec.bits} bits, "
            f"asked for {codec.dim if dim is None else dim} x {bits}"
        )
    assert data.old is not None
    assert data.old_base is not None
    expected = codec.maps["base"].shape[-1]
    if data.old.shape[1] != expected:
        raise ValueError(f"old: expected shape (n, {expected}), got (n, {data.old.shape[1]})")
    weight = float(codec.maps["weight"][0]) if "weight" in codec.maps else 1.0
    return _Past(*embed(codec.maps, bits, data.old), *embed(codec.maps, bits, data.old_base), weight)


def _start(data: _Data, past: _Past | None, m: int, bits: int, hidden: int, seed: int) -> Binarizer:
    """A random rotation of the principal directions, as many of each as there are; or near an older codec's
    projections."""
    if past is not None:
        base = _imitation(data, past)
    else:
        directions = principal_directions(data.x)[0][:m]
        base = f32_array(random_rotation(m, seed)[:, : len(directions)] @ directions)
    return Binarizer(base * np.float32(np.sqrt(m)), f32_array(base.T), bits, hidden, seed)


def _imitation(data: _Data, past: _Past) -> F32:
    """The map nearest to the older codec's projections, but deaf to no direction: what the older embedding lacks goes
    where its codes have nothing. It is noise to them, so there is as much of it as leaves new queries as good as old.
    """
    rows = np.arange(0, len(data.base), -(-len(data.base) // _VALIDATION_QUERIES))
    answers = exact_search(data.base, data.base[rows], min(_DEPTH, len(data.base)), metric="cosine").ids
    old_codes = normalized(past.base_b)[0]
    enough = _found(past.base_z[rows] @ old_codes.T, answers)
    nearest = f32_array(_least_squares(data.x, past.z) / np.sqrt(past.z.shape[1]))
    left, values, right = np.linalg.svd(nearest, full_matrices=False)
    for gain in _LEAST_GAINS:
        base = f32_array(left * np.maximum(values, gain) @ right)
        if _found(data.base[rows] @ base.T @ old_codes.T, answers) >= enough:
            return base
    return nearest


def _least_squares(x: F32, y: F32) -> F32:
    """The matrix M of the least |y - M x|, a little smoothed."""
    squares = x.T.astype(np.float64) @ x
    ridge = _RIDGE * np.trace(squares) / len(squares) * np.eye(len(squares))
    return f32_array(np.linalg.solve(squares + ridge, x.T.astype(np.float64) @ y).T)


def _descend(
    net: Binarizer,
    data: _Data,
    past: _Past | None,
    symmetric: bool,
    steps: int,
    temperature: float,
    random: np.random.Generator,
    progress: Progress,
) -> None:
    """Leaves the net in the state that was best on the validation queries."""
    hook = progress.stage("recurrent binarizer")
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


def _quality(net: Binarizer, data: _Data, past: _Past | None, symmetric: bool) -> float:
    """Recall of what the validation queries should find, or the mean reciprocal rank of the one that they should."""
    z, b, _ = net.forward(data.queries)
    queries = b if symmetric else z
    bases = [net.forward(data.base)[1], *([] if past is None else [past.base_b])]
    return float(np.mean([_found(queries @ normalized(base)[0].T, data.answers) for base in bases]))


def _weight(net: Binarizer, data: _Data, past: _Past, symmetric: bool) -> F32:
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
    return float(np.where(ranks < _DEPTH, 1 / (1 + ranks), 0.0).mean())
