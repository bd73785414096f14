"""The demonstration: the main job from end to end on real vectors, in under a minute.

It must be honest: exact float neighbours are shown beside the results of the index, and generated data is called so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fewbits as fb

from ..bench import run_bench
from ..bench.datasets import Dataset, glove_words, synthetic
from ..bench.output import show

WORDS = ("king", "python", "berlin", "jazz", "photosynthesis")
SHOWN = 8
BYTES_PER_VECTOR = 32
QUERIES = 500
BUDGETS = (16, 32)


def demonstrate(
    folder: Path,
    *,
    generated: bool = False,
    threads: int | None = None,
    command: str = "fewbits demo",
    say: Callable[[str], None] = print,
    progress: bool | None = None,
) -> None:
    """Builds, saves, opens, searches and measures; index and report go to `folder`."""
    data = _data(generated, say)
    folder.mkdir(parents=True, exist_ok=True)
    index = _build_and_reopen(data, folder / "demo.fb", threads, say, progress)
    _show_searches(index, data, threads, say)
    say("\nMemory against recall, a few codecs built and measured:")
    report = run_bench(
        data,
        budgets=BUDGETS,
        threads=threads,
        quick=True,
        command=command,
        announce=lambda line: None,
        progress=progress,
    )
    show(report, folder)


def _data(generated: bool, say: Callable[[str], None]) -> Dataset:
    if not generated:
        try:
            data = glove_words(hold_out=QUERIES)
            say(
                f"GloVe: {len(data):,} words as {data.dim} numbers each; {QUERIES} more words are kept aside as queries"
            )
            return data
        except ModuleNotFoundError as error:
            say(f"Note: {error}")
    data = synthetic(queries=QUERIES)
    say(f"SYNTHETIC DATA: {len(data):,} generated vectors of {data.dim} dimensions, which say nothing about real ones.")
    if generated:
        say("Real word vectors: pip install 'fewbits[demo]' and run without --synthetic")
    return data


def _build_and_reopen(
    data: Dataset, path: Path, threads: int | None, say: Callable[[str], None], progress: bool | None
) -> fb.Index:
    started = time.perf_counter()
    index = fb.build(
        data.base, metric=data.metric, bytes_per_vector=BYTES_PER_VECTOR, threads=threads, progress=progress
    )
    built = time.perf_counter()
    index.save(path)
    saved = time.perf_counter()
    index = fb.Index.open(path)
    opened = time.perf_counter()
    before, after = data.base.nbytes, path.stat().st_size
    say(f"built in {built - started:.1f} s, saved in {saved - built:.2f} s, opened in {1000 * (opened - saved):.1f} ms")
    per_vector = index.stats().bytes_per_vector
    say(f"{before / 1e6:.0f} MB of float32 became {after / 1e6:.1f} MB, {per_vector:.0f} bytes per vector: {path}\n")
    say(index.explain())
    return index


def _show_searches(index: fb.Index, data: Dataset, threads: int | None, say: Callable[[str], None]) -> None:
    """Shows results of the index beside the exact neighbours; a vector does not count as its own neighbour."""
    if data.words is None:
        queries, names = data.queries[:5], [f"query {i}" for i in range(5)]
        rows = np.full(5, -1)
    else:
        rows = np.array([data.words.index(word) for word in WORDS])
        queries, names = data.base[rows], list(WORDS)
    found = index.search(queries, SHOWN + 1, threads=threads).ids
    exact = fb.exact_search(data.base, queries, SHOWN + 1, metric=data.metric, threads=threads).ids
    say(f"\nNearest neighbours, from the index and from the exact search over floats ({SHOWN} each; + is in both):")
    for name, own, ids, true in zip(names, rows, found, exact, strict=True):
        mine, best = [i for i in ids.tolist() if i != own][:SHOWN], [i for i in true.tolist() if i != own][:SHOWN]
        say(f"\n  {name}")
        say("    index  " + ", ".join(f"{'+' if i in best else ' '}{_name(data, i)}" for i in mine))
        say("    exact  " + ", ".join(f"{'+' if i in mine else ' '}{_name(data, i)}" for i in best))


def _name(data: Dataset, row: int) -> str:
    return data.words[row] if data.words is not None else str(row)
