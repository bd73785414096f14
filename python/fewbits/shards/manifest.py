"""The manifest: which files make up an index, as JSON that is replaced atomically."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any
from zlib import crc32

from ..errors import CorruptIndexError, FormatVersionError
from ..file.places import Path, encoded, shown
from ..index.index import Index
from ..merging import merge
from .buckets import BUCKETS, bucket_of

NAME = "manifest.json"
FORMAT = 1
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Shard:
    """The vectors of a range of buckets.

    Parameters
    ----------
    file : str
        Relative to the folder of the manifest.
    first_bucket, end_bucket : int
        The first bucket, and the one after the last.
    n, bytes, crc32 : int
        Vectors, size and CRC-32 of the file.
    changed : str or None
        The file with the changes since, if there are any: it replaces `file`. It is written by one process at a time,
        and has checksums of its own.

    Examples
    --------
    >>> from fewbits import shards
    >>> index.save("shard-0.fb")
    >>> shard = shards.Shard.of(".", "shard-0.fb", (0, 1024))
    """

    file: str
    first_bucket: int
    end_bucket: int
    n: int
    bytes: int
    crc32: int
    changed: str | None = None

    @staticmethod
    def of(folder: Path, file: str, buckets: tuple[int, int]) -> Shard:
        """Describe a file that `assemble` wrote.

        Parameters
        ----------
        folder : str, bytes or os.PathLike
        file : str
            Relative to the folder.
        buckets : (int, int)

        Returns
        -------
        Shard

        Examples
        --------
        >>> from fewbits import shards
        >>> index.save("shard-0.fb")
        >>> shards.Shard.of(".", "shard-0.fb", (0, 1024)).n == len(index)
        True
        """
        path = os.path.join(os.fsdecode(encoded(folder)), file)
        n = len(Index.open(path))
        return Shard(file, *buckets, n, os.path.getsize(path), _checksum(path))


@dataclass(frozen=True)
class Manifest:
    """The shards of an index.

    Parameters
    ----------
    folder : str
        Where the files are; not stored, so that the folder can be moved.
    training_id : str
    epoch : int
        Increases each time that the shards are replaced.
    template : str
        The file of the trained index without vectors.
    shards : tuple of Shard
        In the order of their buckets, which they divide among them.
    buckets : int
    source : str
        A hash of what was built, by which a build that is run again knows that it is done.

    Examples
    --------
    >>> from fewbits import shards
    >>> index.save("shard-0.fb")
    >>> index.empty().save("template.fb")
    >>> whole = shards.Shard.of(".", "shard-0.fb", (0, 1024))
    >>> manifest = shards.Manifest(".", index.training_id, 1, "template.fb", (whole,))
    >>> manifest.save()
    >>> shards.Manifest.open(".") == manifest
    True
    """

    folder: str
    training_id: str
    epoch: int
    template: str
    shards: tuple[Shard, ...]
    buckets: int = BUCKETS
    source: str = ""
    format: int = field(default=FORMAT)

    @property
    def n(self) -> int:
        """The number of vectors when the files were written."""
        return sum(shard.n for shard in self.shards)

    def path(self, file: str) -> str:
        """Return the path of one of its files.

        Parameters
        ----------
        file : str

        Returns
        -------
        str

        Examples
        --------
        >>> manifest.path(manifest.shards[0].file)  # doctest: +SKIP
        'fleet/epoch-000001/shard-0000.fb'
        """
        return os.path.join(self.folder, file)

    def index(self, *, mmap: bool = True) -> Index:
        """Open all shards as one index, for searches in this process.

        Their codes are shared, not copied. A query is prepared once, and what it finds in one shard spares work in the
        next, which searching them one by one does not. Answers are those of one index, also with reranking.

        Parameters
        ----------
        mmap : bool
            As in `fb.open`.

        Returns
        -------
        Index

        Raises
        ------
        FileNotFoundError, CorruptIndexError, FormatVersionError
            For a file that cannot be used; the message names it.
        ValueError
            For shards of different trainings, or an id in two of them.

        Examples
        --------
        >>> ids, scores = manifest.index().search(queries, k=10)  # doctest: +SKIP
        """
        files = [self.template, *(shard.changed or shard.file for shard in self.shards)]
        return merge([Index.open(self.path(file), mmap=mmap) for file in files])

    def save(self) -> None:
        """Write ``manifest.json`` into the folder, atomically; it is on the disk when this returns.

        Examples
        --------
        >>> manifest.save()  # doctest: +SKIP
        """
        stored = asdict(self)
        del stored["folder"]
        write_json(self.path(NAME), stored)

    @staticmethod
    def open(folder: Path) -> Manifest:
        """Read the manifest of a folder.

        Parameters
        ----------
        folder : str, bytes or os.PathLike

        Returns
        -------
        Manifest

        Raises
        ------
        FileNotFoundError
            If there is none: a build has not finished.
        CorruptIndexError, FormatVersionError
            If it cannot be used; the message says why.

        Examples
        --------
        >>> manifest = shards.Manifest.open("fleet")  # doctest: +SKIP
        """
        name = os.fsdecode(encoded(folder))
        path = os.path.join(name, NAME)
        try:
            with open(path, encoding="utf-8") as file:
                stored = json.load(file)
            if stored["format"] > FORMAT:
                raise FormatVersionError(f"{shown(path)}: format {stored['format']}, expected at most {FORMAT}")
            shards = tuple(Shard(**shard) for shard in stored.pop("shards"))
            manifest = Manifest(folder=name, shards=shards, **stored)
            _check_buckets(manifest)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, FormatVersionError | CorruptIndexError):
                raise
            raise CorruptIndexError(f"{shown(path)}: not a manifest of shards ({error})") from None
        return manifest


def verify(manifest: Manifest) -> None:
    """Check every file of a manifest: sizes, checksums, the training, and that each id is in the right shard.

    Parameters
    ----------
    manifest : Manifest

    Raises
    ------
    FileNotFoundError
        For a file that is missing.
    CorruptIndexError, FormatVersionError
        The first thing that is wrong; the message names the file.

    Examples
    --------
    >>> from fewbits import shards
    >>> shards.verify(shards.Manifest.open("fleet"))  # doctest: +SKIP
    """
    _check_training(manifest, Index.open(manifest.path(manifest.template), verify=True), manifest.template)
    for shard in manifest.shards:
        path = manifest.path(shard.file)
        if os.path.getsize(path) != shard.bytes:
            raise CorruptIndexError(f"{shown(path)}: {os.path.getsize(path)} bytes, expected {shard.bytes}")
        if _checksum(path) != shard.crc32:
            raise CorruptIndexError(f"{shown(path)}: another checksum than in the manifest")
        for file in filter(None, (shard.file, shard.changed and _if_there(manifest, shard.changed))):
            _check_shard(manifest, shard, file)


def write_json(path: str, content: Any) -> None:
    """Replaces a file atomically, and returns once it is on the disk."""
    unfinished = f"{path}.{os.getpid()}.tmp"
    try:
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
        raise
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _if_there(manifest: Manifest, file: str) -> str | None:
    return file if os.path.exists(manifest.path(file)) else None


def _check_shard(manifest: Manifest, shard: Shard, file: str) -> None:
    index = Index.open(manifest.path(file), verify=True)
    _check_training(manifest, index, file)
    if file == shard.file and len(index) != shard.n:
        raise CorruptIndexError(f"{file}: {len(index)} vectors, expected {shard.n}")
    bucket = bucket_of(index.ids(), manifest.buckets)
    if ((bucket < shard.first_bucket) | (bucket >= shard.end_bucket)).any():
        raise CorruptIndexError(f"{file}: has ids of buckets beyond {shard.first_bucket}..{shard.end_bucket - 1}")


def _check_training(manifest: Manifest, index: Index, file: str) -> None:
    if index.training_id != manifest.training_id:
        raise CorruptIndexError(f"{file}: training {index.training_id}, expected {manifest.training_id}")


def _check_buckets(manifest: Manifest) -> None:
    edges = [0, *(shard.end_bucket for shard in manifest.shards)]
    firsts = [shard.first_bucket for shard in manifest.shards]
    if not firsts or firsts != edges[:-1] or edges != sorted(edges) or edges[-1] != manifest.buckets:
        raise CorruptIndexError(f"{shown(manifest.path(NAME))}: the shards do not divide {manifest.buckets} buckets")


def _checksum(path: str) -> int:
    found = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            found = crc32(block, found)
    return found
