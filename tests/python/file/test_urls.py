"""Indexes at URLs, through fsspec."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.changes import DIM, trained
from support.data import vectors

fsspec = pytest.importorskip("fsspec", reason="the extra 'fsspec' is not installed")

X = vectors(300, DIM, seed=3)
URL = "memory://folder/a.fb"


@pytest.fixture(autouse=True)
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()


def dense() -> fb.Index:
    return trained("ivf-pq4-scalar8").add(X)


def documents() -> fb.MultiVectorIndex:
    index = fb.MultiVectorIndex(DIM, encoder=fb.FDE(DIM, repetitions=2, simhash_bits=2))
    return index.train(X.reshape(30, 10, DIM), progress=False).add(X.reshape(30, 10, DIM), progress=False)


def sparse() -> fb.SparseIndex:
    return fb.SparseIndex().build([{0: 1.0, 3: 2.0}, {1: 1.0}])


@pytest.mark.parametrize("make", [dense, documents, sparse])
def test_what_is_saved_is_opened(make: Callable[[], Any], memory: Any) -> None:
    index = make()
    for _ in range(2):  # the second time it is replaced
        index.save(URL)
    assert memory.cat_file("/folder/a.fb") == index.to_bytes()
    assert fb.open(URL).to_bytes() == index.to_bytes()
    assert fb.open(URL, mmap=False, verify=True).to_bytes() == index.to_bytes()
    assert type(index).open(URL).to_bytes() == index.to_bytes()
    fb.verify(URL)


def test_chains_of_file_systems(tmp_path: Path) -> None:
    dense().save(URL)
    cached = fb.open("simplecache::memory://folder/a.fb")
    assert cached.to_bytes() == dense().to_bytes()


def test_local_urls_are_local_files(tmp_path: Path) -> None:
    url, path = f"file://{tmp_path}/a.fb", tmp_path / "a.fb"
    index = dense()
    index.save(url)
    inode = path.stat().st_ino
    opened = fb.open(url)
    index.save(url)
    assert path.stat().st_ino != inode  # it was replaced, not overwritten
    opened = fb.open(url)
    opened.add(X[:3], ids=[1000, 1001, 1002])
    opened.sync(url)
    assert fb.inspect(url).log
    fb.verify(url)
    assert len(fb.open(path)) == len(fb.open(url)) == 303


def test_a_log_is_not_left_out(memory: Any, tmp_path: Path) -> None:
    index = dense()
    index.save(tmp_path / "a.fb")
    index.remove([0])
    index.sync(tmp_path / "a.fb")
    for name in ("a.fb", "a.fb.log"):
        memory.pipe_file(f"/folder/{name}", (tmp_path / name).read_bytes())
    for call in (fb.open, fb.verify, fb.Index.open):
        with pytest.raises(ValueError, match="has a log beside it"):
            call(URL)
    index.save(URL)
    assert not memory.exists("/folder/a.fb.log")
    assert len(fb.open(URL)) == 299


def test_errors_name_the_url(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"memory://folder/none\.fb: no such file"):
        fb.open("memory://folder/none.fb")
    with pytest.raises(ValueError, match=r"nowhere://a\.fb: Protocol not known: nowhere"):
        fb.open("nowhere://a.fb")
    memory.pipe_file("/folder/a.fb", b"text")
    with pytest.raises(fb.CorruptIndexError):
        fb.open(URL)
    damaged = bytearray(dense().to_bytes())
    damaged[-1] ^= 1
    memory.pipe_file("/folder/a.fb", bytes(damaged))
    with pytest.raises(fb.CorruptIndexError):
        fb.open(URL)
    local: list[Callable[[], Any]] = [
        lambda: dense().sync(URL),
        lambda: fb.inspect(URL),
        lambda: fb.load_vectors("memory://x.npy"),
        lambda: fb.Index(DIM, metric="l2", temp_dir=URL),
    ]
    for call in local:
        with pytest.raises(ValueError, match="expected a path on a local disk, got 'memory://"):
            call()

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.startswith("fsspec"):
            raise ImportError(name)
        return imported(name, *arguments, **more)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'fewbits\[fsspec\]'"):
        fb.open(URL)


def test_a_save_that_fails_changes_nothing(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    index = dense()
    index.save(URL)
    before = index.to_bytes()
    index.remove([0])

    def full(*arguments: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(memory), "pipe_file", full)
    with pytest.raises(OSError, match="No space left"):
        index.save(URL)
    np.testing.assert_array_equal(fb.open(URL).ids(), fb.Index.from_bytes(before).ids())


def test_windows_drives_are_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "C:").mkdir()
    dense().save("C://a.fb")
    assert (tmp_path / "C:" / "a.fb").exists()
    assert len(fb.open("C://a.fb")) == 300
