"""Filtered search: recall and time compared with unfiltered search, by how much is allowed and where it lies.

    python bench/filters.py [FOLDER] [--n N] [--nprobe P] [--labels SHARE ...]

FOLDER holds base.npy and queries.npy (without it, clustered data is generated). Masks allow a share of the vectors:
`independent` at random; `near`, in the clusters nearest to each group of queries that shares a mask; `far`, in those
farthest from it. Recall@10 is relative to exact search among the allowed vectors (without a filter, among all), as
stored in the finest codes. Times are CPU times of one thread, the median of ratios of alternating runs, for a batch and
for single queries, with a prepared `fb.Filter`. Below the table: one query with a filter that is new to the index (a
predicate and a mask), and a batch whose queries share a few filters, compared with the same queries one by one. With
--rebuilt SHARE, also the time in an index built for each mask from the allowed vectors only, at the smallest nprobe
whose recall is within one point of the unfiltered search. With --labels SHARES, only filters by label are measured: in
an index whose labels follow the same masks, beside a mask of the same vectors in an index without labels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

import fewbits as fb

SHARES = (0.0001, 0.001, 0.01, 0.1, 0.5)
GROUPS = 5  # groups of queries, each with its own mask
LABEL_GROUPS = 2  # of these, for labels, which take an index each
K = 10


def generated(n: int, dim: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    centers = random.normal(size=(max(1, n // 500), dim))

    def draw(count: int) -> NDArray[np.float32]:
        noise = random.normal(size=(count, dim)) * np.linspace(1.2, 0.2, dim)
        return (centers[random.integers(len(centers), size=count)] + noise).astype(np.float32)

    return draw(n), draw(500)


def query_groups(q: NDArray[np.float32]) -> list[NDArray[np.intp]]:
    """Groups of queries that lie together: those nearest to each of a few of them."""
    units = q / np.linalg.norm(q, axis=1, keepdims=True)
    size = len(q) // (2 * GROUPS)
    return [np.argsort(-(units @ units[center]))[:size] for center in range(GROUPS)]


def orders(x: NDArray[np.float32], q: NDArray[np.float32], seed: int) -> dict[str, NDArray[np.intp]]:
    """By kind of mask, the order in which it allows vectors."""
    middle = q.mean(axis=0)
    distance = ((x - middle) ** 2).sum(axis=1) if len(x) * x.shape[1] < 1 << 28 else -(x @ middle)
    near = np.argsort(distance, kind="stable")
    return {"independent": np.random.default_rng(seed).permutation(len(x)), "near": near, "far": near[::-1]}


def masks(x: NDArray[np.float32], q: NDArray[np.float32], share: float, seed: int) -> dict[str, NDArray[np.bool_]]:
    out = {}
    for name, order in orders(x, q, seed).items():
        out[name] = np.zeros(len(x), np.bool_)
        out[name][order[: max(K, round(share * len(x)))]] = True
    return out


def recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    return sum(len(np.intersect1d(a, b[b >= 0])) for a, b in zip(found, truth, strict=True)) / int((truth >= 0).sum())


def cpu(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def ratio(filtered: Callable[[], object], plain: Callable[[], object], rounds: int) -> float:
    filtered()
    plain()
    return float(np.median([cpu(filtered) / cpu(plain) for _ in range(rounds)]))


def measure(
    index: fb.Index,
    q: NDArray[np.float32],
    mask: NDArray[np.bool_],
    truth: NDArray[np.int64],
    options: Any,
    rounds: int,
) -> tuple[float, float, float, float]:
    """Recall with and without the filter, and ratios of times: for the batch, and for its queries one by one."""
    prepared = fb.Filter(mask)
    exact = index.search(q, K, nprobe=index.stats()["lists"], rerank=1000, filter=prepared).ids
    batch = ratio(lambda: index.search(q, K, filter=prepared, **options), lambda: index.search(q, K, **options), rounds)
    single = ratio(
        lambda: [index.search(one, K, filter=prepared, **options) for one in q[:40]],
        lambda: [index.search(one, K, **options) for one in q[:40]],
        rounds,
    )
    found = index.search(q, K, filter=prepared, **options).ids
    return recall(found, exact), recall(index.search(q, K, **options).ids, truth), batch, single


def new_filters(index: fb.Index, q: NDArray[np.float32], options: Any, rounds: int) -> None:
    """The time of a query with a new filter, which a search evaluates only where it scans."""

    @numba.cfunc("boolean(int64)")  # type: ignore[untyped-decorator]
    def tenth(i: int) -> bool:
        return i * 2654435761 % 2**32 < 2**32 // 10

    mask = np.array([tenth.ctypes(i) for i in range(len(index))])
    for name, allow in (("predicate", tenth), ("mask", mask)):
        took = ratio(
            lambda allow=allow: [index.search(one, K, filter=fb.Filter(allow), **options) for one in q[:40]],  # type: ignore[misc]
            lambda: [index.search(one, K, **options) for one in q[:40]],
            rounds,
        )
        print(f"one query, a new {name} that allows a tenth: {took:.2f} times unfiltered", flush=True)


def shared_filters(index: fb.Index, q: NDArray[np.float32], options: Any, rounds: int) -> None:
    random = np.random.default_rng(1)
    filters = [fb.Filter(random.random(len(index)) < 0.1) for _ in range(GROUPS)]
    chosen = [filters[i % GROUPS] for i in range(len(q))]
    took = ratio(
        lambda: index.search(q, K, filter=chosen, **options),
        lambda: [index.search(one, K, filter=own, **options) for one, own in zip(q, chosen, strict=True)],
        rounds,
    )
    print(f"{len(q)} queries that share {GROUPS} filters, in one call: {took:.2f} times one by one", flush=True)


def by_label(
    labelled: fb.Index,
    plain: fb.Index,
    q: NDArray[np.float32],
    labels: NDArray[np.int64],
    mask: NDArray[np.bool_],
    options: Any,
    rounds: int,
) -> list[float]:
    """Recall with a filter by label, and times relative to unfiltered search: for a batch, for its queries one by one,
    and one by one with a new filter each, by label and by mask."""
    exact = plain.search(q, K, nprobe=plain.stats()["lists"], rerank=1000, filter=mask).ids
    ways = (
        (labelled, lambda: fb.Filter.label(labels)),
        (plain, lambda: fb.Filter(mask)),
    )
    times: list[list[float]] = []
    for index, make in ways:
        prepared = make()

        def batch(index: fb.Index = index, prepared: Any = prepared) -> object:
            return index.search(q, K, filter=prepared, **options)

        def single(index: fb.Index = index, prepared: Any = prepared) -> object:
            return [index.search(one, K, filter=prepared, **options) for one in q[:40]]

        def anew(index: fb.Index = index, make: Any = make) -> object:
            return [index.search(one, K, filter=make(), **options) for one in q[:40]]

        def one_by_one(index: fb.Index = index) -> object:
            return [index.search(one, K, **options) for one in q[:40]]

        times.append(
            [
                ratio(batch, lambda index=index: index.search(q, K, **options), rounds),  # type: ignore[misc]
                ratio(single, one_by_one, rounds),
                ratio(anew, one_by_one, rounds),
            ]
        )
    found = labelled.search(q, K, filter=fb.Filter.label(labels), **options).ids
    return [recall(found, exact), *(value for pair in zip(*times, strict=True) for value in pair)]


def label_table(
    index: fb.Index, x: NDArray[np.float32], q: NDArray[np.float32], shares: list[float], options: Any, rounds: int
) -> None:
    """Label j is that of the vectors which share j allows and share j - 1 does not."""
    ends = [max(K, round(share * len(x))) for share in shares]
    print(f"{'':>30} {'batch':>17} {'one by one':>17} {'with a new filter':>17}   (times of unfiltered)")
    print(f"{'share':>8} {'labels':>12} {'recall':>8} " + f"{'label':>8} {'mask':>8} " * 3)
    rows: dict[tuple[float, str], list[list[float]]] = {}
    for number, group in enumerate(query_groups(q)[:LABEL_GROUPS]):
        for kind, order in orders(x, q[group], number).items():
            labels = np.empty(len(x), np.int64)
            labels[order] = np.searchsorted(ends, np.arange(len(x)), side="right")
            labelled = index.empty().add(x, labels=labels, progress=False)
            for j, share in enumerate(shares):
                measured = by_label(labelled, index, q[group], np.arange(j + 1), labels <= j, options, rounds)
                rows.setdefault((share, kind), []).append(measured)
    for (share, kind), values in sorted(rows.items(), key=lambda item: item[0][0]):
        columns = np.mean(values, axis=0).tolist()
        print(f"{share:>8.2%} {kind:>12} " + " ".join(f"{value:>8.3f}" for value in columns), flush=True)
    stats = labelled.stats()
    more = stats.bytes.per_vector["labels.rows"] + stats.bytes.per_vector["labels.values"]
    print(f"labels: {stats.label_runs:,} runs, {more / len(x):.2f} bytes per vector")


def rebuilt(
    index: fb.Index, fresh: fb.Index, q: NDArray[np.float32], wanted: float, options: Any, rounds: int
) -> tuple[float, float]:
    """Recall of a batch in `fresh`, and its time relative to unfiltered search in the whole index."""
    lists = fresh.stats()["lists"]
    exact = fresh.search(q, K, nprobe=lists, rerank=1000).ids
    found = 0.0
    for nprobe in sorted({min(lists, round(8 * 2 ** (i / 4))) for i in range(40)}):
        own = {**options, "nprobe": nprobe}
        if (found := recall(fresh.search(q, K, **own).ids, exact)) >= wanted:
            break
    return found, ratio(lambda: fresh.search(q, K, **own), lambda: index.search(q, K, **options), rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--n", type=int, default=300_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--nprobe", type=int, default=None, help="default: smallest with recall 0.95 without a filter")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--shares", type=float, nargs="*", default=SHARES)
    parser.add_argument("--labels", type=float, nargs="*", default=(), metavar="SHARE", help="ascending")
    parser.add_argument("--metric", default="l2", choices=("l2", "ip", "cosine"))
    parser.add_argument("--rebuilt", type=float, nargs="*", default=(), metavar="SHARE")
    arguments = parser.parse_args()
    if arguments.folder:
        x = np.load(arguments.folder / "base.npy", mmap_mode="r")[: arguments.n].astype(np.float32)
        q = np.load(arguments.folder / "queries.npy", mmap_mode="r")[:1000].astype(np.float32)
    else:
        x, q = generated(arguments.n, arguments.dim, 1)
    parts = {"partition": fb.IVF(), "codec": fb.PQ(x.shape[1] // 2, bits=4), "rerank": fb.Scalar(8)}

    def built(x: NDArray[np.float32]) -> fb.Index:
        return fb.Index(x.shape[1], metric=arguments.metric, **parts).build(x, progress=False)  # type: ignore[arg-type]

    index = built(x)
    lists = index.stats()["lists"]
    depth = 100
    truth = index.search(q, K, nprobe=lists, rerank=1000).ids
    nprobe = arguments.nprobe or next(
        (p for p in (2**i for i in range(12)) if recall(index.search(q, K, nprobe=p, rerank=depth).ids, truth) >= 0.95),
        lists,
    )
    print(f"n={len(x):,} d={x.shape[1]} {arguments.metric}, {lists} lists, nprobe {nprobe}, rerank {depth}, 1 thread")
    options = {"nprobe": nprobe, "rerank": depth, "threads": 1}
    if arguments.labels:
        label_table(index, x, q, arguments.labels, options, arguments.rounds)
        return
    print(f"{'share':>8} {'mask':>12} {'recall':>8} {'without':>8} {'batch':>8} {'single':>8}   (times of unfiltered)")
    for share in arguments.shares:
        for kind in ("independent", "near", "far"):
            rows = [
                measure(
                    index, q[group], masks(x, q[group], share, number)[kind], truth[group], options, arguments.rounds
                )
                for number, group in enumerate(query_groups(q))
            ]
            columns = [float(column) for column in np.mean(rows, axis=0)]
            print(f"{share:>8.2%} {kind:>12} " + " ".join(f"{value:>8.3f}" for value in columns), flush=True)
    for share in arguments.rebuilt:
        for kind in ("independent", "near", "far"):
            rows = [
                rebuilt(
                    index,
                    built(x[masks(x, q[group], share, number)[kind]]),
                    q[group],
                    recall(index.search(q[group], K, **options).ids, truth[group]) - 0.01,
                    options,
                    arguments.rounds,
                )
                for number, group in enumerate(query_groups(q))
            ]
            found, took = np.mean(rows, axis=0)
            print(
                f"{share:>8.2%} {kind:>12} in an index of only these: recall {found:.3f}, {took:.2f} times", flush=True
            )
    new_filters(index, q, options, arguments.rounds)
    shared_filters(index, q, options, arguments.rounds)


if __name__ == "__main__":
    main()
