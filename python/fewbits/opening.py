"""fb.open, fb.inspect, fb.verify: files of every kind of index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from . import _core
from .file.engines import check_flags, engine_of_bytes, is_multivector, is_sparse
from .file.files import open_file
from .file.places import Path, contents, encoded, is_remote, name_of, shown
from .index.index import Index, described
from .index.turns import files_of
from .multivector.index import MultiVectorIndex, described_sets
from .records import Record
from .sparse.index import SparseIndex, opened_sparse

if TYPE_CHECKING:
    from typing_extensions import Buffer


def open(
    path: Path | Buffer | BinaryIO, *, mmap: bool = True, verify: bool = False
) -> Index | MultiVectorIndex | SparseIndex:
    """Open an index file, of whichever kind of index it holds.

    Parameters
    ----------
    path : str, bytes or os.PathLike, or a binary file object or buffer
        The path of the file. A URL such as ``s3://bucket/wiki.fb`` is read through fsspec (the extra `fsspec`). An open
        binary file (or any object with ``read``) is read to its end; a bytearray, memoryview, mmap, or bytes that begin
        as an index file does, are taken as the contents.
    mmap : bool
        Map the file: fast, shared between processes, pages are read as needed. With False the file is read into
        memory, and later changes to it have no effect. URLs, file objects, buffers and sparse indexes are always copied
        into memory.
    verify : bool
        Also compare the checksum of every byte. Everything that search relies on is checked in either case.

    Returns
    -------
    Index, MultiVectorIndex or SparseIndex
        What was saved. `Index.open` and those of the others open one kind and refuse the others.

    Raises
    ------
    FileNotFoundError, CorruptIndexError, FormatVersionError
        What is wrong with the file, and where.

    Notes
    -----
    `save` replaces a file atomically: indexes that are open keep the old contents. Other programs, such as ``cp``,
    overwrite a file in place. Searches of a mapped index then read a mixture of old and new bytes, and if the file
    becomes shorter the process ends by SIGBUS. Copy to a new name and rename it (``cp new.fb index.fb.tmp && mv
    index.fb.tmp index.fb``), or open with ``mmap=False``.

    Examples
    --------
    >>> index = fb.open("wiki.fb")
    """
    check_flags(mmap, verify)
    content = contents(path)
    if content is not None:
        if is_sparse(_core.params_of(content)):
            return SparseIndex.from_bytes(content)
        return _described(name_of(path), engine_of_bytes(content))
    file = open_file(path, stacklevel=2)  # type: ignore[arg-type]
    if is_sparse(file.params):
        return opened_sparse(path, file)  # type: ignore[arg-type]
    index = _described(shown(path), _core.Engine.open(file, mapped=mmap, verify_all=verify))  # type: ignore[arg-type]
    files_of(index).opened(path, file)  # type: ignore[arg-type]
    return index


def _described(name: str, engine: _core.Engine) -> Index | MultiVectorIndex:
    return described_sets(name, engine) if is_multivector(engine.params) else described(name, engine)


@dataclass(frozen=True, eq=False)
class Section(Record):
    """One array of an index file.

    Attributes
    ----------
    name : str
    dtype : str
        Of its elements, such as "f32"; docs/format.md lists them.
    offset : int
        In the file, in bytes.
    bytes : int
    checksum : int
        CRC-32C of its bytes.
    bulk : bool
        Whether it is mapped rather than read.
    in_log : bool
        Whether it is in the log beside the file, as is then its offset. Of several sections of one name, the later
        ones are changes of the first.
    """

    name: str
    dtype: str
    offset: int
    bytes: int
    checksum: int
    bulk: bool
    in_log: bool


@dataclass(frozen=True, eq=False)
class LogInfo(Record):
    """The log of an index file, which `sync` appends to.

    Attributes
    ----------
    bytes : int
    changes : int
        How many times `sync` has appended since the file was saved.
    dropped : int
        Bytes at the end of the log that are left out: of a change that was not completed.
    """

    bytes: int
    changes: int
    dropped: int


@dataclass(frozen=True, eq=False)
class FileInfo(Record):
    """What `inspect` returns.

    Attributes
    ----------
    version : (int, int)
        Of the format.
    bytes : int
        Size of the file.
    params : dict of str to int
        The settings of all parts, by name.
    sections : list of Section
        Those that the index consists of.
    log : LogInfo or None
    """

    version: tuple[int, int]
    bytes: int
    params: dict[str, int]
    sections: list[Section]
    log: LogInfo | None


def inspect(path: Path) -> FileInfo:
    """Read what an index file and its log say of themselves, without loading them.

    Parameters
    ----------
    path : str, bytes or os.PathLike

    Returns
    -------
    FileInfo
        Version, size, params, and sections with their sizes and checksums; attributes that are also items.

    Raises
    ------
    FileNotFoundError, CorruptIndexError, FormatVersionError
        What is wrong with the file, and where.

    Examples
    --------
    >>> fb.inspect("wiki.fb").params["dim"]
    16
    """
    found = _core.inspect(encoded(path))
    log = LogInfo(**found["log"]) if found["log"] else None
    return FileInfo(**found | {"sections": [Section(**section) for section in found["sections"]], "log": log})


def verify(path: Path) -> None:
    """Check every checksum of an index file and of its log, and everything that `open` checks.

    Parameters
    ----------
    path : str, bytes or os.PathLike

    Raises
    ------
    FileNotFoundError, CorruptIndexError, FormatVersionError
        The first thing that is wrong.

    Examples
    --------
    >>> fb.verify("wiki.fb")
    """
    if not is_remote(path):
        _core.verify(encoded(path))
    open(path)
