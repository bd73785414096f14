"""Mutation testing of the core's checks: removing a check, or moving its bound by one, must fail a test.

Every condition in a .cpp file that guards an error gets mutants: one in which it never holds, and one per comparison,
with `<=` for `<` and so on. All of them are compiled into one build of the C++ tests and the Python module (mutant.h).

The tests first run without a mutant, while the build notes the mutants whose condition would have had another value.
Each mutant of a random sample is then run by the tests that noted it, the quickest first, until one fails; a mutant
that none noted survives. The C++ tests come first, and the Python tests run what they left. Needs cmake, ninja and
pybind11.

$ python tests/mutation/mutate.py --sample 40 --seed 1
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "mutation"
ERROR = r"(?:\w+::)*(?:fail|fail_section|corrupt|throw\s+Error)\b"
GUARD = re.compile(rf"\bif \((?=[^\n]*(?:\n[^\n]*){{0,3}}?\)\s*\{{?\s*{ERROR})|\brequire\(")
COMPARISONS = {" < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > "}
INDEX_GUARD = re.compile(r"\bi > 0 &&")  # without it, the condition reads before the first element
PYTHON_TESTS = ("file/test_format.py", "input", "index", "multivector", "sparse", "spec")
SLOW = ("test_accuracy.py", "test_model.py")  # of searches that work
SECONDS = 600  # after which a run counts as killed: the mutant hangs


class Mutant(NamedTuple):
    number: int
    place: str
    change: str


def closing(text: str, opening: int) -> int:
    """Where the parenthesis that opens at `opening` closes, or the first comma between them at its level."""
    depth = 0
    for at in range(opening, len(text)):
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if depth == 0 or (depth == 1 and text[at] == ","):
            return at
    raise ValueError("unbalanced")


def mutated(text: str, name: str, mutants: list[Mutant]) -> str:
    """The file with every mutant in it; appends what they are."""
    out, done = [], 0
    for guard in GUARD.finditer(text):
        opening = guard.end() - 1
        end = closing(text, opening)
        condition, is_if = text[opening + 1 : end], guard.group().startswith("if")
        whole = text[end] == ")" or not is_if
        if guard.start() < done or not whole or ";" in condition or '"' in condition or "void" in text[done:end][-200:]:
            continue
        if is_if and not re.match(rf"\)\s*\{{?\s*{ERROR}", text[end:]):
            continue
        place = f"{name}:{text.count(chr(10), 0, guard.start()) + 1}"
        mutant = f"static_cast<bool>({condition})"
        for change in ["removed", *COMPARISONS]:
            if change in COMPARISONS and (
                change not in condition or (change == " > " and INDEX_GUARD.search(condition))
            ):
                continue
            other = (
                condition.replace(change, COMPARISONS[change], 1) if change in COMPARISONS else str(not is_if).lower()
            )
            what = f"{change.strip()} -> {COMPARISONS[change].strip()}" if change in COMPARISONS else "left out"
            mutants.append(Mutant(len(mutants) + 1, place, f"{what}: {' '.join(condition.split())}"))
            mutant = f"mutated({len(mutants)}, static_cast<bool>({other}), {mutant})"
        out += [text[done : opening + 1], mutant]
        done = end
    return "".join([*out, text[done:]])


def prepare() -> list[Mutant]:
    """Writes the mutated sources."""
    mutants: list[Mutant] = []
    source = BUILD / "source"
    shutil.copytree(ROOT, source, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", ".git", "_core*.so", ".*"))
    for path in sorted((ROOT / "cpp").rglob("*.cpp")):
        inside, text, before = path.relative_to(ROOT), path.read_text(), len(mutants)
        if inside.parts[1] in ("kernels", "bindings") or path.name == "windows.cpp":
            continue
        changed = mutated(text, str(inside), mutants)
        if len(mutants) > before:
            (source / inside).write_text('#include "../tests/mutation/mutant.h"\n' + changed)
    return mutants


def build() -> None:
    import pybind11

    configure = ["cmake", "-S", BUILD / "source", "-B", BUILD / "build", "-G", "Ninja", "-DFEWBITS_PYTHON=ON"]
    configure += ["-DFEWBITS_ISAS=avx2", "-DFEWBITS_WERROR=OFF", f"-DPython_EXECUTABLE={sys.executable}"]
    configure += [f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"]
    with (BUILD / "log").open("w") as log:
        for command in (configure, ["cmake", "--build", BUILD / "build"]):
            subprocess.run([str(word) for word in command], check=True, stdout=log, stderr=log)
    (module,) = (BUILD / "build").glob("_core*.so")
    shutil.copy(module, BUILD / "source" / "python" / "fewbits")


class Tests(NamedTuple):
    """One C++ test, or one file of Python tests."""

    command: list[str]
    seconds: float
    noted: frozenset[int]  # the mutants that these tests may tell from the original


def passes(command: list[str], **variables: str) -> bool:
    environment = os.environ | {"PYTHONPATH": str(BUILD / "source" / "python"), "FEWBITS_FAIL_FAST": "1"} | variables
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=SECONDS, cwd=BUILD / "source" / "tests" / "python"
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def cpp_tests() -> Iterator[list[str]]:
    for path in sorted((ROOT / "tests" / "cpp").rglob("*.cpp")):
        if path.parent.name not in ("kernels", "emulate"):
            for name in re.findall(r'^TEST\("(.*)"\)', path.read_text(), re.MULTILINE):
                yield [str(BUILD / "build" / "fewbits_tests"), name]


def python_tests() -> Iterator[list[str]]:
    for place in PYTHON_TESTS:
        for found in sorted((ROOT / "tests" / "python").glob(place if place.endswith(".py") else f"{place}/test_*.py")):
            if found.name not in SLOW:
                inside = str(found.relative_to(ROOT / "tests" / "python"))
                yield [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", inside]


def run_originals(commands: Iterator[list[str]]) -> list[Tests]:
    """The tests without a mutant, quickest first."""
    tests, notes = [], BUILD / "noted"
    for command in commands:
        notes.unlink(missing_ok=True)
        begin = time.perf_counter()
        if not passes(command, FEWBITS_MUTANTS_NOTED=str(notes)):
            sys.exit(f"fails without a mutant: {' '.join(command)}")
        noted = notes.read_bytes() if notes.exists() else b""
        seconds = time.perf_counter() - begin
        tests.append(Tests(command, seconds, frozenset(number for number, byte in enumerate(noted) if byte)))
    return sorted(tests, key=lambda each: each.seconds)


def survives(number: int, tests: list[Tests]) -> bool:
    """Whether no test notices."""
    return all(passes(each.command, FEWBITS_MUTANT=str(number)) for each in tests if number in each.noted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", type=int, default=40, help="how many mutants to run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--min-score", type=float, default=0.0, help="exit status 1 if less is killed")
    arguments = parser.parse_args()
    mutants = prepare()
    build()
    sample = random.Random(arguments.seed).sample(mutants, min(arguments.sample, len(mutants)))
    alive = sample
    for commands in (cpp_tests(), python_tests()):
        if alive:
            tests = run_originals(commands)
            alive = [mutant for mutant in alive if survives(mutant.number, tests)]
    for mutant in alive:
        print(f"survived: {mutant.place} {mutant.change}")
    score = 1 - len(alive) / len(sample)
    print(f"{len(sample)} of {len(mutants)} mutants: {score:.0%} killed")
    return int(score < arguments.min_score)


if __name__ == "__main__":
    sys.exit(main())
