"""The page of a bench: it needs no network, and in a browser it chooses, sorts, points and is used by keyboard."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import fewbits as fb
from fewbits import bench
from fewbits.bench.measure import Measurement, Point
from fewbits.bench.multivector import Row, TokenReport
from fewbits.bench.page import render, render_tokens

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")
FACTS = bench.Facts(
    name="things",
    n=10_000,
    dim=100,
    metric="ip",
    queries=10,
    k=10,
    threads=1,
    cpu="a processor",
    isa="scalar",
    version="0",
    date="2026-01-01",
    command="fewbits bench things & co",
    seconds=3.0,
    synthetic=False,
    notes=("a note",),
)


def row(label: str, size: float, recall: float, *, fixed: int = 0, faster: float = 1, **others: Any) -> Measurement:
    settings = ((1, 0.6 * recall, 9000.0), (4, 0.98 * recall, 3000.0), (16, recall, 800.0))
    sweep = tuple(Point(n, found, s * faster, 0.9 * s * faster, 1.1 * s * faster) for n, found, s in settings)
    known: dict[str, Any] = {"family": "PQ 4-bit", "rerank": "none", "disk_bytes_per_vector": 0.0, "ndcg": None}
    return Measurement(
        label=label,
        bytes_per_vector=size,
        fixed_bytes=fixed,
        file_bytes=10_000,
        build_seconds=1.5,
        nlist=16,
        recall=recall,
        recall_deep=recall,
        served=sweep[1],
        latency_ms=0.2,
        sweep=sweep,
        code=f"index = fb.Index({size:.0f})\nindex.search(queries, k=10$NPROBE)",
        **{**known, **others},
    )


ROWS = (
    row("codes", 16, 0.5, fixed=160_000),
    row("codebooks", 32, 0.92, fixed=2_000_000, ndcg=0.6),
    row("plain", 64, 0.93, family="RaBitQ", ndcg=0.62),
    row("fast", 96, 0.95, faster=4, family="Scalar", rerank="ram", ndcg=0.63),
    row("on disk", 20, 0.97, rerank="disk", disk_bytes_per_vector=200.0),
)
REPORT = bench.Report(FACTS, ROWS)
TOKENS = TokenReport(
    FACTS,
    tuple(
        Row(label, family, rerank, size, 1000, 0.0, 100.0, recall, 0.5 + recall / 10, 1 / recall, 2.0, "fb.MultiVector")
        for label, family, rerank, size, recall in (
            ("1,280 dims, 1 bit", "encodings", "none", 164.0, 0.5),
            ("tokens 2 bits", "RaBitQ", "ram", 5000.0, 0.95),
            ("tokens 8 bits", "Scalar", "ram", 20_000.0, 0.99),
        )
    ),
)


def opened(page: str, folder: Path, actions: str = "", size: str = "1200,1000") -> dict[str, Any]:
    """What a script in the page returns once the page is drawn, in a headless browser without a network."""
    script = (
        "<script>addEventListener('load', () => setTimeout(() => {"
        "const $ = (id) => document.getElementById(id);"
        "const set = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event('input', {bubbles: true})); };"
        "const column = (i) => [...$('rows').tBodies[0].rows].map((r) => r.cells[i].textContent);"
        "const result = {};"
        f"try {{ {actions} }} catch (error) {{ result.error = String(error.stack); }}"
        "const out = document.createElement('pre'); out.id = 'result'; out.textContent = JSON.stringify(result);"
        "document.body.append(out); }, 200))</script>"
    )
    (folder / "page.html").write_text(page.replace("</body>", script + "</body>"))
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--user-data-dir={folder / 'profile'}", f"--window-size={size}", "--virtual-time-budget=3000"]
    command += ["--dump-dom", (folder / "page.html").as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    found = re.search(r'<pre id="result">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    result: dict[str, Any] = json.loads(html.unescape(found[1]))
    assert "error" not in result, result["error"]
    return result


@pytest.mark.parametrize("page", [render(REPORT), render_tokens(TOKENS)], ids=["vectors", "tokens"])
def test_needs_no_network(page: str) -> None:
    assert not re.search(r"(src|href)\s*=\s*[\"']?(http|//)|@import|url\(|fetch\(|XMLHttpRequest", page)
    assert "default-src 'none'" in page
    assert "__LIGHT__" not in page
    assert "fewbits bench things &amp; co" in page
    assert page.count("<tr data-row=") == page.count('class="pick"')


def test_names_cannot_become_markup() -> None:
    evil = "</script><script>alert(1)</script>"
    made = bench.Report(
        bench.Facts(**{**vars(FACTS), "name": evil, "synthetic": True}), (row(evil, 16, 0.5, family=evil),)
    )
    page = render(made)
    assert evil not in page
    assert page.count("<script") == 2
    assert "Synthetic data." in page


def test_without_scripts_the_table_says_everything() -> None:
    page = render(REPORT)
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    for each in ROWS:
        assert each.label in table
        assert f"{each.recall:.3f}" in table
        assert f"{each.served.queries_per_second:,.0f}" in table
    assert table.count("class=frontier") == 3
    assert ">32.0<" in table  # 16 and 160,000 / 10,000
    assert "nDCG@10" in page


@needs_browser
def test_budget_recall_and_number_choose(tmp_path: Path) -> None:
    found = opened(
        render(REPORT),
        tmp_path,
        """
        const shown = () => [$('choice-name').textContent, $('code').textContent, $('choice-note').textContent];
        result.memory = shown();
        set('disk', 'yes'); result.first = shown();
        set('prefer', 'speed'); result.speed = shown();
        set('budget', '70'); result.budget = shown();
        set('prefer', 'bytes'); set('budget', ''); set('n', '1e7'); result.many = shown();
        result.total = column(1);
        set('recall', '0.99'); result.unreachable = shown();
        set('budget', '5'); result.nothing = shown();
        set('recall', '7'); result.invalid = $('recall').getAttribute('aria-invalid');
        """,
    )
    assert found["memory"][0] == "plain"
    assert found["first"][0] == "on disk"
    assert found["first"][1].endswith("index.search(queries, k=10, nprobe=4)")
    assert found["speed"][0] == "fast"
    assert found["budget"][0] == "on disk"
    assert found["many"][0] == "on disk"
    assert found["total"][1] == "32.2"
    assert "No configuration reaches a recall of 0.99" in found["unreachable"][2]
    assert "Nothing measured fits 5" in found["nothing"][2]
    assert found["invalid"] == "true"


@needs_browser
def test_rows_are_in_both_charts_and_picked_by_mouse_and_keyboard(tmp_path: Path) -> None:
    found = opened(
        render(REPORT),
        tmp_path,
        """
        const spots = (id) => [...$(id).querySelectorAll('[role=option]')];
        result.charts = ['memory-chart', 'speed-chart', 'ndcg-chart'].map((id) => spots(id).length);
        result.told = spots('speed-chart').map((each) => each.getAttribute('aria-label'));
        const first = spots('memory-chart').find((each) => each.tabIndex === 0);
        first.focus();
        result.tip = $('tip').textContent;
        const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
        press('End'); press('Enter');
        result.byKey = $('choice-name').textContent;
        result.marked = document.querySelectorAll('.chosen').length;
        $('choice-back').click();
        result.back = $('choice-name').textContent;
        $('rows').tBodies[0].rows[2].querySelector('button').click();
        result.byTable = $('choice-name').textContent;
        const box = $('speed-chart').querySelector('svg'), at = spots('speed-chart')[0].getBoundingClientRect();
        const mouse = {clientX: at.x + at.width / 2, clientY: at.y + at.height / 2, bubbles: true};
        box.dispatchEvent(new PointerEvent('pointermove', mouse));
        result.hovered = document.querySelector('tr.pointed th').textContent;
        box.dispatchEvent(new MouseEvent('click', mouse));
        result.byMouse = $('choice-name').textContent;
        """,
    )
    assert found["charts"] == [5, 5, 3]
    assert sorted(each.split(",")[0] for each in found["told"]) == sorted(each.label for each in ROWS)
    assert all("queries/s" in each and "nprobe" in each and " to " in each for each in found["told"])
    assert "recall" in found["tip"]
    assert found["byKey"] == "codebooks"  # 232 bytes in all: the last one to the right
    assert found["marked"] >= 3  # in two charts and in the table
    assert found["back"] == "plain"
    assert found["byTable"] == "plain"
    assert found["hovered"] == found["byMouse"] == "codes"


@needs_browser
@pytest.mark.parametrize("size", ["1200,900", "390,844"], ids=["wide", "phone"])
def test_the_table_sorts_and_nothing_is_cut_off(tmp_path: Path, size: str) -> None:
    found = opened(
        render(REPORT),
        tmp_path,
        """
        const head = (i) => $('rows').tHead.rows[1].cells[i];
        head(1).querySelector('button').click(); result.up = column(1); result.sort = head(1).getAttribute('aria-sort');
        head(1).querySelector('button').click(); result.down = column(1);
        head(0).querySelector('button').click(); result.names = column(0);
        result.page = document.documentElement.scrollWidth - document.documentElement.clientWidth;
        const scroll = document.querySelector('.scroll');
        scroll.scrollLeft = 1e6;
        const last = $('rows').tBodies[0].rows[0].lastElementChild.getBoundingClientRect();
        result.cut = last.right - scroll.getBoundingClientRect().right;
        result.first = $('rows').tBodies[0].rows[0].cells[0].getBoundingClientRect().left;
        """,
        size,
    )
    assert found["up"] == ["20.0", "32.0", "64.0", "96.0", "232"]
    assert found["sort"] == "ascending"
    assert found["down"] == found["up"][::-1]
    assert found["names"] == sorted(each.label for each in ROWS)
    assert found["page"] <= 0
    assert found["cut"] <= 1
    assert found["first"] >= 0


@needs_browser
def test_tokens_have_a_page(tmp_path: Path) -> None:
    found = opened(
        render_tokens(TOKENS),
        tmp_path,
        """
        result.name = $('choice-name').textContent;
        const count = (id) => $(id).querySelectorAll('.spot').length;
        result.charts = ['memory-chart', 'speed-chart', 'ndcg-chart'].map(count);
        result.disk = $('disk').offsetParent === null;
        """,
    )
    assert found == {"name": "tokens 2 bits", "charts": [3, 3, 3], "disk": True}


def test_token_code_makes_the_same_index() -> None:
    from fewbits.bench.multivector import _code, configs

    for config in configs(16, 0):
        code = _code(config, 16, 10, 100)
        made = eval(code.splitlines()[2].removeprefix("index = "), {"fb": fb})
        own = fb.MultiVectorIndex(16, **config.settings)
        for part in ("encoder", "codec", "tokens", "pooling"):
            assert getattr(made, part) == getattr(own, part)
