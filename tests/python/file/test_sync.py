"""index.sync: the path holds the index as it is, bit for bit, whatever changed, whoever opens it, and after a kill."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.index.turns import replace_state
from support import format_reader
from support.changes import CODECS, DIM, beside, trained
from support.data import vectors

GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("*.fb"))
SETS = {"scalar": fb.Scalar(8), "disk": fb.Scalar(4, on_disk=True), "rabitq": fb.RaBitQ(2)}
AnyIndex = fb.Index | fb.MultiVectorIndex | fb.SparseIndex


def documents(n: int, seed: int) -> list[Any]:
    random = np.random.default_rng(seed)
    return [random.standard_normal((int(m), 8)).astype(np.float32) for m in random.integers(1, 6, n)]


def made(kind: str) -> AnyIndex:
    if kind in CODECS:
        index, x = trained(kind), vectors(300, DIM, seed=1)
        return index.add(x, **beside(index, x), progress=False)
    if kind in SETS:
        index = fb.MultiVectorIndex(8, encoder=fb.FDE(8, 2, 2, 2, seed=1), partition=fb.IVF(3), tokens=SETS[kind])
        return index.build(documents(120, 1), progress=False)
    if kind == "sparse":
        return fb.SparseIndex().build([{3: 0.5, i: 1.2} for i in range(4, 80)])
    return fb.SparseIndex.bm25([f"a cat and {i} dogs" for i in range(60)])


def more(index: AnyIndex, n: int, seed: int) -> Any:
    if isinstance(index, fb.Index):
        return vectors(n, index.dim, seed=seed)
    if isinstance(index, fb.MultiVectorIndex):
        return [document[:, :1].repeat(index.dim, axis=1) for document in documents(n, seed)]
    if index.stats().terms and "bm25" in index.explain().lower():
        return [f"new words {seed} number {i} of {seed % 3}" for i in range(n)]
    return [{seed + i: 0.25 + i, 3: 1.0} for i in range(n)]


def add(index: AnyIndex, n: int, seed: int, **options: Any) -> None:
    new = more(index, n, seed)
    index.add(new, **options, **(beside(index, new) if isinstance(index, fb.Index) else {}))


def step(index: AnyIndex, i: int) -> None:
    """One change of many kinds."""
    random = np.random.default_rng(i)
    if i % 7 == 6:
        index.compact()
    elif i % 3 == 1:
        index.remove(random.choice(index.ids(), min(4, len(index)), replace=False))
    elif i % 5 == 2:
        add(index, 3, i, ids=random.choice(index.ids(), 3, replace=False), on_conflict="replace")
    else:
        add(index, 1 + i % 11, i)


KINDS = [*CODECS, *SETS, "sparse", "bm25"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_synced_is_what_is_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.fb"
    index = made(kind)
    index.save(path)
    for i in range(24):
        step(index, i)
        index.sync(path)
        found = fb.open(path, mmap=i % 2 == 0, verify=i % 4 == 0)
        assert found.to_bytes() == index.to_bytes()
        if i % 8 == 3:  # somebody else goes on
            del index
            index = found
        del found
    assert fb.inspect(path).log is not None
    fb.verify(path)
    index.save(path)
    assert not Path(f"{path}.log").exists()
    assert fb.open(path).to_bytes() == index.to_bytes()


@pytest.mark.parametrize("file", GOLDEN, ids=lambda path: path.stem)
def test_old_files_are_continued(tmp_path: Path, file: Path) -> None:
    path = tmp_path / "a.fb"
    shutil.copy(file, path)
    index = fb.open(path)
    index.remove(index.ids()[:3])
    index.sync(path)
    labels = {"labels": range(5)} if "labels" in file.stem else {}
    add(index, 5, 1, **labels)
    index.sync(path)
    assert path.read_bytes() == file.read_bytes() or file.stem.startswith("multivector")
    assert fb.open(path).to_bytes() == index.to_bytes()


def test_changes_other_than_of_vectors_are_synced(tmp_path: Path) -> None:
    path = tmp_path / "a.fb"
    index = trained("ivf-pq4-scalar8")
    index.sync(path)  # empty
    assert fb.open(path).to_bytes() == index.to_bytes()
    index.add(vectors(200, DIM), progress=False)
    index.sync(path)
    replace_state(index, "tune", lambda state: state.with_defaults(3, 50))
    index.sync(path)
    assert fb.inspect(path).params["default.nprobe"] == 3
    replace_state(index, "explain", lambda state: state.explained(("because",)))
    index.sync(path)
    assert "because" in fb.open(path).explain()
    assert fb.open(path).to_bytes() == index.to_bytes()
    other = fb.Index(DIM, metric="l2").add(vectors(20, DIM), progress=False)
    index.remove(index.ids())
    index.sync(path)
    assert len(fb.open(path)) == 0
    del index
    other.sync(path)  # which it has not read or written: a save
    assert fb.open(path).to_bytes() == other.to_bytes()


def test_the_independent_reader_reads_logs(tmp_path: Path) -> None:
    path, whole = tmp_path / "a.fb", tmp_path / "whole.fb"
    for kind in ("ivf-pq4-scalar8", "scalar", "bm25"):
        index = made(kind)
        index.sync(path)
        for i in range(12):
            if i != 6:
                step(index, i)
            index.sync(path)
            index.save(whole)
            one, two = format_reader.read(path), format_reader.read(whole)
            assert one[0] == two[0]
            assert set(one[1]) == set(two[1])
            for name, array in one[1].items():
                np.testing.assert_array_equal(array, two[1][name], err_msg=name)
        assert fb.inspect(path).log is not None
        index.save(path)


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = made("float32")
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("a.fb")
    for i, path in enumerate(("a.fb", b"a.fb", Path("./a.fb"), "link", tmp_path / "a.fb")):  # one file
        step(index, 0)
        index.sync(path)
        log = fb.inspect("a.fb").log
        assert (log.changes if log else 0) == i
    assert Path("link").is_symlink()
    assert fb.open("link").to_bytes() == index.to_bytes()
    copy = tmp_path / "b.fb"
    index.save(copy)  # the log of the first goes on
    step(index, 0)
    index.sync("a.fb")
    assert fb.inspect("a.fb").log.changes == 5
    with pytest.raises(TypeError, match="path"):
        index.sync(io := open("c", "wb"))  # type: ignore[arg-type]  # noqa: SIM115
    io.close()
    with pytest.raises(FileNotFoundError, match="absent"):
        index.sync("absent/a.fb")
    with pytest.raises(IsADirectoryError):
        index.sync(".")
    with pytest.raises(fb.NotTrainedError, match="sync"):
        fb.Index(4, metric="l2", codec=fb.PQ(2)).sync("d.fb")
    assert not Path("d.fb").exists()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.fb"
    first = made("float32")
    first.sync(path)
    second = fb.open(path)
    for refused in (second.sync, second.save, made("scalar").sync):
        with pytest.raises(BlockingIOError, match="another index"):
            refused(path)
    script = (
        "import fewbits as fb, sys\n"
        "try: fb.open(sys.argv[1]).sync(sys.argv[1])\n"
        "except BlockingIOError: print('refused')"
    )
    assert subprocess.check_output([sys.executable, "-c", script, path], text=True) == "refused\n"
    first.remove([1])
    first.sync(path)
    del first
    with pytest.raises(OSError, match="another index changed the log") as stale:
        second.sync(path)
    assert stale.value.errno == errno.ESTALE
    third = fb.open(path)
    third.remove([2])
    third.sync(path)
    assert {1, 2}.isdisjoint(fb.open(path).ids().tolist())


def test_copies_of_an_index_are_other_writers(tmp_path: Path) -> None:
    path = tmp_path / "a.fb"
    index = made("float32")
    index.sync(path)
    copy = pickle.loads(pickle.dumps(index))
    with pytest.raises(BlockingIOError):
        copy.sync(path)


def test_an_incomplete_change_is_left_out_with_a_warning(tmp_path: Path) -> None:
    path, log = tmp_path / "a.fb", tmp_path / "a.fb.log"
    index = made("ivf-pq4-scalar8")
    index.sync(path)
    step(index, 0)
    index.sync(path)
    kept = index.to_bytes()
    size = log.stat().st_size
    step(index, 1)
    index.sync(path)
    del index
    os.truncate(log, size + 1000)
    for opening in (fb.open, fb.Index.open):
        with pytest.warns(UserWarning, match=r"a\.fb: its log .* 1,064 bytes are left out\. The 1 changes"):
            assert opening(path).to_bytes() == kept
    with pytest.warns(UserWarning, match="left out"):
        fb.verify(path)
    assert fb.inspect(path).log.dropped == 1064
    with pytest.warns(UserWarning, match="left out"):
        index = fb.open(path)  # type: ignore[assignment]
    step(index, 0)
    index.sync(path)
    assert fb.open(path).to_bytes() == index.to_bytes()
    del index
    damaged = bytearray(log.read_bytes())
    damaged[size + 200] ^= 1
    log.write_bytes(damaged)
    with pytest.raises(fb.CorruptIndexError):
        fb.verify(path)


def test_readers_keep_their_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "a.fb"
    index = made("disk")
    index.sync(path)
    readers = []
    for i in range(8):
        step(index, i)
        index.sync(path)
        readers.append((fb.open(path), index.to_bytes()))
    index.save(path)
    for reader, expected in readers:
        assert reader.to_bytes() == expected


def test_syncs_from_many_threads(tmp_path: Path) -> None:
    path = tmp_path / "a.fb"
    index = trained("ivf-pq4-scalar8")
    index.sync(path)
    errors: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for i in range(12):
                own = np.arange(3) + 1000 * thread + 3 * i
                index.add(vectors(3, DIM, seed=i), ids=own, progress=False)
                index.sync(path)
                assert np.isin(own, fb.open(path).ids()).all()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert fb.open(path).to_bytes() == index.to_bytes()


WRITER = """
import sys
import numpy as np
import fewbits as fb
path, first = sys.argv[1], int(sys.argv[2])
index = fb.open(path)
for i in range(first, first + 100_000):
    index.add(np.full((2, 12), i + 1, np.float32), ids=[2 * i, 2 * i + 1], progress=False)
    if i >= 5:
        index.remove([2 * i - 9])
    index.sync(path)
    print(i, flush=True)
