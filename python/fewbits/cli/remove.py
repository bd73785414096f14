"""`fewbits remove`: an index without some of its ids."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..bench.datasets import load_array
from .arguments import add_index, add_progress, say
from .files import check_output, open_index

SUMMARY = "remove vectors, or documents, from an index file by id"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_index(parser)
    parser.add_argument("ids", type=Path, metavar="IDS.npy", help="ids; those that the index does not have are ignored")
    parser.add_argument("--compact", action="store_true", help="rewrite the codes without what was removed")
    add_progress(parser)


def run(arguments: argparse.Namespace) -> int:
    index = open_index(arguments.index)
    check_output(arguments.index, arguments.ids)
    removed = index.remove(load_array(arguments.ids))
    if arguments.compact:
        index.compact()
    index.save(arguments.index)
    say(arguments)(f"{removed:,} removed: {index!r}")
    return 0
