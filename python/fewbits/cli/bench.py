"""`fewbits bench`: memory against recall and speed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ..bench import is_token_folder, run_bench, run_token_bench
from ..bench.datasets import load, synthetic
from ..bench.output import show, show_tokens
from ..kinds import METRICS
from .arguments import KINDS, add_column, add_progress, add_threads, positive, progress, say
from .files import check_report

SUMMARY = "memory against recall and speed, for the codecs on your vectors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        type=Path,
        nargs="?",
        metavar="X",
        help=f"{KINDS}; an ann-benchmarks .hdf5; a folder with base.npy and queries.npy; or a folder of token vectors"
        " (doc_tokens, doc_offsets, query_tokens, query_offsets and perhaps qrels_test, as .npy)",
    )
    add_column(parser)
    parser.add_argument("--synthetic", action="store_true", help="generated data instead of a file")
    parser.add_argument(
        "--queries", type=Path, metavar="Q.npy", help="default: those of the data set, or held-out rows"
    )
    parser.add_argument("--metric", choices=METRICS)
    parser.add_argument("-k", "--k", type=positive, default=10, help="recall is measured at k and 10 k (%(default)s)")
    parser.add_argument(
        "--budgets", type=positive, nargs="+", metavar="B", help="bytes per vector to fill (default: powers of two)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a first look: fewer configurations, without those that take longest to train",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("fewbits-bench"), metavar="DIR", help="folder of the report (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    add_threads(parser)
    add_progress(parser)


def run(arguments: argparse.Namespace) -> int:
    if (arguments.data is None) != arguments.synthetic:
        given = "both" if arguments.synthetic else "neither"
        print(f"fewbits bench: expected a data set or --synthetic, got {given}", file=sys.stderr)
        return 2
    tell = say(arguments)
    check_report(arguments.out, arguments.data, arguments.queries)
    if arguments.data is not None and is_token_folder(arguments.data):
        return _run_tokens(arguments, tell)
    if arguments.synthetic:
        data = synthetic(100_000, 128, seed=arguments.seed, metric=arguments.metric or "cosine")
    else:
        data = load(
            arguments.data,
            column=arguments.column,
            queries=arguments.queries,
            metric=arguments.metric,
            seed=arguments.seed,
        )
    shape = f"{len(data):,} vectors of {data.dim} dimensions, {len(data.queries):,} queries"
    tell(f"{data.name}: {shape}, metric {data.metric}")
    for note in data.notes:
        tell(f"  {note}")
    report = run_bench(
        data,
        budgets=arguments.budgets,
        k=arguments.k,
        threads=arguments.threads,
        seed=arguments.seed,
        quick=arguments.quick,
        command=arguments.command_line,
        announce=tell,
        progress=progress(arguments),
    )
    show(report, arguments.out)
    return 0


def _run_tokens(arguments: argparse.Namespace, tell: Callable[[str], None]) -> int:
    for option in ("column", "queries", "metric", "budgets", "quick"):
        if getattr(arguments, option):
            raise ValueError(f"--{option}: a folder of token vectors has its own, got {getattr(arguments, option)}")
    report = run_token_bench(
        arguments.data,
        k=arguments.k,
        threads=arguments.threads,
        seed=arguments.seed,
        command=arguments.command_line,
        announce=tell,
    )
    show_tokens(report, arguments.out)
    return 0
