"""fewbits.ray.serve: a fleet of actors, one or more per shard, that is used like an index."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..file.places import Path
from ..index.asked import candidates
from ..index.filling import NEEDS_IDS, collected
from ..index.index import Index
from ..index.result import KeyedResult, SearchResult
from ..index.turns import state_of
from ..input.checks import conflict_rule, one_of, real_number, whole_number
from ..input.filters import Filter
from ..input.ids import vector_ids
from ..input.progress import Progress, ProgressArgument
from ..input.queries import as_queries
from ..numeric.arrays import I64
from ..shards.buckets import MAX_SHARDS
from ..shards.gathering import gather
from ..shards.manifest import Manifest
from .actors import Actors, Table
from .build import assembled, remove_epoch
from .changes import change, known
from .package import ray
from .scatter import MissingShardsError, PartialResult, Scatter

_RERANK_MARGIN = 1.5
_LARGE = 1 << 20  # bytes of queries that are stored once for all shards


def serve(
    manifest: Manifest | Path, replicas: int = 1, *, threads: int = 1, num_cpus: float = 0, timeout: float = 300
) -> Fleet:
    """Start actors that hold the shards of an index, and wait until they can be searched.

    An actor that dies is started again, by Ray on any node, and reads its files: nothing that was acknowledged is lost.

    Parameters
    ----------
    manifest : Manifest or path
        Of `build`, or the folder.
    replicas : int
        Actors per shard. More than one answer more searches, and take over from slow ones (``hedge``).
    threads : int
        Of one search in one actor.
    num_cpus : float
        CPUs that Ray reserves for each actor.
    timeout : float
        Seconds to wait for the actors.

    Returns
    -------
    Fleet

    Raises
    ------
    FileNotFoundError, CorruptIndexError
        If the files cannot be used.
    MissingShardsError
        If an actor does not start in time.

    Examples
    --------
    >>> fleet = fewbits.ray.serve("fleet", replicas=2)  # doctest: +SKIP
    """
    found = manifest if isinstance(manifest, Manifest) else Manifest.open(manifest)
    several = whole_number(replicas, "replicas", 1)
    own = whole_number(threads, "threads", 1), real_number(num_cpus, "num_cpus", 0), real_number(timeout, "timeout", 0)
    if not ray.is_initialized():
        ray.init()
    return Fleet(Manifest.open(found.folder), Actors(several, *own))


class Fleet:
    """Actors that are searched and changed like one index. `serve` makes one; `close` it, or use it in ``with``.

    Searches are safe from many threads. Changes of one fleet wait for one another. Of two fleets of the same shards,
    only one can make changes.
    """

    def __init__(self, manifest: Manifest, actors: Actors) -> None:
        self._actors = actors
        self._template = Index.open(manifest.path(manifest.template)).empty()
        self._changing, self._turn = RLock(), count()
        self._table: Table | None = actors.started(manifest)
        self._next_id = max(state["next_id"] for state in self.stats())

    def __repr__(self) -> str:
        if self._table is None:
            return "<fewbits.ray.Fleet: closed>"
        return f"<fewbits.ray.Fleet: {len(self._table.workers)} shards, {self._actors.replicas} replicas>"

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return sum(state["n"] for state in self.stats())

    @property
    def manifest(self) -> Manifest:
        """The files that hold the index now."""
        return self._open().manifest

    # --- searching ---

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        nprobe: int | None = None,
        rerank: int | None = None,
        filter: Any = None,
        min_score: float | None = None,
        max_distance: float | None = None,
        timeout: float | None = None,
        missing: str = "error",
        hedge: float | None = None,
    ) -> SearchResult:
        """Find the k best vectors for each query, in all shards.

        The lists to read are found once, here. Without reranking and filter, ids and scores are those of one index with
        all vectors, bit for bit. With reranking, each of S shards reranks max(k, 1.5 * rerank / S) candidates, which is
        more than its share. With a filter, each shard chooses by itself how many lists it has to read.

        Parameters
        ----------
        queries, k, nprobe, rerank, filter, min_score, max_distance
            As in `Index.search`; filters that are compiled predicates cannot be sent.
        timeout : float, optional
            Seconds to wait for all shards. None: until each has answered, or is lost.
        missing : {"error", "partial"}
            What to do if a shard does not answer: raise `MissingShardsError`, or return a `PartialResult`, which names
            it.
        hedge : float, optional
            Seconds after which another replica of each slow shard is asked too. Only with two replicas or more.

        Returns
        -------
        SearchResult
            A `PartialResult` with ``missing="partial"``.

        Raises
        ------
        MissingShardsError
            If a shard does not answer in time, or is lost and cannot be started again.
        TypeError, ValueError
            As `Index.search`, before anything is sent.

        Examples
        --------
        >>> ids, scores = fleet.search(queries, k=10, timeout=1.0, hedge=0.05)  # doctest: +SKIP
        """
        table, template = self._open(), self._template
        one_of(missing, "missing", ("error", "partial"))
        if hedge is not None and self._actors.replicas < 2:
            raise ValueError(f"hedge: expected a fleet with two replicas or more, got hedge={hedge!r}")
        limits = [
            None if value is None else real_number(value, name, 0)
            for name, value in (("timeout", timeout), ("hedge", hedge))
        ]
        options: dict[str, Any] = {"min_score": min_score, "max_distance": max_distance, "rerank": rerank}
        matrix, single = as_queries(queries, template.dim, nonzero=template.metric == "cosine")
        if template.partition is not None and filter is None:
            options["lists"] = template.probe(matrix, nprobe)
        else:
            options["nprobe"] = nprobe
        template.search(matrix, k, filter=filter, **options)  # checks every argument
        if template.rerank is not None:
            depth = candidates(state_of(template), rerank, k)
            share = int(np.ceil(_RERANK_MARGIN * depth / len(table.workers)))
            options["rerank"] = max(k, share) if depth else 0
        sent = ray.put(matrix) if matrix.nbytes * len(table.workers) > _LARGE else matrix
        asked = _sent_filter(filter)
        scatter = Scatter(
            lambda shard, replica: table.workers[shard][replica],
            lambda worker, _: worker.search.remote(sent, k, options, asked),
            lambda shard, replica, dead: self._actors.revive(table, shard, replica, dead),
            range(len(table.workers)),
            self._actors.replicas,
            next(self._turn),
        )
        scatter.run(*limits)
        if missing == "error" and scatter.missing():
            raise MissingShardsError(f"search: {scatter.reasons()}", scatter.missing())
        found = _gathered(list(scatter.answers.values()), template, len(matrix), k)
        ids, scores = (found.ids[0], found.scores[0]) if single else found
        return SearchResult(ids, scores) if missing == "error" else PartialResult(ids, scores, scatter.missing())

    # --- changing ---

    def add(self, x: Any, ids: ArrayLike | None = None, *, on_conflict: str = "error") -> Fleet:
        """Add vectors; returns once they are on the disks of their shards.

        Parameters
        ----------
        x, ids, on_conflict
            As in `Index.add`.

        Returns
        -------
        Fleet
            This fleet.

        Raises
        ------
        TypeError, ValueError
            As `Index.add`, before anything is sent.
        MissingShardsError
            If a shard is lost meanwhile; it is named, and its vectors may not be there. The others are. The same call
            with ``on_conflict="replace"`` completes the change.

        Examples
        --------
        >>> fleet.add(more, ids=np.arange(10_000, 10_000 + len(more)))  # doctest: +SKIP
        """
        needed, template = conflict_rule(on_conflict) == "replace", self._template
        vectors, own = collected(x, template.dim, ids, nonzero=template.metric == "cosine")
        if needed and own is None:
            raise ValueError(NEEDS_IDS)
        with self._changing:
            table = self._open()
            if own is None:
                own = np.arange(self._next_id, self._next_id + len(vectors), dtype=np.int64)
            elif on_conflict == "error":
                there = known(self._actors, table, own)
                if there.any():
                    row = int(np.argmax(there))
                    raise ValueError(f"ids: expected ids that are not in the index, got {int(own[row])} in row {row}")
            if len(own):
                self._next_id = max(self._next_id, int(own.max()) + 1)
            self._change(table, own, lambda worker, rows: worker.add.remote(vectors[rows], own[rows]))
        return self

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors; returns once this is on the disks of their shards.

        Parameters
        ----------
        ids : (n,) array of int
            Ids that the index does not have are ignored.

        Returns
        -------
        int
            How many vectors were removed.

        Raises
        ------
        MissingShardsError
            As in `add`; the same call completes the change.

        Examples
        --------
        >>> fleet.remove([7, 42])  # doctest: +SKIP
        2
        """
        own = np.unique(vector_ids(ids))
        with self._changing:
            table = self._open()
            own = own[known(self._actors, table, own)]
            self._change(table, own, lambda worker, rows: worker.remove.remote(own[rows]))
        return len(own)

    def flush(self, *, progress: ProgressArgument = None) -> Fleet:
        """Write all shards anew, without removed vectors, as the next epoch.

        Returns
        -------
        Fleet
            This fleet.

        Examples
        --------
        >>> fleet = fleet.flush()  # doctest: +SKIP
        """
        return self.reshard(len(self._open().workers), progress=progress)

    def reshard(self, shards: int, *, progress: ProgressArgument = None) -> Fleet:
        """Divide the vectors among another number of shards, from their codes.

        Searches continue on the old shards, and use the new ones, which are a new epoch of the manifest, as soon as all
        have started. Changes wait. If it fails, the old shards stay.

        Parameters
        ----------
        shards : int
        progress : bool or callable, optional
            As in `Index.add`.

        Returns
        -------
        Fleet
            This fleet.

        Examples
        --------
        >>> fleet = fleet.reshard(6)  # doctest: +SKIP
        """
        wanted = whole_number(shards, "shards", 1, MAX_SHARDS)
        shown = Progress(progress)
        with self._changing, shown:
            table = self._open()
            before = table.manifest
            files = [before.template, *(shard.changed or shard.file for shard in before.shards)]
            paths = [before.path(file) for file in files]
            # Tasks reserve as much as actors, for whom there has to be room in any case.
            reserved = self._actors.num_cpus
            made = assembled(before.folder, paths, wanted, before.epoch + 1, shown.stage("assembling"), reserved)
            after = replace(before, epoch=before.epoch + 1, shards=made)
            started = self._actors.started(after)
            after.save()
            self._table = started
            remove_epoch(before)
        return self

    def replace(self, node: str) -> Fleet:
        """Start the actors of a node on other nodes, before it is taken away.

        Parameters
        ----------
        node : str
            Its id, as in `stats`.

        Returns
        -------
        Fleet
            This fleet.

        Raises
        ------
        ValueError
            If there is no other node.

        Examples
        --------
        >>> fleet.replace(fleet.stats()[0]["node"])  # doctest: +SKIP
        """
        others = [found["NodeID"] for found in ray.nodes() if found["Alive"] and found["NodeID"] != node]
        if not others:
            raise ValueError(f"node: expected another node that is alive beside {node!r}")
        with self._changing:
            table = self._open()
            workers = [list(replicas) for replicas in table.workers]
            left = [(state["shard"], state["replica"]) for state in self.stats() if state["node"] == node]
            old = []
            for number, (shard, replica) in enumerate(left):
                made = self._actors.start(table.manifest, shard, replica, others[number % len(others)])
                ray.get(made.state.remote(), timeout=self._actors.timeout)
                old.append(workers[shard][replica])
                workers[shard][replica] = made
            self._table = Table(table.manifest, workers)
            for worker in old:
                ray.kill(worker)
        return self

    # --- what it is ---

    def stats(self) -> list[dict[str, Any]]:
        """One dict per actor: shard, replica, n, next_id, bytes, pid and node.

        Examples
        --------
        >>> sum(actor["n"] for actor in fleet.stats())  # doctest: +SKIP
        1000000
        """
        table = self._open()
        rows = []
        for replica in range(self._actors.replicas):
            scatter = self._actors.ask(
                table, range(len(table.workers)), replica, lambda worker, _: worker.state.remote()
            )
            if scatter.missing():
                raise MissingShardsError(f"stats: {scatter.reasons()}", scatter.missing())
            rows += [{"shard": shard, "replica": replica, **state} for shard, state in sorted(scatter.answers.items())]
        return rows

    def workers(self) -> list[Any]:
        """The handles of all Ray actors, shard after shard.

        Examples
        --------
        >>> len(fleet.workers())  # doctest: +SKIP
        3
        """
        return [worker for replicas in self._open().workers for worker in replicas]

    def close(self) -> None:
        """End all actors. What was acknowledged is on the disks."""
        with self._changing:
            table, self._table = self._table, None
            if table is not None:
                self._actors.end(table)

    # --- inside ---

    def _open(self) -> Table:
        table = self._table
        if table is None:
            raise RuntimeError("this fleet is closed")
        return table

    def _change(self, table: Table, ids: I64, call: Callable[[Any, I64], Any]) -> None:
        change(self._actors, table, ids, call, self._note)

    def _note(self, files: dict[int, str]) -> None:
        """Writes into the manifest which files have changes, so that they are read from now on."""
        table = self._open()
        shards = list(table.manifest.shards)
        for shard, file in files.items():
            shards[shard] = replace(shards[shard], changed=file)
        if tuple(shards) == table.manifest.shards:
            return
        after = replace(table.manifest, shards=tuple(shards))
        after.save()
        self._table = Table(after, table.workers)


def _sent_filter(filter: Any) -> tuple[str, bytes] | None:
    """A filter as actors get it: they keep what they have prepared, by a hash."""
    if filter is None:
        return None
    whole = isinstance(filter, Filter) or (
        isinstance(filter, list | tuple) and all(isinstance(f, Filter) for f in filter)
    )
    stored = pickle.dumps(filter if whole and filter else Filter(filter), protocol=5)
    return hashlib.blake2b(stored, digest_size=16).hexdigest(), stored


def _gathered(answers: list[KeyedResult], template: Index, n: int, k: int) -> SearchResult:
    if answers:
        return gather(answers, k)
    nothing = np.inf if template.metric == "l2" else -np.inf
    return SearchResult(np.full((n, k), -1), np.full((n, k), nothing, np.float32))
