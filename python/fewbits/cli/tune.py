"""`fewbits tune`: nprobe, patience, rerank and margin for a target recall, saved in the index."""

from __future__ import annotations

import argparse
from pathlib import Path

import fewbits as fb

from ..bench.datasets import load_array
from ..file.places import shown
from .arguments import SETS, add_index, add_rerank_queries, add_threads, positive
from .files import load_vectors, open_index, other_queries

SUMMARY = "find the cheapest nprobe, patience, rerank and margin for a target recall, and save them in the index"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_index(parser)
    parser.add_argument(
        "queries", type=Path, metavar="Q", help=f"Q.npy: held-out queries, hundreds or more; {SETS.format('query')}"
    )
    parser.add_argument("--recall", type=float, default=0.95, metavar="R", help="of the k nearest (%(default)s)")
    parser.add_argument("-k", type=positive, default=10, help="results per query (%(default)s)")
    parser.add_argument(
        "--vectors",
        type=Path,
        metavar="X",
        help="X.npy: the vectors, as results are ranked (default: recall relative to an exhaustive search); "
        + SETS.format("doc"),
    )
    add_rerank_queries(parser)
    parser.add_argument("--ids", type=Path, metavar="IDS.npy", help="ids of the vectors (default: row numbers)")
    add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    index = open_index(arguments.index)
    x = load_vectors(index, arguments.vectors, "doc") if arguments.vectors else None
    queries = load_vectors(index, arguments.queries, "query")
    x_ids = load_array(arguments.ids) if arguments.ids else None
    others = other_queries(index, arguments)
    found = fb.tune(
        index, queries, arguments.k, recall=arguments.recall, x=x, x_ids=x_ids, **others, threads=arguments.threads
    )
    index.save(arguments.index)
    settings = [f"{name} {value}" for name, value in found.settings() if value]
    print(f"{shown(arguments.index)}: {', '.join(settings) or 'nothing to set'} by default")
    truth = "the true nearest" if found.truth == "exact" else "an exhaustive search of its own codes (no --vectors)"
    print(f"recall@{arguments.k} {found.recall:.4f} of {truth} (at least {found.recall_low:.4f} at 95 %)")
    print(f"{found.queries_per_second:,.0f} queries per second on one thread")
    return 0
