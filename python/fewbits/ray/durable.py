"""Where the changes of a shard are kept: a file beside that of the build, and its log."""

from __future__ import annotations

import fcntl
import os
import time
from typing import Any

from ..index.index import Index
from ..shards.manifest import NAME, Manifest, Shard

_LOCK_SECONDS = 5.0  # for which the process of an actor that was killed may still hold it


class Log:
    """The durable state of shard `number` of an epoch. One process at a time may write it."""

    def __init__(self, folder: str, epoch: int, number: int, shard: Shard) -> None:
        self._folder, self._number = folder, number
        # After a restart of the actor, what is on the disk is newer than the arguments of its first start. While a new
        # epoch begins, its manifest is not there yet.
        if os.path.exists(os.path.join(folder, NAME)):
            manifest = Manifest.open(folder)
            shard = manifest.shards[number] if manifest.epoch == epoch else shard
        self._file = shard.changed or shard.file.removesuffix(".fb") + ".changed.fb"
        self._lock: Any = None
        self._version = self._of(epoch, shard)
        self._source = shard.changed or shard.file

    def index(self) -> Index:
        return Index.open(os.path.join(self._folder, self._source))

    def write(self, index: Index) -> str:
        """Makes a change durable; returns the file that has it, relative to the folder."""
        self._own()
        index.sync(self._path)
        return self._file

    @property
    def _path(self) -> str:
        return os.path.join(self._folder, self._file)

    def _of(self, epoch: int, shard: Shard) -> tuple[int, ...]:
        """What differs if another process has changed the shard."""
        if shard.changed is None:
            return (epoch,)
        path = os.path.join(self._folder, shard.changed)
        found = [os.stat(each) for each in (path, path + ".log") if os.path.exists(each)]
        return epoch, *(number for file in found for number in (file.st_ino, file.st_size, file.st_mtime_ns))

    def _own(self) -> None:
        """Refuses to write beside another process: each would overwrite what the other has written."""
        if self._lock is not None:
            return
        lock = open(self._path + ".lock", "ab")  # noqa: SIM115 (held as long as the process lives)
        end = time.monotonic() + _LOCK_SECONDS
        while not _locked(lock):
            if time.monotonic() > end:
                lock.close()
                raise RuntimeError(f"{self._path}: another fleet changes this shard; this change was not made")
            time.sleep(0.05)
        manifest = Manifest.open(self._folder)
        shard = manifest.shards[min(self._number, len(manifest.shards) - 1)]
        if self._version != self._of(manifest.epoch, shard):
            lock.close()
            raise RuntimeError(f"{self._path}: was changed by another fleet since this one was served; serve it again")
        self._lock = lock


def _locked(file: Any) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
