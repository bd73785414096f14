"""Reports as printed, and as saved with their page and charts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..file.places import shown
from . import charts, page
from .multivector import TokenReport
from .report import Report

_TABLE_KEY = """\
B/vector: memory growing with the vectors; fixed: codebooks, centroids; in all: both, per vector. Left R: all lists
probed (what the bytes keep). Right R, queries/s (batch) and ms (one query, one thread): default nprobe. *: no row keeps
more in less memory."""


def save(report: Report, folder: str | Path) -> list[Path]:
    """Writes report.json and report.html and, with matplotlib, the charts as PNG files; returns the paths written."""
    return _written(Path(folder), report, page.render(report), charts.CHARTS)


def save_tokens(report: TokenReport, folder: str | Path) -> list[Path]:
    """The same for token vectors."""
    judged = all(row.ndcg is not None for row in report.rows)
    drawn = {name: draw for name, draw in charts.DOCUMENT_CHARTS.items() if judged or name != "bytes-against-ndcg"}
    return _written(Path(folder), report, page.render_tokens(report), drawn)


def _written(folder: Path, report: Report | TokenReport, html: str, drawn: Mapping[str, charts.Draw]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"report.json": report.to_json().encode(), "report.html": html.encode()}
    if charts.available():
        content |= {f"{name}.png": charts.png(draw, report) for name, draw in drawn.items()}
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in content]


def show(report: Report, folder: str | Path) -> None:
    """Prints the table and summary, saves the report, and prints where."""
    if report.facts.synthetic:
        print("\nSYNTHETIC DATA: these numbers say nothing about real vectors.")
    print(f"\n{report.table()}\n\n{_TABLE_KEY}\n")
    print("\n".join(report.summary()))
    _say_where(save(report, folder))


def show_tokens(report: TokenReport, folder: str | Path) -> None:
    """The same for token vectors."""
    print(f"\n{report.table()}\n\n*: no row keeps more in less memory. ms/query: CPU time, one at a time.\n")
    print("\n".join(report.summary()))
    _say_where(save_tokens(report, folder))


def _say_where(written: list[Path]) -> None:
    html = next(path for path in written if path.suffix == ".html")
    print(f"\nReport: {shown(html)}")
    if not charts.available():
        print("The charts as PNG files need matplotlib: pip install 'fewbits[charts]'")
