"""Index files by paths of any bytes, through symbolic links, as open files and as contents in memory."""

from __future__ import annotations

import io
import mmap
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.cli import main as cli
from support.data import vectors

DIM = 8
X = vectors(60, DIM)
Any_ = fb.Index | fb.MultiVectorIndex


def flat() -> fb.Index:
    return fb.Index(DIM, metric="l2").add(X)


def documents() -> fb.MultiVectorIndex:
    return fb.MultiVectorIndex(DIM).build(list(X.reshape(-1, 6, DIM)), progress=False)


KINDS: list[tuple[Callable[[], Any_], Callable[..., Any_], Callable[..., Any_]]] = [
    (flat, fb.open, fb.Index.from_bytes),
    (documents, fb.MultiVectorIndex.open, fb.MultiVectorIndex.from_bytes),
]
each_kind = pytest.mark.parametrize(("make", "opened", "from_bytes"), KINDS, ids=["vectors", "documents"])


# --- paths ---

NAMES = [b"plain.fb", b"\xff\xfe.fb", "größe.fb".encode(), b"new\nline.fb", b" "]


@each_kind
@pytest.mark.parametrize("name", NAMES, ids=repr)
@pytest.mark.parametrize(
    "kind", [bytes, os.fsdecode, lambda path: Path(os.fsdecode(path))], ids=["bytes", "str", "Path"]
)
def test_names_of_any_bytes(
    tmp_path: Path, make: Any, opened: Any, from_bytes: Any, name: bytes, kind: Callable[[bytes], Any]
) -> None:
    path = kind(os.fsencode(tmp_path) + b"/" + name)
    index = make()
    index.save(path)
    assert os.listdir(os.fsencode(tmp_path)) == [name]
    assert opened(path).to_bytes() == index.to_bytes()
    assert fb.inspect(path)["bytes"] == len(index.to_bytes())
    fb.verify(path)


@pytest.mark.parametrize("call", [fb.open, fb.MultiVectorIndex.open, fb.inspect, fb.verify, flat().save], ids=repr)
@pytest.mark.parametrize("folder", ["gone-\udcff", "file-\udcff"])
def test_errors_about_them_can_be_printed(tmp_path: Path, call: Callable[[Any], Any], folder: str) -> None:
    (tmp_path / "file-\udcff").write_bytes(b"no index")
    place = tmp_path / folder / "x.fb" if call.__name__ == "save" else tmp_path / folder
    with pytest.raises((OSError, fb.CorruptIndexError)) as caught:
        call(place)
    assert "\\xff" in str(caught.value).encode().decode()


