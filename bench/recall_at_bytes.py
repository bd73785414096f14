"""Recall@10 of codes alone (no rerank) at equal code bytes, compared with faiss, all lists probed and some of them.

python bench/recall_at_bytes.py DATA_FOLDER [--bytes 16,32,64,128] [--threads 2]

Bytes are those of the codes; an id takes 4 more bytes in fewbits and 8 in faiss.
"""

from __future__ import annotations

import argparse
import math
import time

import faiss

import fewbits as fb
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--bytes", default="16,32,64,128")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    data = load(arguments.data)
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
