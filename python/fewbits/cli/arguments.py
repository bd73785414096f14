"""Arguments that several commands share, and the meaning of their values."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ..file.places import shown

KINDS = (
    ".npy, .npz, Parquet (a file or a folder), HDF5, zarr, safetensors, .fvecs, .bvecs, .ivecs, .fbin, .u8bin, .i8bin"
    " or word vectors (.txt, .vec)"
)
SETS = "for a multi-vector index, an (n, t, dim) array or a folder with {0}_tokens.npy and {0}_offsets.npy"


def add_index(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("index", type=Path, metavar="INDEX")


def add_column(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--column", metavar="NAME", help="the column or array of vectors (default: the only one)")


def add_vectors(parser: argparse.ArgumentParser, more: str = "") -> None:
    """A file of vectors and their ids, which files.given_vectors reads. more: what else the file may be."""
    parser.add_argument("vectors", type=Path, metavar="X", help=KINDS + more)
    add_column(parser)
    parser.add_argument("--key", metavar="NAME", help="a column of whole numbers, which become the ids")
    parser.add_argument("--ids", type=Path, metavar="IDS.npy", help="int64 ids (default: consecutive numbers)")
    parser.add_argument("--labels", type=Path, metavar="LABELS.npy", help="whole numbers to filter by, one per vector")


def add_rerank_vectors(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rerank-vectors",
        type=Path,
        metavar="Y",
        help="the same objects in another embedding, which ranks the candidates; any format that X may have",
    )
    parser.add_argument("--rerank-column", metavar="NAME", help="the column or array of Y (default: the only one)")


def add_rerank_queries(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rerank-queries",
        type=Path,
        metavar="Q2.npy",
        help="the same queries in the other embedding, for an index of two",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to use (default: all CPUs)")


def add_progress(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-progress", action="store_true", help="no progress bars (shown only on a terminal)")
    parser.add_argument("--quiet", "-q", action="store_true", help="print results only")


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got {text}")
    return number


def natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 0, got {text}")
    return number


def progress(arguments: argparse.Namespace) -> bool | None:
    return False if arguments.no_progress or arguments.quiet else None


def say(arguments: argparse.Namespace) -> Callable[[str], None]:
    """A function that prints a line about the progress of the command, unless --quiet."""
    return (lambda line: None) if arguments.quiet else (lambda line: print(shown(line), flush=True))
