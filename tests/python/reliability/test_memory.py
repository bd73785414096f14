"""Memory that runs out, in the core's threads too, is a MemoryError; the process goes on, the index is as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STARVED = """
import collections, os, resource, signal, sys
import numpy as np, fewbits as fb
random = np.random.default_rng(0)
def normal(n, d): return random.normal(size=(n, d)).astype(np.float32)
x, y, q = normal(3000, 32), normal(20_000, 32), normal(1500, 32)
index = fb.Index(32, metric="l2", partition=fb.IVF(8), codec=fb.PQ(16, bits=4), rerank=fb.Float(32))
index.build(x, progress=False).remove([1])
index.search(q[:2], 3)
even = fb.Filter(np.arange(3000) % 2 == 0)
calls = {
    "add": lambda t: index.add(y, progress=False, threads=t),
    "search": lambda t: index.search(q, 100, threads=t, nprobe=8),
    "filter": lambda t: index.search(q, 100, threads=t, nprobe=8, filter=even),
    "exact_search": lambda t: fb.exact_search(y, q, 100, metric="l2", threads=t),
    "build": lambda t: fb.Index(32, metric="l2", codec=fb.PQ(8)).build(y, progress=False, threads=t),
    "compact": lambda t: index.compact(threads=t, progress=False),
    "to_bytes": lambda t: index.to_bytes(),
}
documents = fb.MultiVectorIndex(32, encoder=fb.FDE(32, 8, 3, 8), partition=fb.IVF(4), tokens=fb.Scalar(4))
sets = lambda x, t: (x, np.arange(0, len(x) + 1, t))
documents.build(sets(x, 4), progress=False).remove([1])
documents.search(sets(q[:8], 4), 3)
calls |= {
    "add documents": lambda t: documents.add(sets(y, 10), progress=False, threads=t),
    "search documents": lambda t: documents.search(sets(q, 5), 100, rerank=700, threads=t, nprobe=4),
    "compact documents": lambda t: documents.compact(threads=t, progress=False),
}
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
before = index.to_bytes(), documents.to_bytes()

def starved(call, threads, left):
    os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
    filling = []
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
    for piece in (1 << 16, 1 << 12, 512, 64):  # what malloc holds back
        try:
            while True: filling.append(bytearray(piece))
        except MemoryError: pass
    resource.setrlimit(resource.RLIMIT_AS, (size + left, resource.RLIM_INFINITY))
    try:
        call(threads)
        outcome = 0
    except MemoryError:
        outcome = 1
    filling.clear()
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    return outcome if outcome == 0 or (index.to_bytes(), documents.to_bytes()) == before else 2

out = collections.defaultdict(collections.Counter)
for name, call in calls.items():
    for threads in (1, 3):
        for left in np.geomspace(1 << 18, 1 << 26, int(sys.argv[1])).astype(int).tolist():
            child = os.fork()
            if child == 0:
                os._exit(starved(call, threads, left))
            status = os.waitpid(child, 0)[1]
            outcome = ["done", "MemoryError", "changed"][status >> 8] if status in (0, 256, 512) else f"died: {status}"
            out[name][outcome] += 1
print(dict(out))
assert all(set(outcomes) <= {"done", "MemoryError"} for outcomes in out.values())
assert sum(outcomes["MemoryError"] for outcomes in out.values()) > 20
print("done")
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc and limits of the address space")
def test_starved() -> None:
    import resource

    def small_stacks() -> None:  # of threads, so that these start with little memory left
        resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.RLIM_INFINITY))

    margins = "200" if os.environ.get("FEWBITS_LONG") else "6"
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", STARVED, margins],
        capture_output=True,
        text=True,
        timeout=3000,
        preexec_fn=small_stacks,
    )
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr
