"""`fewbits build`: an index of the vectors in a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import fewbits as fb

from ..bench.datasets import load_array
from ..kinds import METRICS
from ..source.load import load_column
from .arguments import add_progress, add_threads, progress, say
from .files import check_output

SUMMARY = "build an index from a file of vectors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "vectors",
        type=Path,
        metavar="X",
        help=".npy, .npz, Parquet (a file or a folder), HDF5, safetensors, .fvecs, .bvecs, .fbin, .u8bin or .i8bin",
    )
    parser.add_argument("--column", metavar="NAME", help="the column or array of vectors (default: the only one)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="INDEX", help="the index file to write")
    parser.add_argument("--metric", choices=METRICS, required=True)
    parser.add_argument("--bytes-per-vector", type=float, default=64, metavar="B", help="memory budget (default: 64)")
    parser.add_argument("--recall", type=float, metavar="R", help="set nprobe and rerank for this recall@10")
    parser.add_argument(
        "--queries",
        type=Path,
        metavar="Q.npy",
        help="a sample of the queries that will be asked, to fit codes and --recall",
    )
    parser.add_argument("--key", metavar="NAME", help="a column of whole numbers, which become the ids")
    parser.add_argument("--ids", type=Path, metavar="IDS.npy", help="int64 ids (default: row numbers)")
    parser.add_argument("--seed", type=int, default=0)
    add_threads(parser)
    add_progress(parser)


def run(arguments: argparse.Namespace) -> int:
    x = fb.load_vectors(arguments.vectors, arguments.column)
    ids = _ids(arguments)
    queries = load_array(arguments.queries) if arguments.queries else None
    check_output(arguments.output, arguments.vectors, arguments.ids, arguments.queries)
    index = fb.build(
        x,
        metric=arguments.metric,
        bytes_per_vector=arguments.bytes_per_vector,
        recall=arguments.recall,
        queries=queries,
        ids=ids,
        seed=arguments.seed,
        threads=arguments.threads,
        progress=progress(arguments),
    )
    index.save(arguments.output)
    tell = say(arguments)
    tell(index.explain())
    tell(f"saved to {arguments.output} ({arguments.output.stat().st_size:,} bytes)")
    return 0


def _ids(arguments: argparse.Namespace) -> Any:
    if arguments.key is None:
        return load_array(arguments.ids) if arguments.ids else None
    if arguments.ids:
        raise ValueError(f"--key: expected one of --key and --ids, got --key {arguments.key} --ids {arguments.ids}")
    keys = load_column(arguments.vectors, arguments.key)
    if keys.dtype.kind not in "iu":
        raise ValueError(
            f"--key: expected whole numbers in {arguments.key!r}, got {keys.dtype}; fb.Collection takes text"
        )
    return keys
