"""`fewbits search`: the nearest neighbours of queries in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import fewbits as fb

from .arguments import SETS, add_index, add_rerank_queries, add_threads, natural, positive
from .files import check_output, files_of, load_vectors, open_index, other_queries

SUMMARY = "search an index with a .npy file of queries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_index(parser)
    parser.add_argument("queries", type=Path, metavar="Q", help=f"Q.npy; {SETS.format('query')}")
    parser.add_argument("-k", type=positive, default=10, help="results per query (%(default)s)")
    parser.add_argument("--nprobe", type=positive, help="lists to probe (default: set in the index)")
    parser.add_argument("--rerank", type=natural, help="candidates to rerank, 0 for none (default: set in the index)")
    parser.add_argument(
        "--patience",
        type=natural,
        help="stop after this many lists without a new result, 0: never (default: set in the index)",
    )
    add_rerank_queries(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.npz", help="write arrays ids and scores instead of a table"
    )
    add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    index = open_index(arguments.index)
    queries = load_vectors(index, arguments.queries, "query")
    others = other_queries(index, arguments)
    if arguments.output:
        check_output(_npz(arguments.output), arguments.index, arguments.rerank_queries, *files_of(arguments.queries))
    ids, scores = index.search(
        queries,
        arguments.k,
        nprobe=arguments.nprobe,
        rerank=arguments.rerank,
        patience=arguments.patience,
        **others,
        threads=arguments.threads,
    )
    distances = isinstance(index, fb.Index) and index.metric == "l2"
    if arguments.output:
        np.savez(_npz(arguments.output), ids=ids, scores=scores)
        return 0
    print(f"{'query':>8} {'rank':>5} {'id':>12} {'distance' if distances else 'score':>12}")
    for query, (row_ids, row_scores) in enumerate(zip(np.atleast_2d(ids), np.atleast_2d(scores), strict=True)):
        for rank, (item, score) in enumerate(zip(row_ids.tolist(), row_scores.tolist(), strict=True), 1):
            if item >= 0:
                print(f"{query:>8} {rank:>5} {item:>12} {score:>12.6g}")
    return 0


def _npz(path: Path) -> Path:
    """The name under which numpy saves an archive."""
    return path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
