"""The cost of a search with codes trained for ranking, compared with untrained ones, 4 and 8 bits, at equal bytes.

python bench/trained_speed.py DATA_FOLDER... [--bytes 24] [--copies 1] [--epochs 1] [--rounds 9]

Folders as in bench/trained_codecs.py. Every vector is scanned by one thread, for all test queries in a batch and for
some of them one by one: CPU time per query, medians of rounds in which the indexes alternate. The quality of training
does not matter here, so training is short. --copies: repeats every vector this many times, since with few vectors the
fixed cost of a query (its map, its tables) dominates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import fewbits as fb
from trained_codecs import F32, Labelled, load

K = 100
SINGLE = 300  # number of queries searched one by one


def untrained(data: Labelled, size: int, bits: int) -> fb.Index:
    codec = fb.PQ(size * 8 // bits, bits=bits, score_aware=False)
    index = fb.Index(data.base.shape[1], metric="ip", transform=fb.OPQ(iterations=1), codec=codec)
    return index.build(data.base, progress=False, threads=1)


def trained(data: Labelled, size: int, bits: int, query_map: str | None, epochs: int) -> fb.Index:
    index = untrained(data, size, bits)
    settings = {"query_map": query_map, "epochs": epochs, "threads": 1, "progress": False}
    assert fb.train.jpq(index, data.train, x=data.base, **settings).changed
    return index


def copied(index: fb.Index, x: F32, copies: int) -> fb.Index:
    for copy in range(1, copies):
        index.add(x, ids=np.arange(len(x)) + copy * len(x), progress=False, threads=1)
    return index.compact(progress=False, threads=1)


def indexes(data: Labelled, size: int, copies: int, epochs: int) -> dict[str, fb.Index]:
    found = {}
    for bits in (4, 8):
        found[f"OPQ | {bits}"] = untrained(data, size, bits)
        found[f"JPQ, codebook alone | {bits}"] = trained(data, size, bits, None, epochs)
        found[f"JPQ, codebook and query map | {bits}"] = trained(data, size, bits, "full", epochs)
    return {name: copied(index, data.base, copies) for name, index in found.items()}


def cpu_microseconds(search: Callable[[F32], object], parts: list[F32]) -> float:
    """Microseconds per query, for queries searched part by part."""
    began = time.process_time()
    for part in parts:
        search(part)
    return 1e6 * (time.process_time() - began) / sum(len(part) for part in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    for name, value in (("bytes", 24), ("copies", 1), ("epochs", 1), ("rounds", 9)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    for folder in given.folders:
        data = load(folder, 1)
        batches = {"per query of a batch": [data.test], "per single query": np.split(data.test[:SINGLE], SINGLE)}
        found = indexes(data, given.bytes, given.copies, given.epochs)
        taken = {(name, how): [] for name in found for how in batches}
        for _ in range(given.rounds):
            for name, how in taken:
                search = lambda q, index=found[name]: index.search(q, K, threads=1)  # noqa: E731
                taken[name, how].append(cpu_microseconds(search, batches[how]))
        print(
            f"| {data.name}, n {given.copies * len(data.base):,}, {given.bytes} bytes | bits | us, "
            + " | us, ".join(batches)
            + " |"
        )
        print("|---" * (2 + len(batches)) + "|")
        for name in found:
            print(
                f"| {name} | " + " | ".join(f"{np.median(taken[name, how]):.1f}" for how in batches) + " |", flush=True
            )


if __name__ == "__main__":
    main()
