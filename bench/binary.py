"""Codes of a few bits a dimension, ours and peers', at equal bytes: scan speed, ranking quality, and lists.

python bench/binary.py DATA_FOLDER... [--only scan,quality,lists] [--steps 300] [--bits 1,2]

One thread; CPU seconds of alternated runs, medians. Bytes are those of codes and the factors kept with them, without
ids. Peers (faiss, turbovec, rabitqlib) are measured where they are installed. All vectors are taken as unit vectors.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from fewbits import _core
from fewbits.parts import Fitting

Search = Callable[[Any], NDArray[np.int64]]  # queries -> ids (n, 10)
SCANNED = 1 << 16
SCAN_QUERIES = 256
NLIST = 1024
NPROBES = (4, 8, 16, 32, 64, 128)


class Data(NamedTuple):
    name: str
    base: NDArray[np.float32]
    queries: NDArray[np.float32]
    exact: NDArray[np.int64]
    qrels: NDArray[np.int64] | None  # query, row, relevance
    clean: NDArray[np.int64] | None  # queries that resemble none of the training queries
    pairs: tuple[NDArray[np.float32], NDArray[np.int64]] | None


def load(folder: str) -> Data:
    path = Path(folder)

    def unit(name: str) -> NDArray[np.float32]:
        x = np.load(path / f"{name}.npy").astype(np.float32)
        return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)

    judged = (path / "qrels_test.npy").exists()
    base, queries = unit("base"), unit("queries_test" if judged else "queries")
    exact = fb.exact_search(base, queries, 10, metric="cosine").ids
    if not judged:
        return Data(path.name, base, queries, exact, None, None, None)
    train = np.load(path / "qrels_train.npy")
    train = train[train[:, 2] > 0]
    pairs = unit("queries_train")[train[:, 0].astype(int)], train[:, 1].astype(np.int64)
    clean = np.load(path / "queries_test_clean.npy")
    return Data(path.name, base, queries, exact, np.load(path / "qrels_test.npy"), clean, pairs)


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def cpu_seconds(runs: dict[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Medians of the CPU time of each, run in alternation."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            started = time.process_time()
            run()
            if turn:  # the first warms caches
                seconds[name].append(time.process_time() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


# --- scan ----------------------------------------------------------------------------------------------------------


def scan() -> None:
    """1,024 bits a vector, exhaustively, a batch of queries."""
    random = np.random.default_rng(0)
    x = random.normal(size=(SCANNED, 1024)).astype(np.float32)
    q = random.normal(size=(SCAN_QUERIES, 1024)).astype(np.float32)
    runs: dict[str, Callable[[], object]] = {}
    for name, dim, codec in (
        ("SDC, 512 x 2 bits, symmetric", 512, fb.RecurrentBinary(2, symmetric=True)),
        ("512 x 2 bits, whole queries", 512, fb.RecurrentBinary(2)),
        ("SDC, 1024 x 1 bit: Hamming", 1024, fb.RecurrentBinary(1, symmetric=True)),
        ("SDC, 256 x 4 bits, symmetric", 256, fb.RecurrentBinary(4, symmetric=True)),
    ):
        index = fb.Index(dim, metric="cosine", codec=codec).build(x[:, :dim], progress=False)
        runs[f"fewbits {name}"] = lambda index=index, dim=dim: index.search(q[:, :dim], 10, threads=1)
    if installed("faiss"):
        import faiss

        faiss.omp_set_num_threads(1)
        binary, bits = faiss.IndexBinaryFlat(1024), np.packbits(x > 0, axis=1)
        binary.add(bits)
        runs["faiss IndexBinaryFlat, 1024 bits"] = lambda: binary.search(np.packbits(q > 0, axis=1), 10)
        fast = faiss.IndexPQFastScan(512, 256, 4, faiss.METRIC_INNER_PRODUCT)
        fast.train(x[:5000, :512])
        fast.add(np.ascontiguousarray(x[:, :512]))
        runs["faiss IndexPQFastScan, 256 x 4 bits"] = lambda: fast.search(np.ascontiguousarray(q[:, :512]), 10)
    print(f"\nscan: {SCANNED:,} codes of 1,024 bits, {SCAN_QUERIES} queries, k 10, 1 thread, {fb.isa()}")
    for name, seconds in cpu_seconds(runs).items():
        print(f"  {name:40} {SCANNED * SCAN_QUERIES / seconds / 1e6:8.0f} M codes/s", flush=True)


# --- quality -------------------------------------------------------------------------------------------------------


def ours(data: Data, codec: Any, **parts: Any) -> tuple[float, Search]:
    index = fb.Index(data.base.shape[1], metric="cosine", codec=codec, **parts).build(data.base, progress=False)
    return index.stats()["bytes_per_vector"], lambda q: index.search(q, 10, threads=1).ids


def untrained(data: Data, bits: int) -> Iterator[tuple[str, tuple[float, Search]]]:
    dim = data.base.shape[1]
    yield "RaBitQ", ours(data, fb.RaBitQ(bits))
    if bits <= 4:
        yield "RecurrentBinary", ours(data, fb.RecurrentBinary(bits))
        yield "RecurrentBinary symmetric", ours(data, fb.RecurrentBinary(bits, symmetric=True))
    if dim * bits // 8 <= dim // 2:
        yield "OPQ + PQ 4-bit", ours(data, fb.PQ(dim * bits // 4, bits=4), transform=fb.OPQ(iterations=5))
    if bits == 4:
        yield "Scalar(4), Lloyd-Max", ours(data, fb.Scalar(4, levels="lloyd-max"), transform=fb.RandomRotation())
    if bits == 2:
        for fewer in (2 * dim // 3, dim // 2):
            yield f"PCA({fewer}) + RaBitQ", ours(data, fb.RaBitQ(bits), transform=fb.PCA(fewer))
            yield f"PCA({fewer}) + RecurrentBinary", ours(data, fb.RecurrentBinary(bits), transform=fb.PCA(fewer))


def trained(data: Data, bits: int, steps: int) -> Iterator[tuple[str, tuple[float, Search]]]:
    dim = data.base.shape[1]

    def learn(**settings: Any) -> tuple[float, Search]:
        codec = fb.train.recurrent_binary(data.base, bits_per_dim=bits, steps=steps, progress=False, **settings)
        return ours(data, codec)

    yield "trained", learn()
    yield "trained, nonlinear", learn(hidden=dim)
    yield "trained, symmetric", learn(symmetric=True)
    if data.pairs is not None:
        yield "trained with pairs", learn(pairs=data.pairs)
    if bits == 2:
        for fewer in (2 * dim // 3, dim // 2):
            yield f"trained, {fewer} dimensions", learn(dim=fewer)


def peers(data: Data, bits: int) -> Iterator[tuple[str, tuple[float, Search]]]:
    dim = data.base.shape[1]
    if installed("faiss"):
        import faiss

        index = faiss.index_factory(dim, f"RR,RaBitQ{bits}" if bits > 1 else "RR,RaBitQ", faiss.METRIC_INNER_PRODUCT)
        index.train(data.base)
        index.add(data.base)
        yield "faiss RaBitQ", (faiss.downcast_index(index.index).code_size, lambda q: index.search(q, 10)[1])
    if installed("turbovec") and bits in (2, 3, 4) and dim % 8 == 0:
        import turbovec

        turbo = turbovec.TurboQuantIndex(dim, bits)
        turbo.add(data.base)
        yield "turbovec", (dim * bits / 8 + 4, lambda q: np.asarray(turbo.search(q, 10)[1]).astype(np.int64))
    if installed("rabitqlib"):
        index = theirs(data, bits, np.zeros((1, dim), np.float32), np.zeros(len(data.base), np.uint32))
        size = dim * bits / 8 + (12 if bits == 1 else 20)
        yield "rabitqlib", (size, lambda q: ids_of(index.search(q, 10, 1)))


def quality(data: Data, widths: list[int], steps: int) -> None:
    found = {"float": ndcg(data, data.exact, False), "clean": ndcg(data, data.exact, True)}
    judged = "" if data.qrels is None else f", nDCG@10 of float {found['float']:.4f}, clean {found['clean']:.4f}"
    print(f"\n{data.name}: n {len(data.base):,}, d {data.base.shape[1]}{judged}; bytes without ids")
    print(f"{'bits':>4} {'bytes':>6}  {'codec':34} recall@10   nDCG/float  clean nDCG")
    for bits in widths:
        rows = [untrained(data, bits)]
        rows += [trained(data, bits, steps)] if steps and bits <= 4 else []
        for group in (*rows, peers(data, bits)):
            for name, (size, search) in group:
                ids = search(data.queries)
                recall = np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids, data.exact, strict=True)]) / 10
                line = f"{bits:4} {size:6.0f}  {name:34} {recall:9.4f}"
                if data.qrels is not None:
                    line += f"   {ndcg(data, ids, False) / found['float']:10.4f}  {ndcg(data, ids, True):10.4f}"
                print(line, flush=True)


def ndcg(data: Data, ids: NDArray[np.int64], clean: bool) -> float:
    if data.qrels is None:
        return float("nan")
    qrels = data.qrels[np.isin(data.qrels[:, 0], data.clean)] if clean else data.qrels
    return float(fb.evaluate(ids, None, qrels, k=10)["ndcg"])


# --- lists ---------------------------------------------------------------------------------------------------------


def theirs(data: Data, bits: int, centroids: Any, lists: Any) -> Any:
    import rabitqlib

    index = rabitqlib.IvfIndex(data.base.shape[1], len(data.base), len(centroids), bits, "ip")
    index.build(data.base, np.ascontiguousarray(centroids), lists.astype(np.uint32))
    return index


def ids_of(found: Any) -> NDArray[np.int64]:
    return np.asarray(found[0]).astype(np.int64)


def lists(data: Data, widths: list[int]) -> None:
    """RaBitQ over the same number of lists: recall at equal nprobe and bits, and queries a second."""
    print(f"\n{data.name}: n {len(data.base):,}, {NLIST} lists, RaBitQ, 1 thread, {fb.isa()}")
    print(f"{'bits':>4} {'nprobe':>6}  {'fewbits':>8} {'q/s':>8}   {'rabitqlib':>8} {'q/s':>8}")
    centroids = fb.IVF(NLIST).fit(data.base, NLIST, Fitting("ip"))
    assigned = _core.assign(data.base, centroids, spherical=True)
    for bits in widths:
        index = fb.Index(data.base.shape[1], metric="cosine", partition=fb.IVF(NLIST), codec=fb.RaBitQ(bits))
        index.build(data.base, progress=False)
        peer = theirs(data, bits, centroids, assigned) if installed("rabitqlib") else None
        for nprobe in NPROBES:
            runs: dict[str, Callable[[], Any]] = {
                "fewbits": lambda p=nprobe, index=index: index.search(data.queries, 10, nprobe=p, threads=1).ids
            }
            if peer is not None:
                runs["rabitqlib"] = lambda p=nprobe, peer=peer: ids_of(peer.search(data.queries, 10, p))
            seconds = cpu_seconds(runs, 3)
            line = f"{bits:4} {nprobe:6}"
            for name, run in runs.items():
                ids = run()
                recall = np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids, data.exact, strict=True)]) / 10
                line += f"  {recall:9.4f} {len(data.queries) / seconds[name]:8,.0f}"
            print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--only", default="scan,quality,lists")
    parser.add_argument("--bits", default="1,2,3,4")
    parser.add_argument("--steps", type=int, default=300, help="of training; 0: train nothing")
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    widths = [int(bits) for bits in arguments.bits.split(",")]
    if "scan" in parts:
        scan()
    for folder in arguments.data:
        data = load(folder)
        if "quality" in parts:
            quality(data, widths, arguments.steps)
        if "lists" in parts and len(data.base) >= 100 * NLIST:
            lists(data, widths)


if __name__ == "__main__":
    main()
