"""The command line, assembled from one module per verb.

Wrong usage exits with 2, failure with 1 and one line on stderr that says what is wrong; never a traceback. Warnings are
lines on stderr too. Results go to stdout, progress to stderr (bars only on a terminal).
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module

import fewbits as fb

from ..file.places import shown

VERBS = ("demo", "build", "add", "remove", "merge", "train", "tune", "search", "info", "verify", "bench")
"""Modules of this package, each with a SUMMARY, `add_arguments(parser)` and `run(arguments)`, the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command_line = shown(shlex.join(["fewbits", *(sys.argv[1:] if argv is None else argv)]))
    try:
        run: Callable[[argparse.Namespace], int] = arguments.run
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # nobody reads the output any more, so there is nothing to report
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("fewbits: interrupted", file=sys.stderr)
        return 130
    except (fb.FewbitsError, ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        print(f"fewbits: {_one_line(error)}", file=sys.stderr)
        return 1


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"fewbits: warning: {_one_line(message)}", file=sys.stderr)


def _one_line(error: BaseException | str) -> str:
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    else:
        text = str(error) or type(error).__name__
    return " ".join(shown(text).split())


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    top = argparse.ArgumentParser(
        prog="fewbits", description="Compact vector search on CPUs: numpy arrays in, a small searchable index out."
    )
    top.add_argument("--version", action="version", version=f"fewbits {fb.__version__} ({fb.isa()})")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in VERBS:
        verb = import_module(f".{name}", __package__)
        command = commands.add_parser(name, help=verb.SUMMARY, description=verb.SUMMARY)
        command.set_defaults(run=verb.run)
        verb.add_arguments(command)
    return top
