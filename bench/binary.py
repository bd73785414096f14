"""Codes of a few bits per dimension, ours and peers', at equal bytes: scan speed, ranking quality, and lists.

python bench/binary.py DATA_FOLDER... [--only scan,quality,table,upgrades,lists] [--steps 300] [--bits 1,2]
                                      [--totals 128,768]
python bench/binary.py --chart FILE.svg --read LOG...   (draws the tables that earlier runs printed)

One thread; medians of CPU seconds of alternating runs. Bytes are those of codes and of the factors stored with them,
without ids. Peers (faiss, turbovec, rabitqlib) are measured if installed. All vectors are scaled to unit length.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from binary_data import OPQ_ITERATIONS, Data, Search, ids_of, installed, load, ndcg, ours, peers, recall, theirs
from binary_table import TOTALS, draw, read, table
from fewbits import _core
from fewbits.spec.parts import Fitting

SCANNED = 1 << 16
SCAN_QUERIES = 256
NLIST = 1024
NPROBES = (4, 8, 16, 32, 64, 128)


def cpu_seconds(runs: dict[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Median CPU time of each function, run in alternation."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            started = time.process_time()
            run()
            if turn:  # the first run warms caches
                seconds[name].append(time.process_time() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


# --- scan ----------------------------------------------------------------------------------------------------------


def scan() -> None:
    """Exhaustive scans of 1,024 bits per vector by a batch of queries."""
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


def untrained(data: Data, bits: int) -> Iterator[tuple[str, tuple[float, Search]]]:
    dim = data.base.shape[1]
    yield "RaBitQ", ours(data, fb.RaBitQ(bits))
    if bits <= 4:
        yield "RecurrentBinary", ours(data, fb.RecurrentBinary(bits))
        yield "RecurrentBinary symmetric", ours(data, fb.RecurrentBinary(bits, symmetric=True))
    if dim * bits // 8 <= dim // 2:
        yield "OPQ + PQ 4-bit", ours(data, fb.PQ(dim * bits // 4, bits=4), transform=fb.OPQ(iterations=OPQ_ITERATIONS))
    if bits == 4:
        yield "Scalar(4), Lloyd-Max", ours(data, fb.Scalar(4, levels="lloyd-max"), transform=fb.RandomRotation())
    if bits == 2:
        for fewer in (2 * dim // 3, dim // 2):
            yield f"PCA({fewer}) + RaBitQ", ours(data, fb.RaBitQ(bits), transform=fb.PCA(fewer))
            yield f"PCA({fewer}) + RecurrentBinary", ours(data, fb.RecurrentBinary(bits), transform=fb.PCA(fewer))


def trained(data: Data, bits: int, steps: int) -> Iterator[tuple[str, tuple[float, Search]]]:
    dim = data.base.shape[1]

    def learn(**settings: Any) -> tuple[float, Search]:
        codec = fb.train.recurrent_binary(data.base, bits=bits, steps=steps, progress=False, **settings)
        return ours(data, codec)

    yield "trained", learn()
    yield "trained, nonlinear", learn(hidden=dim)
    yield "trained, symmetric", learn(symmetric=True)
    if data.pairs is not None:
        yield "trained with pairs", learn(pairs=data.pairs)
    if bits == 2:
        for fewer in (2 * dim // 3, dim // 2):
            yield f"trained, {fewer} dimensions", learn(dim=fewer)


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
                line = f"{bits:4} {size:6.0f}  {name:34} {recall(data, ids):9.4f}"
                if data.qrels is not None:
                    line += f"   {ndcg(data, ids, False) / found['float']:10.4f}  {ndcg(data, ids, True):10.4f}"
                print(line, flush=True)


# --- upgrades ------------------------------------------------------------------------------------------------------


def upgrades(data: Data, steps: int) -> None:
    """One index while its embedding is replaced, without and with lists. The older embedding consists of the half of
    the newer one's directions with the most variance, plus noise of a quarter of their size. Results should be the
    newer one's neighbours."""
    random = np.random.default_rng(0)
    dim = data.base.shape[1]
    strongest = np.linalg.eigh(data.base.T @ data.base)[1][:, -(dim // 2) :]

    def older(x: NDArray[np.float32]) -> NDArray[np.float32]:
        y = x @ strongest
        return y + np.float32(0.25 * y.std()) * random.normal(size=y.shape).astype(np.float32)

    old_x, old_q = older(data.base), older(data.queries)
    settings: dict[str, Any] = {"bits": 2, "steps": steps, "progress": False}
    old = fb.train.recurrent_binary(old_x, dim=dim, **settings)
    new = fb.train.recurrent_binary(data.base, compatible_with=old, old=old_x, **settings)
    free = fb.train.recurrent_binary(data.base, **settings)
    ids = random.permutation(len(old_x))
    print(f"\n{data.name}: upgrade from {old_x.shape[1]} to {dim} dimensions, codes of {dim} x 2 bits: recall@10")
    for nlist in (None, len(ids) // 64):
        lists = None if nlist is None else fb.IVF(nlist)
        nprobe = None if nlist is None else nlist // 4

        def found(index: fb.Index, queries: NDArray[np.float32], nprobe: int | None = nprobe) -> float:
            return recall(data, index.search(queries, 10, nprobe=nprobe, threads=1).ids)

        index = fb.Index(old_x.shape[1], metric="cosine", codec=old, partition=lists).build(old_x, progress=False)
        print("  exhaustive" if lists is None else f"  {nlist} lists, nprobe {nprobe}")
        print(f"    old queries, old codes                    {found(index, old_q):.4f}")
        index.upgrade(new)
        for share, part in ((0, ids[:0]), (50, ids[: len(ids) // 2]), (100, ids[len(ids) // 2 :])):
            if len(part):
                index.add(data.base[part], ids=part, on_conflict="replace", progress=False)
            print(f"    new queries, {share:3} % of the codes are new      {found(index, data.queries):.4f}")
        index = fb.Index(dim, metric="cosine", codec=free, partition=lists).build(data.base, progress=False)
        print(f"    new queries and codes, no compatibility   {found(index, data.queries):.4f}", flush=True)


# --- lists ---------------------------------------------------------------------------------------------------------


def lists(data: Data, widths: list[int]) -> None:
    """RaBitQ over the same number of lists: recall at equal nprobe, and queries per second, also at a recall of .90.

    rabitqlib pads vectors with zeros to a multiple of 64 dimensions, and encodes these too; "padded" indexes do the
    same, so that their codes have as many bits.
    """
    dim, nlist = data.base.shape[1], NLIST
    padding = ((0, 0), (0, -dim % 64))
    padded = Data(*data[:1], np.pad(data.base, padding), np.pad(data.queries, padding), *data[3:])
    print(f"\n{data.name}: n {len(data.base):,}, {nlist} lists, RaBitQ, 1 thread, {fb.isa()}: recall@10, queries/s")
    names = ["fewbits", f"padded to {padded.base.shape[1]}", "rabitqlib"]
    print(f"{'bits':>4} {'nprobe':>6}" + "".join(f"{name:>20}" for name in names))
    centroids = fb.IVF(nlist).fit(data.base, nlist, Fitting("ip"))
    assigned = _core.assign(data.base, centroids, spherical=True)
    for bits in widths:
        searches: dict[str, Callable[[int], NDArray[np.int64]]] = {}
        for name, own in zip(names, (data, padded), strict=False):
            index = fb.Index(own.base.shape[1], metric="cosine", partition=fb.IVF(nlist), codec=fb.RaBitQ(bits))
            index.build(own.base, progress=False)
            searches[name] = lambda p, index=index, q=own.queries: index.search(q, 10, nprobe=p, threads=1).ids
        if installed("rabitqlib"):
            peer = theirs(data, bits, centroids, assigned)
            searches["rabitqlib"] = lambda p, peer=peer: ids_of(peer.search(data.queries, 10, p))
        curves: dict[str, list[tuple[float, float]]] = {name: [] for name in searches}
        for nprobe in NPROBES:
            runs = {name: lambda search=search, p=nprobe: search(p) for name, search in searches.items()}
            line = f"{bits:4} {nprobe:6}"
            for name, seconds in cpu_seconds(runs, 3).items():
                curves[name].append((recall(data, searches[name](nprobe)), len(data.queries) / seconds))
                line += "{:11.4f} {:8,.0f}".format(*curves[name][-1])
            print(line, flush=True)
        print(f"{bits:4}  at .90" + "".join(f"{_speed_at(0.9, curve):20,.0f}" for curve in curves.values()), flush=True)


def _speed_at(wanted: float, curve: list[tuple[float, float]]) -> float:
    """Interpolated between the measured points, on a logarithmic scale; 0 if the recall is not reached."""
    recalls, speeds = np.array(curve).T
    return float(np.exp(np.interp(wanted, recalls, np.log(speeds)))) if recalls.max() >= wanted else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--only", default="scan,quality,table,upgrades,lists")
    parser.add_argument("--bits", default="1,2,3,4", help="bits per dimension, for quality and lists")
    parser.add_argument("--totals", default=",".join(map(str, TOTALS)), help="bits per vector, for the table")
    parser.add_argument("--steps", type=int, default=300, help="training steps; 0: no training")
    parser.add_argument("--chart", type=Path, help="draw a chart of the tables in the logs")
    parser.add_argument("--read", type=Path, nargs="+", default=[], help="logs")
    arguments = parser.parse_args()
    if (arguments.chart is None) != (not arguments.read):
        parser.error("--chart and --read: expected both")
    if arguments.chart is not None:
        draw(read(arguments.read), arguments.chart)
        return
    parts = arguments.only.split(",")
    widths = [int(bits) for bits in arguments.bits.split(",")]
    if "scan" in parts:
        scan()
    for folder in arguments.data:
        data = load(folder)
        if "quality" in parts:
            quality(data, widths, arguments.steps)
        if "table" in parts:
            table(data, [int(total) for total in arguments.totals.split(",")], arguments.steps)
        if "upgrades" in parts:
            upgrades(data, arguments.steps)
        if "lists" in parts and len(data.base) >= 100 * NLIST:
            lists(data, widths)


if __name__ == "__main__":
    main()
