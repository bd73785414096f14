"""The results of a bench run: the rows, the facts about their origin, and their plain forms (table, summary, JSON).

Invariant: every form shows the same rows, and states when the data is synthetic.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from .measure import Measurement

GOOD_RECALL = 0.9


@dataclass(frozen=True)
class Facts:
    """The origin of the numbers."""

    name: str
    n: int
    dim: int
    metric: str
    queries: int
    k: int
    threads: int
    cpu: str
    isa: str
    version: str
    date: str
    command: str
    seconds: float
    synthetic: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    facts: Facts
    rows: tuple[Measurement, ...]

    def frontier(self) -> list[Measurement]:
        """The rows that no other row beats in both memory (fixed bytes too) and recall, by memory; rows with a copy on
        disk excluded."""
        in_memory = [row for row in self.rows if row.rerank != "disk"]
        rows: list[Measurement] = []
        for row in sorted(in_memory, key=lambda row: (row.total_bytes(self.facts.n), -row.recall)):
            if not rows or row.recall > rows[-1].recall:
                rows.append(row)
        return rows

    def headline(self) -> Measurement:
        """The smallest row of the frontier with enough recall, or else the best one."""
        frontier = self.frontier()
        return next((row for row in frontier if row.recall >= GOOD_RECALL), frontier[-1])

    def summary(self) -> list[str]:
        """One or two sentences that state the result."""
        row, k, n = self.headline(), self.facts.k, self.facts.n
        verb = "keep" if row.recall >= GOOD_RECALL else "keep at best"
        lines = [
            f"{row.total_bytes(n):.0f} bytes per vector {verb} {share(row.recall)} of the exact top {k};"
            f" float32 needs {4 * self.facts.dim:,}."
        ]
        leaner = [r for r in self.rows if r.rerank == "disk" and r.total_bytes(n) < row.total_bytes(n)]
        leaner = [r for r in leaner if r.recall >= min(row.recall, GOOD_RECALL)]
        if leaner:
            disk = min(leaner, key=lambda r: r.total_bytes(n))
            lines.append(
                f"With a finer copy on disk, {disk.total_bytes(n):.0f} bytes of memory keep {share(disk.recall)}."
            )
        return lines

    def table(self) -> str:
        """A plain-text table, with a star at the rows of the frontier."""
        k = self.facts.k
        judged = any(row.ndcg is not None for row in self.rows)
        head = [
            "",
            "index",
            "in all",
            "B/vector",
            "disk B",
            "fixed",
            f"R@{k}",
            f"R@{10 * k}",
            *(["nDCG@10"] if judged else []),
        ]
        head += ["build s", "nprobe", f"R@{k}", "queries/s", "ms/query"]
        frontier = {id(row) for row in self.frontier()}
        body = []
        for row in self.rows:
            cells = ["*" if id(row) in frontier else "", row.label]
            cells += [f"{row.total_bytes(self.facts.n):.1f}", f"{row.bytes_per_vector:.1f}"]
            cells += [f"{row.disk_bytes_per_vector:.0f}" if row.disk_bytes_per_vector else "", size(row.fixed_bytes)]
            cells += [f"{row.recall:.3f}", f"{row.recall_deep:.3f}"]
            cells += [f"{row.ndcg:.3f}" if row.ndcg is not None else ""] if judged else []
            cells += [
                f"{row.build_seconds:.1f}",
                str(row.served.nprobe) if row.nlist > 1 else "",
                f"{row.served.recall:.3f}",
            ]
            cells += [f"{row.served.queries_per_second:,.0f}", f"{row.latency_ms:.2f}"]
            body.append(cells)
        return plain_table(head, body)

    def to_json(self) -> str:
        frontier = {id(row) for row in self.frontier()}
        rows: list[dict[str, Any]] = [{**asdict(row), "frontier": id(row) in frontier} for row in self.rows]
        return json.dumps({"facts": asdict(self.facts), "summary": self.summary(), "rows": rows}, indent=1)


def plain_table(head: list[str], body: list[list[str]]) -> str:
    """Aligned columns: the first two are names, the others numbers."""
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]

    def render(cells: list[str]) -> str:
        return "  ".join(
            c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    return "\n".join([render(head), "-" * sum([*widths, 2 * len(widths) - 2]), *map(render, body)])


def share(recall: float) -> str:
    """Two digits; three if two would suggest that nothing is lost."""
    short = f"{recall:.2f}"
    return short if short != "1.00" or recall == 1 else f"{min(recall, 0.999):.3f}"


def size(count: float) -> str:
    """A readable size: 812 B, 3.1 kB, 12 MB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