def test_the_command_line_takes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, index = str(tmp_path / "x-\udcff.npy"), str(tmp_path / "i-\udcff.fb")
    np.save(x, X)
    assert cli.main(["build", x, "-o", index, "--metric", "l2"]) == 0
    assert cli.main(["info", index]) == 0
    assert cli.main(["verify", index]) == 0
    assert cli.main(["tune", index, x]) == 0
    assert cli.main(["search", index, x, "-k", "1"]) == 0
    assert cli.main(["bench", x, "--metric", "l2", "--budgets", "8", "--out", str(tmp_path / "r-\udcff")]) == 0
    assert capsys.readouterr().out.encode().count(b"\\xff") >= 4
    run = [sys.executable, "-m", "fewbits", "info", str(tmp_path / "gone-\udcff")]
    done = subprocess.run(run, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"\\xff" in done.stderr


@pytest.mark.parametrize("wrong", [3, None, 2.5, ["x.fb"], object()], ids=repr)
def test_what_is_no_path(wrong: Any) -> None:
    for call in (fb.open, fb.MultiVectorIndex.open, fb.inspect, fb.verify, flat().save, documents().save):
        with pytest.raises(TypeError, match="path"):
            call(wrong)


# --- symbolic links ---


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("links", [1, 3])
def test_saving_through_links_keeps_them(folder: Path, absolute: bool, links: int) -> None:
    (folder / "versions").mkdir()
    target = folder / "versions" / "v1.fb"
    target.write_bytes(b"old")
    target.chmod(0o640)
    last = target
    for number in range(links):
        link = folder / f"link{number}"
        link.symlink_to(last if absolute else os.path.relpath(last, folder))
        last = link
    for name in (last.name, str(last)):
        index = flat()
        index.save(name)
        assert all((folder / f"link{number}").is_symlink() for number in range(links))
        assert target.read_bytes() == index.to_bytes()
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        assert os.listdir(folder / "versions") == ["v1.fb"]  # the temporary file was beside it, and is gone


def test_a_link_in_another_folder_leads_from_there(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    (folder / "a" / "link").symlink_to("../b/x.fb")
    flat().save("a/link")  # dangles until now
    assert len(fb.open(folder / "b" / "x.fb")) == 60
    assert (folder / "a" / "link").is_symlink()


def test_links_that_lead_nowhere(folder: Path) -> None:
    for name, to in (
        ("round", "about"),
        ("about", "round"),
        ("self", "self"),
        ("lost", "gone/x.fb"),
        ("up", "folder/"),
    ):
        (folder / name).symlink_to(to)
    (folder / "folder").mkdir()
    before = sorted(os.listdir(folder))
    for name, message in (("round", "symbolic link"), ("self", "symbolic link"), ("lost", "gone"), ("up", "up")):
        with pytest.raises(OSError, match=message):
            flat().save(name)
        np.save("x.npy", X)
        assert cli.main(["build", "x.npy", "-o", name, "--metric", "l2", "-q"]) == 1
        os.remove("x.npy")
    assert sorted(os.listdir(folder)) == before


# --- open files and contents ---


class InParts(io.RawIOBase):
    """An unbuffered file that takes a few bytes at a time."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.taken += bytes(data[:1000])
        return min(1000, len(data))


@each_kind
def test_open_files(tmp_path: Path, make: Any, opened: Any, from_bytes: Any) -> None:
    index = make()
    memory = io.BytesIO()
    index.save(memory)
    assert memory.getvalue() == index.to_bytes()
    memory.seek(0)
    assert opened(memory).to_bytes() == index.to_bytes()
    with (tmp_path / "x.fb").open("wb") as file:
        index.save(file)
    with (tmp_path / "x.fb").open("rb") as file:
        assert opened(file, verify=True).to_bytes() == index.to_bytes()
    parts = InParts()
    index.save(parts)
    assert parts.taken == index.to_bytes()
    with (tmp_path / "x.fb").open(encoding="latin-1") as file, pytest.raises(TypeError, match="binary mode"):
        opened(file)
    with (tmp_path / "text").open("w") as file, pytest.raises(TypeError, match="binary mode"):
        index.save(file)
    with pytest.raises(fb.CorruptIndexError):
        opened(io.BytesIO(b"no index"))


@each_kind
def test_buffers(tmp_path: Path, make: Any, opened: Any, from_bytes: Any) -> None:
    index = make()
    data = index.to_bytes()
    spaced = memoryview(np.repeat(np.frombuffer(data, np.uint8), 2))[::2]
    for given in (data, bytearray(data), memoryview(data), spaced):
        assert from_bytes(given).to_bytes() == data
        assert opened(given).to_bytes() == data
    assert from_bytes(np.frombuffer(data, np.uint8)).to_bytes() == data
    index.save(tmp_path / "x.fb")
    with (tmp_path / "x.fb").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert from_bytes(mapped).to_bytes() == data
        assert opened(mapped).to_bytes() == data
    mutable = bytearray(data)
    copied = from_bytes(mutable)
    mutable[:] = bytes(len(mutable))
    mutable.clear()  # nothing holds it any longer
    assert copied.to_bytes() == data
    for wrong in ("text", 3, None, [1, 2]):
        with pytest.raises(TypeError, match="file: expected bytes"):
            from_bytes(wrong)


# --- in place ---


@each_kind
@pytest.mark.parametrize("n", [6, 30, 60])
def test_a_file_that_is_read_into_memory_can_be_overwritten(
    tmp_path: Path, make: Any, opened: Any, from_bytes: Any, n: int
) -> None:
    path = tmp_path / "index.fb"
    index = make()
    index.save(path)
    index.remove(np.arange(n))
    index.compact()
    index.save(tmp_path / "new.fb")
    kept, before = opened(path, mmap=False), path.read_bytes()
    shutil.copyfile(tmp_path / "new.fb", path)  # in place, as cp does
    assert kept.to_bytes() == before
    path.write_bytes(b"")
    assert kept.to_bytes() == before
