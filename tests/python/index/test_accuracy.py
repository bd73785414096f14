"""Recall depends on the neighbours in the data, not on where the data lie, how long they are, or in which units.

Every case changes data in a way that should not cost recall, for every metric, codec, partition and rerank store.
Two references say what recall there should be: the same index (parts, seed) on the canonical data, where neighbours
stay who they are, and the stored codes themselves, decoded and scored exactly by numpy, where they do not.

A seeded sample of the combinations runs by default, all of them with FEWBITS_LONG=1.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import fewbits as fb
from fewbits.spec.codec import Codec
from fewbits.spec.transform import Transform
from support.data import F32, overlap, vectors

LONG = bool(os.environ.get("FEWBITS_LONG"))
SAMPLED = 1  # combination of metric, partition and rerank per codec and case, without FEWBITS_LONG

N, DIM, QUERIES, K, LISTS = 2000, 32, 250, 10, 12
CANDIDATES = 100
METRICS = ("l2", "ip", "cosine")
DEVIATIONS = 3.0  # of the mean difference over the queries, which a difference in recall may be without meaning

F64 = NDArray[np.float64]
Pair = tuple[F64, F64]  # vectors, queries


# --- the parts -----------------------------------------------------------------------------------------------------


class Coded(NamedTuple):
    """A codec as the cases see it. kind: how it sees a turned space, "exact", "turned" (as any other) or "axes"."""

    codec: Codec
    kind: str
    transform: Transform | None = None
    metrics: tuple[str, ...] = METRICS

    def make(self, dim: int, metric: str, lists: int | None, rerank: Codec | None) -> fb.Index:
        partition = None if lists is None else fb.IVF(lists)
        return fb.Index(
            dim, metric=metric, transform=self.transform, partition=partition, codec=self.codec, rerank=rerank
        )


def coded(dim: int) -> dict[str, Coded]:
    """Every codec at this dimension: the one list of them."""
    m = min(max(1, dim // 2), 64)
    turn = fb.RandomRotation(1)
    return {
        "Float(32)": Coded(fb.Float(), "exact"),
        "Float(16)": Coded(fb.Float(16), "exact"),
        "Scalar(8)": Coded(fb.Scalar(8), "axes"),
        "Scalar(8), turned": Coded(fb.Scalar(8), "turned", turn),
        "Scalar(4)": Coded(fb.Scalar(4), "axes"),
        "Scalar(4), Lloyd-Max, turned": Coded(fb.Scalar(4, levels="lloyd-max"), "turned", turn),
        "Scalar(4), staged, turned": Coded(fb.Scalar(4, staged=True), "turned", turn),
        "PQ, 8 bits": Coded(fb.PQ(m), "axes"),
        "PQ, 4 bits": Coded(fb.PQ(m, bits=4), "axes"),
        "PQ, whole vectors": Coded(fb.PQ(m, residual=False), "axes"),
        "OPQ": Coded(fb.PQ(m), "turned", fb.OPQ(iterations=4)),
        "RaBitQ(1)": Coded(fb.RaBitQ(1), "turned"),
        "RaBitQ(3)": Coded(fb.RaBitQ(3), "turned"),
        "RaBitQ(4), staged": Coded(fb.RaBitQ(4, staged=True), "turned"),
        "RaBitQ(8)": Coded(fb.RaBitQ(8), "turned"),
        "RaBitQ(8), staged": Coded(fb.RaBitQ(8, staged=True), "turned"),
        "RecurrentBinary(2)": Coded(fb.RecurrentBinary(2), "turned", metrics=("cosine",)),
        "RecurrentBinary(4)": Coded(fb.RecurrentBinary(4), "turned", metrics=("cosine",)),
        "RecurrentBinary(2), symmetric": Coded(fb.RecurrentBinary(2, symmetric=True), "turned", metrics=("cosine",)),
    }


CODED = coded(DIM)
RERANKS: dict[str, Codec | None] = {"none": None, "Scalar(8)": fb.Scalar(8), "Float(16)": fb.Float(16)}


class Parts(NamedTuple):
    metric: str
    lists: int | None
    rerank: str

    def __str__(self) -> str:
        return f"{self.metric}, {'flat' if self.lists is None else 'lists'}, rerank {self.rerank}"


# --- the data ------------------------------------------------------------------------------------------------------


@functools.cache
def canonical(dim: int = DIM, n: int = N, queries: int = QUERIES) -> Pair:
    """Clustered vectors about the origin, each column of a standard deviation near 1, and queries."""
    middle = vectors(20_000, dim, seed=2).mean(axis=0, dtype=np.float64)
    return vectors(n, dim) - middle, vectors(queries, dim, seed=1) - middle


def unit(x: F64) -> F64:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def orthogonal(dim: int) -> F64:
    return np.asarray(np.linalg.qr(np.random.default_rng(5).normal(size=(dim, dim)))[0])


def direction(dim: int) -> F64:
    return unit(np.random.default_rng(6).normal(size=(1, dim)))


def flattened(x: F64) -> F64:
    """Unit vectors at right angles to `direction`."""
    u = direction(x.shape[1])
    return unit(x - (x @ u.T) * u)


def turned(x: F64, q: F64) -> Pair:
    turn = orthogonal(x.shape[1])
    return x @ turn, q @ turn


def shifted(by: float, columns: slice = slice(None)) -> Callable[[F64, F64], Pair]:
    def change(x: F64, q: F64) -> Pair:
        at = np.zeros(x.shape[1])
        at[columns] = by * x.std()
        return x + at, q + at

    return change


def scaled(data: float, queries: float) -> Callable[[F64, F64], Pair]:
    return lambda x, q: (x * data, q * queries)


def twice(x: F64, q: F64) -> Pair:
    return np.concatenate([x, x]), q


def repeated(x: F64, q: F64) -> Pair:
    """A third of all vectors are copies of one, another third of twenty; queries are vectors and near them."""
    third = len(x) // 3
    x = np.concatenate([x[:1].repeat(third, axis=0), x[1:21].repeat(third // 20, axis=0), x[21 : 21 + third]])
    return x, np.concatenate([x[:: len(x) // 100 + 1], q[: len(q) // 2]])


def cone(cosine: float) -> Callable[[F64, F64], Pair]:
    """Unit vectors whose pairs have this mean cosine; neighbours are those of the flattened vectors."""

    def moved(x: F64) -> F64:
        return np.asarray(np.sqrt(cosine) * direction(x.shape[1]) + np.sqrt(1 - cosine) * flattened(x))

    return lambda x, q: (moved(x), moved(q))


def one_long(factor: float) -> Callable[[F64, F64], Pair]:
    def change(x: F64, q: F64) -> Pair:
        x = x.copy()
        x[7] *= factor
        return x, q

    return change


def log_normal(x: F64, q: F64) -> Pair:
    random = np.random.default_rng(7)
    lengths = np.exp(0.6 * random.normal(size=(len(x) + len(q), 1)))
    return x * lengths[: len(x)], q * lengths[len(x) :]


def spread(factor: float) -> Callable[[F64, F64], Pair]:
    def change(x: F64, q: F64) -> Pair:
        units = np.ones(x.shape[1])
        units[3 % x.shape[1]] = factor
        return x * units, q * units

    return change


def of_rank(rank: int) -> Callable[[F64, F64], Pair]:
    def change(x: F64, q: F64) -> Pair:
        few = np.random.default_rng(8).normal(size=(rank, x.shape[1]))
        return x[:, :rank] @ few, q[:, :rank] @ few

    return change


def one_after_another(*changes: Callable[[F64, F64], Pair]) -> Callable[[F64, F64], Pair]:
    def change(x: F64, q: F64) -> Pair:
        for one in changes:
            x, q = one(x, q)
        return x, q

    return change


# --- the cases -----------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """change: of canonical data. start: what is canonical here, if not the data as they are. like: the metrics under
    which neighbours stay who they are, so that recall is compared with the canonical one (of k / repeats results).
    bounds: how much less recall may be, by kind of codec or its name; .01 otherwise, and noise is on top."""

    change: Callable[[F64, F64], Pair]
    metrics: tuple[str, ...] = METRICS
    like: tuple[str, ...] = METRICS
    start: Callable[[F64, F64], Pair] | None = None
    repeats: int = 1
    bounds: dict[str, float] = {}  # noqa: RUF012


USUAL = 0.01
NEVER = 1.0  # another question: the codes are compared with the new axes' own
_ANGULAR = ("ip", "cosine")


def _flattened(x: F64, q: F64) -> Pair:
    return flattened(x), flattened(q)


CASES: dict[str, Case] = {
    "turned": Case(turned, bounds={"axes": NEVER}),
    **{f"all columns + {by} sd": Case(shifted(by), ("l2",)) for by in (10, 100, 1000)},
    **{f"one column + {by} sd": Case(shifted(by, slice(0, 1)), ("l2",)) for by in (10, 100, 1000)},
    **{f"data and queries x {by:g}": Case(scaled(by, by)) for by in (1e-6, 1e-3, 1e3, 1e6)},
    **{f"data x {by:g}": Case(scaled(by, 1), _ANGULAR) for by in (1e-6, 1e6)},
    "every vector twice": Case(twice, repeats=2),
    "many duplicates": Case(repeated, like=()),
    **{f"cone {c}": Case(cone(c), _ANGULAR, start=_flattened) for c in (0.5, 0.75, 0.9)},
    **{f"one vector x {by:g}": Case(one_long(by)) for by in (10, 100)},
    "one vector x 1e+06": Case(one_long(1e6), ("l2", "cosine")),  # under ip it is an answer to half of all queries
    "log-normal lengths": Case(log_normal, like=("cosine",)),
    **{f"one column of {by} x the spread": Case(spread(by), like=()) for by in (10, 30, 100)},
    "rank 1": Case(of_rank(1), like=()),
    "rank 2": Case(of_rank(2), like=()),
    "shifted, one long": Case(one_after_another(one_long(10), shifted(100)), ("l2",)),
    "shifted, spread, turned": Case(one_after_another(spread(10), turned, shifted(100)), ("l2",), like=()),
    "cone, log-normal lengths": Case(
        one_after_another(cone(0.75), log_normal), _ANGULAR, like=("cosine",), start=_flattened
    ),
}


def _holds(name: str, codec: str, parts: Parts) -> bool:
    """Float(16) holds numbers from 6e-8 to 65,504, and normal ones from 6e-5: others are refused or rounded."""
    halves = codec == "Float(16)" or parts.rerank == "Float(16)"
    return not (halves and parts.metric != "cosine" and ("e-06" in name or "e+06" in name or "x 0.001" in name))


# --- limits --------------------------------------------------------------------------------------------------------

# Where one number of the query, or of the data, is so much larger than the differences between neighbours that what is
# kept of it in 8 bits decides: see "Limits" in docs/accuracy.md.
BYTES = "one step of a byte for all tables of a query outweighs the distances between its nearest"
QUERY = "a query of 8 bits is coarser than the distances between its nearest"


class Limit(NamedTuple):
    reason: str
    case: str
    codecs: str  # separated by |
    parts: str  # metric, flat or lists, rerank store if any; separated by |


LIMITS = [
    Limit(QUERY, "one column of 10 x the spread", "Scalar(8), turned", "l2 flat | l2 lists"),
    Limit(BYTES, "one column of 10 x the spread", "OPQ", "cosine flat"),
    Limit(
        QUERY, "one column of 30 x the spread", "Scalar(8), turned", "l2 flat | l2 lists | cosine flat | cosine lists"
    ),
    Limit(BYTES, "one column of 30 x the spread", "PQ, 8 bits | OPQ", "cosine flat"),
    Limit(
        BYTES, "one column of 30 x the spread", "PQ, whole vectors | RecurrentBinary(4)", "cosine flat | cosine lists"
    ),
    Limit(
        QUERY,
        "one column of 100 x the spread",
        "Scalar(8), turned | Scalar(4), Lloyd-Max, turned",
        "l2 flat | l2 lists | cosine flat | cosine lists",
    ),
    Limit(BYTES, "one column of 100 x the spread", "PQ, 8 bits | OPQ", "cosine flat"),
    Limit(
        BYTES, "one column of 100 x the spread", "PQ, whole vectors | RecurrentBinary(4)", "cosine flat | cosine lists"
    ),
    Limit(QUERY, "rank 1", "Scalar(8), turned | Scalar(4), Lloyd-Max, turned", "l2 flat | l2 lists"),
    Limit(BYTES, "rank 1", "PQ, 8 bits | PQ, whole vectors", "l2 flat | l2 lists"),
    Limit(BYTES, "rank 1", "PQ, 4 bits | OPQ", "l2 flat"),
    Limit(QUERY, "rank 1", "RaBitQ(1) | RaBitQ(3) | RaBitQ(8)", "l2 flat"),
    Limit(QUERY, "rank 2", "Scalar(8) | Scalar(8), turned", "cosine flat | cosine lists"),
    Limit(BYTES, "rank 2", "PQ, 8 bits", "l2 flat | cosine flat | cosine lists"),
    Limit(BYTES, "rank 2", "OPQ", "cosine flat"),
    Limit(BYTES, "rank 2", "PQ, 4 bits", "l2 flat"),
    Limit(BYTES, "rank 2", "PQ, whole vectors", "l2 flat | l2 lists | cosine flat | cosine lists"),
    Limit(BYTES, "rank 2", "RecurrentBinary(4)", "cosine flat | cosine lists"),
    Limit(BYTES, "d 1", "PQ, 8 bits | PQ, whole vectors | OPQ", "l2 flat | l2 lists"),
    Limit(BYTES, "d 1", "PQ, 4 bits", "l2 lists"),
    Limit(QUERY, "d 2", "Scalar(8)", "cosine flat | cosine lists"),
    Limit(BYTES, "d 2", "PQ, 8 bits | OPQ", "l2 flat | cosine flat | cosine lists"),
    Limit(BYTES, "d 2", "PQ, 8 bits", "l2 lists"),
    Limit(BYTES, "d 2", "PQ, whole vectors", "l2 flat | l2 lists | cosine flat | cosine lists"),
]


def key(parts: Parts) -> str:
    words = [parts.metric, "flat" if parts.lists is None else "lists", parts.rerank]
    return " ".join(word for word in words if word != "none")


BEYOND = {
    (limit.case, codec, parts): limit.reason
    for limit in LIMITS
    for codec in limit.codecs.split(" | ")
    for parts in limit.parts.split(" | ")
}


def combinations(name: str, codec: str) -> list[Parts]:
    case = CASES[name]
    every = [
        Parts(metric, lists, rerank)
        for metric in case.metrics
        if metric in CODED[codec].metrics
        for lists in (None, LISTS)
        for rerank in RERANKS
    ]
    every = [parts for parts in every if _holds(name, codec, parts) and (name, codec, key(parts)) not in BEYOND]
    if LONG or len(every) <= SAMPLED:
        return every
    random = np.random.default_rng(zlib.crc32(f"{name}/{codec}".encode()))
    return [every[i] for i in sorted(random.choice(len(every), SAMPLED, replace=False))]


# --- recall --------------------------------------------------------------------------------------------------------


def true_scores(x: F64, q: F64, metric: str) -> F64:
    if metric == "cosine":
        x, q = unit(x), unit(q)
    if metric != "l2":
        return np.asarray(q @ x.T)
    middle = x.mean(axis=0)
    x, q = x - middle, q - middle
    return np.asarray(2 * q @ x.T - (x**2).sum(1) - (q**2).sum(1)[:, None])


class Truth:
    """What queries should find: equals count as each other."""

    def __init__(self, pair: Pair, metric: str) -> None:
        self.x, self.q = (part.astype(np.float32) for part in pair)
        self.metric = metric
        self.scores = true_scores(self.x.astype(np.float64), self.q.astype(np.float64), metric)
        self._best = -np.sort(np.partition(-self.scores, K, axis=1)[:, :K], axis=1)
        self._slack = 1e-9 * np.abs(self.scores).max(axis=1)

    def recalls(self, ids: NDArray[np.int64], k: int) -> F64:
        """Of every query: the share of its k first ids that score no less than the k-th best."""
        assert (ids[:, :k] >= 0).all()
        found = np.take_along_axis(self.scores, ids[:, :k], axis=1)
        return np.asarray((found >= (self._best[:, k - 1] - self._slack)[:, None]).mean(axis=1))


@functools.lru_cache(maxsize=4)
def truth(name: str, metric: str) -> Truth:
    case = CASES[name]
    start = canonical() if case.start is None else case.start(*canonical())
    return Truth(case.change(*start), metric)


@functools.cache
def canonical_truth(start: Callable[[F64, F64], Pair] | None, metric: str) -> Truth:
    return Truth(canonical() if start is None else start(*canonical()), metric)


def decodes_to_its_scores(codec: Codec, parts: Parts) -> bool:
    """Whether what is decoded, and the vectors, say what the scores are: codes of queries do not, and RaBitQ's codes of
    residuals have further factors."""
    if isinstance(codec, fb.RaBitQ):
        return parts.lists is None
    return not getattr(codec, "symmetric", False)


def scores_of_codes(x: F32, q: F32, decoded: F32, metric: str) -> F64:
    """What codes of x that are decoded to `decoded` say of queries (under l2: distances). RaBitQ has the lengths of
    vectors about their mean as they are, and codes for the products alone; other codecs have those of `decoded`."""
    x64, q64, decoded64 = (part.astype(np.float64) for part in (x, q, decoded))
    if metric != "l2":
        return np.asarray((unit(q64) if metric == "cosine" else q64) @ decoded64.T)
    middle = x64.mean(axis=0)
    x64, q64, decoded64 = x64 - middle, q64 - middle, decoded64 - middle
    return np.asarray((q64**2).sum(1)[:, None] + (x64**2).sum(1) - 2 * q64 @ decoded64.T)


class Measured(NamedTuple):
    found: F64  # recall of each query
    codes: F64 | None  # that of the finest stored codes, scored exactly; None for codes of queries
    scanned: F64  # recall of each query when everything is reranked, or `found`


def measure(one: Coded, parts: Parts, truth: Truth, k: int = K) -> Measured:
    x, q, metric = truth.x, truth.q, truth.metric
    index = one.make(x.shape[1], metric, parts.lists, RERANKS[parts.rerank]).build(x, progress=False, threads=1)

    def recall_of(rerank: int | None) -> F64:
        return truth.recalls(index.search(q, k, nprobe=parts.lists, rerank=rerank, threads=1).ids, k)

    reranked = parts.rerank != "none"
    found = recall_of(CANDIDATES * k // K if reranked else None)
    if not reranked and not decodes_to_its_scores(one.codec, parts):
        return Measured(found, None, found)
    decoded = index.reconstruct(np.arange(len(x)))
    if not reranked and isinstance(one.codec, fb.RaBitQ):
        scores = scores_of_codes(x, q, decoded, metric)
    else:
        scores = scores_of_codes(decoded, q, decoded, metric)
    scores = scores if metric == "l2" else -scores
    scores += 1e-10 * np.abs(scores).max() * np.arange(len(x)) / len(x)  # of equals the lower row, as searches have it
    best = np.argpartition(scores, k - 1, axis=1)[:, :k]
    return Measured(found, truth.recalls(best, k), recall_of(len(x)) if reranked else found)


@functools.cache
def canonical_recall(codec: str, parts: Parts, start: Callable[[F64, F64], Pair] | None, k: int) -> F64:
    return measure(CODED[codec], parts, canonical_truth(start, parts.metric), k).found


def shortfall(found: F64, expected: F64) -> float:
    """How much less recall is, beyond what the number of queries leaves open."""
    difference = expected - found
    return float(difference.mean() - DEVIATIONS * difference.std(ddof=1) / np.sqrt(len(difference)))


def check(found: F64, expected: F64, bound: float, what: str) -> None:
    short = shortfall(found, expected)
    assert short <= bound, f"{what}: recall {found.mean():.3f}, expected {expected.mean():.3f} less {bound}"


def check_recall(name: str, codec: str, parts: Parts) -> None:
    case, one = CASES[name], CODED[codec]
    got = measure(one, parts, truth(name, parts.metric))
    if parts.metric in case.like:
        bound = case.bounds.get(codec, case.bounds.get(one.kind, USUAL))
        expected = canonical_recall(codec, parts, case.start, K // case.repeats)
        check(got.found, expected, bound, f"{codec}, {parts}, beside canonical data")
    if got.codes is not None:
        check(got.scanned, got.codes, USUAL, f"{codec}, {parts}, beside its own codes")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("codec", CODED)
def test_recall_survives(name: str, codec: str) -> None:
    for parts in combinations(name, codec):
        check_recall(name, codec, parts)


DIMS = (1, 2, 3, 5, 8, 17, 100, 384)
HIGH_DIMS = (1024, 4096)


def check_scan(name: str, dim: int, parts: Parts) -> None:
    n, queries = (300, 50) if dim in HIGH_DIMS else (1500 if dim < 100 else 800, 150)
    pair = canonical(dim, n, queries)
    truth = Truth(shifted(100)(*pair) if parts.metric == "l2" else pair, parts.metric)
    got = measure(coded(dim)[name], parts, truth)
    if got.codes is not None:
        check(got.scanned, got.codes, USUAL, f"{name}, d {dim}, {parts}, beside its own codes")


@pytest.mark.parametrize("dim", DIMS + HIGH_DIMS)
def test_codes_of_any_dimension_lose_nothing_in_the_scan(dim: int) -> None:
    codecs = coded(dim)
    every = [
        (name, Parts(metric, lists, "none"))
        for name, one in codecs.items()
        for metric in one.metrics
        for lists in (None, LISTS)
        if (f"d {dim}", name, f"{metric} {'flat' if lists is None else 'lists'}") not in BEYOND
    ]
    if not LONG:
        quick = [case for case in every if dim < 100 or codecs[case[0]].transform is None]
        chosen = np.random.default_rng(dim).choice(len(quick), 3 if dim in HIGH_DIMS else 8, replace=False)
        every = [quick[i] for i in sorted(chosen)]
    for name, parts in every:
        check_scan(name, dim, parts)


# --- the length of queries -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODED)
@pytest.mark.parametrize("metric", ["ip", "cosine"])
def test_the_length_of_a_query_changes_no_result(codec: str, metric: str) -> None:
    one = CODED[codec]
    if metric not in one.metrics:
        pytest.skip(f"{codec} is for {one.metrics}")
    x, q = (part.astype(np.float32) for part in canonical())
    for lists, rerank in ((None, None), (LISTS, None), (LISTS, fb.Scalar(8))):
        index = one.make(DIM, metric, lists, rerank).build(x, progress=False, threads=1)
        expected = index.search(q, K, threads=1)
        for factor in (2.0**-20, 2.0**20):  # exact in float32
            ids, scores = index.search(q * np.float32(factor), K, threads=1)
            np.testing.assert_array_equal(ids, expected.ids)
            by = factor if metric == "ip" else 1.0
            np.testing.assert_allclose(scores, expected.scores * by, rtol=1e-6)
        for factor in (1e-6, 1e-3, 1e3, 1e6):  # rounded by float32: scores that are equal but for it may change places
            ids = index.search(q * np.float32(factor), K, threads=1).ids
            assert (ids == expected.ids).mean() > 0.998


@pytest.mark.parametrize("codec", [name for name, one in CODED.items() if "ip" in one.metrics])
def test_the_zero_query_scores_zero(codec: str) -> None:
    one = CODED[codec]
    for x in (canonical()[0], cone(0.75)(*canonical())[0]):
        for lists, rerank in ((None, None), (LISTS, None), (LISTS, fb.Scalar(8))):
            index = one.make(DIM, "ip", lists, rerank).build(x.astype(np.float32), progress=False, threads=1)
            scores = index.search(np.zeros((1, DIM), np.float32), 20, nprobe=lists, threads=1).scores
            np.testing.assert_array_equal(scores, np.zeros((1, 20), np.float32))


# --- scores --------------------------------------------------------------------------------------------------------


def query_error(dim: int, bits: int) -> float:
    """The standard deviation of <q, x^> / |q| / |x^| that rounding a turned query to integers of `bits` bits gives:
    the largest of its dim coordinates, about |q| sqrt(2 ln(2 dim) / dim), becomes 127 or 2,047."""
    step = np.sqrt(2 * np.log(2 * dim) / dim) / (2 ** (bits - 1) - 1)
    return float(min(step, 1.0) / np.sqrt(12))


COSINES = {1: 0.797, 2: 0.939, 3: 0.982, 4: 0.994, 8: 0.99996}  # of a vector with its grid vector


def cosine_error(codec: Codec, dim: int) -> float:
    """The documented standard error of a cosine (docs/accuracy.md), of vectors that are turned at random."""
    if isinstance(codec, fb.Float):
        return 1e-7 if codec.bits == 32 else 2.0**-11 / np.sqrt(dim)
    if isinstance(codec, fb.RaBitQ):
        s = COSINES[codec.bits]
        code = np.sqrt((1 - s**2) / s**2 / (dim - 1))
        return float(np.hypot(code, query_error(dim, 8)))
    assert isinstance(codec, fb.Scalar)
    code = (0.006 if codec.bits == 8 else 0.12) / np.sqrt(dim)
    return float(np.hypot(code, query_error(dim, 8)))


ESTIMATES: dict[str, Codec] = {
    "Float(32)": fb.Float(),
    "Float(16)": fb.Float(16),
    "Scalar(8)": fb.Scalar(8),
    "Scalar(4)": fb.Scalar(4),
    "Scalar(4), staged": fb.Scalar(4, staged=True),
    "RaBitQ(1)": fb.RaBitQ(1),
    "RaBitQ(2)": fb.RaBitQ(2),
    "RaBitQ(4)": fb.RaBitQ(4),
    "RaBitQ(4), staged": fb.RaBitQ(4, staged=True),
    "RaBitQ(8)": fb.RaBitQ(8),
    "RaBitQ(8), staged": fb.RaBitQ(8, staged=True),
}


@pytest.mark.parametrize("dim", [64, 768])
@pytest.mark.parametrize("name", ESTIMATES)
def test_errors_of_cosines_are_as_documented(name: str, dim: int) -> None:
    codec = ESTIMATES[name]
    random = np.random.default_rng(dim)
    x = random.normal(size=(800, dim))
    q = np.concatenate([random.normal(size=(50, dim)), x[:50] + 0.5 * random.normal(size=(50, dim)), x[:50]])
    index = fb.Index(dim, metric="cosine", codec=codec).build(x.astype(np.float32), progress=False, threads=1)
    found = index.search(q.astype(np.float32), len(x), threads=1)
    exact = np.take_along_axis(unit(q) @ unit(x).T, found.ids, axis=1)
    error = found.scores - exact
    assert np.sqrt(np.mean(error**2)) < 1.15 * cosine_error(codec, dim)
    assert abs(error.mean()) < 0.1 * cosine_error(codec, dim) + 1e-7
    assert (found.ids[100:, 0] == np.arange(50)).all()  # a vector finds itself


def sets(kind: str, dim: int) -> Pair:
    random = np.random.default_rng(dim)
    if kind == "Gaussian":
        return random.normal(size=(800, dim)), random.normal(size=(100, dim))
    if kind == "clusters":
        centers = random.normal(size=(20, dim))
        x, q = (centers[random.integers(20, size=n)] + 0.3 * random.normal(size=(n, dim)) for n in (800, 100))
        return x, q
    x = random.normal(size=(80, dim))
    return x.repeat(10, axis=0), x + 0.2 * random.normal(size=(80, dim))


STAGED: dict[str, Codec] = {
    "RaBitQ(2)": fb.RaBitQ(2, staged=True),
    "RaBitQ(4)": fb.RaBitQ(4, staged=True),
    "RaBitQ(8)": fb.RaBitQ(8, staged=True),
    "Scalar(4)": fb.Scalar(4, staged=True),
}
STAGED_DIMS = (64, 256, 768, 2048, 4096)


def staged_cases() -> list[tuple[str, str, int, str]]:
    every = [
        (name, kind, dim, metric)
        for name in STAGED
        for kind in ("Gaussian", "clusters", "duplicates")
        for dim in STAGED_DIMS
        for metric in METRICS
    ]
    if LONG:
        return every
    small = [case for case in every if case[2] <= 768]
    large = [case for case in every if case[2] > 768]
    random = np.random.default_rng(9)
    return [cases[i] for cases, n in ((small, 24), (large, 4)) for i in sorted(random.choice(len(cases), n, False))]


@pytest.mark.parametrize(("name", "kind", "dim", "metric"), staged_cases())
def test_staged_scores_are_those_of_the_whole_codes(name: str, kind: str, dim: int, metric: str) -> None:
    codec = STAGED[name]
    truth = Truth(sets(kind, dim), metric)
    x, q = truth.x, truth.q
    index = fb.Index(dim, metric=metric, codec=codec).build(x, progress=False, threads=1)
    found = index.search(q, K, threads=1)
    decoded = index.reconstruct(np.arange(len(x)))
    lengths = decoded if isinstance(codec, fb.Scalar) else x
    expected = scores_of_codes(lengths, q, decoded, metric)
    size = 1.0 if metric == "cosine" else 2.0 * np.linalg.norm(q, axis=1).max() * np.linalg.norm(x, axis=1).max()
    error = np.abs(np.take_along_axis(expected, found.ids, axis=1) - found.scores)
    assert error.max() < (6 * query_error(dim, 8) + 1e-6) * size
    assert lost_by_staging(codec, truth) <= 0.0021 + 2 / (K * len(q))  # two results are chance


def lost_by_staging(codec: Codec, truth: Truth) -> float:
    recall = []
    for staged in (False, True):
        one = dataclasses.replace(codec, staged=staged)  # type: ignore[arg-type]
        index = fb.Index(truth.x.shape[1], metric=truth.metric, codec=one).build(truth.x, progress=False, threads=1)
        recall.append(truth.recalls(index.search(truth.q, K, threads=1).ids, K).mean())
    return float(recall[0] - recall[1])


def test_staging_loses_two_thousandths_of_recall_at_most() -> None:
    lost = [
        lost_by_staging(fb.RaBitQ(8), Truth(sets(kind, dim), metric))
        for kind in ("Gaussian", "clusters", "duplicates")
        for dim in (64, 256, 768)
        for metric in ("l2", "ip")
    ]
    assert np.mean(lost) <= 0.002


@pytest.mark.parametrize("codec", STAGED.values(), ids=STAGED.keys())
@pytest.mark.parametrize("metric", METRICS)
def test_staged_results_do_not_depend_on_batch_or_threads(codec: Codec, metric: str) -> None:
    for change in (cone(0.75), repeated):
        x, q = (part.astype(np.float32) for part in change(*canonical(256, 700, 40)))
        for partition in (None, fb.IVF(6)):
            index = fb.Index(256, metric=metric, codec=codec, partition=partition).build(x, progress=False, threads=1)
            batch = index.search(q, K, threads=1)
            threaded = index.search(q, K, threads=3)
            np.testing.assert_array_equal(batch.ids, threaded.ids)
            np.testing.assert_array_equal(batch.scores, threaded.scores)
            for number in range(0, len(q), 5):
                ids, scores = index.search(q[number], K, threads=1)
                np.testing.assert_array_equal(ids, batch.ids[number])
                np.testing.assert_array_equal(scores, batch.scores[number])


@pytest.mark.parametrize("dim", [64, 1536])
@pytest.mark.parametrize("codec", STAGED.values(), ids=STAGED.keys())
def test_staged_codes_find_duplicates_by_their_scores(codec: Codec, dim: int) -> None:
    x = np.random.default_rng(0).normal(size=(400, dim)).astype(np.float32)
    index = fb.Index(dim, metric="cosine", codec=codec).build(x, progress=False, threads=1)
    found = index.search(x, 1, min_score=0.98 if dim > 64 else 0.96, threads=1)
    np.testing.assert_array_equal(found.ids[:, 0], np.arange(len(x)))


# --- the limit of float32 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["Float(32)", "Scalar(8)", "PQ, 8 bits", "RaBitQ(8)", "RaBitQ(4), staged"])
@pytest.mark.parametrize("lists", [None, LISTS])
@pytest.mark.parametrize("shift", [1e4, 1e5, 1e6])
def test_a_shift_costs_what_float32_rounds_off_and_no_more(codec: str, lists: int | None, shift: float) -> None:
    """Data at a distance of S are rounded to S * 2^-24: from some 1e5 standard deviations on, neighbours change. Those
    of the rounded data, which are all that an index is given, are found as well as if they were not shifted."""
    x, q = (part.astype(np.float32) for part in shifted(shift)(*canonical()))
    at = float(np.round(shift))
    unshifted = Truth((x.astype(np.float64) - at, q.astype(np.float64) - at), "l2")
    parts = Parts("l2", lists, "none")
    expected = measure(CODED[codec], parts, unshifted).found
    truth = Truth((x.astype(np.float64), q.astype(np.float64)), "l2")
    check(measure(CODED[codec], parts, truth).found, expected, USUAL, f"{codec}, {parts}, shifted by {shift:g}")


# --- promises of scores --------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [fb.RaBitQ(1), fb.RaBitQ(4), fb.RaBitQ(8), fb.Scalar(8)], ids=str)
def test_cosines_are_at_most_one(codec: Codec) -> None:
    x = np.random.default_rng(64).normal(size=(800, 64)).astype(np.float32)
    index = fb.Index(64, metric="cosine", codec=codec).build(x, progress=False, threads=1)
    assert index.search(x, 1, threads=1).scores.max() <= 1


@pytest.mark.parametrize("dim", [64, 768])
@pytest.mark.parametrize("codec", STAGED.values(), ids=STAGED.keys())
def test_staged_and_whole_codes_give_the_same_scores(codec: Codec, dim: int) -> None:
    x, q = (part.astype(np.float32) for part in sets("clusters", dim))
    scores = []
    for staged in (True, False):
        one = dataclasses.replace(codec, staged=staged)  # type: ignore[arg-type]
        index = fb.Index(dim, metric="ip", codec=one).build(x, progress=False, threads=1)
        found = index.search(q, K, threads=1)
        scores.append(
            [dict(zip(*row, strict=True)) for row in zip(found.ids.tolist(), found.scores.tolist(), strict=True)]
        )
    both = [
        (score, whole[i]) for staged, whole in zip(*scores, strict=True) for i, score in staged.items() if i in whole
    ]
    of_staged, of_whole = np.array(both).T
    np.testing.assert_allclose(of_staged, of_whole, rtol=1e-5, atol=1e-5 * np.abs(of_whole).max())


@pytest.mark.parametrize("k", [20, 50])
def test_saturated_tables_keep_deep_results(k: int) -> None:
    x, q = (part.astype(np.float32) for part in canonical(128, 800, 100))
    index = coded(128)["OPQ"].make(128, "l2", None, None).build(x, progress=False, threads=1)
    decoded = index.reconstruct(np.arange(len(x)))
    truth = np.argsort(-true_scores(x.astype(np.float64), q.astype(np.float64), "l2"), axis=1)[:, :k]
    best = np.argsort(scores_of_codes(decoded, q, decoded, "l2"), axis=1)[:, :k]
    assert overlap(index.search(q, k, threads=1).ids, truth) > overlap(best, truth) - USUAL


@pytest.mark.parametrize(
    ("dim", "factor", "metric"),
    [
        (dim, factor, metric)
        for dim in (32, 64, 384)
        for factor in (10, 30, 100)
        for metric in METRICS
        if (LONG or metric == "l2" or dim < 384) and (dim, factor, metric) != (384, 100, "l2")  # its own error: .947
    ],
)
def test_spread_costs_scalar_codes_no_more_than_turned_ones(dim: int, factor: float, metric: str) -> None:
    truth = Truth(spread(factor)(*canonical(dim)), metric)
    codecs, parts = coded(dim), Parts(metric, None, "none")
    found, expected = (measure(codecs[name], parts, truth).found for name in ("Scalar(8)", "Scalar(8), turned"))
    check(found, expected, USUAL, f"Scalar(8), {parts}, beside the same rotated")
