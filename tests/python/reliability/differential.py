"""Random indexes, searched in every way: by batch, by single query and by several threads, and held against an oracle.

Run as a script it prints, for every seed, one line that says what was built and hashes the file and every result. The
lines of two instruction sets are compared by test_differential.py.

$ FEWBITS_ISA=scalar python tests/python/reliability/differential.py 0 40
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb

F32 = NDArray[np.float32]


@dataclass
class Case:
    """An index of random parts, holding random vectors after random changes, and queries for it."""

    index: fb.Index
    held: dict[int, NDArray[np.float64]]  # the vectors in it
    queries: F32
    allowed: NDArray[np.int64]


def _pick(random: np.random.Generator, options: list[Any]) -> Any:
    return options[int(random.integers(len(options)))]


def _vectors(random: np.random.Generator, n: int, dim: int) -> F32:
    """Clustered, of mixed lengths and unlike columns, with repeated and (now and then) shifted rows."""
    centers = random.normal(size=(5, dim))
    x = centers[random.integers(5, size=n)] + random.normal(size=(n, dim)) * random.uniform(0.05, 1)
    x *= np.exp(random.normal(size=(n, 1)) * _pick(random, [0, 0.3]))
    x *= np.exp(random.normal(size=dim) * _pick(random, [0, 0.5]))
    x += random.normal(size=dim) * _pick(random, [0, 0, 3])
    x[random.integers(n, size=n // 10)] = x[0]
    return x.astype(np.float32)


def _codec(random: np.random.Generator, dim: int) -> Any:
    divisor = _pick(random, [m for m in range(1, dim + 1) if m <= 48])
    return _pick(
        random,
        [
            fb.Float(),
            fb.Float(16),
            fb.Scalar(8),
            fb.Scalar(4),
            fb.Scalar(4, levels="lloyd-max"),
            fb.Scalar(4, staged=True),
            fb.PQ(divisor, bits=4),
            fb.PQ(divisor),
            fb.RaBitQ(int(random.integers(1, 9))),
            fb.RaBitQ(int(random.integers(2, 9)), staged=True),
            fb.RecurrentBinary(int(random.integers(1, 5)), symmetric=bool(random.integers(2))),
        ],
    )


def _index(random: np.random.Generator, dim: int, n: int) -> fb.Index:
    """Draws parts until they fit one another."""
    while True:
        transforms = [None, None, fb.Identity(), fb.RandomRotation(), fb.PCA(max(1, dim // 2)), fb.OPQ(iterations=1)]
        try:
            return fb.Index(
                dim,
                metric=_pick(random, ["l2", "ip", "cosine"]),
                transform=_pick(random, transforms),
                partition=_pick(random, [None, *(fb.IVF(min(7, n), iterations=2, spill=s) for s in (1.0, 1.5, 2.0))]),
                codec=_codec(random, dim),
                rerank=_pick(random, [None, None, fb.Float(), fb.Float(16), fb.Scalar(8), fb.Scalar(4)]),
                seed=int(random.integers(1000)),
            )
        except ValueError:
            continue


def make(seed: int) -> Case:
    random = np.random.default_rng(seed)
    dim = _pick(random, [1, 2, 3, 7, 8, 16, 17, 31, 48, 64, 100, 129])
    n = _pick(random, [40, 63, 64, 65, 150, 400, 1100])
    index, x = _index(random, dim, n), _vectors(random, n, dim)
    index.build(x, progress=False)
    ids = np.arange(n)
    held = dict(zip(ids.tolist(), x.astype(np.float64), strict=True))
    for _ in range(int(random.integers(4))):
        change = _pick(random, ["add", "remove", "replace", "compact"])
        some = random.permutation(np.fromiter(held, dtype=np.int64))[: int(random.integers(1, min(40, n // 2)))]
        if change == "remove" and len(held) > n // 2:
            index.remove(some)
            held = {i: row for i, row in held.items() if i not in set(some.tolist())}
        elif change == "replace":
            rows = _vectors(random, len(some), dim)
            index.add(rows, some, on_conflict="replace", progress=False)
            held |= dict(zip(some.tolist(), rows.astype(np.float64), strict=True))
        elif change == "add":
            rows = _vectors(random, 20, dim)
            new = np.arange(20) + int(random.integers(10**6, 10**12))
            if not set(new.tolist()) & set(held):
                index.add(rows, new, progress=False)
                held |= dict(zip(new.tolist(), rows.astype(np.float64), strict=True))
        else:
            index.compact()
    queries = np.concatenate([_vectors(random, 5, dim), x[:2], x[:1] * np.float32(0.01)])
    everyone = np.fromiter(held, dtype=np.int64)
    allowed = random.permutation(everyone)[: int(random.integers(1, len(everyone) + 1))]
    return Case(index, held, queries, allowed)


def searches(case: Case, seed: int) -> list[dict[str, Any]]:
    """Arguments of `search` to try."""
    random = np.random.default_rng((seed, 1))
    described = case.index
    ways: list[dict[str, Any]] = []
    for _ in range(4):
        k = _pick(random, [1, 3, 10, 64, len(case.held) + 3])
        way: dict[str, Any] = {"k": k}
        if described.partition is not None:
            way["nprobe"] = _pick(random, [1, 2, 4, 7])
            way["patience"] = _pick(random, [0, 0, 1, 3])
        if described.rerank is not None:
            way["rerank"] = _pick(random, [0, k, 3 * k])
        if random.random() < 0.4:
            way["filter"] = _pick(random, [case.allowed, fb.Filter.deny(case.allowed)])
        ways.append(way)
    return ways


def true_score(metric: str, query: F32, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores of one query with decoded rows x, in float64; under cosine these stand for rows of length 1."""
    q = query.astype(np.float64)
    if metric == "l2":
        return np.asarray(((x - q) ** 2).sum(axis=1))
    dots = x @ q
    return np.clip(dots / np.linalg.norm(q), -1, 1) if metric == "cosine" else np.asarray(dots)


