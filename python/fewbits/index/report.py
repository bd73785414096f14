"""Describes an index and its size, in words and numbers. Bytes are always in two columns: per vector, and fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .. import _core
from ..kinds import NONE, QUERY_MAPS
from ..records import Record
from ..spec.description import Description
from ..spec.transform import PAIR
from .asked import candidates_in_words
from .calibration import Calibration
from .tried import Tries


@dataclass(frozen=True, eq=False)
class PartBytes(Record):
    """Bytes by part, summed over all vectors.

    Attributes
    ----------
    per_vector : dict of str to int
        What grows with the number of vectors: codes, factors, ids.
    fixed : dict of str to int
        Codebooks, maps, centroids, lists.
    on_disk : dict of str to int
        What is kept in a file: a rerank store with ``on_disk=True``.
    total : int
    """

    per_vector: dict[str, int]
    fixed: dict[str, int]
    on_disk: dict[str, int]
    total: int


@dataclass(frozen=True, eq=False)
class IndexStats(Record):
    """What `Index.stats` returns: counts and bytes.

    Attributes
    ----------
    n : int
        Vectors in the index.
    segments : int
    segment_sizes : list of int
        Vectors per segment.
    removed : int
        Vectors that were removed but still take bytes.
    removed_share : float
        Their share of all vectors that take bytes.
    lists : int
        Lists to probe.
    label_runs : int
        Runs of vectors with one label in a list, 12 bytes each; 0 if the vectors have no labels.
    bytes : PartBytes
        Part by part, summed over all vectors.
    bytes_per_vector : float
        Codes, factors, ids and padding.
    bytes_fixed : int
        Codebooks, maps, centroids and lists.
    bytes_on_disk_per_vector : float
        A rerank store with ``on_disk=True``.
    """

    n: int
    segments: int
    segment_sizes: list[int]
    removed: int
    removed_share: float
    lists: int
    label_runs: int
    bytes: PartBytes
    bytes_per_vector: float
    bytes_fixed: int
    bytes_on_disk_per_vector: float


def stats(engine: _core.Engine) -> IndexStats:
    counts = engine.stats()
    n = counts["n"]
    columns = {
        column: {part: int(size) for part, size in counts[column].items() if size}
        for column in ("per_vector", "fixed", "on_disk")
    }
    totals = {column: sum(parts.values()) for column, parts in columns.items()}
    return IndexStats(
        n=n,
        segments=len(counts["segments"]),
        segment_sizes=counts["segments"],
        removed=counts["removed"],
        removed_share=counts["removed"] / (n + counts["removed"]) if n else 0.0,
        lists=counts["lists"],
        label_runs=counts["label_runs"],
        bytes=PartBytes(**columns, total=sum(totals.values())),
        bytes_per_vector=totals["per_vector"] / n if n else 0.0,
        bytes_fixed=totals["fixed"],
        bytes_on_disk_per_vector=totals["on_disk"] / n if n else 0.0,
    )


def explain(
    description: Description,
    engine: _core.Engine | None,
    why: Sequence[str],
    calibration: Calibration | None = None,
    tries: Tries | None = None,
) -> str:
    n = 0 if engine is None else len(engine)
    lines = [f"fewbits.Index of {n:,} vectors, {description.dim} dimensions, {description.metric}"]
    lines += [f"  {name:<10} {text}" for name, text in _parts(description, engine)]
    if engine is None:
        return "\n".join([*lines, "  not trained yet"])
    numbers = stats(engine)
    parts = numbers.bytes
    lines.append(f"  per vector {numbers.bytes_per_vector:.1f} bytes{_breakdown(parts.per_vector, n)}")
    lines.append(f"  fixed      {numbers.bytes_fixed:,} bytes{_breakdown(parts.fixed, 1)}")
    if numbers.label_runs:
        lines.append(f"  labels     {numbers.label_runs:,} runs of vectors with one label in a list")
    if numbers.removed:
        lines.append(f"  removed    {numbers.removed:,} vectors still take bytes, until compact()")
    if parts.on_disk:
        lines.append(f"  on disk    {numbers.bytes_on_disk_per_vector:.1f} bytes per vector")
    if calibration:
        refit = "" if calibration.current else "; scores have changed since: to be refitted"
        lines.append(f"  calibrated on {calibration.queries:,} queries{refit}")
    if why:
        lines += ["  why:", *(f"  - {reason}" for reason in why)]
    if tries:
        lines += ["  compared (predicted; built and measured; * chosen):", *str(tries).splitlines()]
    return "\n".join(lines)


def _parts(description: Description, engine: _core.Engine | None) -> list[tuple[str, str]]:
    params: Mapping[str, int] = {} if engine is None else engine.params
    parts = [("transform", _transform(description, engine))]
    if description.partition is None:
        parts.append(("partition", "none: every vector is scanned"))
    elif engine is None:
        parts.append(("partition", description.partition.describe()))
    else:
        reads = f"a query reads {params['default.nprobe']} by default"
        if patience := params.get("default.patience", 0):
            reads += f" at most, and stops after {patience} without a new result"
        spill = description.partition.spill
        second = f", {spill:g} per vector" if spill > 1 else ""
        parts.append(("partition", f"IVF of {params['partition.nlist']:,} lists{second}; {reads}"))
    residual = ", of differences from the list's centroid" if description.residual else ""
    parts.append(("codec", description.codec.describe() + residual))
    scoring = _scoring(description, engine)
    if scoring:
        parts.append(("scores", scoring))
    if description.rerank is not None:
        place = ", on disk" if description.rerank.on_disk else ""
        depth = candidates_in_words(params.get("default.rerank", 0))
        parts.append(("rerank", f"{description.describe_rerank()}{place}; a query reranks {depth} by default"))
    return parts


def _transform(description: Description, engine: _core.Engine | None) -> str:
    """With the rotation of the codec, which is stored as a part of the transform."""
    own, turned_to = description.transform.describe(), description.codec.turned_to
    if engine is None or not turned_to:
        return own
    turned = f"rotation to the codec's {turned_to}"
    return turned if own == "none" else f"{own}, {turned}"


_QUERY_MAPS = {QUERY_MAPS["full"]: "a full map of queries", QUERY_MAPS["low_rank"]: "a low-rank map of queries"}


def _scoring(description: Description, engine: _core.Engine | None) -> str:
    """What training for ranking has changed."""
    if engine is None:
        return ""
    trained = ["a codebook of their own (vectors are encoded as before)"] if _has_scoring_codebook(engine) else []
    kind = engine.params.get("query.kind", NONE)
    reranks = engine.params["rerank.kind"] != NONE
    trained += [_QUERY_MAPS[kind]] if kind else []
    if engine.params["transform.kind"] == PAIR and not description.transform.needs_queries:
        trained.append("codes (vectors are mapped before they are coded)")
    if not trained:
        return ""
    mapped = kind and reranks and not description.two_embeddings
    reranked = "; rerank scores with mapped queries too" if mapped else ""
    if _has_scoring_codebook(engine) and reranks:
        reranked += "; rerank's own codes are as they were"
    return f"trained for ranking: {' and '.join(trained)}{reranked}"


def _has_scoring_codebook(engine: _core.Engine) -> bool:
    return "codec.scoring" in engine.stats()["fixed"]


def _breakdown(parts: Mapping[str, int], n: int) -> str:
    shown = [
        f"{name} {size / n:,.{0 if n == 1 else 1}f}"
        for name, size in sorted(parts.items(), key=lambda item: -item[1])
        if size
    ]
    return f" ({', '.join(shown)})" if n and len(shown) > 1 else ""
