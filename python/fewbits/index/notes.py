"""What the owner of an index notes in it: metadata and an epoch, which its file keeps and search ignores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

from ..input.checks import whole_number
from .turns import Turned

MAX_BYTES = 1 << 16  # of metadata, as JSON
MAX_EPOCH = 2**62 - 1
_NOTHING = "{}"


@dataclass(frozen=True)
class Notes:
    metadata: str = _NOTHING  # as JSON, which nobody can change
    epoch: int = 0

    def stored(self) -> dict[str, Any]:
        """The members of the section `meta`: none for an index without notes."""
        metadata = {} if self.metadata == _NOTHING else {"metadata": json.loads(self.metadata)}
        return metadata | ({"epoch": self.epoch} if self.epoch else {})


@dataclass(frozen=True)
class NotedState:
    """A state with notes, of whichever kind of index."""

    notes: Notes = field(default=Notes(), kw_only=True)


S = TypeVar("S", bound=NotedState)


class Noted(Turned[S]):
    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the owner of the index notes in it, such as the name of the embedding model: a dict for JSON.

        It is kept in the file, in pickles, by `sync`, `take` and `empty`; `fb.merge` keeps that of the first index.
        Assign a new dict to change it: what is returned is read-only.

        Raises
        ------
        TypeError, ValueError
            For anything but a dict that JSON keeps as it is (str keys; str, numbers, bool, None, lists and dicts; no
            NaN and infinities), of at most 64 KiB as JSON.

        Examples
        --------
        >>> index.metadata = {"model": "e5-small", "normalized": True}
        >>> index.metadata["model"]
        'e5-small'
        >>> index.metadata = {}
        """
        return MappingProxyType(json.loads(self._state.notes.metadata))

    @metadata.setter
    def metadata(self, value: Mapping[str, Any]) -> None:
        text = _as_json(value)
        self._note("metadata", lambda notes: replace(notes, metadata=text))

    @property
    def epoch(self) -> int:
        """A number that the owner of the index counts up, 0 at first: of two files, it tells which is newer.

        It is kept as `metadata` is; `fb.merge` keeps the largest.

        Raises
        ------
        TypeError, ValueError
            For anything but a whole number that is at least the present one.

        Examples
        --------
        >>> index.epoch
        0
        """
        return self._state.notes.epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._note("epoch", lambda notes: replace(notes, epoch=whole_number(value, "epoch", notes.epoch, MAX_EPOCH)))

    def _note(self, action: str, change: Callable[[Notes], Notes]) -> None:
        turn, after = self._prepare(action, lambda now: replace(now, notes=change(now.notes)))
        self._state = after
        del turn


def notes_of(meta: Mapping[str, Any]) -> Notes:
    """What `stored` returned, of the section `meta` of a file; raises TypeError or ValueError for anything else."""
    epoch = whole_number(meta.get("epoch", 0), "epoch", 0, MAX_EPOCH)
    return Notes(_as_json(meta.get("metadata", {})), epoch)


def merged_notes(states: Iterable[NotedState]) -> Notes:
    """The metadata of the first, and the largest epoch."""
    all_notes = [state.notes for state in states]
    return replace(all_notes[0], epoch=max(notes.epoch for notes in all_notes))


def _as_json(value: Mapping[str, Any]) -> str:
    if not isinstance(value, Mapping):
        raise TypeError(f"metadata: expected a dict, got {type(value).__name__}")
    given = dict(value)
    try:
        text = json.dumps(given, sort_keys=True, allow_nan=False)
    except (RecursionError, TypeError, ValueError) as error:
        raise type(error)(f"metadata: expected a dict that can be written as JSON ({error})") from None
    if json.loads(text) != given or any(not isinstance(key, str) for key in given):
        raise TypeError("metadata: expected what JSON keeps as it is: keys of str, and lists instead of tuples")
    if len(text) > MAX_BYTES:
        raise ValueError(f"metadata: expected at most {MAX_BYTES:,} bytes as JSON, got {len(text):,}")
    return text
