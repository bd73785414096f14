"""`fewbits build`: an index of the vectors in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

import fewbits as fb

from ..bench.datasets import load_array
from ..kinds import METRICS
from .arguments import add_progress, add_rerank_vectors, add_threads, add_vectors, progress, say
from .files import check_output, given_labels, given_vectors, other_vectors

SUMMARY = "build an index from a file of vectors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_vectors(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="INDEX", help="the index file to write")
    parser.add_argument("--metric", choices=METRICS, required=True)
    parser.add_argument("--bytes-per-vector", type=float, default=64, metavar="B", help="memory budget (default: 64)")
    parser.add_argument("--recall", type=float, metavar="R", help="build the fastest index with this recall@10")
    parser.add_argument(
        "--queries",
        type=Path,
        metavar="Q.npy",
        help="a sample of the queries that will be asked, to fit codes and --recall",
    )
    parser.add_argument(
        "--effort",
        choices=("quick", "normal", "thorough"),
        help="quick: choose by rule; normal, thorough: compare configurations on a sample (default: normal with "
        "--recall, else quick)",
    )
    add_rerank_vectors(parser)
    parser.add_argument("--on-disk", action="store_true", help="allow a rerank store on disk")
    parser.add_argument("--seed", type=int, default=0)
    add_threads(parser)
    add_progress(parser)


def run(arguments: argparse.Namespace) -> int:
    x, ids = given_vectors(arguments)
    queries = load_array(arguments.queries) if arguments.queries else None
    inputs = (arguments.vectors, arguments.ids, arguments.labels, arguments.queries, arguments.rerank_vectors)
    check_output(arguments.output, *inputs)
    index = fb.build(
        x,
        metric=arguments.metric,
        bytes_per_vector=arguments.bytes_per_vector,
        recall=arguments.recall,
        queries=queries,
        effort=arguments.effort,
        on_disk=arguments.on_disk,
        ids=ids,
        labels=given_labels(arguments),
        rerank_vectors=other_vectors(arguments),
        seed=arguments.seed,
        threads=arguments.threads,
        progress=progress(arguments),
    )
    index.save(arguments.output)
    tell = say(arguments)
    tell(index.explain())
    tell(f"saved to {arguments.output} ({arguments.output.stat().st_size:,} bytes)")
    return 0
