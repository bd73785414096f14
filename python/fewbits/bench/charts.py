"""Draws a report with matplotlib (the extra `charts`), as PNG for slides. The page draws its own charts (page.js)."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .colors import LIGHT, families
from .measure import Measurement
from .multivector import TokenReport
from .report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

Draw = Callable[[Any, Any, Any], None]
MARKERS = {"none": "o", "ram": "s", "disk": "^"}
RERANK_NAMES = {"none": "codes only", "ram": "+ rerank in memory", "disk": "+ rerank on disk"}
_PLACES = ((-8, 5, "right"), (8, -6, "left"), (0, 11, "center"), (8, 6, "left"), (0, -11, "center"), (-8, -7, "right"))
_WORTH_SERVING = 0.6  # recall below which a configuration gets no line in the speed chart


@dataclass(frozen=True)
class Style:
    colors: dict[str, str]
    families: dict[str, str]  # family -> name of its colour

    def of(self, row: Any) -> str:
        return self.colors[self.families[row.family]]


def available() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def memory_against_recall(report: Report, axes: Axes, style: Style) -> None:
    """Indexes by memory and recall; the frontier joins those that no other index in memory beats."""
    _memory_against(report, axes, style, "vector", lambda row: row.recall, report.frontier())
    axes.set_ylim(_floor(row.recall for row in report.rows), 1.03)


def documents_against_recall(report: TokenReport, axes: Axes, style: Style) -> None:
    """The same for a multi-vector index, with bytes per document."""
    _memory_against(report, axes, style, "document", lambda row: row.recall, report.frontier())
    axes.set_ylim(_floor(row.recall for row in report.rows), 1.03)


def documents_against_ndcg(report: TokenReport, axes: Axes, style: Style) -> None:
    """The quality of rankings, instead of their agreement with the exact ones."""
    _memory_against(report, axes, style, "document", lambda row: row.ndcg, report.frontier(lambda row: row.ndcg))
    axes.margins(y=0.1)


def _memory_against(
    report: Any, axes: Axes, style: Style, unit: str, value: Callable[[Any], Any], frontier: Sequence[Any]
) -> None:
    rows = report.rows

    def size(row: Any) -> float:
        return float(row.total_bytes(report.facts.n))

    left, right = min(map(size, rows)) * 0.8, max(map(size, rows)) * 1.45
    xs, ys = [size(row) for row in frontier], [value(row) for row in frontier]
    axes.step([*xs, right], [*ys, ys[-1]], where="post", color=style.colors["frontier"], linewidth=2.2, zorder=1)
    for line in _lines(rows):
        line = sorted(line, key=size)
        xs, ys = [size(row) for row in line], [value(row) for row in line]
        dash = ":" if line[0].rerank != "none" else "-"
        axes.plot(xs, ys, dash, color=style.of(line[0]), linewidth=1, alpha=0.5, zorder=2)
        for row in line:
            big = row in frontier
            marker: dict[str, Any] = {
                "color": style.of(row),
                "markeredgecolor": style.colors["paper"],
                "markeredgewidth": 1,
            }
            axes.plot(
                size(row),
                value(row),
                MARKERS[row.rerank],
                markersize=7.5 if big else 6,
                zorder=3 + big,
                **marker,
            )
    axes.set_xscale("log", base=2)
    ticks = [2**i for i in range(24) if left <= 2**i <= right]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlim(left, right)
    axes.set_xlabel(f"bytes per {unit} in memory, all in (log scale)")
    on_disk = [row for row in rows if row.rerank == "disk"]
    _label_points(axes, [(row, size(row), value(row)) for row in [*frontier, *on_disk]], style)
    _legend(axes, report, style)


def speed_against_recall(report: Report, axes: Axes, style: Style) -> None:
    """One line per index of `_shown_in_speed`: nprobe grows along it until recall no longer does."""
    rows = _shown_in_speed(report)
    ends = []
    for row in rows:
        enough = next(
            i for i, point in enumerate(row.sweep) if point.recall >= row.recall - 0.002 or i == len(row.sweep) - 1
        )
        points = row.sweep[: enough + 1]
        xs, ys = [point.recall for point in points], [point.queries_per_second for point in points]
        color, marker = style.of(row), MARKERS[row.rerank]
        axes.plot(xs, ys, ":" if row.rerank == "disk" else "-", color=color, linewidth=1.4, zorder=2)
        axes.plot(xs, ys, marker, color=color, markersize=3.6, zorder=3)
        open_marker: dict[str, Any] = {"color": style.colors["paper"], "markeredgecolor": color, "markeredgewidth": 1.8}
        axes.plot(row.served.recall, row.served.queries_per_second, marker, markersize=7.5, zorder=4, **open_marker)
        ends.append((row, xs[-1], ys[-1]))
    axes.set_yscale("log")
    lowest = min(row.served.recall for row in rows)
    axes.set_xlim(_floor([lowest - 0.1], 0.1), 1.003)
    axes.set_xlabel(f"recall@{report.facts.k}")
    axes.set_ylabel("queries per second", color=style.colors["muted"], fontsize=9)
    _count_ticks(axes)
    axes.margins(y=0.12)
    _label_points(axes, ends, style)


def _shown_in_speed(report: Report) -> list[Measurement]:
    """The frontier and the reranked indexes with enough recall to be served; of the exact ones only the smallest."""
    frontier = report.frontier()
    wanted = [row for row in report.rows if (row in frontier or row.rerank != "none") and row.recall >= _WORTH_SERVING]
    wanted = wanted or frontier[-3:]
    exact = [row for row in wanted if row.family == "Float"]
    return [row for row in wanted if row not in exact[1:]]


def _lines(rows: Sequence[Any]) -> list[list[Any]]:
    """Rows grouped by family and kind of rerank."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        groups.setdefault((row.family, row.rerank), []).append(row)
    return list(groups.values())


