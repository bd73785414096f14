"""`fewbits demo`: the main job from end to end."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import add_progress, add_threads, progress, say
from .demonstration import demonstrate

SUMMARY = "build, save, open and search 400,000 word vectors, and measure memory against recall"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--synthetic", action="store_true", help="generated data instead of the GloVe words")
    parser.add_argument(
        "--out", type=Path, default=Path("fewbits-demo"), metavar="DIR", help="folder of index and report (%(default)s)"
    )
    add_threads(parser)
    add_progress(parser)


def run(arguments: argparse.Namespace) -> int:
    demonstrate(
        arguments.out,
        generated=arguments.synthetic,
        threads=arguments.threads,
        command=arguments.command_line,
        say=say(arguments),
        progress=progress(arguments),
    )
    return 0
