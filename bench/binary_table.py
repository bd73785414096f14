"""Ranking against bits per vector: recurrent binary codes of 1 to 4 bits per dimension and all competitors, each at the
same number of bits. A part of bench/binary.py: it prints the table and draws the chart of the docs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import fewbits as fb
from binary_data import OPQ_ITERATIONS, Data, Search, faiss_index, installed, ndcg, ours, peers, recall

TOTALS = (128, 256, 384, 512, 768, 1024, 1536)
_ROW = re.compile(r"table (\S+) +(\d+) +(\S+) +\d+  (.+?) +([01]\.\d{3})(?: +([\d.]+))?$")
_DRAWN = {
    "RecurrentBinary": ("RecurrentBinary, best of 1 to 4 bits per dimension", "#be2a74", "o-"),
    "RecurrentBinary symmetric": ("the same, queries as codes", "#be2a74", "o--"),
    "RaBitQ": ("RaBitQ, best of 1 to 4", "#a16207", "s-"),
    "OPQ + PQ 4-bit": ("OPQ + PQ, 4 bits", "#0f8a6d", "^-"),
    "OPQ + PQ 8-bit": ("OPQ + PQ, 8 bits", "#0f8a6d", "^--"),
    "sign hashing": ("signs (Hamming)", "#5b6673", "v-"),
    "faiss RaBitQ": ("faiss RaBitQ", "#2b59c3", "x"),
    "turbovec": ("turbovec", "#2b59c3", "+"),
    "rabitqlib": ("rabitqlib", "#2b59c3", "1"),
}
Best = dict[str, dict[tuple[str, int], float]]  # data set -> (codec, bits) -> recall@10 of its best shape

_Row = tuple[str, str, tuple[float, Search]]  # codec, dims x bits, (bytes with factors, search)


def table(data: Data, totals: list[int], steps: int) -> None:
    """Recall@10 and nDCG@10 (for judged queries, relative to floats) at each number of bits."""
    reference = ndcg(data, data.exact, False)
    n, dim = data.base.shape
    print(f"\ntable: {data.name}, n {n:,}, d {dim}, {steps} training steps; bytes include factors but not ids")
    print(f"table {'data':12} {'bits':>5} {'dims':>8} {'bytes':>5}  {'codec':28} recall@10 nDCG/float")
    for total in totals:
        for name, shape, (size, search) in chain(_ours(data, total, steps), _peers(data, total)):
            ids = search(data.queries)
            judged = "" if data.qrels is None else f" {ndcg(data, ids, False) / reference:10.3f}"
            print(
                f"table {data.name:12} {total:5} {shape:>8} {size:5.0f}  {name:28} {recall(data, ids):9.3f}{judged}",
                flush=True,
            )


def _ours(data: Data, total: int, steps: int) -> Iterator[_Row]:
    """Every bit width that divides the total, with as many dimensions as that leaves; PCA if these are fewer."""
    dim = data.base.shape[1]
    for bits in (bits for bits in range(1, 5) if total % bits == 0 and total // bits <= 2 * dim):
        m = total // bits
        shape = f"{m}x{bits}"
        reduced: dict[str, Any] = {} if m == dim else {"transform": fb.PCA(m)}
        if m <= dim:
            yield "RaBitQ", shape, ours(data, fb.RaBitQ(bits), **reduced)
        codec = fb.train.recurrent_binary(data.base, dim=m, bits=bits, steps=steps, progress=False)
        yield "RecurrentBinary", shape, ours(data, codec)
        asked = fb.RecurrentBinary(bits, symmetric=True, dim=m, maps=codec.maps)
        yield "RecurrentBinary symmetric", shape, ours(data, asked)
        if bits == 1 and m <= dim:
            yield "sign hashing", shape, ours(data, fb.RecurrentBinary(1, symmetric=True), **reduced)
    m = total // 4
    if m <= dim:
        yield "OPQ + PQ 4-bit", f"{m}x4", ours(data, fb.PQ(m, bits=4), transform=fb.OPQ(iterations=OPQ_ITERATIONS))
        reduction = fb.RandomRotation() if m == dim else fb.PCA(m)
        yield "Scalar(4), Lloyd-Max", f"{m}x4", ours(data, fb.Scalar(4, levels="lloyd-max"), transform=reduction)
    m = total // 8
    if m <= dim:
        yield "OPQ + PQ 8-bit", f"{m}x8", ours(data, fb.PQ(m, bits=8), transform=fb.OPQ(iterations=OPQ_ITERATIONS))


def _peers(data: Data, total: int) -> Iterator[_Row]:
    dim = data.base.shape[1]
    bits, rest = divmod(total, dim)
    if rest == 0 and bits:
        for name, found in peers(data, bits):
            yield name, f"{dim}x{bits}", found
    m = total // 4
    if installed("faiss") and dim % m == 0:
        yield "faiss OPQ + PQ fast-scan", f"{m}x4", faiss_index(data, f"OPQ{m}_{dim},PQ{m}x4fs")


def read(paths: list[Path]) -> Best:
    """The best of each codec in the output of earlier runs."""
    best: Best = {}
    for line in (line for path in paths for line in path.read_text().splitlines()):
        if match := _ROW.match(line):
            data, total, _, codec, found, _ = match.groups()
            of_data, key = best.setdefault(data, {}), (codec, int(total))
            of_data[key] = max(float(found), of_data.get(key, 0.0))
    return best


def draw(best: Best, chart: Path) -> None:
    from matplotlib.figure import Figure

    columns = min(2, len(best))
    figure = Figure(figsize=(1.2 + 4.2 * columns, 1 + 3.4 * -(-len(best) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(best) // columns), columns, squeeze=False).ravel()
    for axes in panels[len(best) :]:
        axes.remove()
    for axes, (data, found) in zip(panels, best.items(), strict=False):
        for name, (label, color, style) in _DRAWN.items():
            points = sorted((total, value) for (codec, total), value in found.items() if codec == name)
            if points:
                axes.plot(*zip(*points, strict=True), style, color=color, label=label, markersize=4, linewidth=1.4)
        totals = sorted({total for _, total in found})
        axes.set_xscale("log", base=2)
        axes.set_xticks(totals, [f"{total:,}" for total in totals])
        axes.minorticks_off()
        axes.set(xlabel="bits per vector", ylabel="recall@10", title=data)
        axes.grid(color="#e3e7eb")
    shown = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.savefig(chart, metadata={"Date": None} if chart.suffix == ".svg" else None)
