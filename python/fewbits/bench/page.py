"""The report as one HTML file: no network, no scripts, light and dark, readable on a phone and on paper."""

from __future__ import annotations

from html import escape
from importlib import resources

from . import charts
from .measure import Measurement
from .report import Report, size


def render(report: Report) -> str:
    facts = report.facts
    first, *rest = report.summary()
    title = f"{facts.name}: memory against recall"
    warning = (
        '<p class="warning"><b>Synthetic data.</b> These vectors were generated.'
        " They show how to read this page and say nothing about real vectors.</p>"
        if facts.synthetic
        else ""
    )
    lead = f'<p class="lead">{escape(" ".join(rest))}</p>' if rest else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_style()}</style>
</head>
<body>
<main>
<p class="kicker">{escape(title)}</p>
<h1>{_emphasise(first)}</h1>
{lead}
{warning}
{_facts(report)}
{_charts(report)}
{_table(report)}
{_notes(report)}
<footer>fewbits {escape(facts.version)}, {escape(facts.date)}.
The same numbers are in <code>report.json</code>.</footer>
</main>
</body>
</html>
"""


def _style() -> str:
    css = resources.files(__package__).joinpath("page.css").read_text()
    return css.replace("__LIGHT__", _variables(charts.LIGHT)).replace("__DARK__", _variables(charts.DARK))


def _variables(colors: dict[str, str]) -> str:
    return " ".join(f"--{name}: {color};" for name, color in colors.items())


def _emphasise(sentence: str) -> str:
    head, _, tail = sentence.partition(" per vector")
    return f"<b>{escape(head)}</b> per vector{escape(tail)}"


def _facts(report: Report) -> str:
    facts = report.facts
    items = {
        "vectors": f"{facts.n:,}",
        "dimensions": f"{facts.dim:,}",
        "metric": facts.metric,
        "queries": f"{facts.queries:,}",
        "threads": str(facts.threads),
        "processor": facts.cpu,
        "instruction set": facts.isa,
        "whole run": f"{facts.seconds / 60:.1f} min" if facts.seconds >= 60 else f"{facts.seconds:.0f} s",
    }
    return "<dl>" + "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in items.items()) + "</dl>"


def _charts(report: Report) -> str:
    k = report.facts.k
    if not charts.available():
        return "<p class=\"warning\">The charts need matplotlib: <code>pip install 'fewbits[charts]'</code></p>"
    captions = {
        "memory-against-recall": (
            f"Memory against recall@{k}",
            f"How much of the exact top {k} is found when all lists are probed: what the bytes keep. Further left is"
            " smaller, higher is better. No row in memory beats the grey frontier; triangles use a copy on disk.",
        ),
        "speed-against-recall": (
            f"Queries per second against recall@{k}",
            "Along each line more lists are probed, until recall no longer improves. In one batch, on"
            f" {_threads(report)}. The open marker is what you get by default.",
        ),
    }
    parts = []
    for name, draw in charts.CHARTS.items():
        heading, caption = captions[name]
        wide, narrow = charts.svg(draw, report), charts.svg(draw, report, narrow=True)
        parts += [f'<h2>{escape(heading)}</h2><p class="sub">{escape(caption)}</p>']
        parts += [f'<figure class="wide">{wide}</figure>', f'<figure class="narrow">{narrow}</figure>']
    return "\n".join(parts)


def _threads(report: Report) -> str:
    return "1 thread" if report.facts.threads == 1 else f"{report.facts.threads} threads"


def _table(report: Report) -> str:
    k = report.facts.k
    judged = any(row.ndcg is not None for row in report.rows)
    disk = any(row.disk_bytes_per_vector for row in report.rows)
    colors = charts.families(report.rows)
    frontier = {id(row) for row in report.frontier()}
    groups = [
        ("", 1),
        ("bytes per vector", 2 if disk else 1),
        ("", 1),
        ("all lists probed", 3 if judged else 2),
        ("", 1),
        ("at the default nprobe", 4),
    ]
    head = ["index", "memory", *(["disk"] if disk else []), "fixed", f"recall@{k}", f"recall@{10 * k}"]
    head += [*(["nDCG@10"] if judged else []), "build", "nprobe", f"recall@{k}", "queries/s", "one query"]

    def cells(row: Measurement) -> list[str]:
        dot = f'<span class="dot" style="background:var(--{colors[row.family]})"></span>'
        out = [dot + escape(row.label), f"{row.bytes_per_vector:.1f}"]
        out += [f"{row.disk_bytes_per_vector:.0f}" if row.disk_bytes_per_vector else ""] if disk else []
        out += [size(row.fixed_bytes), f"{row.recall:.3f}", f"{row.recall_deep:.3f}"]
        out += [f"{row.ndcg:.3f}" if row.ndcg is not None else ""] if judged else []
        out += [f"{row.build_seconds:.1f} s", f"{row.served.nprobe} of {row.nlist}" if row.nlist > 1 else "all"]
        return [*out, f"{row.served.recall:.3f}", f"{row.served.queries_per_second:,.0f}", f"{row.latency_ms:.2f} ms"]

    rows = "".join(
        f"<tr{' class=frontier' if id(row) in frontier else ''}>"
        + "".join(f"<td>{cell}</td>" for cell in cells(row))
        + "</tr>\n"
        for row in report.rows
    )
    group_row = "".join(f'<th class="group" colspan="{span}">{name}</th>' for name, span in groups)
    head_row = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"""<h2>All measurements</h2>
<p class="sub"><span class="key">Shaded</span> rows are the frontier: no other row keeps more in as
little memory. A copy on disk is not memory; rows that use one are judged separately.</p>
<div class="scroll"><table><thead><tr>{group_row}</tr><tr>{head_row}</tr></thead>
<tbody>
{rows}</tbody></table></div>"""


def _notes(report: Report) -> str:
    k = report.facts.k
    notes = [
        *report.facts.notes,
        f"recall@{k}: the share of the {k} exact nearest neighbours among the {k} found, averaged over the queries. The"
        " exact ones come from an exhaustive float32 search.",
        "Bytes per vector count everything that grows with the number of vectors: codes, ids, factors, padding. Fixed"
        " bytes (codebooks, rotations, centroids) are counted separately.",
        "Nothing was tuned on the queries: speeds are at the default nprobe, and the curves show the rest.",
        "Every index was saved and searched from its memory-mapped file, with a warm page cache. Queries per second: a"
        f" batch of all {report.facts.queries:,} queries on {_threads(report)}, median of repeated runs. One query: the"
        " median, one at a time on one thread.",
        "Build seconds include training, encoding and adding.",
    ]
    items = "".join(f"<li>{escape(note)}</li>\n" for note in notes)
    return f"<h2>How it was measured</h2><ul>{items}<li>Command: <code>{escape(report.facts.command)}</code></li></ul>"
