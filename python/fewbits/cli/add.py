"""`fewbits add`: more vectors for an index."""

from __future__ import annotations

import argparse

from .arguments import add_index, add_progress, add_rerank_vectors, add_threads, add_vectors, progress, say
from .files import check_output, given_labels, given_vectors, open_single, other_vectors

SUMMARY = "add vectors to an index file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_index(parser)
    add_vectors(parser)
    add_rerank_vectors(parser)
    parser.add_argument("--replace", action="store_true", help="replace vectors that have the same ids")
    add_threads(parser)
    add_progress(parser)


def run(arguments: argparse.Namespace) -> int:
    index = open_single(arguments.index)
    x, ids = given_vectors(arguments)
    check_output(arguments.index, arguments.vectors, arguments.ids, arguments.labels, arguments.rerank_vectors)
    index.add(
        x,
        ids,
        labels=given_labels(arguments),
        rerank_vectors=other_vectors(arguments),
        on_conflict="replace" if arguments.replace else "error",
        threads=arguments.threads,
        progress=progress(arguments),
    )
    index.save(arguments.index)
    say(arguments)(f"{len(x):,} vectors added: {index!r}")
    return 0