"""


@pytest.mark.filterwarnings("ignore:.*left out:UserWarning")
def test_what_was_synced_is_there_after_kills(tmp_path: Path) -> None:
    """Kills at any moment, many of them in a sync: nothing is lost that was told to be synced, nor half there."""
    path = tmp_path / "a.fb"
    trained("disk").save(path)
    random, done = np.random.default_rng(0), -1
    for _ in range(40 if os.environ.get("FEWBITS_LONG") else 6):
        command = [sys.executable, "-W", "ignore", "-c", WRITER, path, str(done + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(int(random.integers(1, 60))):
                done = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:
                done = int(line)
        ids = set(fb.open(path, verify=True).ids().tolist())
        last = max(ids) // 2
        assert done <= last <= done + 1
        assert ids == set(range(2 * last + 2)) - {2 * i - 9 for i in range(5, last + 1)}
        done = last


def test_inspect_and_info_tell_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fewbits.cli.main import main

    path = tmp_path / "a.fb"
    index = made("ivf-pq4-scalar8")
    index.sync(path)
    assert fb.inspect(path).log is None
    step(index, 0)
    index.sync(path)
    found = fb.inspect(path)
    assert found.log is not None
    assert found.log.changes == 1
    assert found.log.bytes == Path(f"{path}.log").stat().st_size - 64
    assert any(section.in_log for section in found.sections)
    assert not all(section.in_log for section in found.sections)
    assert main(["info", str(path)]) == 0
    assert "a.fb.log: 1 changes" in capsys.readouterr().out
    assert main(["verify", str(path)]) == 0


def test_a_sync_writes_little(tmp_path: Path) -> None:
    path = tmp_path / "a.fb"
    index = fb.Index(32, metric="l2", partition=fb.IVF(64), codec=fb.Float(16))
    index = index.build(vectors(20_000, 32), progress=False)
    index.save(path)
    size, before = path.stat().st_size, path.stat()
    for i in range(50):
        index.add(vectors(10, 32, seed=i), progress=False)
        index.remove([7 * i, 9 * i + 1])
        index.sync(path)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    log = fb.inspect(path).log
    assert log is not None
    assert log.changes == 50
    assert log.bytes / 50 < size / 60
    for _ in range(4):  # until it is folded in
        index.add(vectors(9000, 32), progress=False)
        index.sync(path)
    assert path.stat().st_size > size * 1.4
    assert fb.open(path).to_bytes() == index.to_bytes()
