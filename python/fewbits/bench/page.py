"""The report as one HTML file: no network, light and dark, for a screen, a phone, a keyboard and paper.

`page.js` draws the charts and makes the choice; without scripts, and on paper, the table and the notes are there.
"""

from __future__ import annotations

import json
from html import escape
from importlib import resources

from .colors import DARK, LIGHT
from .multivector import TokenReport
from .report import Report
from .view import Column, View, of_tokens, of_vectors

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def render(report: Report) -> str:
    return _page(of_vectors(report))


def render_tokens(report: TokenReport) -> str:
    return _page(of_tokens(report))


def _page(view: View) -> str:
    facts = view.facts
    title = f"{facts.name}: memory against recall"
    warning = (
        '<p class="warning"><b>Synthetic data.</b> These vectors were generated.'
        " They show how to read this page and say nothing about real vectors.</p>"
        if facts.synthetic
        else ""
    )
    first, *rest = view.summary
    lead = f'<p class="lead">{escape(" ".join(rest))}</p>' if rest else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_style()}</style>
</head>
<body>
<main>
<p class="kicker">{escape(title)}</p>
<h1>{_emphasise(first, view.unit)}</h1>
{lead}
{warning}
{_facts(view)}
<noscript><p class="warning">The charts and the choice of a configuration need JavaScript.</p></noscript>
{_choice(view)}
{_charts(view)}
{_table(view)}
{_notes(view)}
<footer>fewbits {escape(facts.version)}, {escape(facts.date)}.
The same numbers are in <code>report.json</code>.</footer>
</main>
<div id="tip" role="status" hidden></div>
<script type="application/json" id="data">{_data(view)}</script>
<script>{_resource("page.js")}</script>
</body>
</html>
"""


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text()


def _style() -> str:
    css = _resource("page.css")
    return css.replace("__LIGHT__", _variables(LIGHT)).replace("__DARK__", _variables(DARK))


def _variables(colors: dict[str, str]) -> str:
    return " ".join(f"--{name}: {color};" for name, color in colors.items())


def _data(view: View) -> str:
    """JSON that ends no element, whatever names are in it."""
    return json.dumps(view.data, separators=(",", ":")).replace("<", "\\u003c")


def _emphasise(sentence: str, unit: str) -> str:
    head, by, tail = sentence.partition(f" per {unit}")
    return f"<b>{escape(head)}</b>{escape(by + tail)}"


def _facts(view: View) -> str:
    facts = view.facts
    items = {
        f"{view.unit}s": f"{facts.n:,}",
        "dimensions": f"{facts.dim:,}",
        "metric": facts.metric,
        "queries": f"{facts.queries:,}",
        "threads": str(facts.threads),
        "processor": facts.cpu,
        "instruction set": facts.isa,
        "whole run": f"{facts.seconds / 60:.1f} min" if facts.seconds >= 60 else f"{facts.seconds:.0f} s",
    }
    return "<dl>" + "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in items.items()) + "</dl>"


def _choice(view: View) -> str:
    n, k = view.facts.n, view.facts.k
    return f"""<section class="choice needs-script" aria-labelledby="choice-title" hidden>
<h2 id="choice-title">Choose</h2>
<p class="sub">Bytes are recalculated for the number of {view.unit}s that you will have; recall and speed are those
that were measured with {n:,}.</p>
<form onsubmit="return false">
<label>{view.unit}s <input id="n" type="number" min="1" step="any" inputmode="numeric" value="{n}"></label>
<label>at most, bytes per {view.unit}
<input id="budget" type="number" min="1" step="any" inputmode="decimal" placeholder="any"></label>
<label>recall@{k}, at least
<input id="recall" type="number" min="0" max="1" step="any" inputmode="decimal" value="0.9"></label>
<label>prefer <select id="prefer"><option value="bytes">fewest bytes<option value="speed">speed</select></label>
<label{"" if _has_disk(view) else " hidden"}>a copy on disk
<select id="disk"><option value="no">no<option value="yes">allowed</select></label>
</form>
<div class="card">
<div aria-live="polite"><h3 id="choice-name"></h3><p id="choice-note" class="sub"></p></div>
<button id="choice-back" type="button" hidden>Back to the choice by these limits</button>
<dl id="choice-facts"></dl>
<pre><code id="code"></code></pre>
<button id="copy" type="button">Copy</button> <span id="copied" role="status"></span>
</div>
</section>"""


def _has_disk(view: View) -> bool:
    return any(row["rerank"] == "disk" for row in view.data["rows"])


def _charts(view: View) -> str:
    return "\n".join(
        f'<section class="needs-script" hidden><h2>{escape(chart.heading)}</h2>'
        f'<p class="sub">{escape(chart.caption)}</p>'
        f'<div class="chart" id="{chart.id}"></div></section>'
        for chart in view.charts
    ) + _legend(view)


def _legend(view: View) -> str:
    families = dict.fromkeys((row["family"], row["color"]) for row in view.data["rows"])
    shown = "".join(
        f'<li><span class="dot" style="background:var(--{color})"></span>{escape(name)}</li>'
        for name, color in families
    )
    kinds = {row["rerank"] for row in view.data["rows"]}
    marks = (("none", "●", "codes only"), ("ram", "■", view.in_memory), ("disk", "▲", view.on_disk))
    shown += "".join(f"<li>{mark} {name}</li>" for kind, mark, name in marks if kind in kinds and len(kinds) > 1)
    return f'<ul class="legend needs-script" aria-label="colours and marks" hidden>{shown}</ul>'


def _table(view: View) -> str:
    groups: list[list[object]] = []
    for column in view.columns:
        if groups and groups[-1][0] == column.group:
            groups[-1][1] = int(str(groups[-1][1])) + 1
        else:
            groups.append([column.group, 1])
    group_row = "".join(f'<th class="group" colspan="{span}">{escape(str(name))}</th>' for name, span in groups)
    head = "".join(
        f'<th scope="col"{" data-text=yes" if column.text else ""}>'
        f'<button type="button">{escape(column.title)}</button></th>'
        for column in view.columns
    )
    rows = "".join(_row(view, number) for number in range(len(view.rows)))
    return f"""<h2>All measurements</h2>
<p class="sub"><span class="key">Shaded</span> rows are the frontier: no other row keeps more in as
little memory. A copy on disk is not memory; rows that use one are judged separately. Headings sort.</p>
<div class="scroll" tabindex="0" role="region" aria-label="all measurements"><table id="rows">
<thead><tr>{group_row}</tr><tr>{head}</tr></thead>
<tbody>
{rows}</tbody></table></div>"""


def _row(view: View, number: int) -> str:
    row, best = view.rows[number], number in view.frontier
    color = view.data["rows"][number]["color"]
    label = (
        f'<th scope="row" data-value="{escape(row.label)}"><button type="button" class="pick">'
        f'<span class="dot" style="background:var(--{color})"></span>{escape(row.label)}</button></th>'
    )
    cells = "".join(_cell(column, row) for column in view.columns[1:])
    return f'<tr data-row="{number}"{" class=frontier" if best else ""}>{label}{cells}</tr>\n'


def _cell(column: Column, row: object) -> str:
    value = column.value(row)
    text = "" if value is None else column.shown(row, value)
    kind = ' class="total"' if column.total else ""
    return f'<td{kind} data-value="{"" if value is None else value}">{escape(text)}</td>'


def _notes(view: View) -> str:
    items = "".join(f"<li>{escape(note)}</li>\n" for note in view.notes)
    command = f"<li>Command: <code>{escape(view.facts.command)}</code></li>"
    return f"<h2>How it was measured</h2><ul>{items}{command}</ul>"
