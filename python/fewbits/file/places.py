"""Where index files are read from and written to: paths of any bytes, open binary files, memory, and URLs."""

from __future__ import annotations

import io
import mmap
import os
import pickle
from collections.abc import Callable
from typing import Any, Protocol, SupportsIndex, TypeGuard

from . import urls

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
MAGIC = b"\x89FBX\r\n\x1a\n"
_BUFFERS = (bytearray, memoryview, mmap.mmap)


class SupportsWrite(Protocol):
    """An open binary file, as far as saving needs it."""

    def write(self, data: Any, /) -> Any: ...


def encoded(path: Any) -> bytes:
    """A path in the form that the operating system takes; that of a URL of a local disk (file://) as well."""
    place = path
    if urls.is_url(path):
        place = urls.local_path(path)
        if place is None:
            raise ValueError(f"path: expected a path on a local disk, got {path!r}: only open and save take other URLs")
    try:
        return os.fsencode(place)
    except TypeError:
        raise TypeError(f"path: expected str, bytes or os.PathLike, got {type(path).__name__}") from None


def shown(path: Path) -> str:
    """A path for messages: invalid UTF-8 is escaped, so that any stream can print it."""
    return encoded(path).decode(errors="backslashreplace")


def contents(place: Any) -> memoryview | None:
    """The bytes of an index file that is passed as an open file, in memory or as a URL; None for a local path."""
    if is_remote(place):
        return buffer(urls.read(place))
    if isinstance(place, _BUFFERS) or (isinstance(place, bytes) and place.startswith(MAGIC)):
        return buffer(place)
    if not hasattr(place, "read"):
        return None
    read = place.read()
    if isinstance(read, str):
        raise TypeError(f"path: expected a file opened in binary mode ('rb'), got a text file: {place!r}")
    return buffer(read)


def is_remote(place: object) -> TypeGuard[str]:
    """Whether it is a URL of a file system that is no local disk."""
    return urls.is_url(place) and urls.local_path(place) is None


def name_of(place: Any) -> str:
    """What messages call a file that `contents` has read."""
    return place if urls.is_url(place) else "bytes"


def buffer(file: Any) -> memoryview:
    """The contents of bytes, bytearray, memoryview or another object with the buffer protocol."""
    try:
        view = memoryview(file)
    except TypeError:
        raise TypeError(f"file: expected bytes, got {type(file).__name__}") from None
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def pickled(file: bytes, protocol: SupportsIndex) -> Any:
    """The contents of a file as an argument in a pickle: from protocol 5 on, they can be passed out of band."""
    return pickle.PickleBuffer(file) if int(protocol) >= 5 else file


def write(place: Any, save: Callable[[bytes], None], to_bytes: Callable[[], bytes]) -> None:
    """Saves to a path with `save`, or writes the bytes to a URL or an open file."""
    if is_remote(place):
        urls.write(place, to_bytes())
        return
    if not hasattr(place, "write"):
        save(encoded(place))
        return
    if isinstance(place, io.TextIOBase):
        raise TypeError(f"path: expected a file opened in binary mode ('wb'), got a text file: {place!r}")
    left = memoryview(to_bytes())
    while left:
        written = place.write(left)  # an unbuffered file may write only a part
        left = left[len(left) if written is None else written :]
