"""Random indexes answer with the same bits on every instruction set, by batch, by single query and by any threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fewbits as fb

SCRIPT = Path(__file__).with_name("differential.py")
FIRST = int(os.environ.get("FEWBITS_DIFFERENTIAL_SEED", "0"))
CASES = 3000 if os.environ.get("FEWBITS_LONG") else 60


def start(isa: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), str(FIRST), str(FIRST + CASES)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"FEWBITS_ISA": isa})


@pytest.mark.skipif(len(fb.available_isas()) < 2, reason="this CPU runs one instruction set")
def test_every_instruction_set_builds_the_same_file_and_finds_the_same() -> None:
    running = {isa: start(isa) for isa in fb.available_isas()}
    printed = {isa: process.communicate()[0].splitlines() for isa, process in running.items()}
    assert all(process.returncode == 0 for process in running.values())
    reference = printed.pop("scalar")
    assert len(reference) == CASES
    for isa, lines in printed.items():
        for line, expected in zip(lines, reference, strict=True):
            assert line == expected, f"{isa} differs from scalar"


def test_two_seeds_differ() -> None:
    """That the lines say something about the index."""
    lines = subprocess.run(
        [sys.executable, str(SCRIPT), "0", "8"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len({line.split(" ", 1)[1] for line in lines}) == 8