CHARTS: dict[str, Draw] = {
    "memory-against-recall": memory_against_recall,
    "speed-against-recall": speed_against_recall,
}


DOCUMENT_CHARTS: dict[str, Draw] = {
    "bytes-against-recall": documents_against_recall,
    "bytes-against-ndcg": documents_against_ndcg,
}


def _floor(values: Iterable[float], step: float = 0.05) -> float:
    return max(0.0, float(min(values) // step) * step - step / 2)


def _label_points(axes: Axes, points: Sequence[tuple[Any, float, float]], style: Style) -> None:
    """Names beside points, where they cover neither another name nor a point; names that do not fit are omitted."""
    axes.figure.canvas.draw()
    frame = axes.get_window_extent()
    unit = axes.figure.dpi / 72
    taken = [_around(axes.transData.transform((x, y)), 3.5 * unit) for _, x, y in points]
    for row, x, y in points:
        for dx, dy, horizontal in _PLACES:
            text = axes.annotate(
                row.label,
                (x, y),
                (dx, dy),
                textcoords="offset points",
                ha=horizontal,
                va="center",
                fontsize=8.2,
                color=style.of(row),
                zorder=5,
            )
            box = text.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def _count_ticks(axes: Axes) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _around(center: Any, radius: float) -> Bbox:
    from matplotlib.transforms import Bbox

    return Bbox.from_extents(center[0] - radius, center[1] - radius, center[0] + radius, center[1] + radius)


def _legend(axes: Axes, report: Report | TokenReport, style: Style) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=style.colors[color], linewidth=3, label=name) for name, color in style.families.items()
    ]
    kinds = [kind for kind in MARKERS if any(row.rerank == kind for row in report.rows)]
    if len(kinds) > 1:
        muted = style.colors["muted"]
        handles += [Line2D([], [], color=muted, marker=MARKERS[k], linestyle="", label=RERANK_NAMES[k]) for k in kinds]
    handles.append(Line2D([], [], color=style.colors["frontier"], linewidth=2.2, label="frontier"))
    legend = axes.legend(
        handles=handles, loc="lower right", frameon=False, fontsize=8.2, labelcolor=style.colors["ink"]
    )
    legend.set_zorder(1)


def _figure(draw: Draw, report: Report | TokenReport, style: Style) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_facecolor(style.colors["paper"])
    axes = figure.add_subplot()
    axes.set_facecolor("none")
    axes.grid(color=style.colors["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(style.colors["muted"])
    axes.tick_params(colors=style.colors["muted"], labelsize=8.6, length=0, which="both")
    axes.xaxis.label.set(color=style.colors["muted"], fontsize=9)
    draw(report, axes, style)
    return figure


def png(draw: Draw, report: Report | TokenReport) -> bytes:
    """The same chart for slides: light, with a title, and the source of the data below."""
    import matplotlib

    out = io.BytesIO()
    facts = report.facts
    with matplotlib.rc_context({"font.family": "sans-serif"}):
        figure = _figure(draw, report, Style(LIGHT, families(report.rows)))
        source = f"{facts.name}: {facts.n:,} x {facts.dim}, {facts.metric}{', synthetic' if facts.synthetic else ''}"
        figure.suptitle(f"{TITLES[draw](report)}  ·  {source}", fontsize=10, color=LIGHT["ink"], x=0.02, ha="left")
        figure.savefig(out, format="png", dpi=160)
    return out.getvalue()


TITLES: dict[Draw, Callable[[Any], str]] = {
    memory_against_recall: lambda report: f"Memory against recall@{report.facts.k}",
    documents_against_recall: lambda report: f"Memory against recall@{report.facts.k} of exact Chamfer",
    documents_against_ndcg: lambda report: "Memory against nDCG@10",
    speed_against_recall: lambda report: (
        f"Queries per second against recall@{report.facts.k}, {report.facts.threads} threads"
    ),
}
