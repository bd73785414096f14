"""fb.open, fb.inspect, fb.verify: files of either kind of index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from . import _core
from .file.engines import check_flags, engine_of_bytes, is_multivector, open_engine
from .file.places import Path, contents, encoded, shown
from .index.index import Index, described
from .multivector.index import MultiVectorIndex

if TYPE_CHECKING:
    from typing_extensions import Buffer


def open(path: Path | Buffer | BinaryIO, *, mmap: bool = True, verify: bool = False) -> Index | MultiVectorIndex:
    """Open an index file, of whichever kind of index it holds.

    Parameters
    ----------
    path : str, bytes or os.PathLike, or a binary file object or buffer
        The path of the file. An open binary file (or any object with ``read``) is read to its end; a bytearray,
        memoryview, mmap, or bytes that begin as an index file does, are taken as the contents.
    mmap : bool
        Map the file: fast, shared between processes, pages are read as needed. With False the file is read into
        memory, and later changes to it have no effect. File objects and buffers are always copied into memory.
    verify : bool
        Also compare the checksum of every byte. Everything that search relies on is checked in either case.

    Returns
    -------
    Index or MultiVectorIndex
        What was saved. `Index.open` and `MultiVectorIndex.open` open one kind and refuse the other.

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
    file = contents(path)
    if file is not None:
        engine, name = engine_of_bytes(file), "bytes"
    else:
        engine, name = open_engine(path, mmap, verify), shown(path)  # type: ignore[arg-type]
    if not is_multivector(engine):
        return described(name, engine)
    if file is not None:
        return MultiVectorIndex.from_bytes(file)
    return MultiVectorIndex.open(path, mmap=mmap, verify=verify)


def inspect(path: Path) -> dict[str, Any]:
    """What a file says of itself (version, params, sections with their sizes and checksums), without loading it."""
    return _core.inspect(encoded(path))


def verify(path: Path) -> None:
    """Checks every checksum and everything that open checks; raises CorruptIndexError at the first thing wrong."""
    _core.verify(encoded(path))
    open(path)
