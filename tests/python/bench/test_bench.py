"""Memory against recall: the ladder fills its budgets, the numbers are right, every form of the report is the same."""

import dataclasses
import json

import numpy as np
import pytest

import fewbits as fb
from fewbits import bench
from fewbits.bench import charts, datasets, measure
from fewbits.bench.measure import Measurement, Point
from fewbits.bench.output import save, show


def row(label, size, recall, *, rerank="none", family="PQ", disk=0.0, ndcg=None, fixed=4000):
    sweep = tuple(
        Point(nprobe, found, speed, 0.9 * speed, 1.1 * speed)
        for nprobe, found, speed in ((1, recall / 2, 9000.0), (4, recall, 3000.0), (16, recall, 800.0))
    )
    return Measurement(
        label=label,
        family=family,
        rerank=rerank,
        bytes_per_vector=size,
        disk_bytes_per_vector=disk,
        fixed_bytes=fixed,
        file_bytes=10_000,
        build_seconds=1.5,
        nlist=16,
        recall=recall,
        recall_deep=recall,
        ndcg=ndcg,
        served=sweep[1],
        latency_ms=0.2,
        sweep=sweep,
        code="index = fb.Index(100)\nindex.search(queries, k=10$NPROBE)",
    )


def report(*rows, **facts):
    known = {
        "name": "things",
        "n": 1000,
        "dim": 100,
        "metric": "ip",
        "queries": 10,
        "k": 10,
        "threads": 1,
        "cpu": "a processor",
        "isa": "scalar",
        "version": "0",
        "date": "2026-01-01",
        "command": "fewbits bench things",
        "seconds": 3.0,
        "synthetic": False,
        "notes": ("a note",),
    }
    return bench.Report(bench.Facts(**{**known, **facts}), rows)


ROWS = (
    row("small", 16, 0.5),
    row("beaten", 32, 0.45),
    row("good", 64, 0.93),
    row("float", 400, 1.0, family="Float"),
    row("small, disk", 16, 0.95, rerank="disk", disk=200),
)


@pytest.fixture(scope="module")
def measured():
    data = datasets.synthetic(12_000, 16, queries=40)
    lines = []
    return data, bench.run_bench(data, budgets=[8, 12], quick=True, threads=2, announce=lines.append), lines


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize(("n", "dim"), [(2000, 64), (50_000, 64), (50_000, 384)])
def test_pq_fills_the_budgets_exactly(n, dim, metric):
    budgets = [16, 24, 28]
    configs = bench.ladder(n, dim, metric, budgets)
    sizes = set()
    for config in configs:
        codec, lists = config.parts["codec"], config.parts["partition"]
        if isinstance(codec, fb.PQ) and config.rerank == "none":
            sizes.add(codec.bytes_per_vector(dim, metric, lists is not None) + (4 if lists else 0))
    assert sizes <= set(budgets)
    assert max(sizes) == 28
    assert {config.rerank for config in configs} == {"none", "ram", "disk"}
    assert len({config.label for config in configs}) == len(configs)
    capped = [config.label for config in bench.ladder(n, 20, metric, [1000])]
    assert {"PQ20x4", "OPQ+PQ20x8"} <= set(capped)


def test_ladder_has_the_codecs_of_a_few_bits_a_dimension():
    families = {metric: {c.family for c in bench.ladder(3000, 64, metric, [16])} for metric in ("l2", "cosine")}
    assert "RaBitQ" in families["l2"]
    assert families["cosine"] - families["l2"] == {"Recurrent binary"}


def test_a_quick_ladder_trains_no_rotations():
    whole, quick = (bench.ladder(100_000, 384, "cosine", quick=quick) for quick in (False, True))
    assert len(quick) < len(whole) / 2
    assert {config.label for config in quick} >= {"PQ120x4", "SQ8", "RaBitQ2", "f16"}
    assert all(config.parts.get("transform") is None for config in quick)
    assert quick[0].parts["partition"].sample < 65_536


def test_the_bar_says_what_is_measured(capsys):
    data = datasets.synthetic(600, 8, queries=10)
    configs = bench.ladder(600, 8, "cosine", [8], quick=True)[:2]
    bench.run(data, configs, progress=True)
    drawn = capsys.readouterr().err
    assert f"[1/2] {configs[0].label}: codec" in drawn
    assert f"[2/2] {configs[1].label}: searches" in drawn
    bench.run(data, configs, progress=False)
    assert not capsys.readouterr().err


def test_ladder_of_wide_vectors_needs_no_dense_rotation():
    assert not any(
        isinstance(config.parts.get("transform"), fb.OPQ) for config in bench.ladder(50_000, 4096, "ip", [64])
    )


def test_default_budgets_stop_where_one_byte_a_dimension_takes_over():
    from fewbits.bench.ladder import default_budgets

    assert default_budgets(100) == [8, 16, 32, 64]
    assert default_budgets(2) == [8]


