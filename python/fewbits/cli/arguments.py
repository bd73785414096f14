"""What several commands have as arguments, and what their values mean."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ..file.places import shown

SETS = "with a multi-vector index an (n, t, dim) array or a folder of {0}_tokens.npy and {0}_offsets.npy"


def add_index(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("index", type=Path, metavar="INDEX")


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to use (default: all CPUs)")


def add_progress(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-progress", action="store_true", help="no progress bars (they show on a terminal only)")
    parser.add_argument("--quiet", "-q", action="store_true", help="print results only")


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 expected, got {text}")
    return number


def natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"a whole number of at least 0 expected, got {text}")
    return number


def progress(arguments: argparse.Namespace) -> bool | None:
    return False if arguments.no_progress or arguments.quiet else None


def say(arguments: argparse.Namespace) -> Callable[[str], None]:
    """Prints a line about what is going on, unless --quiet."""
    return (lambda line: None) if arguments.quiet else (lambda line: print(shown(line), flush=True))
