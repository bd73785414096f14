"""One index in several files: functions for engines such as Ray, Spark, Dask or multiprocessing (docs/scale-out.md).

A template (a trained index without vectors) and blocks of vectors become parts (`code_part`), in any order, by any
number of processes. Parts become shards, each with the vectors of some buckets (`bucket_of` an id): `assemble`. The
`Manifest` names the shards, `verify` checks them, and `gather` makes the answers of all shards that of one index.
"""

from .buckets import bucket_of, buckets_of_shards
from .clustering import ClusterSums, kmeans_step, next_centroids
from .gathering import gather
from .manifest import Manifest, Shard, verify
from .parts import assemble, code_part, part_name

__all__ = [
    "ClusterSums",
    "Manifest",
    "Shard",
    "assemble",
    "bucket_of",
    "buckets_of_shards",
    "code_part",
    "gather",
    "kmeans_step",
    "next_centroids",
    "part_name",
    "verify",
]
