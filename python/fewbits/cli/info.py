"""`fewbits info`: the description and the contents of an index file."""

from __future__ import annotations

import argparse
import json

import fewbits as fb

from ..file.places import shown
from .arguments import add_index
from .files import open_any

SUMMARY = "describe an index file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_index(parser)


def run(arguments: argparse.Namespace) -> int:
    index = open_any(arguments.index)
    print(index.explain())
    if index.metadata or index.epoch:
        print(f"  epoch {index.epoch}, metadata {json.dumps(dict(index.metadata), sort_keys=True)}")
    contents = fb.inspect(arguments.index)
    major, minor = contents.version
    print(f"\n{shown(arguments.index)}: format {major}.{minor}, {contents.bytes:,} bytes")
    if contents.log is not None:
        print(f"{shown(arguments.index)}.log: {contents.log.changes:,} changes, {contents.log.bytes:,} bytes")
    for section in contents.sections:
        place = " (log)" if section.in_log else ""
        print(f"  {section.name:<28} {section.dtype:<5} {section.bytes:>14,} bytes{place}")
    return 0
