"""Peak memory of a build from a memmap: codes + rerank + one block + the training sample, whatever the vectors' size.

python bench/build_memory.py [--n 1000000] [--dim 384] [--directory DIR]

Writes n x dim float32 to a file (in blocks), builds from the memmap in a fresh process and prints the peak of anonymous
memory (pages of the mapped input belong to the page cache and can be dropped) and the sum of the parts.
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

import fewbits as fb
from fewbits.input.rows import BLOCK_FLOATS
from fewbits.spec.description import CODEC_SAMPLE

BLOCK_ROWS = 65_536
MIB = 1 / 2**20


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


def make(dim: int) -> fb.Index:
    return fb.Index(dim, metric="ip", partition=fb.IVF(), codec=fb.PQ(dim // 4, bits=4), rerank=fb.Scalar(8))


def measure(path: str) -> None:
    x = np.load(path, mmap_mode="r")
    n, dim = x.shape
    make(dim).build(x[:1000], progress=False)  # loads what every process loads
    index = make(dim)
    before = anonymous_bytes()
    peak = Peak()
    peak.start()
    index.build(x, progress=False)
    peak.running = False
    peak.join()
    held = index.stats()["bytes"]["total"]
    sample = (min(n, index._description.sample_size(n)) + min(n, CODEC_SAMPLE)) * dim * 4
    block = 4 * BLOCK_FLOATS
    print(f"vectors  {x.nbytes * MIB:9.0f} MiB (mapped: {n:,} x {dim} float32)")
    print(f"index    {held * MIB:9.0f} MiB (codes, factors, ids, rerank)")
    print(f"sample   {sample * MIB:9.0f} MiB (training: all of it for lists, a part for codecs)")
    print(f"block    {block * MIB:9.0f} MiB")
    print(f"sum      {(held + sample + block) * MIB:9.0f} MiB expected")
    print(f"peak     {(peak.bytes - before) * MIB:9.0f} MiB of anonymous memory during the build")


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
