"""The base class of both kinds of index: one reference to an immutable state (turns.py), which each call reads once
and each change replaces as its last step. A call that raises or is interrupted leaves the index unchanged, and
concurrent searches see the index before or after a change, never in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..file.places import Path, encoded, write
from ..input.checks import thread_count, whole_number
from ..input.ids import check_unique, vector_ids
from ..input.progress import Progress, ProgressArgument
from ..numeric.arrays import I64
from ..spec.codec import Codec
from ..spec.description import Description
from ..spec.ivf import IVF
from ..spec.transform import Transform
from .filling import publish
from .fingerprint import training_id
from .notes import Noted
from .state import State, Training
from .turns import in_state

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..file.places import SupportsWrite


class BaseIndex(Noted[State]):
    _temp_dir: bytes | None = None

    @property
    def transform(self) -> Transform:
        """The transform of vectors (for documents, of their encodings) and queries."""
        return self._description.transform

    @property
    def partition(self) -> IVF | None:
        """The lists, or None if every vector is scanned."""
        return self._description.partition

    @property
    def codec(self) -> Codec:
        """How vectors, or the encodings of documents, are stored."""
        return self._description.codec

    @property
    def is_trained(self) -> bool:
        """Whether vectors, or documents, can be added."""
        return self._state.engine is not None

    @property
    def temp_dir(self) -> str | None:
        """The folder of the temporary files that codes with ``on_disk=True`` are written to until they are saved.

        None: the system's folder for temporary files (``TMPDIR``). It can be changed at any time, also for an opened
        index; a saved index does not contain it. The files have no names and disappear with the process.
        """
        return None if self._temp_dir is None else os.fsdecode(self._temp_dir)

    @temp_dir.setter
    def temp_dir(self, path: Path | None) -> None:
        self._temp_dir = folder(path)

    def __len__(self) -> int:
        return self._state.n

    def __contains__(self, item: object) -> bool:
        """Whether a vector, or a document, has this id."""
        if isinstance(item, bool) or not isinstance(item, int | np.integer) or not 0 <= int(item) < 2**63:
            return False
        engine = self._state.engine
        return engine is not None and bool(engine.contains(np.array([item], np.int64))[0])

    @overload
    def ids(self, *, block: None = None) -> I64: ...
    @overload
    def ids(self, *, block: int) -> Iterator[I64]: ...
    def ids(self, *, block: int | None = None) -> I64 | Iterator[I64]:
        """The ids of all vectors, or documents, in the index.

        Parameters
        ----------
        block : int, optional
            Iterate over arrays of at most this many ids instead: one array takes 8 bytes per id. Blocks are in the
            order in which the vectors are stored, not ascending.

        Returns
        -------
        (n,) int64 array, ascending; or an iterator over such arrays, unordered
            In either case, each id that the index had at the time of the call occurs once.

        Examples
        --------
        >>> missing = np.setdiff1d([5, 10**6], index.ids())
        """
        size = None if block is None else whole_number(block, "block", 1)
        engine = self._state.engine
        if engine is None:
            return np.empty(0, np.int64) if size is None else iter(())
        return engine.ids() if size is None else engine.id_blocks(size)

    def remove(self, ids: ArrayLike) -> int:
        """Remove the vectors, or documents, with these ids, immediately and permanently.

        Their bytes are freed when their segment is merged or `compact` is called; see ``stats().removed_share``.

        Parameters
        ----------
        ids : (n,) array of int
            Ids that the index does not have are ignored.

        Returns
        -------
        int
            How many vectors, or documents, were removed.

        Examples
        --------
        >>> index.remove([7, 42])
        2
        """
        own, removed = vector_ids(ids), 0

        def without(now: State) -> State:
            nonlocal removed
            after = now.changed("remove", lambda engine: engine.remove(own))
            removed = now.n - after.n
            return after

        turn, after = self._prepare("remove", without)
        self._state = after
        del turn
        return removed

    def compact(self, *, progress: ProgressArgument = None, threads: int | None = None) -> Self:
        """Rewrite all segments as one, without removed vectors, from the stored codes; ids do not change.

        Needs memory (or space in `temp_dir`, for codes that are kept on disk) for a second copy of the codes.
        Meanwhile searches continue on the state before, which Ctrl-C restores.

        Parameters
        ----------
        progress, threads
            As in `add`.

        Returns
        -------
        Index or MultiVectorIndex
            This index.

        Examples
        --------
        >>> index = index.compact()
        """
        count = thread_count(threads)
        shown = Progress(progress)

        def compact(engine: _core.Engine) -> None:
            with shown:
                engine.compact(directory=self._temp_dir, threads=count, progress=shown.stage("compacting"))

        turn, after = self._prepare(
            "compact", lambda now: self._compacted(now.changed("compact", compact), count, shown)
        )
        self._state = after
        del turn
        return self

    @property
    def training_id(self) -> str:
        """A fingerprint of the training: equal for two indexes if and only if `fb.merge` can merge them.

        It depends on the trained parts alone. Adding, removing, saving and opening do not change it; training for
        ranking and `upgrade` do.

        Raises
        ------
        NotTrainedError
            Before `train`.

        Examples
        --------
        >>> index.training_id == fb.Index.from_bytes(index.to_bytes()).training_id
        True
        """
        return training_id(self._trained("training_id"))

    def empty(self) -> Self:
        """Return a new index with the training and the settings of this one, and no vectors.

        Its bytes depend on the training and the settings alone, whatever was added or removed before. With
        codec="auto", it keeps the present codes, as what `take` returns does, so that parts have one training. Filled
        with parts of a data set, copies of it are merged by `fb.merge`, or searched together (docs/scale-out.md).

        Returns
        -------
        Index or MultiVectorIndex

        Raises
        ------
        NotTrainedError
            Before `train`.

        Examples
        --------
        >>> part = index.empty().add(x[:100], ids=np.arange(5000, 5100))
        """
        return self.take([])

    def take(self, ids: ArrayLike, *, threads: int | None = None) -> Self:
        """Return a new index with these vectors, or documents, and no others, from their stored codes.

        Its bytes depend on the training, the settings, the vectors and their ids alone, not on the order of ids, nor on
        when and in which order the vectors were added. Each id takes 4 bytes if they span less than 2^32, otherwise 8.

        Parameters
        ----------
        ids : (n,) array of int
            Unique.
        threads : int, optional
            None: all CPUs.

        Returns
        -------
        Index or MultiVectorIndex

        Raises
        ------
        NotTrainedError
            Before `train`.
        TypeError, ValueError
            For wrong or repeated ids, and for an id that the index does not have (the message names it).

        Examples
        --------
        >>> even = index.take(index.ids()[::2])
        """
        state = self._state
        engine, count, own = state.trained("take"), thread_count(threads), vector_ids(ids)
        check_unique(own)
        taken = engine.take(own, directory=self._temp_dir, threads=count)
        return in_state(self, replace(state, engine=taken, automatic="no"))

    def save(self, path: Path | SupportsWrite) -> None:
        """Write the index to one file, atomically: after a crash, either the old or the new file is there, complete.

        Parameters
        ----------
        path : str, bytes or os.PathLike, or a binary file object
            A path; if it is a symbolic link, the link stays and its target is replaced. Or a URL such as
            ``s3://bucket/wiki.fb``, which is written through fsspec (the extra `fsspec`), atomically if that file
            system replaces files as a whole, as object stores do. Or an object with ``write``, as ``open(..., "wb")``
            and `io.BytesIO` return, to which the bytes are written.

        Notes
        -----
        Ctrl-C does not stop the write. KeyboardInterrupt may be raised just after it; the file is then the new one.

        Examples
        --------
        >>> index.save("wiki.fb")
        """
        write(path, lambda name: self._files.save(name, lambda: self._current("save")), self.to_bytes)

    def sync(self, path: Path) -> None:
        """Write the changes since this index last saved, opened or synced a path, so that they survive a crash.

        Changes are appended to a log beside the file (the name of the file followed by ``.log``), and `fb.open` reads
        both. If this index has never saved, opened or synced the path, or if the log would become longer than 1 MiB and
        than half of the file, `sync` saves the whole index instead and no log is left. Every change is written: added
        and removed vectors, and defaults of searches. See docs/durability.md.

        Parameters
        ----------
        path : str, bytes or os.PathLike

        Raises
        ------
        BlockingIOError
            If another index, of this or another process, has synced to the path. It remains the only one that may
            until it is deleted.
        OSError
            With ``errno.ESTALE`` if the path was written to by others since this index read or wrote it; and for
            failing disks, as `save`. The path then holds what it held before, or also the changes.

        Examples
        --------
        >>> index.save("wiki.fb")
        >>> index.remove([7, 42])
        2
        >>> index.sync("wiki.fb")
        >>> len(fb.open("wiki.fb")) == len(index)
        True
        """
        self._files.sync(encoded(path), lambda: self._current("sync"))

    def to_bytes(self) -> bytes:
        """Return the file that `save` would write.

        Returns
        -------
        bytes

        Examples
        --------
        >>> same = fb.Index.from_bytes(index.to_bytes())
        """
        state = self._state
        return state.trained("to_bytes").to_bytes(self._meta(state))

    # --- inside ---

    def _meta(self, state: State) -> bytes:
        """The section `meta` of the index's file."""
        raise NotImplementedError

    def _current(self, action: str) -> tuple[_core.Engine, bytes]:
        state = self._state
        return state.trained(action), self._meta(state)

    def _trained(self, action: str) -> _core.Engine:
        return self._state.trained(action)

    @property
    def _description(self) -> Description:
        return self._state.description

    @property
    def _engine(self) -> _core.Engine | None:
        return self._state.engine

    @_engine.setter
    def _engine(self, engine: _core.Engine | None) -> None:
        turn, after = self._prepare("engine", lambda now: now.with_engine(engine))
        self._state = after
        del turn

    def _compacted(self, state: State, threads: int, progress: Progress) -> State:
        """What `compact` commits."""
        return state

    def _prepare_added(
        self,
        before: State,
        builder: _core.Builder,
        on_conflict: str,
        threads: int,
        progress: Progress,
        ids: ArrayLike | None = None,
    ) -> tuple[_core.Turn, State]:
        """As `_prepare`, for the state with the vectors of `builder`, which were coded for the state `before`."""
        before.training.check(before.n + len(builder), stacklevel=3)

        def added(now: State) -> State:
            of_same = now.of_training(before, "add")
            return of_same.changed("add", lambda engine: publish(engine, builder, on_conflict, threads, progress))

        return self._prepare("add", added)

    def _prepare_built(
        self, engine: _core.Engine, training: Training, action: str, then: Callable[[State], State] = lambda now: now
    ) -> tuple[_core.Turn, State]:
        """As `_prepare`, for a newly trained engine in place of one without vectors; `then` changes that state."""

        def built(now: State) -> State:
            return then(now.untouched(action).retrained(engine, training=training).explained(training.found))

        return self._prepare(action, built)


def folder(path: Path | None) -> bytes | None:
    if path is None:
        return None
    name = encoded(path)
    if not os.path.isdir(name):
        raise NotADirectoryError(f"temp_dir: expected a folder, got {path!r}")
    return name


def folder_of(index: BaseIndex) -> bytes | None:
    """The folder for the temporary files of the index, as the core takes it."""
    return index._temp_dir
