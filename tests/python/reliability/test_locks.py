"""No lock of the core is waited for with the GIL held, and no thread waits for itself (docs/reliability.md, "Locks").

Everything runs in children under a watchdog: what is wrong here is a process that stands still.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from fewbits import _core

COMMON = """
import faulthandler, sys, threading, time
faulthandler.dump_traceback_later(100, exit=True)
import numpy as np, fewbits as fb
from fewbits import _core
sys.setswitchinterval(1e-4)
n, d = 60_000, 4
random = np.random.default_rng(0)
x, ids = random.normal(size=(n, d)).astype(np.float32), random.permutation(n)
own = fb.Index(d, metric="l2", partition=fb.IVF(4), codec=fb.Scalar(8)).train(x[:500], progress=False)
saved = own.add(x, ids=ids, progress=False).to_bytes()
"""

BESIDE = (
    COMMON
    + """
import os, tempfile
folder = tempfile.mkdtemp()
mask = np.arange(n) % 2
params, arrays = own._engine.params, own._engine.arrays()
params = {name: value for name, value in params.items() if not name.startswith("default.")}

encoder = fb.FDE(d, repetitions=1, simhash_bits=1)
def encodings(n): return encoder.encode_documents((x[:n], np.arange(n + 1)))
def builder(engine):
    made = engine.builder()
    if "tokens.dim" in engine.params:
        made.append(encodings(10), np.arange(10), tokens=x[:10], offsets=np.arange(11))
    else:
        made.append(x[:10], np.arange(10))
    return made

