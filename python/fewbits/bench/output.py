"""Reports as printed, and as saved with their page and charts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ..file.places import shown
from . import charts, page
from .multivector import TokenReport
from .report import Report

_TABLE_KEY = """\
B/vector: memory growing with the vectors; fixed: codebooks, centroids. Left R: all lists probed (what the bytes keep).
Right R, queries/s (batch) and ms (one query, one thread): default nprobe. *: no row keeps more in less memory."""


def save(report: Report, folder: str | Path) -> list[Path]:
    """Writes report.json and report.html and, with matplotlib, the charts as PNG files; returns the paths written."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = {folder / "report.json": report.to_json().encode(), folder / "report.html": page.render(report).encode()}
    if charts.available():
        for name, draw in charts.CHARTS.items():
            written[folder / f"{name}.png"] = charts.png(draw, report)
    for path, content in written.items():
        path.write_bytes(content)
    return list(written)


def show(report: Report, folder: str | Path) -> None:
    """Prints the table and summary, saves the report, and prints where."""
    if report.facts.synthetic:
        print("\nSYNTHETIC DATA: these numbers say nothing about real vectors.")
    print(f"\n{report.table()}\n\n{_TABLE_KEY}\n")
    print("\n".join(report.summary()))
    html = next(path for path in save(report, folder) if path.suffix == ".html")
    print(f"\nReport: {shown(html)}")
    if not charts.available():
        print("Charts need matplotlib: pip install 'fewbits[charts]'")


def show_tokens(report: TokenReport, folder: Path) -> None:
    """Prints the table and saves report.json and, with matplotlib, the charts as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"\n{report.table()}\n\n*: no row keeps more in less memory. ms/query: CPU time, one at a time.\n")
    content = {"facts": asdict(report.facts), "rows": [asdict(row) for row in report.rows]}
    (folder / "report.json").write_text(json.dumps(content, indent=1))
    written = [folder / "report.json"]
    if charts.available():
        for name, draw in charts.DOCUMENT_CHARTS.items():
            if name == "bytes-against-ndcg" and any(row.ndcg is None for row in report.rows):
                continue
            written.append(folder / f"{name}.png")
            written[-1].write_bytes(charts.png(draw, report))
    else:
        print("Charts need matplotlib: pip install 'fewbits[charts]'")
    print("Report:", ", ".join(map(shown, written)))
