"""Copies, threads and interruptions: an index is one consistent thing wherever it goes and whatever runs beside it."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import fewbits as fb
from support.changes import CODECS, DIM, assert_same, beside, trained
from support.data import F32, vectors


@pytest.mark.parametrize("name", CODECS)
def test_bytes_and_pickles_are_the_file(name: str, tmp_path: Path) -> None:
    index, x = trained(name), vectors(200, DIM, seed=3)
    index.add(x, **beside(index, x)).remove(range(10, 20))
    index.save(tmp_path / "a.fb")
    data = index.to_bytes()
    assert data == (tmp_path / "a.fb").read_bytes()
    for other in (fb.Index.from_bytes(data), pickle.loads(pickle.dumps(index)), copy.deepcopy(index)):
        assert_same(other, index)
        assert other.to_bytes() == data
        other.add(x[:5], **beside(index, x[:5]))
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
    sizes, codes = set(), []
    while len(codes) < len(children):
        done, code = os.waitpid(-1, os.WNOHANG)
        codes += [code] if done else []
        if (tmp_path / "a.fb").exists():  # at the latest once a child is done
            sizes.add(len(fb.open(tmp_path / "a.fb", verify=True)))
    assert codes == [0, 0]
    assert sizes
    assert sizes <= {50, 80}
    assert [path.name for path in tmp_path.iterdir()] == ["a.fb"]


INTERRUPTED = """
import signal, sys, time
import numpy as np, fewbits as fb
signal.signal(signal.SIGINT, signal.default_int_handler)  # which the background jobs of a shell have not
x = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
index = fb.Index(64, metric="ip", partition=fb.IVF(50), codec=fb.PQ(32), rerank=fb.Scalar(8))
if sys.argv[1] == "adding to an index":
    index.build(x[:300], threads=1, progress=False)
    x = np.tile(x, (15, 1))  # many blocks: it must not be done before it is interrupted
before = index.to_bytes() if index.is_trained else None
def tell(stage, fraction):
    if stage in sys.argv[1]:
        print("go", flush=True)
        time.sleep(0.05)
try:
    (index.add if before else index.build)(x, threads=1, progress=tell)
    print("finished", flush=True)
except KeyboardInterrupt:
    same = index.to_bytes() == before if before else not index.is_trained
    print("as it was" if same else "changed", time.process_time(), flush=True)
"""


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("stage", ["lists (k-means)", "codec", "adding to an index"])
def test_control_c_is_heard_within_a_second(stage: str) -> None:
    """Of CPU time, on one thread: the machine may be busy with other things. Plain C++ is slow."""
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED, stage], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "go\n"
        time.sleep(0.2)  # into the work of that stage
        spent = cpu_seconds(child.pid)
        child.send_signal(signal.SIGINT)
        last = child.stdout.read().splitlines()[-1]
    assert last.startswith("as it was ")
    assert float(last.split()[-1]) - spent < (15 if fb.isa() == "scalar" else 1)


def test_others_run_while_the_index_works() -> None:
    """The GIL is free: a thread that only counts gets on during a build and a search."""
    x = vectors(6000, 48)
    index = fb.Index(48, metric="l2", partition=fb.IVF(40), codec=fb.PQ(24), rerank=fb.Float(32))
    calls: list[Callable[[], object]] = [
        lambda: index.build(x, progress=False, threads=1),
        lambda: index.search(x, 10, nprobe=40, threads=1),
    ]

    def finish(call: Callable[[], object], done: threading.Event) -> None:
        call()
        done.set()

    for call in calls:
        counted, done = 0, threading.Event()
        switching = sys.getswitchinterval()
        sys.setswitchinterval(100)  # nobody is made to give up the GIL
        try:
            thread = threading.Thread(target=finish, args=(call, done))
            thread.start()
            while not done.is_set():
                counted += 1
                time.sleep(0)  # offers it
            thread.join()
        finally:
            sys.setswitchinterval(switching)
        assert counted > 10


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_opening_and_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    trained("ivf-pq4-scalar8").add(vectors(400, DIM)).save(tmp_path / "a.fb")

    def cycle(times: int) -> int:
        for turn in range(times):
            fb.open(tmp_path / "a.fb", mmap=turn % 2 == 0).search(vectors(1, DIM), 3)
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    resident, files = cycle(100), open_files()
    assert cycle(10_000 if os.environ.get("FEWBITS_LONG") else 400) - resident < 4 * 2**20
    assert open_files() == files


AUDITED = """
import sys
import fewbits as fb
def open_all():
    for path in sys.argv[1:]:
        try:
            (fb.MultiVectorIndex if "multivector" in path else fb).open(path)
        except fb.FewbitsError:
            pass
open_all()  # imports what is imported late
seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, arguments[:1])))
open_all()
risks = "exec", "compile", "import", "os", "subprocess", "pickle", "ctypes", "socket"
risky = [each for each in seen if each[0].split(".")[0] in risks]
assert not risky, risky
"""


def test_opening_a_file_runs_no_code(tmp_path: Path) -> None:
    golden = sorted((Path(__file__).parents[2] / "golden").glob("*.fb"))
    damaged = []
    for path in golden:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        damaged.append(tmp_path / path.name)
        damaged[-1].write_bytes(data)
    subprocess.run([sys.executable, "-c", AUDITED, *golden, *damaged], check=True, timeout=120)
