"""Files given to the command line that are not what it reads: each is named, and the advice converts it."""

from __future__ import annotations

import gzip
import json
import pathlib
import pickle
import shlex
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.cli import main as cli
from fewbits.file.foreign import kind_of
from support.data import vectors

X = vectors(40, 8)


def written(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def safetensors(path: Path) -> None:
    head = json.dumps({"x": {"dtype": "F32", "shape": [40, 8], "data_offsets": [0, X.nbytes]}}).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + X.tobytes())


def hdf5(path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["NAME"] = X


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, NAME=X)


def torch_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"")


def objects(path: Path) -> None:
    rows = np.empty(len(X), object)
    rows[:] = list(X)
    with path.open("wb") as file:
        np.save(file, rows, allow_pickle=True)


def records(path: Path) -> None:
    width = np.full((len(X), 1), X.shape[1], np.int32)
    np.concatenate([width, X.view(np.int32)], axis=1).tofile(path)


def csv(path: Path) -> None:
    np.savetxt(path, X, fmt="%.9g", delimiter=",")


def sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("create table x (y)")
    connection.commit()
    connection.close()


FILES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "parquet": ("a Parquet file", lambda path: written(path, b"PAR1" + bytes(20) + b"PAR1")),
    "arrow": ("an Arrow file", lambda path: written(path, b"ARROW1\0\0" + bytes(20))),
    "csv": ("text", csv),
    "words.txt": ("text", lambda path: path.write_text("größe\n" * 300)),
    "json": ("JSON text", lambda path: path.write_text(json.dumps(X.tolist()))),
    "npz": ("an archive of arrays", npz),
    "hdf5": ("an HDF5 file", hdf5),
    "safetensors": ("a safetensors file", safetensors),
    "pt": ("a torch file", torch_archive),
    "pkl": ("a pickle", lambda path: written(path, pickle.dumps(X.tolist()))),
    "old.pkl": ("a pickle", lambda path: written(path, pickle.dumps(X.tolist(), 2))),
    "faiss": ("a faiss index", lambda path: written(path, b"IxF2" + struct.pack("<iq", 8, 40) + bytes(200))),
    "ivf.faiss": ("a faiss index", lambda path: written(path, b"IwPQ" + struct.pack("<iq", 128, 40) + bytes(200))),
    "gz": ("a gzip file", lambda path: written(path, gzip.compress(X.tobytes()))),
    "sqlite": ("an SQLite database", sqlite),
    "fvecs": ("a file of records", records),
    "raw": ("a file of an unknown kind", lambda path: X.tofile(path)),
    "zip": ("a damaged archive", lambda path: written(path, b"PK\3\4" + bytes(20))),
    "empty": ("an empty file", lambda path: written(path, b"")),
    "objects.npy": ("for an array of arrays", objects),
    "fb": ("a fewbits index", lambda path: fb.Index(8, metric="l2").add(X).save(path)),
}
READ = {"parquet", "npz", "hdf5", "safetensors", "fvecs", "words.txt"}  # by `build` and `bench`: test_sources.py
CONVERTIBLE = ["csv", "json", "npz", "hdf5", "pkl", "old.pkl", "fvecs", "fb"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    fb.Index(8, metric="l2").add(X).save("i.fb")
    return tmp_path


def message(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(list(arguments)) == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_array_is_named(folder: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, make = FILES[kind]
    file = f"given.{kind}"
    make(folder / file)
    for arguments in (
        *([] if kind in READ else [["build", file, "-o", "o.fb", "--metric", "l2"]]),
        ["build", "x.npy", "--ids", file, "-o", "o.fb", "--metric", "l2"],
        ["search", "i.fb", file],
        ["tune", "i.fb", file],
        ["tune", "i.fb", "x.npy", "--vectors", file],
        ["bench", "x.npy", "--queries", file],
    ):
        error = message(capsys, *arguments)
        assert name in error, arguments
        assert "npy file of numbers expected" in error
        assert not (folder / "o.fb").exists()
    if kind not in READ:
        assert name in message(capsys, "bench", file)


@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_index_is_named(folder: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, make = FILES[kind]
    file = f"given.{kind}"
    make(folder / file)
    if kind == "fb":
        return
    for arguments in (["search", file, "x.npy"], ["tune", file, "x.npy"], ["info", file], ["verify", file]):
        error = message(capsys, *arguments)
        assert file in error
        named = "a .npy array" if kind == "objects.npy" else name
        assert named in error or kind in ("empty", "raw")


@pytest.mark.parametrize("kind", ["npy", "npz", "hdf5", "safetensors", "fvecs"])
def test_the_advice_builds(folder: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / f"given.{kind}"
    FILES[kind][1](file) if kind in FILES else np.save(file, X)
    error = message(capsys, "info", file.name)
    advice = error.partition("build an index of it: fewbits ")[2].replace("METRIC", "l2")
    assert cli.main([*shlex.split(advice), "-q"]) == 0
    assert len(fb.open("x.fb")) == len(X)


@pytest.mark.parametrize("kind", CONVERTIBLE)
def test_the_advice_converts(folder: Path, kind: str) -> None:
    file = folder / f"given.{kind}"
    FILES[kind][1](file)
    names: dict[str, Any] = {name: pytest.importorskip(name) for name in ("h5py",) if kind == "hdf5"}
    names |= {"np": np, "json": json, "pathlib": pathlib, "pickle": pickle, "fewbits": fb}
    exec(kind_of(file).recipe.format(repr(str(file))), names)  # it writes x.npy
    np.testing.assert_allclose(np.load("x.npy"), X, rtol=1e-6)
    assert cli.main(["build", "x.npy", "-o", "o.fb", "--metric", "l2", "-q"]) == 0


def test_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "d").mkdir()
    assert "got a folder" in message(capsys, "build", "d", "-o", "o.fb", "--metric", "l2")


# --- inputs that would be overwritten ---


def same_file(path: Path, how: str) -> str:
    other = path.with_name(f"other-{path.name}")
    if how == "symlink":
        other.symlink_to(path.name)
    elif how == "hard link":
        other.hardlink_to(path)
    elif how == "detour":
        (path.parent / "sub").mkdir(exist_ok=True)
        return str(path.parent / "sub" / ".." / path.name)
    return path.name if how == "name" else str(other)


@pytest.mark.parametrize("how", ["name", "symlink", "hard link", "detour"])
def test_no_command_overwrites_what_it_reads(folder: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("ids.npy", np.arange(40))
    (folder / "x.npz").write_bytes((folder / "x.npy").read_bytes())  # a .npy file in spite of its name
    (folder / "i.npz").write_bytes((folder / "i.fb").read_bytes())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for arguments in (
        ["build", "x.npy", "--metric", "l2", "-o", same_file(folder / "x.npy", how)],
        ["build", "x.npy", "--metric", "l2", "--ids", "ids.npy", "-o", same_file(folder / "ids.npy", how)],
        ["search", "i.fb", "x.npz", "-o", same_file(folder / "x.npz", how)],
        ["search", "i.npz", "x.npy", "-o", same_file(folder / "i.npz", how)],
    ):
        assert "would be lost" in message(capsys, *arguments)
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_reports_do_not_either(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "report.json").symlink_to("../x.npy")
    before = (folder / "x.npy").read_bytes()
    assert "would be lost" in message(capsys, "bench", "x.npy", "--metric", "l2", "--out", "out")
    (folder / "q.npy").write_bytes(before)
    (folder / "out" / "report.json").unlink()
    (folder / "out" / "bytes-against-recall.png").hardlink_to(folder / "q.npy")
    assert "would be lost" in message(capsys, "bench", "x.npy", "--queries", "q.npy", "--out", "out")


def test_building_over_another_file_is_as_before(folder: Path) -> None:
    (folder / "o.fb").write_bytes(b"old")
    assert cli.main(["build", "x.npy", "-o", "o.fb", "--metric", "l2", "-q"]) == 0
    assert cli.main(["search", "i.fb", "x.npy", "-o", "found"]) == 0
    assert np.load("found.npz")["ids"].shape == (40, 10)
    assert cli.main(["tune", "i.fb", "x.npy"]) == 0