def test_measurements(measured):
    data, found, lines = measured
    truth = fb.exact_search(data.base, data.queries, 10, metric=data.metric).ids
    by_label = {row.label: row for row in found.rows}
    assert by_label["f16"].recall > 0.97
    assert by_label["f16"].bytes_per_vector == pytest.approx(16 * 2 + 4, abs=0.1)
    assert by_label["PQ8x4"].bytes_per_vector == pytest.approx(8, abs=1)
    reranked = next(row for row in found.rows if row.rerank == "disk")
    assert reranked.disk_bytes_per_vector == pytest.approx(32, abs=0.1)
    assert reranked.recall > by_label[reranked.label.partition(" ")[0]].recall
    for each in found.rows:
        assert 0 < each.served.recall <= 1
        assert each.sweep[-1].recall == each.recall
        assert [point.nprobe for point in each.sweep] == sorted({point.nprobe for point in each.sweep})
        assert each.build_seconds > 0
        assert all(0 < point.slowest <= point.queries_per_second <= point.fastest for point in each.sweep)
        assert each.latency_ms > 0
        assert each.file_bytes >= each.bytes_per_vector * len(data)
    index = fb.Index(16, metric=data.metric, partition=fb.IVF(), codec=fb.Float(16)).build(data.base)
    assert fb.recall(index, data.queries, truth=truth, nprobe=10_000) == pytest.approx(by_label["f16"].recall)
    assert sum("recall@10" in line for line in lines) == len(found.rows)


@pytest.mark.parametrize("quick", [True, False])
def test_code_makes_the_same_index(quick):
    for config in bench.ladder(50_000, 64, "cosine", [16, 32], quick=quick):
        code = config.code(64, "cosine", 10)
        made = eval(code.splitlines()[2].removeprefix("index = "), {"fb": fb})
        own = config.make(64, "cosine", 0)
        for part in ("dim", "metric", "transform", "partition", "codec", "rerank"):
            assert getattr(made, part) == getattr(own, part)
        assert "k=10$NPROBE" in code


def test_recall_of():
    assert measure.recall_of(np.array([[1, 2, -1], [4, 5, 6]]), np.array([[2, 3, 1], [6, 5, 4]])) == pytest.approx(
        5 / 6
    )


def test_given_neighbors_are_used_only_if_they_are_of_the_metric():
    data = datasets.synthetic(500, 8, queries=40, metric="l2")
    exact = fb.exact_search(data.base, data.queries, 20, metric="l2").ids
    lines = []
    marked = exact.copy()
    marked[-1, -1] = 499 if marked[-1, -1] != 499 else 498  # beyond what is checked: shows that they were taken
    right = dataclasses.replace(data, neighbors=marked)
    assert np.array_equal(measure.ground_truth(right, 20, None, lines.append), marked)
    assert lines == []
    wrong = dataclasses.replace(data, neighbors=np.roll(exact, 1, axis=0))
    assert np.array_equal(measure.ground_truth(wrong, 20, None, lines.append), exact)
    assert "not those of metric l2" in lines[0]
    shallow = dataclasses.replace(data, neighbors=exact[:, :5])
    assert np.array_equal(measure.ground_truth(shallow, 20, None, lines.append), exact)


def test_judged_queries_get_ndcg():
    data = datasets.synthetic(300, 8, queries=5)
    best = fb.exact_search(data.base, data.queries, 1, metric=data.metric).ids[:, 0]
    qrels = np.stack([np.arange(5), best, np.ones(5, np.int64)], axis=1)
    found = bench.run_bench(dataclasses.replace(data, qrels=qrels), budgets=[8], quick=True)
    assert next(row for row in found.rows if row.label == "f16").ndcg == pytest.approx(1.0)
    assert "nDCG@10" in found.table()


def test_frontier_is_what_nothing_in_memory_beats():
    assert [row.label for row in report(*ROWS).frontier()] == ["small", "good", "float"]


def test_frontier_counts_fixed_bytes():
    rows = (row("few codes, large codebooks", 32, 0.8, fixed=100_000), row("more codes", 64, 0.9, fixed=0))
    assert [each.label for each in report(*rows).frontier()] == ["more codes"]
    assert [each.label for each in report(*rows, n=1_000_000).frontier()] == [each.label for each in rows]


def test_summary():
    first, second = report(*ROWS).summary()
    assert first == "68 bytes per vector keep 0.93 of the exact top 10; float32 needs 400."
    assert second == "With a finer copy on disk, 20 bytes of memory keep 0.95."
    assert report(ROWS[0]).summary() == [
        "20 bytes per vector keep at best 0.50 of the exact top 10; float32 needs 400."
    ]


def test_table_marks_the_frontier():
    lines = report(*ROWS).table().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["small", "good", "float"]
    assert len(lines) == 2 + len(ROWS)


def test_json_holds_everything():
    saved = json.loads(report(*ROWS).to_json())
    assert [row["frontier"] for row in saved["rows"]] == [True, False, True, True, False]
    served = {"nprobe": 4, "recall": 0.93, "queries_per_second": 3000.0, "slowest": 2700.0, "fastest": 3300.0}
    assert saved["rows"][2]["served"] == pytest.approx(served)
    assert saved["facts"]["notes"] == ["a note"]


def test_charts(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra charts is not installed")
    files = {path.name: path for path in save(report(*ROWS), tmp_path)}
    assert set(files) == {"report.json", "report.html", "memory-against-recall.png", "speed-against-recall.png"}
    assert files["memory-against-recall.png"].read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_only_the_png_files_are_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(charts, "available", lambda: False)
    show(report(*ROWS), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.html"}
    assert "fewbits[charts]" in capsys.readouterr().out


def test_show_prints_summary_and_label(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(charts, "available", lambda: False)
    show(report(*ROWS, synthetic=True), tmp_path)
    out = capsys.readouterr().out
    assert "SYNTHETIC DATA" in out
    assert "68 bytes per vector keep 0.93" in out
    assert str(tmp_path / "report.html") in out
