"""The files that an index was read from or written to: `sync` adds to them what they lack."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

from .. import _core
from .places import Path, encoded, shown

AnyEngine = _core.Engine | _core.SparseEngine
Current = Callable[[], tuple[AnyEngine, bytes]]  # what is to be written, and its section `meta`
_MOST_FILES = 8


class Files:
    """Knows, of the files that an index used last, what of the index they hold. Writing them takes turns, so that a
    later state is never replaced by an earlier one."""

    def __init__(self) -> None:
        self._by_path: dict[bytes, _core.IndexFile] = {}
        self._turns = _core.Turns()

    def opened(self, path: Path, file: _core.IndexFile) -> None:
        """Adds the file that the index was read from."""
        self._keep(os.path.realpath(encoded(path)), file)

    def save(self, path: bytes, current: Current) -> None:
        with self._turns.take("save"):
            name, file = self._file(path)
            engine, meta = current()
            engine.save(file, meta)
            self._keep(name, file)

    def sync(self, path: bytes, current: Current) -> None:
        with self._turns.take("sync"):
            name, file = self._file(path)
            engine, meta = current()
            engine.sync(file, meta)
            self._keep(name, file)

    def _file(self, path: bytes) -> tuple[bytes, _core.IndexFile]:
        name = os.path.realpath(path)
        return name, self._by_path.get(name) or _core.IndexFile(path)

    def _keep(self, name: bytes, file: _core.IndexFile) -> None:
        self._by_path.pop(name, None)
        self._by_path[name] = file
        if len(self._by_path) > _MOST_FILES:
            del self._by_path[next(iter(self._by_path))]


def open_file(path: Path, stacklevel: int) -> _core.IndexFile:
    """The file at a path, of which header, params and log are read. Warns of a change that was not completed."""
    file = _core.IndexFile.open(encoded(path))
    if dropped := file.log["dropped"]:
        warnings.warn(
            f"{shown(path)}: its log ends with an incomplete change, of a sync that did not finish: these {dropped:,} "
            f"bytes are left out. The {file.log['changes']:,} changes before it are complete",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
    return file
