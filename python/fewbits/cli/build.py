"""`fewbits build`: an index of the vectors in a file, or of documents of token vectors in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

import fewbits as fb

from ..bench.datasets import load_array, load_sets
from ..kinds import METRICS
from .arguments import add_progress, add_rerank_vectors, add_threads, add_vectors, progress, say
from .files import check_output, files_of, given_labels, given_vectors, is_sets, other_vectors

SUMMARY = "build an index from a file of vectors, or from a folder of token vectors"
_OF_VECTORS = ("metric", "bytes_per_vector", "recall", "on_disk", "column", "key", "labels", "rerank_vectors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_vectors(parser, "; or a folder with doc_tokens.npy and doc_offsets.npy, for a multi-vector index")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="INDEX", help="the index file to write")
    parser.add_argument("--metric", choices=METRICS, help="of vectors; token vectors have none")
    parser.add_argument("--bytes-per-vector", type=float, metavar="B", help="memory budget (default: 64)")
    parser.add_argument(
        "--bytes-per-document", type=float, metavar="B", help="memory budget of a folder of token vectors"
    )
    parser.add_argument("--recall", type=float, metavar="R", help="build the fastest index with this recall@10")
    parser.add_argument(
        "--queries",
        type=Path,
        metavar="Q",
        help="Q.npy: a sample of the queries that will be asked, to fit codes and --recall; of token vectors a folder"
        " with query_tokens.npy and query_offsets.npy",
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
    others = (arguments.ids, arguments.labels, arguments.queries, arguments.rerank_vectors)
    check_output(arguments.output, *files_of(arguments.vectors), *others)
    index = _of_sets(arguments) if is_sets(arguments.vectors, "doc") else _of_vectors(arguments)
    index.save(arguments.output)
    tell = say(arguments)
    tell(index.explain())
    tell(f"saved to {arguments.output} ({arguments.output.stat().st_size:,} bytes)")
    return 0


def _of_vectors(arguments: argparse.Namespace) -> fb.Index:
    if arguments.metric is None:
        raise ValueError(f"--metric: expected one of {', '.join(METRICS)}, got none")
    if arguments.bytes_per_document is not None:
        raise ValueError(
            f"--bytes-per-document: expected a folder of token vectors, got {arguments.vectors}: use --bytes-per-vector"
        )
    x, ids = given_vectors(arguments)
    return fb.build(
        x,
        metric=arguments.metric,
        bytes_per_vector=64 if arguments.bytes_per_vector is None else arguments.bytes_per_vector,
        recall=arguments.recall,
        queries=load_array(arguments.queries) if arguments.queries else None,
        effort=arguments.effort,
        on_disk=arguments.on_disk,
        ids=ids,
        labels=given_labels(arguments),
        rerank_vectors=other_vectors(arguments),
        seed=arguments.seed,
        threads=arguments.threads,
        progress=progress(arguments),
    )


def _of_sets(arguments: argparse.Namespace) -> fb.MultiVectorIndex:
    for name in _OF_VECTORS:
        if getattr(arguments, name):
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{option}: expected a file of vectors, got the token vectors in {arguments.vectors}")
    if arguments.bytes_per_document is None:
        raise ValueError("--bytes-per-document: expected a number for a folder of token vectors, got none")
    return fb.build_multivector(
        load_sets(arguments.vectors, "doc"),
        bytes_per_document=arguments.bytes_per_document,
        queries=load_sets(arguments.queries, "query") if arguments.queries else None,
        effort=arguments.effort or "normal",
        ids=load_array(arguments.ids) if arguments.ids else None,
        seed=arguments.seed,
        threads=arguments.threads,
        progress=progress(arguments),
    )
