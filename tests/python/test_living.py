"""Copies, threads and interruptions: an index is one consistent thing wherever it goes and whatever runs beside it."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import fewbits as fb
from conftest import F32, vectors
from test_updates import CODECS, DIM, assert_same, full, trained


@pytest.mark.parametrize("name", CODECS)
def test_bytes_and_pickles_are_the_file(name: str, tmp_path: Path) -> None:
    index = trained(name).add(vectors(200, DIM, seed=3))
    index.remove(range(10, 20))
    index.save(tmp_path / "a.fb")
    data = index.to_bytes()
    assert data == (tmp_path / "a.fb").read_bytes()
    for other in (fb.Index.from_bytes(data), pickle.loads(pickle.dumps(index)), copy.deepcopy(index)):
        assert_same(other, index)
        assert other.to_bytes() == data
        other.add(vectors(5, DIM))
        other.remove([0])
        assert len(other) == 194
        assert len(index) == 190


def test_untrained_indexes_are_pickled_too() -> None:
    index = fb.Index(DIM, metric="ip", partition=fb.IVF(3), codec=fb.PQ(4), seed=7)
    other = pickle.loads(pickle.dumps(index))
    assert repr(other) == repr(index)
    assert not other.is_trained
    x = vectors(300, DIM)
    assert other.build(x).to_bytes() == index.build(x).to_bytes()


def test_damaged_bytes_are_refused() -> None:
    data = fb.Index(4, metric="l2").build(vectors(3, 4)).to_bytes()
    for length in range(len(data)):
        with pytest.raises(fb.CorruptIndexError):
            fb.Index.from_bytes(data[:length])
    for at in range(len(data)):
        for bit in range(8):
            with pytest.raises((fb.CorruptIndexError, fb.FormatVersionError)):
                fb.Index.from_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
    with pytest.raises(TypeError, match="file: expected bytes, got str"):
        fb.Index.from_bytes("a.fb")  # type: ignore[arg-type]


def _answer(index: fb.Index, q: F32) -> list[list[int]]:
    return index.search(q, 5).ids.tolist()  # type: ignore[no-any-return]


def test_spawned_processes_get_a_copy() -> None:
    index, q = trained("ivf-pq4-scalar8").add(vectors(200, DIM, seed=3)), vectors(4, DIM, seed=5)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_answer, (index, q)) == _answer(index, q)


def test_searches_see_one_state_whatever_changes(tmp_path: Path) -> None:
    """Every change moves a hundred vectors at once: a search that saw half a change would find another number."""
    x, q = vectors(400, DIM, seed=3), vectors(5, DIM, seed=5)
    index = trained("ivf-pq4-scalar8").add(x[:200])
    even = fb.Filter(np.arange(200_000) % 2 == 0)
    stop = False

    def look() -> int:
        looks = 0
        while not stop:
            found = full(index, q, 1000)
            assert (found.counts == found.counts[0]).all()
            assert found.counts[0] in (200, 100, 300)
            assert all(len(set(ids[ids >= 0].tolist())) == (ids >= 0).sum() for ids in found.ids)
            index.search(q, 3, filter=even)
            pickle.dumps(index)
            looks += 1
        return looks

    with ThreadPoolExecutor(4) as pool:
        looks = [pool.submit(look) for _ in range(3)]
        for turn in range(12):
            index.remove(range(100) if turn == 0 else range(200 + 100 * (turn - 1), 300 + 100 * (turn - 1)))
            index.add(x[200:300], ids=range(200 + 100 * turn, 300 + 100 * turn))
            index.add(x[300:400], ids=range(100, 200), on_conflict="replace")
            if turn % 3 == 0:
                index.compact()
            index.save(tmp_path / "a.fb")
            assert len(fb.open(tmp_path / "a.fb", verify=True)) == 200
        stop = True
        assert sum(future.result() for future in looks) > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_processes_saving_to_one_path(tmp_path: Path) -> None:
    indexes = [trained("staged").add(vectors(n, DIM, seed=n)) for n in (50, 80)]
    children = []
    for index in indexes:
        if (child := os.fork()) == 0:
            for _ in range(40):
                index.save(tmp_path / "a.fb")
            os._exit(0)
        children.append(child)
    sizes = set()
    while children:
        if (tmp_path / "a.fb").exists():
            sizes.add(len(fb.open(tmp_path / "a.fb", verify=True)))
        children = [child for child in children if os.waitpid(child, os.WNOHANG)[0] == 0]
    assert sizes <= {50, 80}
    assert [path.name for path in tmp_path.iterdir()] == ["a.fb"]


INTERRUPTED = """
import signal
import numpy as np, fewbits as fb
signal.signal(signal.SIGINT, signal.default_int_handler)  # which the background jobs of a shell have not
x = np.random.default_rng(0).normal(size=(120_000, 96)).astype(np.float32)
index = fb.Index(96, metric="l2", transform=fb.OPQ(), partition=fb.IVF(2000), codec=fb.PQ(48), rerank=fb.Scalar(8))
print("go", flush=True)
try:
    index.build(x, threads=1, progress=False)
    print("finished", flush=True)
except KeyboardInterrupt:
    print("trained" if index.is_trained else "as it was", flush=True)
"""


@pytest.mark.parametrize("wait", [0.2, 1.5])
def test_control_c_stops_a_build(wait: float) -> None:
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "go\n"
        time.sleep(wait)
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "as it was\n"
