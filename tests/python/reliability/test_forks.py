"""A fork while any call runs: the child searches, changes and saves its copy of the index, and never waits for a thread
that it does not have."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FORKED = """
import os, signal, sys, tempfile, threading, time
import numpy as np, fewbits as fb
x = np.random.default_rng(0).normal(size=(20_000, 16)).astype(np.float32)
ids = np.random.default_rng(1).permutation(len(x))
folder, what = tempfile.mkdtemp(), sys.argv[1]
index = fb.Index(16, metric="l2", partition=fb.IVF(8, iterations=2), codec=fb.PQ(8, bits=4), rerank=fb.Scalar(8))
index.build(x, ids=ids, progress=False, threads=2)
stored = index.to_bytes()
shared = fb.Filter(np.arange(10_000))
if what == "predicate":
    import numba
    @numba.cfunc("boolean(int64)")
    def slow(i):
        total = 0.0
        for j in range(2000):
            total += (i * j) % 7
        return total >= 0
    shared = fb.Filter(slow)

def some(step):
    ids = np.arange(500) + 20_000 + 500 * (step % 2)
    return index.add(x[:500], ids=ids, on_conflict="replace", threads=1, progress=False)

def opened():
    global index
    index = fb.Index.from_bytes(stored)
    return index

calls = {
    "search": lambda step: index.search(x[:300], 5, threads=2),
    "add": some,
    "remove": lambda step: index.remove([step]),
    "compact": lambda step: index.remove([step]) and index.compact(threads=2, progress=False),
    "order": lambda step: 5 in opened(),
    "predicate": lambda step: some(step).search(x[:2], 3, filter=shared, threads=1),
    "build": lambda step: fb.Index(16, metric="l2", codec=fb.PQ(4)).build(x[:3000], progress=False, threads=2),
    "save": lambda step: index.save(folder + "/parent.fb"),
    "filters": lambda step: some(step).search(x[:8], 3, filter=[shared, fb.Filter.deny([step])] * 4, threads=1),
}
stop = False
def busy():
    step = 0
    while not stop:
        calls[what](step)
        step += 1

def child():
    signal.alarm(60)  # which ends a child that stands still
    mine = index
    mine.search(x[:20], 5, threads=2, filter=shared if what != "predicate" else None)
    if what == "predicate": mine.search(x[:1], 1, filter=shared, threads=1)
    assert 7 in mine or what in ("remove", "compact")
    n = len(mine)
    mine.add(x[:10], progress=False)
    mine.remove([int(ids[-1])])
    mine.compact(progress=False)
    assert abs(len(mine) - n - 9) <= 1, (len(mine), n)
    mine.save(folder + "/child.fb")
    assert len(fb.open(folder + "/child.fb", verify=True)) == len(mine)
    os._exit(0)

threads = [threading.Thread(target=busy) for _ in range(1 if what in ("order", "remove", "compact") else 2)]
for thread in threads: thread.start()
time.sleep(0.1)
for turn in range(int(sys.argv[2])):
    time.sleep(0.003 * (turn % 7))
    if (pid := os.fork()) == 0:
        try:
            child()
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0, (what, turn)
stop = True
for thread in threads: thread.join()
print("done")
"""

WITHIN = """
import os, signal
import numpy as np, fewbits as fb
x = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
for name in ("add", "compact", "build"):
    index = fb.Index(8, metric="l2", partition=fb.IVF(4), codec=fb.PQ(4))
    if name != "build":
        index.build(x[:1000], progress=False).remove([3])
    parent, children = os.getpid(), []
    def report(stage, fraction):  # the child comes back from the call that it was forked in, as the parent does
        if os.getpid() == parent and len(children) < 5:
            if (pid := os.fork()) == 0: signal.alarm(60)
            else: children.append(pid)
    getattr(index, name)(*([] if name == "compact" else [x]), progress=report)
    n = len(index)
    index.add(x[:5], progress=False)
    if os.getpid() != parent:
        os._exit(0 if len(index) == n + 5 else 1)
    assert children
    for pid in children: assert os.waitpid(pid, 0)[1] == 0, name
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    "what", ["search", "add", "remove", "compact", "order", "predicate", "build", "save", "filters", "within"]
)
def test_a_fork_while(what: str) -> None:
    forks = "100" if os.environ.get("FEWBITS_LONG") else "8"
    code = WITHIN if what == "within" else FORKED
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, what, forks]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.stdout == "done\n", done.stderr
