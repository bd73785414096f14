"""Training and validation data of the recurrent binarizer: vectors, pairs, and an older embedding."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..evaluation.measures import exact_search
from ..evaluation.misfits import check_fits
from ..input.ids import vector_ids
from ..input.packed import advice, looks_packed
from ..input.rows import Rows
from ..numeric.arrays import F32, I64
from ..spec.recurrent_binary import RecurrentBinary
from .binarizer import embed, normalized
from .contrast import Neighbourhoods, Pairs

VALIDATION_QUERIES = 500
DEPTH = 10  # depth of recall and of the reciprocal rank
_SAMPLE = 20_000  # maximum number of training vectors
_VALIDATION_BASE = 8_000
_MIN_ROWS = 64  # minimum number of vectors, or pairs
_COMPARED = 500  # number of rows compared between two embeddings
_MISFITS = 0.25  # as a share; an embedding and 4 of its dimensions have 0.07 to 0.13


class Data(NamedTuple):
    """Training data and, separate from it, validation data."""

    batches: Neighbourhoods | Pairs
    x: F32
    old: F32 | None  # the older embedding's vectors for x
    queries: F32  # validation
    answers: I64  # (queries, some): the rows of base that they should find
    base: F32
    old_base: F32 | None


class Past(NamedTuple):
    """The older codec's projections and codes of the same vectors in its own embedding."""

    z: F32
    b: F32
    base_z: F32
    base_b: F32
    weight: float


def unit_rows(x: Any, name: str, dim: int | None = None) -> F32:
    shape = np.shape(x)
    if len(shape) != 2 or not shape[1]:
        raise ValueError(f"{name}: expected shape (n, dim), got {shape}")
    rows = Rows(x, shape[1] if dim is None else dim, name)
    if looks_packed(rows.array):
        raise ValueError(advice(rows.array, name))
    return _core.normalize_rows(np.concatenate([np.zeros((0, shape[1]), np.float32), *rows.blocks(nonzero=True)]))


def check_same_rows(x: F32, old: F32) -> None:
    """Checks that both embeddings describe the same items row by row: then similarities between rows agree."""
    picked = np.sort(np.random.default_rng(0).permutation(len(x))[:_COMPARED])
    check_fits(
        [_profiles(x[picked]) @ _profiles(old[picked]).T],
        _MISFITS,
        lambda row: f"old: row {picked[row]} is of another item than row {picked[row]} of x; expected the same order",
    )


def _profiles(unit: F32) -> NDArray[np.float64]:
    """Each row's cosines with all others, centred, as unit rows."""
    cosines = (unit @ unit.T).astype(np.float64)
    np.fill_diagonal(cosines, np.nan)
    cosines -= np.nanmean(cosines, axis=1, keepdims=True)
    cosines -= np.nanmean(cosines, axis=0)  # some rows are near all others
    np.fill_diagonal(cosines, 0)
    return np.asarray(normalized(cosines)[0])


def split(
    x: F32, pairs: tuple[Any, ArrayLike] | None, old: F32 | None, random: np.random.Generator, threads: int
) -> Data:
    if len(x) < _MIN_ROWS:
        raise ValueError(f"x: expected at least {_MIN_ROWS} vectors to learn from, got {len(x)}")
    if pairs is None:
        order = random.permutation(len(x))
        held = min(VALIDATION_QUERIES, len(x) // 10)
        queries, rows = x[order[:held]], np.sort(order[held : held + _SAMPLE])
        base = rows[:: max(1, len(rows) // _VALIDATION_BASE)]
        answers = exact_search(x[base], queries, min(DEPTH, len(base)), metric="cosine", threads=threads or None).ids
        batches: Neighbourhoods | Pairs = Neighbourhoods(x[rows], threads)
    else:
        anchors, wanted = _checked_pairs(pairs, x)
        held_rows = random.permutation(np.unique(wanted))
        held_rows = np.sort(held_rows[: max(1, len(held_rows) // 10)])
        held_pairs = np.isin(wanted, held_rows)
        others = np.setdiff1d(random.permutation(len(x))[:_SAMPLE], held_rows)
        rows = np.union1d(others, wanted[~held_pairs])
        picked = random.permutation(np.flatnonzero(held_pairs))[:VALIDATION_QUERIES]
        base = np.union1d(held_rows, random.permutation(rows)[:_VALIDATION_BASE])
        queries, answers = anchors[picked], np.searchsorted(base, wanted[picked])[:, None]
        batches = Pairs(x[rows], anchors[~held_pairs], np.searchsorted(rows, wanted[~held_pairs]), threads)
    parts = (None, None) if old is None else (old[rows], old[base])
    return Data(batches, x[rows], parts[0], queries, answers, x[base], parts[1])


def _checked_pairs(pairs: tuple[Any, ArrayLike], x: F32) -> tuple[F32, I64]:
    if not isinstance(pairs, tuple) or len(pairs) != 2:
        raise TypeError(f"pairs: expected a tuple (anchors, rows), got {type(pairs).__name__}")
    anchors, rows = unit_rows(pairs[0], "pairs[0]", x.shape[1]), vector_ids(pairs[1])
    if len(anchors) != len(rows):
        raise ValueError(f"pairs: expected as many rows as anchors, got {len(anchors)} anchors and {len(rows)} rows")
    if len(rows) < _MIN_ROWS:
        raise ValueError(f"pairs: expected at least {_MIN_ROWS}, got {len(rows)}")
    if rows.min() < 0 or rows.max() >= len(x):
        raise ValueError(f"pairs[1]: expected rows of x, 0..{len(x) - 1}, got {rows.min()}..{rows.max()}")
    if len(np.unique(rows)) < 2:
        raise ValueError("pairs[1]: expected at least two rows of x, so that some can be held out, got one")
    return anchors, rows


def past_of(codec: RecurrentBinary, data: Data, bits: int, dim: int | None) -> Past:
    if not isinstance(codec, RecurrentBinary) or codec.maps is None or codec.dim is None:
        raise TypeError(f"compatible_with: expected a codec that fb.train.recurrent_binary returned, got {codec!r}")
    if codec.bits != bits or dim not in (None, codec.dim):
        raise ValueError(
            f"compatible_with: expected codes of the same size as the old ones, {codec.dim} x {codec.bits} bits, "
            f"got {codec.dim if dim is None else dim} x {bits}"
        )
    assert data.old is not None
    assert data.old_base is not None
    expected = codec.maps["base"].shape[-1]
    if data.old.shape[1] != expected:
        raise ValueError(f"old: expected shape (n, {expected}), got (n, {data.old.shape[1]})")
    weight = float(codec.maps["weight"][0]) if "weight" in codec.maps else 1.0
    return Past(*embed(codec.maps, bits, data.old), *embed(codec.maps, bits, data.old_base), weight)
