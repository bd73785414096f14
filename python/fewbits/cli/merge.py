"""`fewbits merge`: one index of several."""

from __future__ import annotations

import argparse
from pathlib import Path

import fewbits as fb

from .arguments import add_progress, say
from .files import check_output, open_index

SUMMARY = "merge index files that share their training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("indexes", type=Path, nargs="+", metavar="INDEX")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="INDEX", help="the index file to write")
    parser.add_argument("--replace", action="store_true", help="of an id that two of them have, keep the later")
    add_progress(parser)


def run(arguments: argparse.Namespace) -> int:
    check_output(arguments.output, *arguments.indexes)
    indexes = [open_index(path) for path in arguments.indexes]
    whole = fb.merge(indexes, on_conflict="replace" if arguments.replace else "error")  # type: ignore[type-var]
    whole.save(arguments.output)
    say(arguments)(f"merged: {whole!r}")
    return 0
