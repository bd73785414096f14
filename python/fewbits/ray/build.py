"""fewbits.ray.build: from vectors to the shards of an index, by tasks on a Ray cluster."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..file.places import Path, encoded
from ..index.index import Index
from ..input.checks import whole_number
from ..input.progress import Progress, ProgressArgument
from ..shards.buckets import BUCKETS, MAX_SHARDS, buckets_of_shards
from ..shards.manifest import NAME, Manifest, Shard
from ..shards.parts import assemble, code_part, is_part, part_name
from .package import ray
from .sources import Piece, Source, source_of
from .tasks import results_of, task_of
from .training import trained

_SHARD_ROWS = 4_000_000


def build(
    source: Any,
    out: Path,
    *,
    template: Index | None = None,
    metric: str | None = None,
    bytes_per_vector: float = 64,
    vector: str = "vector",
    id: Any = "id",
    shards: int | None = None,
    part_rows: int = 131_072,
    resume: bool = True,
    progress: ProgressArgument = None,
) -> Manifest:
    """Build the shards of an index on a Ray cluster.

    Tasks code pieces of the source, others assemble the shards. Tasks whose workers or nodes are lost run again. If the
    build ends otherwise, the same call continues it: parts that are complete are not coded again. The files are the
    same, byte for byte, for any number of workers and whatever is lost meanwhile.

    Parameters
    ----------
    source : (n, dim) array, path, or ray.data.Dataset
        An array as `Index.add` takes it. A file that `fb.load_vectors` opens, or a folder of Parquet files, which every
        node must be able to read. Or a dataset with a column of ids.
    out : str, bytes or os.PathLike
        A folder that every node can write to. It is created.
    template : Index, optional
        Trained; its vectors, if any, are not part of the result. None: what `fb.build` chooses for an evenly spaced
        sample of 262,144 vectors, metric and `bytes_per_vector`; if lists need more vectors, they are fitted by tasks
        to 256 per list, evenly from all parts (`fewbits.shards.kmeans_step`).
    metric, bytes_per_vector
        As in `fb.build`; metric only without a template.
    vector, id : str
        Columns of Parquet files and datasets. ``id=None``: row numbers are the ids, as in an array and other files. For
        an array, id may be the (n,) ids.
    shards : int, optional
        1 to 1,024. None: one for every 4,000,000 vectors, and at least one per node.
    part_rows : int
        Vectors per task.
    resume : bool
        Whether to continue or return what is in `out`. False: replace it.
    progress : bool or callable, optional
        As in `Index.add`.

    Returns
    -------
    fewbits.shards.Manifest

    Raises
    ------
    TypeError, ValueError
        As in `Index.add`; if `out` has an index of another source or template and `resume` is True.

    Examples
    --------
    >>> manifest = fewbits.ray.build(x, "fleet", template=index.empty(), shards=3)  # doctest: +SKIP
    """
    count = None if shards is None else whole_number(shards, "shards", 1, MAX_SHARDS)
    given = None if _is_dataset(source) else source_of(source, vector, id, part_rows)
    shown = Progress(progress)
    folder = os.path.abspath(os.fsdecode(encoded(out)))
    os.makedirs(os.path.join(folder, "parts"), exist_ok=True)
    if not ray.is_initialized():
        ray.init()
    with shown:
        empty = trained(given, template, metric, bytes_per_vector, shown.stage("lists (k-means)"))
    if given is not None and given.dim != empty.dim:
        raise ValueError(f"source: expected vectors of {empty.dim} dimensions, as the template has, got {given.dim}")
    template_file = f"template-{empty.training_id[:16]}.fb"
    empty.save(os.path.join(folder, template_file))
    before = _existing(folder)
    work = _Work(folder, os.path.join(folder, template_file), empty.training_id)
    with shown:
        if before is not None and resume:
            names = work.names(given, source, vector, id, part_rows, shown.stage("comparing"))
            return _same(before, empty, names, count)
        names = work.parts(given, source, vector, id, part_rows, shown.stage("coding"))
        n = sum(size for _, size in names)
        wanted = count or max(1, -(-n // _SHARD_ROWS), len(_nodes()))
        epoch = before.epoch + 1 if before else 1
        made = work.shards([name for name, _ in names], wanted, epoch, shown.stage("assembling"))
    if sum(shard.n for shard in made) != n:
        raise RuntimeError(f"build: {n} vectors were coded, and {sum(shard.n for shard in made)} are in shards")
    manifest = Manifest(folder, empty.training_id, epoch, template_file, made, source=_digest(names))
    manifest.save()
    shutil.rmtree(os.path.join(folder, "parts"), ignore_errors=True)
    if before is not None:
        remove_epoch(before)
    return manifest


def remove_epoch(manifest: Manifest) -> None:
    """Removes the shards of a manifest that was replaced; they stay readable for those who have opened them."""
    for shard in manifest.shards:
        shutil.rmtree(os.path.dirname(manifest.path(shard.file)), ignore_errors=True)


def assembled(
    folder: str, parts: list[str], wanted: int, epoch: int, report: Callable[[float], None], num_cpus: float = 1
) -> tuple[Shard, ...]:
    """Assembles shards of a new epoch by tasks. num_cpus: that each reserves."""
    name = f"epoch-{epoch:06d}"
    os.makedirs(os.path.join(folder, name), exist_ok=True)
    task = task_of(_shard, num_cpus)
    calls = (
        task.remote(folder, parts, buckets, f"{name}/shard-{number:04d}.fb")
        for number, buckets in enumerate(buckets_of_shards(wanted))
    )
    return tuple(sorted(results_of(calls, wanted, report), key=lambda shard: shard.first_bucket))


class _Work:
    """Tasks of one build."""

    def __init__(self, folder: str, template: str, training_id: str) -> None:
        self._folder, self._template, self._training_id = folder, template, training_id

    def parts(
        self, given: Source | None, source: Any, vector: str, id: Any, rows: int, report: Callable[[float], None]
    ) -> list[tuple[str, int]]:
        """Name and size of all parts, which are then complete."""
        return self._over(given, source, vector, id, rows, report, code=True)

    def names(
        self, given: Source | None, source: Any, vector: str, id: Any, rows: int, report: Callable[[float], None]
    ) -> list[tuple[str, int]]:
        """The same, without coding."""
        return self._over(given, source, vector, id, rows, report, code=False)

    def shards(self, names: list[str], wanted: int, epoch: int, report: Callable[[float], None]) -> tuple[Shard, ...]:
        parts = [self._template, *(os.path.join(self._folder, "parts", name) for name in names)]
        return assembled(self._folder, parts, wanted, epoch, report)

    def _over(
        self,
        given: Source | None,
        source: Any,
        vector: str,
        id: Any,
        rows: int,
        report: Callable[[float], None],
        *,
        code: bool,
    ) -> list[tuple[str, int]]:
        settings = (self._folder, self._template, self._training_id, code)
        if given is None:
            return _of_dataset(source, vector, id, rows, settings)
        task = task_of(_part)
        return sorted(results_of((task.remote(piece, *settings) for piece in given.pieces()), len(given), report))


def _part(piece: Piece, folder: str, template: str, training_id: str, code: bool) -> tuple[str, int]:
    """A task: codes a piece unless its part is there; returns its name and number of vectors."""
    ids, block = piece.read()
    name = part_name(ids, block)
    path = os.path.join(folder, "parts", name)
    if code and not is_part(path, training_id):
        code_part(_opened(template), [(ids, block)], path)
    return name, len(ids)


def _shard(folder: str, parts: list[str], buckets: tuple[int, int], file: str) -> Shard:
    """A task: assembles a shard."""
    assemble(parts, buckets, os.path.join(folder, file), of=BUCKETS)
    return Shard.of(folder, file, buckets)


@lru_cache(maxsize=2)
def _opened(path: str) -> Index:
    return Index.open(path)


def _of_dataset(dataset: Any, vector: str, id: Any, rows: int, settings: tuple[Any, ...]) -> list[tuple[str, int]]:
    columns = dataset.schema().names
    for name in (vector, id):
        if name not in columns:
            raise ValueError(f"source: expected the columns {vector!r} and {id!r} of a dataset, got {columns}")

    def code(batch: dict[str, Any]) -> dict[str, Any]:
        from .sources import Slice

        given = batch[vector]
        block = np.stack(list(given)) if given.dtype == object else given
        name, n = _part(Slice(np.asarray(batch[id], np.int64), block), *settings)
        return {"name": np.array([name]), "n": np.array([n])}

    found = dataset.select_columns([vector, id]).map_batches(code, batch_size=rows, batch_format="numpy").take_all()
    return sorted((str(row["name"]), int(row["n"])) for row in found)


def _is_dataset(source: Any) -> bool:
    return type(source).__module__.startswith("ray.data")


def _existing(folder: str) -> Manifest | None:
    return Manifest.open(folder) if os.path.exists(os.path.join(folder, NAME)) else None


def _same(before: Manifest, trained: Index, names: list[tuple[str, int]], count: int | None) -> Manifest:
    """The manifest of a finished build, if it is of the same source."""
    other = None
    if before.training_id != trained.training_id:
        other = "template"
    elif before.source != _digest(names):
        other = "source, or pieces of another size"
    elif count is not None and count != len(before.shards):
        other = f"number of shards ({len(before.shards)})"
    if other:
        raise ValueError(f"out: holds an index of another {other}; resume=False replaces it")
    return before


def _digest(names: list[tuple[str, int]]) -> str:
    return hashlib.sha256("\n".join(f"{name} {n}" for name, n in sorted(names)).encode()).hexdigest()


def _nodes() -> list[Any]:
    return [node for node in ray.nodes() if node["Alive"]]
