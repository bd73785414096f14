"""codec="auto" before and after it is coded anew: bytes, recall, CPU time of a query, and of the step itself.

python bench/automatic.py DATA_FOLDER

Vectors are added 1,000 at a time with one thread; CPU seconds. "adds": the mean of the adds before the step, and the
one that makes it.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import fewbits as fb
from fewbits.spec.automatic import ENOUGH
from loading import load

_STEP = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    data = load(parser.parse_args().data)
    n, dim = data.base.shape
    print(f"{data.name}: n {n:,}, d {dim}, cosine, k 10, 1 thread, {fb.isa()}")
    index = fb.Index(dim, metric="cosine", codec="auto")
    adds = []
    for begin in range(0, n, _STEP):
        start = time.process_time()
        index.add(data.base[begin : begin + _STEP], progress=False, threads=1)
        adds.append(time.process_time() - start)
    step = ENOUGH // _STEP
    print(f"adds: {np.mean(adds[:step]):.3f} s, {adds[step]:.3f} s with the step at {ENOUGH:,}")
    plain = fb.Index(dim, metric="cosine", codec=fb.Float(16)).add(data.base, progress=False)
    for name, each in (("float16", plain), ("auto", index.compact(progress=False))):
        start = time.process_time()
        found = each.search(data.queries, 10, threads=1).ids
        batch = (time.process_time() - start) / len(data.queries)
        start = time.process_time()
        for query in data.queries[:100]:
            each.search(query, 10, threads=1)
        single = (time.process_time() - start) / 100
        size = each.stats().bytes_per_vector
        print(
            f"{name:8} {size:5.0f} bytes, recall@10 {data.recall(found):.4f}, "
            f"{1e6 * batch:.0f} us a query in a batch, {1e6 * single:.0f} us alone",
            flush=True,
        )


if __name__ == "__main__":
    main()
