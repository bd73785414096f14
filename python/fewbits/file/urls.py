"""Index files at URLs, such as s3://bucket/wiki.fb: read and written as a whole through fsspec (the extra `fsspec`)."""

from __future__ import annotations

import re
from typing import Any, TypeGuard

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]+"  # at least two letters: C:// is a drive
_URL = re.compile(rf"{_SCHEME}(::{_SCHEME})*://")


def is_url(place: object) -> TypeGuard[str]:
    return isinstance(place, str) and _URL.match(place) is not None


def local_path(url: str) -> str | None:
    """The path that a URL of a local disk stands for; None for other file systems."""
    system, path = _system(url)
    from fsspec.implementations.local import LocalFileSystem

    return path if isinstance(system, LocalFileSystem) else None


def read(url: str) -> bytes:
    system, path = _system(url)
    if system.exists(path + ".log") and system.size(path + ".log"):
        raise ValueError(
            f"{url}: has a log beside it, which is only read on local disks: open both there and save to the URL"
        )
    try:
        content: bytes = system.cat_file(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{url}: no such file") from None
    return content


def write(url: str, content: bytes) -> None:
    """Replaces a file, and removes the log of the one before. Readers see the old or the new content if the file system
    replaces files as a whole, as object stores do."""
    system, path = _system(url)
    system.pipe_file(path, content)
    if system.exists(path + ".log"):
        system.rm_file(path + ".log")


def _system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError(f"{url}: URLs need the package fsspec: pip install 'fewbits[fsspec]'") from error
    try:
        system, path = url_to_fs(url)
    except ValueError as error:
        raise ValueError(f"{url}: {error}") from None
    return system, path