# By name, every member of the classes that share state between threads: calls of an engine whose ids are not in order
# yet, so that the first of them has to wait for, or do, what the others wait for.
calls = {
    "Engine.__init__": lambda e: _core.Engine(params, arrays),
    "Engine.open": lambda e: _core.Engine.open(_core.IndexFile.open(folder + "/a.fb")),
    "Engine.from_bytes": lambda e: _core.Engine.from_bytes(small),
    "Engine.builder": builder,
    "Engine.publish": lambda e: e.publish(builder(e), on_conflict="replace", progress=lambda f: 5 in own),
    "Engine.remove": lambda e: e.remove(np.arange(5)),
    "Engine.compact": lambda e: e.compact(progress=lambda f: None),
    "Engine.join": lambda e: _core.Engine.join([e], on_conflict="replace"),
    "Engine.save": lambda e: e.save(_core.IndexFile(folder + f"/{threading.get_ident()}.fb"), b"{}"),
    "Engine.sync": lambda e: e.sync(mine, b"{}"),
    "IndexFile.__init__": lambda e: _core.IndexFile(folder),
    "IndexFile.open": lambda e: _core.IndexFile.open(folder + "/a.fb"),
    "IndexFile.params": lambda e: mine.params,
    "IndexFile.log": lambda e: mine.log,
    "Engine.to_bytes": lambda e: e.to_bytes(b"{}"),
    "Engine.copy": lambda e: e.copy(),
    "Engine.meta": lambda e: e.meta,
    "Engine.params": lambda e: e.params,
    "Engine.next_id": lambda e: e.next_id,
    "Engine.number_from": lambda e: e.number_from(n),
    "Engine.arrays": lambda e: e.arrays(),
    "Engine.set_default": lambda e: e.set_default("default.nprobe", 2),
    "Engine.__len__": len,
    "Engine.search": lambda e: e.search(x[:3], 5, nprobe=4, rerank=0, filters=[shared]),
    "Engine.probe": lambda e: e.probe(x[:3], 2),
    "Engine.take": lambda e: e.take(ids[30_000:30_010]),
    "Engine.entries_read": lambda e: e.entries_read(x[:3], 5, nprobe=4, patience=2),
    "Engine.search_sets": lambda e: e.search_sets(
        encodings(3), x[:3], np.arange(4), 5, nprobe=1, candidates=9, filters=[shared]
    ),
    "Engine.rank_all": lambda e: e.rank_all(x[:3], np.arange(4), 5),
    "Engine.score_sets": lambda e: e.score_sets(x[:3], np.arange(4), ids[30_000:30_009].reshape(3, 3)),
    "Engine.reconstruct_sets": lambda e: e.reconstruct_sets(ids[30_000:30_010]),
    "Engine.score": lambda e: e.score(x[:3], ids[30_000:30_010][None]),
    "Engine.contains": lambda e: e.contains(ids[:50]),
    "Engine.reconstruct": lambda e: e.reconstruct(ids[30_000:30_010]),
    "Engine.labels": lambda e: refused(lambda: e.labels(ids[30_000:30_010])),
    "Engine.labelled": lambda e: e.labelled,
    "Engine.with_scoring": lambda e: e.with_scoring({}, {}),
    "Engine.with_encoder": lambda e: refused(lambda: e.with_encoder({"dim": d}, {})),
    "Engine.codes": lambda e: e.codes(),
    "Engine.factors_b": lambda e: e.factors_b(),
    "Engine.ids": lambda e: e.ids(),
    "Engine.id_blocks": lambda e: list(e.id_blocks(10_000)),
    "Engine.stats": lambda e: e.stats(),
    "SparseEngine.__init__": lambda e: _core.SparseEngine(),
    "SparseEngine.added": lambda e: words.added(*rows, np.arange(3), replace=True),
    "SparseEngine.removed": lambda e: words.removed(np.arange(2)),
    "SparseEngine.compacted": lambda e: words.compacted(),
    "SparseEngine.search": lambda e: words.search(*rows, 2, filters=[shared]),
    "SparseEngine.score": lambda e: words.score(*rows, np.array([[0, 1]])),
    "SparseEngine.reconstruct": lambda e: words.reconstruct(np.arange(2)),
    "SparseEngine.contains": lambda e: words.contains(np.arange(2)),
    "SparseEngine.ids": lambda e: words.ids(),
    "SparseEngine.stats": lambda e: words.stats(),
    "SparseEngine.__len__": lambda e: len(words),
    "SparseEngine.next_id": lambda e: words.next_id,
    "SparseEngine.scales": lambda e: words.scales(),
    "SparseEngine.meta": lambda e: words.meta,
    "SparseEngine.save": lambda e: words.save(_core.IndexFile(folder + f"/{threading.get_ident()}.fb"), b"{}"),
    "SparseEngine.sync": lambda e: words.sync(mine, b"{}"),
    "SparseEngine.to_bytes": lambda e: words.to_bytes(b"{}"),
    "SparseEngine.open": lambda e: _core.SparseEngine.open(_core.IndexFile.open(folder + "/words.fb")),
    "SparseEngine.from_bytes": lambda e: _core.SparseEngine.from_bytes(words.to_bytes(b"{}")),
    "Filter.mask": lambda e: e.search(x[:3], 5, nprobe=4, rerank=0, filters=[_core.Filter.mask(mask.astype(np.uint8))]),
    "Filter.ids": lambda e: e.search(x[:3], 5, nprobe=4, rerank=0, filters=[_core.Filter.ids(ids[:9], allow=True)]),
    "Filter.labels": lambda e: refused(
        lambda: e.search(x[:3], 5, nprobe=4, rerank=0, filters=[_core.Filter.labels(ids)])
    ),
    "Filter.predicate": lambda e: refused(lambda: _core.Filter.predicate(0)),
    "Filter.given": lambda e: shared.given(),
    "Builder.append": builder,
    "Builder.append_codes": lambda e: refused(lambda: e.builder().append_codes(np.zeros((1, 1), np.uint8))),
    "Builder.__len__": lambda e: len(builder(e)),
    "Turns.__init__": lambda e: _core.Turns(),
    "Turns.take": lambda e: turns.take("test").end(),
    "Turn.end": lambda e: turns.take("test").end(),
    "Turn.__enter__": lambda e: in_turn(),
    "Turn.__exit__": lambda e: in_turn(),
}
of_documents = ("Engine.search_sets", "Engine.rank_all", "Engine.score_sets", "Engine.reconstruct_sets")
writers = [f"Engine.{name}" for name in ("publish", "remove", "compact", "save", "sync", "set_default")]
writers += ["Turns.take"]

def in_turn():
    with turns.take("test"):
        time.sleep(0)

def refused(call):
    try:
        call()
    except (ValueError, TypeError):
        pass

turns, shared = _core.Turns(), _core.Filter.ids(ids[:40_000], allow=True)
rows = (np.arange(4), np.array([1, 2, 1], np.uint32), np.ones(3, np.float32))
words = _core.SparseEngine().added(*rows)
words.save(_core.IndexFile(folder + "/words.fb"), b"{}")
mine = _core.IndexFile(folder + "/mine.fb")
little = fb.Index(d, metric="l2", codec=fb.Float(32)).add(x[:100], progress=False)
small = little.to_bytes()
documents = fb.MultiVectorIndex(d, encoder=encoder, tokens=fb.Scalar(4))
documents = documents.build((x, np.arange(n + 1)), ids=ids, progress=False).to_bytes()
little.save(folder + "/a.fb")
members = {
    f"{kind.__name__}.{name}"
    for kind in (
        _core.Engine, _core.Filter, _core.Builder, _core.Turns, _core.Turn, _core.SparseEngine, _core.IndexFile
    )
    for name, member in vars(kind).items()
    if not name.startswith("_") or name in ("__len__", "__enter__", "__exit__")
} | {"Engine.__init__", "Turns.__init__", "SparseEngine.__init__", "IndexFile.__init__"}
assert members == set(calls), members ^ set(calls)

