"""fb.build: a good index for a number of bytes per vector, chosen from n and dim, and the reasons in words.

If queries are given, codes are fitted to them, and settings are chosen by them.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..evaluation.originals import Originals
from ..evaluation.truth import Nearest
from ..index.index import MAX_DIM, Index
from ..index.turns import replace_state, state_of
from ..input.checks import metric_name, real_number, thread_count
from ..input.progress import ProgressArgument
from ..input.queries import as_queries
from ..input.rows import Rows
from ..input.vectors import as_vectors
from ..numeric.arrays import F32, evenly, f32_array
from ..numeric.moments import in_cone, unevenness
from ..spec.codec import FACTOR_BYTES, Codec
from ..spec.float import Float
from ..spec.ivf import IVF
from ..spec.leanvec import LeanVec
from ..spec.opq import OPQ
from ..spec.pq import PQ
from ..spec.rabitq import RaBitQ
from ..spec.random_rotation import RandomRotation
from ..spec.scalar import Scalar
from ..spec.transform import MAX_DENSE_DIM, Transform
from .tuning import Unreachable, keep, share, tune_to

_MIN_N_FOR_LISTS = 10_000  # with fewer vectors, lists save less time than they cost
_MIN_BUDGET_FOR_LISTS = 12
_MIN_N_FOR_CODEBOOKS = 5_000  # fewer vectors are not worth a rotation and 256 codewords per group
_MIN_BITS_FOR_RABITQ = {"l2": 2, "ip": 3, "cosine": 3}  # instead of untrained 4-bit PQ (docs/binary-embeddings.md)
_SHAPE_ROWS = 16_384
_CONE_MARGIN = 0.95  # training may decide differently, by another sample; the budget must hold in both cases
_UNEVEN = 8.0  # times the typical spread: the 8 bits of such a column are coarse relative to the other columns
_NUMBER_BYTES = 4  # the number of a vector in a list
_OWN_ID_BYTES = 8  # instead of the number
_TUNING_QUERIES = 1000
_TUNING_SHARE = 3  # one in this many given queries is for tuning, the others are for the fit
_TUNED_K = 10


class Choice(NamedTuple):
    transform: Transform | None
    partition: IVF | None
    codec: Codec
    rerank: Codec | None
    why: list[str]


def build(
    x: Any,
    *,
    metric: str,
    bytes_per_vector: float = 64,
    recall: float | None = None,
    queries: Any = None,
    ids: ArrayLike | None = None,
    seed: int = 0,
    progress: ProgressArgument = None,
    threads: int | None = None,
) -> Index:
    """Build an index of x whose codes, factors and ids take at most `bytes_per_vector` (not counting fixed parts).

    Parameters
    ----------
    x : (n, dim) array
        As in `Index.add`, but an array, as n affects the choice.
    metric : {"l2", "ip", "cosine"}
    bytes_per_vector : float
        Own ids take 8 of these bytes, default ids 4 (none in a small index).
    recall : float, optional
        Set nprobe and rerank so that searches find this share of the true 10 nearest (see `fb.tune`). It is measured
        against exact search of x, with a third of the given queries (at most 1,000), or else with vectors of x. With
        the same settings, recall is lower for real queries that differ from the vectors of x.
    queries : (m, dim) array, optional
        A sample of the expected queries, 1,000 or more in random order, without the queries that the index will be
        evaluated on. Under "ip" and "cosine", codes of `PQ` with `OPQ` are fitted to them (`LeanVec`) if this helps
        queries that were left out of the fit. For `recall`, settings are chosen by them.
    ids : (n,) array of int, optional
        Own ids; None: row numbers.
    seed : int
        Seed of everything random.
    progress, threads
        As in `Index.build`.

    Returns
    -------
    Index
        `index.explain()` says what was chosen and why, `index.stats()` its size.

    Raises
    ------
    TypeError, ValueError
        As in `Index.build`; for too few bytes; for queries under "l2" without `recall`, where they have no use.

    Warns
    -----
    UserWarning
        If these bytes do not allow the recall; the warning and `explain()` give the recall that was reached. The
        settings with the best recall are then the defaults. If fitting to the queries gains nothing, so it is not used.

    Examples
    --------
    >>> index = fb.build(x, metric="cosine", bytes_per_vector=64)
    >>> ids, scores = index.search(queries, k=10)
    """
    metric_name(metric)
    budget = real_number(bytes_per_vector, "bytes_per_vector", 1)
    target = None if recall is None else share(recall)
    rows = Rows(x, _dim(x))
    n, dim = rows.array.shape
    if not n:
        raise ValueError(f"x: expected at least 1 vector, got shape {rows.array.shape}")
    asked = _asked(queries, dim, metric, target)
    choice = choose(n, dim, metric, budget, own_ids=ids is not None, shape=shape_of(rows, metric))
    rotation = choice.transform
    index = Index(
        dim,
        metric=metric,
        transform=[LeanVec(), rotation] if asked.to_fit is not None and isinstance(rotation, OPQ) else rotation,
        partition=choice.partition,
        codec=choice.codec,
        rerank=choice.rerank,
        seed=seed,
    )
    to_fit = asked.to_fit if index.transform.needs_queries else None
    index.build(rows.array, ids, queries=to_fit, progress=progress, threads=threads)
    why = [*choice.why, *state_of(index).why]
    why += [] if target is None else [tuned_for(index, rows, ids, target, asked.to_tune, threads)]
    replace_state(index, "build", lambda now: now.explained(tuple(why)))
    return index


class Asked(NamedTuple):
    """The given queries: those for fitting codes, and those for choosing settings."""

    to_fit: F32 | None
    to_tune: F32 | None


def _asked(queries: Any, dim: int, metric: str, target: float | None) -> Asked:
    if queries is None:
        return Asked(None, None)
    if metric == "l2" and target is None:
        raise ValueError("queries: under metric 'l2' they are only used to reach a recall, got recall=None")
    given = as_queries(queries, dim, nonzero=metric == "cosine")[0]
    if not len(given):
        raise ValueError(f"queries: expected at least 1, got shape {given.shape}")
    if target is None:
        return Asked(given, None)
    tuning = max(1, min(_TUNING_QUERIES, len(given) // _TUNING_SHARE))
    fitting = given[:-tuning]
    return Asked(fitting if len(fitting) and metric != "l2" else None, given[-tuning:])


def tuned_for(
    index: Index,
    rows: Rows,
    ids: ArrayLike | None,
    target: float,
    given: F32 | None,
    threads: int | None,
    k: int = _TUNED_K,
) -> str:
    """Tunes recall@k with the given queries, or else with vectors of the index, none of which is its own neighbour."""
    n, own, kind = len(rows), None, f"{0 if given is None else len(given):,} of the given queries, held out of the fit"
    if n == 1:
        return f"recall {target:g} asked for: a single vector is always found"
    if given is None:
        random = np.random.default_rng(state_of(index).description.seed)
        picked = np.sort(random.choice(n, min(n, _TUNING_QUERIES), replace=False))
        given = np.asarray(rows.array[picked], np.float32)
        own = picked if ids is None else np.asarray(ids, np.int64)[picked]
        kind = f"{len(picked):,} vectors of x as queries; queries of another kind find less: give queries=, or fb.tune"
    truth = Nearest(Originals(index, rows.array, ids), given, k, thread_count(threads), own)
    try:
        found = tune_to(index, given, truth, k, target, threads, own)
    except Unreachable as error:
        warnings.warn(f"fb.build: {error}", UserWarning, stacklevel=3)
        keep(index, error.best)
        return f"all is read by default: {error} (measured with {kind})"
    settings = [f"{name}={value}" for name, value in (("nprobe", found.nprobe), ("rerank", found.rerank)) if value]
    reached = f"{' and '.join(settings) or 'a full scan'} reach {found.recall:.3f}"
    return f"recall {target:g} asked for: {reached} (measured with {kind})"


class Shape(NamedTuple):
    """The properties of vectors that affect the choice: whether they lie in a cone, whose direction takes a factor, and
    how many times the typical spread the largest spread of a column is."""

    cone: bool = False
    unevenness: float = 1.0


def shape_of(rows: Rows, metric: str) -> Shape:
    """The shape of a sample of rows."""
    sample = f32_array(rows.array[evenly(len(rows), _SHAPE_ROWS)])
    if metric == "cosine":
        sample = _core.normalize_rows(sample)
    with np.errstate(all="ignore"):  # values that are not finite are rejected by the build
        return Shape(metric != "l2" and in_cone(sample, _CONE_MARGIN), unevenness(sample))


def choose(n: int, dim: int, metric: str, budget: float, own_ids: bool = False, shape: Shape | None = None) -> Choice:
    """The parts for n vectors of `dim` dimensions within `budget` bytes per vector."""
    shape = Shape() if shape is None else shape
    lists = n >= _MIN_N_FOR_LISTS and budget >= _MIN_BUDGET_FOR_LISTS
    room = int(budget) - (_OWN_ID_BYTES if own_ids else _NUMBER_BYTES if lists else 0)
    factor = FACTOR_BYTES if shape.cone or (metric == "l2" and lists) else 0
    needed = 1 + factor
    if room < needed:
        raise ValueError(f"bytes_per_vector: {budget:g} leave {room} for a code after ids, expected at least {needed}")
    partition = IVF() if lists else None
    if lists:
        why = [
            f"{n:,} vectors: lists, so that a query scans a part of them; each needs a number (4 bytes) or an id (8)"
        ]
    else:
        why = [f"{n:,} vectors, {budget:g} bytes: all are scanned, as lists would not be worthwhile"]
    if shape.cone:
        why.append("the vectors lie in a cone: its direction is stored as a factor of 4 bytes, which saves recall")
    for codec, quality in ((Float(32), "exact"), (Float(16), "almost exact"), (Scalar(8), _of_scalar(shape))):
        size = codec.bytes_per_vector(dim, metric, direction=shape.cone and codec.directed)
        if size <= room:
            why.append(f"{size} bytes hold {codec.describe()}: {quality}")
            return _fine(codec, n, dim, room - size - factor, partition, why)
    return _compressed(n, dim, metric, room, partition, why, shape.cone, factor)


def _of_scalar(shape: Shape) -> str:
    if shape.unevenness < _UNEVEN:
        return "nearly exact"
    return (
        f"lossy, as one column has {shape.unevenness:.0f} times the typical spread, and its 8 bits determine "
        "the error of all; columns of similar units, or two more bytes per dimension, would lose less"
    )


def _fine(codec: Codec, n: int, dim: int, left: int, partition: IVF | None, why: list[str]) -> Choice:
    """Codes that are good enough to rank by; if bytes are left, also short codes that are scanned first."""
    m = min(2 * left, dim // 2) if partition is not None else 0
    if 2 * m < dim // 2:
        return Choice(None, partition, codec, None, why)
    why.append(f"{m / 2:g} more bytes for 4-bit codes, which are scanned much faster; the finer codes rerank the best")
    return Choice(_rotation(n, dim), partition, PQ(m, bits=4), codec, why)


def _compressed(
    n: int, dim: int, metric: str, room: int, partition: IVF | None, why: list[str], cone: bool, factor: int
) -> Choice:
    """Product quantization with all bytes: splitting them between scan and rerank would rank worse."""
    of_rabitq, room = room, room - factor
    if n >= _MIN_N_FOR_CODEBOOKS:
        m = max(1, min(room, dim))
        why.append(f"{m} bytes of 8-bit PQ codes: the best ranking at this size")
        return Choice(_rotation(n, dim), partition, PQ(m, bits=8), None, why)
    lists = partition is not None
    sizes = {b: RaBitQ(b).bytes_per_vector(dim, metric, residual=lists, direction=cone) for b in range(8, 0, -1)}
    bits = next((b for b, size in sizes.items() if size <= of_rabitq), 0)
    if bits >= _MIN_BITS_FOR_RABITQ[metric]:
        rabitq = RaBitQ(bits)
        why.append(f"{rabitq.describe()}: {n:,} vectors are too few for codebooks, and it needs none")
        return Choice(RandomRotation(), partition, rabitq, None, why)
    m = max(1, min(2 * room, dim))
    why.append(f"4-bit PQ codes: {n:,} vectors are too few for the codebooks of 8-bit codes")
    return Choice(RandomRotation(), partition, PQ(m, bits=4), None, why)


def _rotation(n: int, dim: int) -> Transform:
    return OPQ() if dim <= MAX_DENSE_DIM and n >= _MIN_N_FOR_CODEBOOKS else RandomRotation()


def _dim(x: Any) -> int:
    shape = as_vectors(x, "x").shape
    if len(shape) != 2 or not 1 <= shape[1] <= MAX_DIM:
        raise ValueError(f"x: expected shape (n, dim) with dim in 1..{MAX_DIM}, got {shape}")
    return int(shape[1])
