"""Recognises files of the wrong kind by their first bytes, and suggests the line of Python that converts them."""

from __future__ import annotations

import shlex
import zipfile
from pathlib import Path
from typing import NamedTuple

from .places import MAGIC, shown

NPY_MAGIC = b"\x93NUMPY"
_LOOKED_AT = 512


class Kind(NamedTuple):
    name: str
    recipe: str  # {0}: the path as a Python literal; empty: there is nothing to convert


_SAVE = 'np.save("x.npy", {})'
HDF5 = Kind("an HDF5 file", _SAVE.format('h5py.File({0})["NAME"][:]'))
NPZ = Kind("an archive of arrays (.npz)", _SAVE.format('np.load({0})["NAME"]'))
INDEX = Kind("a fewbits index", "index = fewbits.open({0}); " + _SAVE.format("index.reconstruct(index.ids())"))
NPY = Kind("a .npy array", "")
PARQUET = Kind("a Parquet file", _SAVE.format('np.stack(pandas.read_parquet({0})["COLUMN"])'))
SAFETENSORS = Kind("a safetensors file", _SAVE.format('safetensors.numpy.load_file({0})["NAME"]'))
_TORCH = Kind("a torch file", _SAVE.format("torch.load({0}).float().numpy()"))
_FAISS = Kind("a faiss index", "fewbits.from_faiss({0}).save('x.fb')")
_BEGINNINGS = {
    MAGIC: INDEX,
    NPY_MAGIC: NPY,
    b"\x89HDF\r\n\x1a\n": HDF5,
    b"PAR1": PARQUET,
    b"ARROW1": Kind("an Arrow file", _SAVE.format('np.stack(pandas.read_feather({0})["COLUMN"])')),
    b"\x1f\x8b": Kind("a gzip file", "gzip.open({0})  # decompress it first"),
    b"\x28\xb5\x2f\xfd": Kind("a zstd file", "subprocess.run(['zstd', '-d', {0}])  # decompress it first"),
    b"SQLite format 3\0": Kind("an SQLite database", "sqlite3.connect({0})  # np.frombuffer, np.stack, np.save"),
    b"MATLAB 5.0": Kind("a MATLAB file", _SAVE.format('scipy.io.loadmat({0})["NAME"]')),
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j": _TORCH,
}
_PICKLE = Kind("a pickle", _SAVE.format("np.asarray(pickle.loads(pathlib.Path({0}).read_bytes()), np.float32)"))
_JSON = Kind("JSON text", _SAVE.format("np.asarray(json.loads(pathlib.Path({0}).read_text()), np.float32)"))
_TABLE = Kind("text", _SAVE.format("np.loadtxt({0}, np.float32, delimiter=',')"))
_VECS = Kind(
    "a file of records (.fvecs)",
    "x = np.fromfile({0}, np.int32); " + _SAVE.format("x.reshape(-1, x[0] + 1)[:, 1:].view(np.float32)"),
)
_OF_VECTORS = (NPY, NPZ, HDF5, PARQUET, SAFETENSORS, _VECS)  # what `fewbits build` reads
EMPTY = Kind("an empty file", "")
UNKNOWN = Kind("a file of an unknown kind", _SAVE.format("np.fromfile({0}, np.float32).reshape(-1, DIM)"))


def kind_of(path: str | Path) -> Kind:
    """The kind of a file, as far as its first bytes show."""
    with Path(path).open("rb") as file:
        begin = file.read(_LOOKED_AT)
    if not begin:
        return EMPTY
    for magic, kind in _BEGINNINGS.items():
        if begin.startswith(magic):
            return kind
    if begin.startswith(b"PK"):
        return _of_archive(path)
    if begin[8:10] == b'{"' and b"\0" in begin[:8]:
        return SAFETENSORS
    if begin[:1] == b"\x80":
        return _PICKLE
    if begin[:1] == b"I" and begin[:4].isalnum() and begin[6:8] == b"\0\0":  # a code of four letters, the dimension
        return _FAISS
    if b"\0" not in begin and _is_text(begin):
        return _JSON if begin.lstrip()[:1] in (b"[", b"{") else _TABLE
    return _VECS if Path(path).suffix in (".fvecs", ".ivecs") else UNKNOWN


def instead(path: str | Path) -> str:
    """What `path` is and how to convert it, for an error message that says what was expected."""
    if Path(path).is_dir():
        return "got a folder"
    kind = kind_of(path)
    return f"got {kind.name}" + (f"; convert it: {kind.recipe.format(repr(shown(path)))}" if kind.recipe else "")


def instead_of_index(path: str | Path) -> str:
    """The same, where an index was expected."""
    kind = kind_of(path)
    if kind not in _OF_VECTORS:
        return instead(path)
    return f"got {kind.name}; build an index of it: fewbits build {shlex.quote(shown(path))} --metric METRIC -o x.fb"


def _of_archive(path: str | Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return Kind("a damaged archive", "")
    if any(name.endswith("data.pkl") for name in names):
        return _TORCH
    return NPZ


def _is_text(begin: bytes) -> bool:
    try:
        begin[:-4].decode()  # the end may split a character
    except UnicodeDecodeError:
        return False
    return True