def overtaken(call, engine):
    try:
        call(engine)
    except ValueError as error:
        assert "meanwhile" in str(error) or "is not in the index" in str(error), (str(error),)

for writer in writers:
    for name, call in calls.items():
        engine = _core.Engine.from_bytes(documents if name in of_documents else saved)
        both = [threading.Thread(target=overtaken, args=pair) for pair in ((calls[writer], engine), (call, engine))]
        for thread in both: thread.start()
        for thread in both: thread.join()
print("done")
"""
)

STALLS = (
    COMMON
    + """
n = 600_000
x, ids = np.tile(x, (10, 1)), random.permutation(n) * 2
index = fb.Index(d, metric="l2", codec=fb.Scalar(8)).train(x[:500], progress=False)
saved = index.add(x, ids=ids, progress=False).to_bytes()
index, worst, stop = fb.Index.from_bytes(saved), 0.0, False
def tick():  # of CPU time of the process while this thread wanted to run: the machine may be busy with others
    global worst
    while not stop:
        before = time.process_time()
        time.sleep(0.001)
        worst = max(worst, time.process_time() - before)
ticking = threading.Thread(target=tick)
ticking.start()
time.sleep(0.05)
worst = 0.0
before = time.process_time()
assert 5 not in index
ordering = time.process_time() - before
index.add(x[:200_000], ids=random.permutation(n)[:200_000] * 2 + 1, progress=False, threads=1)
stop = True
ticking.join()
assert worst < max(0.1, ordering / 2), (worst, ordering)
print("done")
"""
)

REENTRANT = (
    COMMON
    + """
from concurrent.futures import ThreadPoolExecutor
import tempfile
x = x[:3000]
def made(): return fb.Index(d, metric="l2", codec=fb.Float(32)).add(x, progress=False)
changes = {
    "add": lambda i: i.add(x[:5], progress=False),
    "remove": lambda i: i.remove([0]),
    "compact": lambda i: i.compact(progress=False),
    "train": lambda i: i.train(x, progress=False),
    "build": lambda i: i.build(x, progress=False),
    "tune": lambda i: fb.tune(i, x[:50], k=1, recall=0.5),
}
reads = {
    "search": lambda i: i.search(x[0], 3),
    "in": lambda i: 5 in i,
    "save": lambda i: i.save(tempfile.mkdtemp() + "/a.fb"),
    "sync": lambda i: i.sync(tempfile.mkdtemp() + "/a.fb"),
    "merge": lambda i: fb.merge([i]),
    "reconstruct": lambda i: i.reconstruct([7]),
}
def outcome(call):
    try:
        call()
        return "fine"
    except (RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"

for name, call in (changes | reads).items():
    index = made()
    def blocks():
        yield x[:10]
        said.append(outcome(lambda: call(index)))
        with ThreadPoolExecutor(1) as others:  # nor is anything held that another thread needs
            others.submit(outcome, lambda: call(index)).result()
    said = []
    index.add(blocks(), progress=False)
    assert name in ("train", "build", "tune") or said == ["fine"], (name, said)
    for unneeded, change, given in ((1, index.add, [x]), (2, index.compact, [])):
        index.remove([unneeded])
        said = []
        change(*given, progress=lambda stage, fraction: said.append(outcome(lambda: call(index))))
        busy = [each for each in said if "this thread is already changing the index" in each]
        assert not busy or name in changes, (name, busy)
        assert busy or name in reads or name in ("train", "build", "tune"), (name, said)
documents = [x[i : i + 4] for i in range(0, 80, 4)]
multi = fb.MultiVectorIndex(d, encoder=fb.FDE(d, repetitions=2, simhash_bits=2)).build(documents, progress=False)
said = []
multi.add(documents, progress=lambda stage, fraction: said.append(outcome(lambda: multi.remove([0]))))
assert any("this thread is already changing" in each for each in said), said
print("done")
"""
)


@pytest.mark.parametrize("code", [BESIDE, STALLS, REENTRANT], ids=["every binding", "stalls", "reentrant"])
def test_nothing_stands_still(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.stdout == "done\n", done.stderr


def test_a_turn_is_of_one_thread() -> None:
    turns = _core.Turns()
    with turns.take("one"), pytest.raises(RuntimeError, match="two: this thread is already changing the index"):
        turns.take("two")
    turn = turns.take("three")
    del turn
    turns.take("four").end()
