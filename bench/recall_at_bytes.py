"""Recall@10 of codes alone (no rerank) at equal code bytes, compared with faiss, all lists probed and some of them.

python bench/recall_at_bytes.py DATA_FOLDER [--bytes 16,32,64,128] [--threads 2]
python bench/recall_at_bytes.py DATA_FOLDER --queries TRAIN.npy [--bytes 24,32] [--bits 4,8] [--seeds 3]

Bytes are those of the codes; an id takes 4 more bytes in fewbits and 8 in faiss. With --queries, a sample that none of
the measured queries is in, codes behind LeanVec are compared with the same codes without, all vectors scanned, instead.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from fewbits.spec.codec import FACTOR_BYTES, Codec
from loading import Data, load

SOME_LISTS = 32


def codecs(dim: int, size: int) -> dict[str, fb.PQ | fb.Scalar]:
    """Codecs of `size` bytes: PQ codes up to one byte per dimension, scalar codes for more."""
    if size > dim:
        return {"IVF,Scalar(8)": fb.Scalar(8)}
    pq = {8: fb.PQ(size, bits=8)}
    if 2 * size <= dim:
        pq[4] = fb.PQ(2 * size, bits=4)
    return {f"OPQ,IVF,PQ({codec.m}, bits={bits})": codec for bits, codec in pq.items()}


def ours(data: Data, codec: fb.PQ | fb.Scalar, threads: int) -> tuple[float, float, float]:
    transform = fb.OPQ() if isinstance(codec, fb.PQ) else None
    index = fb.Index(data.base.shape[1], metric="ip", transform=transform, partition=fb.IVF(), codec=codec)
    start = time.perf_counter()
    index.build(data.base, progress=False, threads=threads)
    seconds = time.perf_counter() - start
    some, every = (data.recall(index.search(data.queries, 10, nprobe=p).ids) for p in (SOME_LISTS, len(data.base)))
    return some, every, seconds


def theirs(data: Data, factory: str) -> tuple[float, float, float]:
    index = faiss.index_factory(data.base.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    inner = faiss.downcast_index(index.index)
    if isinstance(inner, faiss.IndexIVFPQ):  # renumbers codewords, for many minutes, for a filter that is not used here
        inner.do_polysemous_training = False
    start = time.perf_counter()
    index.train(data.base)
    index.add(data.base)
    seconds = time.perf_counter() - start
    lists = faiss.extract_index_ivf(index)
    recalls = []
    for nprobe in (SOME_LISTS, lists.nlist):
        lists.nprobe = nprobe
        recalls.append(data.recall(index.search(data.queries, 10)[1]))
    return recalls[0], recalls[1], seconds


def factories(dim: int, size: int, nlist: int) -> list[str]:
    """faiss requires m to divide the dimensions: OPQ maps to more dimensions if necessary, plain codes are padded."""

    def padded(m: int) -> int:
        return math.ceil(dim / m) * m

    names = [f"OPQ{size}_{padded(size)},IVF{nlist},PQ{size}"]
    if 2 * size <= dim:
        names.append(f"Pad{padded(2 * size)},IVF{nlist},PQ{2 * size}x4fs")
    return names


def with_and_without(dim: int, size: int, bits: list[int]) -> list[tuple[str, Any, Any, Codec]]:
    """Label, transforms without and with queries, and codec: PQ of `size` bytes, and RaBitQ of `size` bytes in all."""
    rows: list[tuple[str, Any, Any, Codec]] = []
    for b in bits:
        m = 8 * size // b
        if m <= dim:
            rows.append((f"PQ({m}, bits={b})", fb.OPQ(), [fb.LeanVec(), fb.OPQ()], fb.PQ(m, bits=b)))
    rows.append((f"RaBitQ(bytes={size})", None, fb.LeanVec(), fb.RaBitQ(bytes=size)))
    for b in (2, 3, 4):
        kept = 8 * (size - FACTOR_BYTES) // b
        if 0 < kept <= dim:
            rows.append((f"RaBitQ({b}), {kept} dimensions", fb.PCA(kept), fb.LeanVec(kept), fb.RaBitQ(b)))
    return rows


def query_aware(
    data: Data, train: NDArray[np.float32], sizes: list[int], bits: list[int], seeds: int, threads: int
) -> None:
    shape = f"n {len(data.base):,}, d {data.base.shape[1]}"
    print(f"{data.name}: {shape}, {len(train):,} queries to fit to, {threads} threads, {fb.isa()}")
    print(f"{'bytes':>5}  {'codec':26} recall@10 without  with     B/vector without  with   build CPU s without  with")
    warnings.filterwarnings("ignore", message="LeanVec")
    for size in sizes:
        for label, plain, aware, codec in with_and_without(data.base.shape[1], size, bits):
            columns = []
            for transform, queries in ((plain, None), (aware, train)):
                runs = [flat(data, transform, codec, queries, seed, threads) for seed in range(seeds)]
                columns.append(np.mean(runs, axis=0))
            without, found = columns
            print(
                f"{size:5}  {label:26} {without[0]:17.4f}  {found[0]:.4f}  {without[1]:15.1f}  {found[1]:5.1f}"
                f"  {without[2]:18.1f}  {found[2]:5.1f}",
                flush=True,
            )


def flat(
    data: Data, transform: Any, codec: Codec, queries: NDArray[np.float32] | None, seed: int, threads: int
) -> tuple[float, float, float]:
    index = fb.Index(data.base.shape[1], metric="ip", transform=transform, codec=codec, seed=seed)
    start = time.process_time()
    index.build(data.base, queries=queries, progress=False, threads=threads)
    seconds = time.process_time() - start
    found = index.search(data.queries, 10, threads=threads).ids
    return data.recall(found), index.stats().bytes_per_vector, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--bytes", default="16,32,64,128")
    parser.add_argument("--bits", default="4,8", help="of PQ codes, with --queries; '': no PQ, which takes longest")
    parser.add_argument("--queries", help="queries to fit to, as a .npy file")
    parser.add_argument("--seeds", type=int, default=3, help="with --queries")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    data = load(arguments.data)
    if arguments.queries:
        train = np.ascontiguousarray(np.load(arguments.queries), dtype=np.float32)
        sizes, bits = ([int(each) for each in text.split(",") if each] for text in (arguments.bytes, arguments.bits))
        query_aware(data, train, sizes, bits, arguments.seeds, arguments.threads)
        return
    faiss.omp_set_num_threads(arguments.threads)
    n, dim = data.base.shape
    nlist = fb.IVF().lists(n)
    print(f"{data.name}: n {n:,}, d {dim}, nlist {nlist}, {arguments.threads} threads, {fb.isa()}")
    print(f"{'bytes':>5}  {'codec':36} nprobe={SOME_LISTS}  all lists  build s")
    for size in map(int, arguments.bytes.split(",")):
        rows = [(f"fewbits {name}", ours(data, codec, arguments.threads)) for name, codec in codecs(dim, size).items()]
        rows += [(f"faiss {name}", theirs(data, name)) for name in factories(dim, size, nlist)]
        for name, (some, every, seconds) in rows:
            print(f"{size:5}  {name:36} {some:9.4f}  {every:9.4f}  {seconds:7.1f}", flush=True)


if __name__ == "__main__":
    main()
