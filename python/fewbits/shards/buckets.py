"""Which shard has an id: a fixed hash puts ids into buckets, and each shard has a range of buckets."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..input.checks import whole_number
from ..input.ids import vector_ids

BUCKETS = 1024
MAX_SHARDS = BUCKETS


def bucket_of(ids: ArrayLike, buckets: int = BUCKETS) -> NDArray[np.int64]:
    """The bucket of each id: the top bits of its SplitMix64 hash, scaled to 0 .. buckets - 1.

    The same on every machine and in every version, so that other programs can route by it: ``(h >> 32) * buckets >>
    32``, where h is the output of SplitMix64 for the state id.

    Parameters
    ----------
    ids : (n,) array of int
        Whole numbers >= 0.
    buckets : int
        As in the manifest, 1 to 2^31.

    Returns
    -------
    (n,) int64 array

    References
    ----------
    Steele et al., "Fast splittable pseudorandom number generators", 2014.

    Examples
    --------
    >>> from fewbits import shards
    >>> shards.bucket_of([0, 1, 2])
    array([904, 580, 605])
    """
    count = np.uint64(whole_number(buckets, "buckets", 1, 2**31))
    h = vector_ids(ids).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    h = h ^ (h >> np.uint64(31))
    bucket: NDArray[np.int64] = ((h >> np.uint64(32)) * count >> np.uint64(32)).astype(np.int64)
    return bucket


def buckets_of_shards(shards: int, buckets: int = BUCKETS) -> list[tuple[int, int]]:
    """Buckets divided evenly: the first bucket of each shard, and the one after its last.

    Parameters
    ----------
    shards : int
        1 to buckets.
    buckets : int

    Returns
    -------
    list of (int, int)

    Examples
    --------
    >>> from fewbits import shards
    >>> shards.buckets_of_shards(3, buckets=8)
    [(0, 2), (2, 5), (5, 8)]
    """
    count = whole_number(buckets, "buckets", 1, 2**31)
    n = whole_number(shards, "shards", 1, count)
    return [(shard * count // n, (shard + 1) * count // n) for shard in range(n)]
