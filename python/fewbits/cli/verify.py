"""`fewbits verify`: every byte of an index file."""

from __future__ import annotations

import argparse

import fewbits as fb

from ..file.places import shown
from .arguments import add_index
from .files import check_is_index

SUMMARY = "check every byte of an index file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_index(parser)


def run(arguments: argparse.Namespace) -> int:
    check_is_index(arguments.index)
    fb.verify(arguments.index)
    print(f"{shown(arguments.index)}: every byte is as it was written")
    return 0
