"""Files that lie about themselves, change while they are mapped, or are looked at by others while they are written."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits import _core
from support.data import vectors

DIM = 8


def ivf(n: int = 2000, lists: int = 8, seed: int = 0) -> fb.Index:
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(lists), codec=fb.PQ(4), rerank=fb.Scalar(8))
    return index.build(vectors(n, DIM, seed=seed), ids=np.random.default_rng(seed).permutation(n), progress=False)


ODD: dict[str, Callable[[dict[str, Any]], object]] = {
    "an infinite seed": lambda meta: meta.update(seed=float("inf")),
    "no codec": lambda meta: meta["parts"].update(codec=None),
    "no transform": lambda meta: meta["parts"].update(transform=None),
    "no parts": lambda meta: meta.update(parts=None),
    "a number too large": lambda meta: meta["parts"]["codec"].update(score_aware=10**400),
    "another codec": lambda meta: meta["parts"].update(codec={"kind": "Float"}),
    "no partition": lambda meta: meta["parts"].update(partition=None),
    "no rerank store": lambda meta: meta["parts"].update(rerank=None),
    "another rerank store": lambda meta: meta["parts"].update(rerank={"kind": "Float"}),
    "an unknown part": lambda meta: meta["parts"].update(codec={"kind": "Nothing"}),
    "an unknown setting": lambda meta: meta["parts"]["codec"].update(other=1),
    "why is a number": lambda meta: meta.update(why=1),
    "a list": lambda meta: meta.update(parts=[1]),
    "a part that is text": lambda meta: meta["parts"].update(codec="PQ"),
}


@pytest.mark.parametrize("name", [*ODD, "no JSON", "no text", "deep"])
def test_an_odd_description_is_corrupt(name: str, tmp_path: Path) -> None:
    index = ivf()
    engine = index._trained("test")
    raw = {"no JSON": b"{", "no text": b"\xff\xfe\x00", "deep": b"[" * 100_000}.get(name)
    if raw is None:
        index.save(tmp_path / "a.fb")
        meta = json.loads(fb.open(tmp_path / "a.fb")._trained("test").meta)
        ODD[name](meta)
        raw = json.dumps(meta).encode()
    engine.save(_core.IndexFile(str(tmp_path / "b.fb")), raw)
    for read in (fb.open, fb.verify, lambda path: fb.Index.from_bytes(path.read_bytes())):
        with pytest.raises(fb.CorruptIndexError, match="section 'meta'"):
            read(tmp_path / "b.fb")
    if name == "an infinite seed":
        command = [sys.executable, "-m", "fewbits", "info", str(tmp_path / "b.fb")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1
        assert "section 'meta'" in done.stderr
        assert "Traceback" not in done.stderr


def test_defaults_of_a_file_cost_no_more_than_the_index_holds() -> None:
    x = vectors(40, DIM)
    multi = fb.MultiVectorIndex(DIM, encoder=fb.FDE(DIM, repetitions=2, simhash_bits=2)).build(
        [x[:4]] * 20, progress=False
    )
    index = ivf(500)
    for engine in (multi._trained("test"), index._trained("test")):
        engine.set_default("default.rerank", 2**32 - 1)
        engine.set_default("default.nprobe", 2**32 - 1)
    tracemalloc.start()
    try:
        found = fb.MultiVectorIndex.from_bytes(multi.to_bytes()).search(x[:3], 5)
        assert found.ids.shape == (5,)
        assert fb.Index.from_bytes(index.to_bytes()).search(x, 5).ids.shape == (40, 5)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
    with pytest.raises(ValueError, match=r"FDE: expected at most 16,777,216 numbers in its maps"):
        fb.FDE(4096, repetitions=4096, simhash_bits=12, final_dim=8, projection_dim=1, directions="gaussian")


OVERWRITTEN = """
import sys, numpy as np, fewbits as fb
from fewbits import errors
index = fb.open(sys.argv[1])
copy = fb.open(sys.argv[1], mmap=False)
q = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
before = copy.search(q, 10, nprobe=64, threads=1)
print("open", flush=True)
sys.stdin.readline()
for turn in range(30):
    index.search(q, 10, nprobe=64, threads=1)
    index.search(q, 10, nprobe=2, filter=np.arange(100), threads=2)
    5 in index
    index.add(q, progress=False)
    index.to_bytes()
after = copy.search(q, 10, nprobe=64, threads=1)
assert (before.ids == after.ids).all() and (before.scores == after.scores).all()
print("fine", flush=True)
"""


@pytest.mark.parametrize(("n", "lists"), [(2000, 8), (2600, 64), (4000, 3)])
def test_a_file_overwritten_in_place_cannot_lead_a_search_astray(n: int, lists: int, tmp_path: Path) -> None:
    """By `cp`: what a mapped index finds is then undefined, but it reads no memory that is not its own."""
    path, other = tmp_path / "a.fb", tmp_path / "b.fb"
    ivf().save(path)
    ivf(n, lists, seed=1).save(other)
    child = subprocess.Popen(
        [sys.executable, "-c", OVERWRITTEN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    assert other.stat().st_size >= path.stat().st_size  # a shorter file ends the process, by SIGBUS
    with path.open("r+b") as to, other.open("rb") as source:
        shutil.copyfileobj(source, to)
    assert child.communicate("go\n", timeout=120)[0] == "fine\n"
    assert child.returncode == 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_spills_are_for_this_process_alone(tmp_path: Path) -> None:
    index = fb.Index(DIM, metric="l2", codec=fb.Scalar(4), rerank=fb.Float(32, on_disk=True))
    index.train(vectors(300, DIM), progress=False)
    before = set(os.listdir("/proc/self/fd"))
    builder = index._trained("test").builder(directory=str(tmp_path))
    spills = set(os.listdir("/proc/self/fd")) - before
    still_open = [int(fd) for fd in spills if os.path.lexists(f"/proc/self/fd/{fd}")]
    assert {stat.S_IMODE(os.fstat(fd).st_mode) for fd in still_open} == {0o600}
    assert not list(tmp_path.iterdir())
    del builder


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
@pytest.mark.parametrize("kind", ["vectors", "documents"])
def test_spills_are_where_the_index_says(tmp_path: Path, kind: str) -> None:
    def spills() -> int:
        return sum(str(tmp_path) in line for line in Path("/proc/self/maps").read_text().splitlines())

    x = vectors(300, DIM)
    index: Any
    if kind == "vectors":
        rows: Any = x
        index = fb.Index(DIM, metric="l2", rerank=fb.Float(32, on_disk=True), temp_dir=tmp_path)
    else:
        rows = (x, np.arange(0, 301, 3))
        tokens = fb.Scalar(4, on_disk=True)
        index = fb.MultiVectorIndex(DIM, encoder=fb.FDE(DIM, 2, 2), tokens=tokens, temp_dir=os.fsencode(tmp_path))
    assert index.temp_dir == str(tmp_path)
    index.build(rows, progress=False)
    assert spills() == 1
    index.add(rows, progress=False)  # two segments become one
    index.remove(range(5))
    index.compact(progress=False)
    assert spills() == 1
    with pytest.raises(NotADirectoryError, match="temp_dir: expected a folder"):
        index.temp_dir = tmp_path / "none"
    index.temp_dir = None
    index.add(rows, progress=False).compact(progress=False)
    assert spills() == 0
