"""From vectors to parts, and from parts to shards: files that depend on the training, the vectors and ids alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import CorruptIndexError, FormatVersionError
from ..file.places import Path, shown
from ..index.index import Index
from ..input.checks import whole_number
from ..merging import merge
from ..numeric.arrays import F32, I64
from .buckets import BUCKETS, bucket_of


def part_name(ids: I64, block: F32) -> str:
    """A name for the part with these vectors and ids, from a hash of both.

    Parameters
    ----------
    ids : (n,) int64 array
    block : (n, dim) array

    Returns
    -------
    str

    Examples
    --------
    >>> from fewbits import shards
    >>> shards.part_name(np.arange(2), np.zeros((2, 4), np.float32))
    'part-0afe64fa6c4a3153ac976d90e34a29af.fb'
    """
    digest = hashlib.sha256(np.ascontiguousarray(ids).view(np.uint8).data)  # CPUs have instructions for it
    digest.update(f"{block.shape}{block.dtype.str}".encode())
    digest.update(np.ascontiguousarray(block).view(np.uint8).data)
    return f"part-{digest.hexdigest()[:32]}.fb"


def code_part(template: Index | Path, blocks: Iterable[tuple[Any, Any]], out: Path, *, threads: int = 1) -> int:
    """Code blocks of vectors as one part, and save it atomically.

    The bytes do not depend on the blocks' sizes and order, nor on threads, so a task that failed can be run again.

    Parameters
    ----------
    template : Index or path
        Trained. Its vectors, if any, are not in the part.
    blocks : iterable of ((n,) ids, (n, dim) array)
        As `Index.add` takes them.
    out : str, bytes or os.PathLike
    threads : int

    Returns
    -------
    int
        How many vectors the part has.

    Raises
    ------
    TypeError, ValueError
        As in `Index.add`; for an id that occurs twice.

    Examples
    --------
    >>> from fewbits import shards
    >>> shards.code_part(index, [(np.arange(100), x[:100])], "part-0.fb")
    100
    """
    part = opened(template).empty()
    part.add(((ids, block) for ids, block in blocks), threads=threads, progress=False)
    part.take(part.ids(), threads=threads).save(out)
    return len(part)


def assemble(
    parts: Sequence[Index | Path],
    buckets: tuple[int, int],
    out: Path,
    *,
    of: int = BUCKETS,
    threads: int = 1,
) -> int:
    """Make a shard: all vectors of the parts that are in a range of buckets, saved atomically.

    The bytes do not depend on which parts have which vectors, nor on their order: rows are ordered by list and id.

    Parameters
    ----------
    parts : sequence of Index or path
        Of one training. An empty template may be among them, for a shard that may have no vectors.
    buckets : (int, int)
        The first bucket, and the one after the last.
    out : str, bytes or os.PathLike
    of : int
        How many buckets there are in all.
    threads : int

    Returns
    -------
    int
        How many vectors the shard has.

    Raises
    ------
    TypeError, ValueError
        For parts of different trainings, for an id in two parts, and for no parts at all.
    CorruptIndexError
        For a damaged part; the message names it.

    Examples
    --------
    >>> from fewbits import shards
    >>> shards.assemble([index], (0, 1024), "shard-0.fb") == len(index)
    True
    """
    first, end = buckets
    end = whole_number(end, "buckets", 0, of)
    first = whole_number(first, "buckets", 0, end)
    if not parts:
        raise ValueError("parts: expected at least one part, or an empty template")
    taken = [_in_buckets(opened(part), first, end, of, threads) for part in parts]
    whole = merge(taken)
    shard = whole.take(whole.ids(), threads=threads)
    shard.save(out)
    return len(shard)


def opened(part: Index | Path) -> Index:
    return part if isinstance(part, Index) else Index.open(part)


def is_part(path: Path, training_id: str) -> bool:
    """Whether there is a complete part of this training; another training is an error."""
    if not os.path.exists(path):
        return False
    try:
        part = Index.open(path, verify=True)
    except (CorruptIndexError, FormatVersionError):
        return False
    if part.training_id != training_id:
        raise ValueError(f"{shown(path)}: expected a part of the training {training_id}, got one of {part.training_id}")
    return True


def _in_buckets(part: Index, first: int, end: int, of: int, threads: int) -> Index:
    ids = part.ids()
    bucket = bucket_of(ids, of)
    return part.take(ids[(bucket >= first) & (bucket < end)], threads=threads)
