"""Memory against recall on your own arrays: how much of the exact answer each codec keeps, at how many bytes.

`run_bench` does everything: it measures a ladder of configurations and returns a `Report`, which can be printed, saved
and drawn.
"""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fewbits as fb

from .datasets import Dataset
from .ladder import Config, ladder
from .measure import Measurement, run
from .multivector import TokenReport, is_token_folder, load_tokens, run_tokens
from .report import Facts, Report

__all__ = [
    "Config",
    "Facts",
    "Measurement",
    "Report",
    "TokenReport",
    "is_token_folder",
    "ladder",
    "run",
    "run_bench",
    "run_token_bench",
]


def run_bench(
    data: Dataset,
    *,
    budgets: Sequence[int] | None = None,
    k: int = 10,
    threads: int | None = None,
    seed: int = 0,
    quick: bool = False,
    command: str = "",
    announce: Callable[[str], None] = lambda line: None,
    progress: bool | None = None,
) -> Report:
    """Measures the ladder of configurations on `data`; `announce` is called with a line of text for each step."""
    started = time.perf_counter()
    configs = ladder(len(data), data.dim, data.metric, budgets, quick=quick)
    rows = run(data, configs, k=k, threads=threads, seed=seed, announce=announce, progress=progress)
    facts = Facts(
        name=data.name,
        n=len(data),
        dim=data.dim,
        metric=data.metric,
        queries=len(data.queries),
        k=k,
        **_circumstances(threads, command),
        seconds=time.perf_counter() - started,
        synthetic=data.synthetic,
        notes=data.notes,
    )
    return Report(facts, rows)


def run_token_bench(
    folder: Path,
    *,
    k: int = 10,
    threads: int | None = None,
    seed: int = 0,
    command: str = "",
    announce: Callable[[str], None] = lambda line: None,
) -> TokenReport:
    """Measures encodings and token codecs on a folder of token vectors."""
    data = load_tokens(folder)
    n, queries = len(data.documents), len(data.queries.offsets) - 1
    tokens = int(data.documents.offsets[-1]) / n
    announce(f"{data.name}: {n:,} documents of {tokens:.0f} tokens of {data.dim} dimensions, {queries:,} queries")
    facts = Facts(
        name=data.name,
        n=n,
        dim=data.dim,
        metric="chamfer",
        queries=queries,
        k=k,
        **_circumstances(threads, command),
        seconds=0.0,
        synthetic=False,
        notes=(f"{tokens:.1f} tokens per document",),
    )
    return run_tokens(data, facts, seed=seed, announce=announce)


def _circumstances(threads: int | None, command: str) -> dict[str, Any]:
    """The facts that do not describe the data."""
    return {
        "threads": threads or cpu_count(),
        "cpu": cpu_name(),
        "isa": fb.isa(),
        "version": fb.__version__,
        "date": datetime.date.today().isoformat(),
        "command": command,
    }


def cpu_count() -> int:
    """The CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_name() -> str:
    """The processor's name as the operating system reports it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
