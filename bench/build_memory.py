"""Peak memory of building from a memmap: codes + rerank + one block + the training sample, whatever the vectors weigh.

python bench/build_memory.py [--n 1000000] [--dim 384] [--directory DIR]

Writes n x dim float32 to a file (in blocks), builds from the memmap in a fresh process and prints the peak of anonymous
memory (pages of the mapped input belong to the page cache and can be dropped) beside the sum of the parts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

BLOCK_ROWS = 65_536


def anonymous_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


class Peak(threading.Thread):
    """Samples the anonymous memory of this process every 10 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes, self.running = 0, True

    def run(self) -> None:
        while self.running:
            self.bytes = max(self.bytes, anonymous_bytes())
            time.sleep(0.01)


def measure(path: str) -> None:
    import fewbits as fb

    x = np.load(path, mmap_mode="r")
    index = fb.Index(
        x.shape[1], metric="ip", partition=fb.IVF(), codec=fb.PQ(x.shape[1] // 4, bits=4), rerank=fb.Scalar(8)
    )
    index.build(x[:1000], progress=False)  # loads what every process loads
    index = fb.Index(
        x.shape[1], metric="ip", partition=fb.IVF(), codec=fb.PQ(x.shape[1] // 4, bits=4), rerank=fb.Scalar(8)
    )
    before = anonymous_bytes()
    peak = Peak()
    peak.start()
    index.build(x, progress=False)
    peak.running = False
    peak.join()
    stats = index.stats()
    mb = 1 / 2**20
    print(f"vectors      {x.nbytes * mb:9.0f} MiB (mapped: {x.shape[0]:,} x {x.shape[1]} float32)")
    print(f"index        {stats['bytes']['total'] * mb:9.0f} MiB (codes, factors, ids, rerank)")
    print(f"peak         {(peak.bytes - before) * mb:9.0f} MiB of anonymous memory during the build")
    beyond = peak.bytes - before - stats["bytes"]["total"]
    print(f"beyond codes {beyond * mb:9.0f} MiB: training sample, one block, order of rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--directory", default=None)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        path = Path(folder) / "x.npy"
        x = np.lib.format.open_memmap(path, "w+", np.float32, (arguments.n, arguments.dim))
        random = np.random.default_rng(0)
        for first in range(0, arguments.n, BLOCK_ROWS):
            block = x[first : first + BLOCK_ROWS]
            block[:] = random.standard_normal(block.shape, dtype=np.float32)
        x.flush()
        del x
        subprocess.run([sys.executable, __file__, "--measure", str(path)], check=True)


if __name__ == "__main__":
    main()
