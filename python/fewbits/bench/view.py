"""What a page shows of a report, of vectors or of token vectors: rows, columns, charts, words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .colors import families
from .measure import Measurement
from .multivector import Row, TokenReport
from .report import Facts, Report, size


@dataclass(frozen=True)
class Column:
    """value: what it is sorted by; None: the row has none. shown: the text of a row and this value."""

    title: str
    group: str
    value: Callable[[Any], Any]
    shown: Callable[[Any, Any], str]
    text: bool = False
    total: bool = False  # it changes with the number of vectors


@dataclass(frozen=True)
class Chart:
    """kind "memory": bytes against `y`, a share; "speed": recall against queries per second."""

    id: str
    kind: str
    y: str
    heading: str
    caption: str
    y_name: str


@dataclass(frozen=True)
class View:
    facts: Facts
    unit: str
    in_memory: str
    on_disk: str
    summary: list[str]
    rows: Sequence[Any]
    frontier: set[int]
    columns: list[Column]
    charts: list[Chart]
    notes: list[str]
    data: dict[str, Any]


def of_vectors(report: Report) -> View:
    facts, k = report.facts, report.facts.k
    rows = report.rows
    judged = any(row.ndcg is not None for row in rows)
    disk = any(row.disk_bytes_per_vector for row in rows)
    bytes_, found, served = "bytes per vector", "all lists probed", "at the default nprobe"
    columns = [
        Column("index", "", lambda row: row.label, _text, text=True),
        Column("in all", bytes_, lambda row: row.total_bytes(facts.n), _bytes, total=True),
        Column("codes", bytes_, lambda row: row.bytes_per_vector, _bytes),
        *([Column("disk", bytes_, lambda row: row.disk_bytes_per_vector or None, _bytes)] if disk else []),
        Column("fixed", "", lambda row: row.fixed_bytes, lambda row, value: size(value)),
        Column(f"recall@{k}", found, lambda row: row.recall, _share),
        Column(f"recall@{10 * k}", found, lambda row: row.recall_deep, _share),
        *([Column("nDCG@10", found, lambda row: row.ndcg, _share)] if judged else []),
        Column("build", "", lambda row: row.build_seconds, lambda row, value: f"{value:.1f} s"),
        Column("nprobe", served, lambda row: row.served.nprobe if row.nlist > 1 else None, _nprobe),
        Column(f"recall@{k}", served, lambda row: row.served.recall, _share),
        Column("queries/s", served, lambda row: row.served.queries_per_second, _speed),
        Column("one query", served, lambda row: row.latency_ms, lambda row, value: f"{value:.2f} ms"),
    ]
    threads = "1 thread" if facts.threads == 1 else f"{facts.threads} threads"
    charts = _charts(
        k,
        "",
        f"How much of the exact top {k} is found when all lists are probed: what the bytes keep. Further left is"
        " smaller, higher is better. No row in memory beats the grey frontier; triangles use a copy on disk.",
        "Along each line more lists are probed, until recall no longer improves. In one batch, on"
        f" {threads}. The large mark is what you get by default; pale lines are rows off the frontier.",
        "The quality of rankings by the judgements of the data, when all lists are probed." if judged else None,
    )
    notes = [
        *facts.notes,
        f"recall@{k}: the share of the {k} exact nearest neighbours among the {k} found, averaged over the queries. The"
        " exact ones come from an exhaustive float32 search.",
        "Bytes in all count everything in memory: what grows with the number of vectors (codes, ids, factors, padding),"
        " and what is fixed (codebooks, rotations, centroids) divided by the number of vectors. For another number of"
        " vectors the fixed bytes are taken as measured; the number of lists, and so their centroids, grows with about"
        " its square root.",
        "Nothing was tuned on the queries: speeds are at the default nprobe, and the curves show the rest.",
        "Every index was saved and searched from its memory-mapped file, with a warm page cache. Queries per second: a"
        f" batch of all {facts.queries:,} queries on {threads}, the median of repeated runs, and in the chart also the"
        " slowest and fastest. One query: the median, one at a time on one thread.",
        "Build seconds include training, encoding and adding.",
    ]
    return View(
        facts=facts,
        unit="vector",
        in_memory="+ rerank in memory",
        on_disk="+ rerank on disk",
        summary=report.summary(),
        rows=rows,
        frontier=_numbers(rows, report.frontier()),
        columns=columns,
        charts=charts,
        notes=notes,
        data=_data(
            facts, "vector", f"queries/s, {threads}", charts, [_of_vectors(row) for row in rows], families(rows)
        ),
    )


def _charts(k: int, truth: str, memory: str, speed: str, judgements: str | None) -> list[Chart]:
    """The charts, with these captions. truth: what recall is measured against, if not a search of the vectors."""
    recall = f"recall@{k}"
    charts = [
        Chart("memory-chart", "memory", "recall", f"Memory against {recall}{truth}", memory, recall),
        Chart("speed-chart", "speed", "recall", f"Queries per second against {recall}", speed, "queries per second"),
    ]
    if judgements is not None:
        charts.append(Chart("ndcg-chart", "memory", "ndcg", "Memory against nDCG@10", judgements, "nDCG@10"))
    return charts


def _of_vectors(row: Measurement) -> dict[str, Any]:
    sweep = [
        {
            "nprobe": point.nprobe,
            "recall": point.recall,
            "speed": point.queries_per_second,
            "low": point.slowest,
            "high": point.fastest,
            "served": point == row.served,
        }
        for point in sorted({*row.sweep, row.served}, key=lambda point: point.nprobe)
    ]
    return {
        "label": row.label,
        "family": row.family,
        "rerank": row.rerank,
        "bytes": row.bytes_per_vector,
        "fixed": row.fixed_bytes,
        "disk": row.disk_bytes_per_vector,
        "recall": row.recall,
        "ndcg": row.ndcg,
        "build": row.build_seconds,
        "nlist": row.nlist,
        "sweep": sweep,
        "code": row.code,
    }


def of_tokens(report: TokenReport) -> View:
    facts, k = report.facts, report.facts.k
    rows = report.rows
    judged = any(row.ndcg is not None for row in rows)
    disk = any(row.disk_bytes_per_vector for row in rows)
    bytes_ = "bytes per document"
    columns = [
        Column("index", "", lambda row: row.label, _text, text=True),
        Column("in all", bytes_, lambda row: row.total_bytes(facts.n), _bytes, total=True),
        Column("encoding", bytes_, lambda row: row.fde_bytes, _bytes),
        Column("tokens", bytes_, lambda row: row.bytes_per_vector - row.fde_bytes, _bytes),
        *([Column("disk", bytes_, lambda row: row.disk_bytes_per_vector or None, _bytes)] if disk else []),
        Column("fixed", "", lambda row: row.fixed_bytes, lambda row, value: size(value)),
        Column(f"recall@{k}", "", lambda row: row.recall, _share),
        *([Column("nDCG@10", "", lambda row: row.ndcg, _share)] if judged else []),
        Column("build", "", lambda row: row.build_seconds, lambda row, value: f"{value:.1f} s"),
        Column("one query", "", lambda row: row.latency_ms, lambda row, value: f"{value:.2f} ms"),
    ]
    charts = _charts(
        k,
        " of exact Chamfer",
        f"How much of the exact top {k} is found. Further left is smaller, higher is better. No row in memory beats"
        " the grey frontier; triangles have their tokens on disk.",
        "One query at a time, by CPU time on one thread.",
        "The quality of rankings, instead of their agreement with the exact ones." if judged else None,
    )
    notes = [
        *facts.notes,
        f"recall@{k}: the share of the {k} documents of the largest exact Chamfer similarity (MaxSim) among the {k}"
        " found, averaged over the queries.",
        "Every index finds 100 candidates by encodings and ranks them by tokens; those marked as codes only rank by"
        " encodings alone. Nothing was tuned on the queries.",
        "One query: the median CPU time, one at a time on one thread.",
    ]
    return View(
        facts=facts,
        unit="document",
        in_memory="tokens in memory",
        on_disk="tokens on disk",
        summary=report.summary(),
        rows=rows,
        frontier=_numbers(rows, report.frontier()),
        columns=columns,
        charts=charts,
        notes=notes,
        data=_data(facts, "document", "queries/s, 1 thread", charts, [_of_tokens(row) for row in rows], families(rows)),
    )


def _of_tokens(row: Row) -> dict[str, Any]:
    speed = 1000 / max(row.latency_ms, 1e-6)
    point = {"nprobe": 1, "recall": row.recall, "speed": speed, "low": speed, "high": speed, "served": True}
    return {
        "label": row.label,
        "family": row.family,
        "rerank": row.rerank,
        "bytes": row.bytes_per_vector,
        "fixed": row.fixed_bytes,
        "disk": row.disk_bytes_per_vector,
        "recall": row.recall,
        "ndcg": row.ndcg,
        "build": row.build_seconds,
        "nlist": 1,
        "sweep": [point],
        "code": row.code,
    }


def _data(
    facts: Facts, unit: str, speed: str, charts: list[Chart], rows: list[dict[str, Any]], colors: dict[str, str]
) -> dict[str, Any]:
    return {
        "n": facts.n,
        "k": facts.k,
        "unit": unit,
        "speedName": speed,
        "bytesAxis": f"bytes per {unit} in memory, all in (log scale)",
        "charts": [
            {"id": chart.id, "kind": chart.kind, "y": chart.y, "label": chart.heading, "yName": chart.y_name}
            for chart in charts
        ],
        "rows": [{**row, "color": colors[row["family"]]} for row in rows],
    }


def _numbers(rows: Sequence[Any], some: Sequence[Any]) -> set[int]:
    wanted = {id(row) for row in some}
    return {number for number, row in enumerate(rows) if id(row) in wanted}


def _text(row: Any, value: Any) -> str:
    return str(value)


def _bytes(row: Any, value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _share(row: Any, value: float) -> str:
    return f"{value:.3f}"


def _speed(row: Any, value: float) -> str:
    return f"{value:,.0f}"


def _nprobe(row: Measurement, value: int) -> str:
    return f"{value} of {row.nlist}"
