"""What a new collection begins with, and whether an existing one is what the caller expects."""

from __future__ import annotations

from pathlib import Path

from ..index.index import Index
from ..index.turns import state_of
from ..index.two_embeddings import require_one
from ..spec.description import Description


def template(dim: int | None, metric: str | None, index: Index | None) -> Index | None:
    """An index without vectors, as a new collection begins with; None if the arguments do not describe one."""
    if index is None:
        if (dim is None) != (metric is None):
            raise ValueError(f"expected dim and metric, or neither, got dim={dim!r} and metric={metric!r}")
        return None if dim is None or metric is None else Index(dim, metric=metric, codec="auto")
    if not isinstance(index, Index):
        raise TypeError(f"index: expected fewbits.Index, got {index!r}")
    if not index.is_trained or len(index):
        raise ValueError(f"index: expected a trained index without vectors, got {index!r}")
    require_one(state_of(index).description, "index")
    for name, got in (("dim", dim), ("metric", metric)):
        if got is not None and got != getattr(index, name):
            raise ValueError(f"{name}: the index has {getattr(index, name)!r}, got {got!r}")
    return index


def check_same(folder: Path, own: Index, dim: int | None, metric: str | None, index: Index | None) -> None:
    """Whether the collection's index is of this kind."""
    given = [(name, value) for name, value in (("dim", dim), ("metric", metric)) if value is not None]
    if index is not None:
        given += [("dim", index.dim), ("metric", index.metric)]
        automatic, wanted = (state_of(each).automatic != "no" for each in (own, index))
        if automatic != wanted:
            kinds = {True: "codec='auto'", False: "parts that do not change"}
            raise ValueError(f"index: the collection {folder} has {kinds[automatic]}, got {kinds[wanted]}")
        given += [] if automatic else [(name, getattr(index, name)) for name in Description.PARTS]
    for name, got in given:
        if getattr(own, name) != got:
            raise ValueError(f"{name}: the collection {folder} has {getattr(own, name)!r}, got {got!r}")