def check(case: Case, way: dict[str, Any], found: fb.SearchResult) -> None:
    """What must hold whatever the codes: who may be returned, each once, in order, padded, and scored by the codes."""
    metric, sign = case.index.metric, 1.0 if case.index.metric == "l2" else -1.0
    kept = set(case.held)
    if "filter" in way:
        kept = (
            set(case.allowed.tolist()) if isinstance(way["filter"], np.ndarray) else kept - set(case.allowed.tolist())
        )
    everything = case.index.partition is None or (way["nprobe"] >= case.index.partition.nlist and not way["patience"])
    for query, ids, scores in zip(case.queries, found.ids, found.scores, strict=True):
        real = ids >= 0
        n = int(real.sum())
        assert real[:n].all(), "padding is last"
        assert set(ids[:n].tolist()) <= kept, "only what is allowed"
        assert len(set(ids[:n].tolist())) == n, "each once"
        assert n == min(way["k"], len(kept)) or not everything, "as many as there are"
        assert (scores[n:] == sign * np.inf).all(), "padding has the worst score"
        assert (np.diff(sign * scores[:n].astype(np.float64)) >= 0).all(), "best first"
        error = relative_error(case, way)
        if n and error is not None:
            if isinstance(case.index.codec, fb.PQ) and metric == "l2":
                n = 1  # distances saturate in the tables of far codewords
            rows = case.index.reconstruct(ids[:n]).astype(np.float64)
            off = np.abs(scores[:n] - true_score(metric, query, rows)).max()
            assert off <= error * scale(metric, query, case), f"scores are of the codes with these ids: {off}"


def relative_error(case: Case, way: dict[str, Any]) -> float | None:
    """How far scores may be from those of the decoded vectors; None where codes are not what decides scores."""
    index = case.index
    if way.get("rerank", 0):
        return 2e-3  # queries of 12 bits
    if index.rerank is not None or isinstance(index.codec, (fb.RaBitQ, fb.RecurrentBinary)):
        return None  # decoded are the finer codes; scores are unbiased estimates, or cosines of codes
    if index.partition is not None and index.partition.spill > 1 and not isinstance(index.codec, fb.Float):
        return None  # decoded are the codes in first lists
    if isinstance(index._description.transform, fb.PCA):
        return None  # scores are of the dimensions that are kept
    if isinstance(index.codec, fb.Float):
        return 2e-3
    return 0.03  # queries, or tables, of 8 bits


def scale(metric: str, query: F32, case: Case) -> float:
    """Of the sums that scores are made from."""
    if metric == "cosine":
        return 1.0
    longest = max(float(np.linalg.norm(row)) for row in case.held.values())
    length = float(np.linalg.norm(query.astype(np.float64)))
    return length * longest if metric == "ip" else (length + longest) ** 2


def digest(*arrays: Any) -> str:
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(array if isinstance(array, bytes) else np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()[:16]


def run(seed: int) -> str:
    """One line: what was built, a hash of its file, and one of each search, which is the same by every road."""
    case = make(seed)
    file = case.index.to_bytes()
    again = fb.Index.from_bytes(file)
    hashes = [digest(file)]
    for way in searches(case, seed):
        batch = case.index.search(case.queries, threads=1, **way)
        check(case, way, batch)
        singles = [case.index.search(query, threads=1, **way) for query in case.queries]
        for other in (
            case.index.search(case.queries, threads=3, **way),
            again.search(case.queries, threads=2, **way),
            fb.SearchResult(np.stack([s.ids for s in singles]), np.stack([s.scores for s in singles])),
        ):
            assert digest(*other) == digest(*batch), f"seed {seed}: {way}"
        hashes.append(digest(*batch))
    some = np.fromiter(case.held, dtype=np.int64)[:20]
    hashes.append(digest(case.index.reconstruct(some)))
    return f"{seed} {' '.join(hashes)} {case.index!r}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for number in range(*map(int, sys.argv[1:])):
        print(run(number), flush=True)
