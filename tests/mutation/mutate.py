"""Mutation testing of the core's checks: removing a check, or moving its bound by one, must fail a test.

Every condition in cpp/ that guards an error gets mutants: one in which it never holds, and one per comparison, with
`<=` for `<` and so on. All of them are compiled into one build of the C++ tests and the Python module, in which the
environment variable FEWBITS_MUTANT selects the active one. A random sample is tested, with the C++ tests first and then
the Python tests. Needs cmake, ninja and pybind11.

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
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "mutation"
ERROR = r"(?:\w+::)*(?:fail|fail_section|corrupt|throw\s+Error)\b"
GUARD = re.compile(rf"\bif \((?=[^\n]*(?:\n[^\n]*){{0,3}}?\)\s*\{{?\s*{ERROR})|\brequire\(")
COMPARISONS = {" < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > "}
PYTHON_TESTS = ("test_format.py", "test_arguments.py", "test_inputs.py", "test_updates.py", "test_multivector.py")
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
        chain = ""
        for change in ["removed", *COMPARISONS]:
            if change in COMPARISONS and change not in condition:
                continue
            other = (
                condition.replace(change, COMPARISONS[change], 1) if change in COMPARISONS else str(not is_if).lower()
            )
            what = f"{change.strip()} -> {COMPARISONS[change].strip()}" if change in COMPARISONS else "left out"
            mutants.append(Mutant(len(mutants) + 1, place, f"{what}: {' '.join(condition.split())}"))
            chain += f"is_mutant({len(mutants)}) ? static_cast<bool>({other}) : "
        out += [text[done : opening + 1], f"({chain}static_cast<bool>({condition}))"]
        done = end
    return "".join([*out, text[done:]])


def prepare() -> list[Mutant]:
    """Writes the mutated sources; those that are as they were keep their time."""
    mutants: list[Mutant] = []
    source = BUILD / "source"
    shutil.copytree(ROOT, source, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", ".git", "_core*.so", ".*"))
    for path in sorted((ROOT / "cpp").rglob("*.*")):
        inside = path.relative_to(ROOT)
        elsewhere = inside.parts[1] in ("kernels", "bindings") or path.name == "windows.cpp"
        if path.suffix in (".h", ".cpp") and not elsewhere:
            (source / inside).write_text(mutated(path.read_text(), str(inside), mutants))
    return mutants


def build() -> None:
    import pybind11

    configure = ["cmake", "-S", BUILD / "source", "-B", BUILD / "build", "-G", "Ninja", "-DFEWBITS_PYTHON=ON"]
    configure += ["-DFEWBITS_ISAS=avx2", "-DFEWBITS_WERROR=OFF", f"-DPython_EXECUTABLE={sys.executable}"]
    configure += [f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"]
    configure += [f"-DCMAKE_CXX_FLAGS=-include {ROOT / 'tests' / 'mutation' / 'mutant.h'}"]
    with (BUILD / "log").open("w") as log:
        subprocess.run(configure, check=True, stdout=log, stderr=log)
        subprocess.run(["cmake", "--build", BUILD / "build"], check=True, stdout=log, stderr=log)
    (module,) = (BUILD / "build").glob("_core*.so")
    shutil.copy(module, BUILD / "source" / "python" / "fewbits")


def survives(number: int) -> bool:
    """Whether no test notices."""
    environment = os.environ | {"FEWBITS_MUTANT": str(number), "FEWBITS_FAIL_FAST": "1"}
    environment |= {"PYTHONPATH": str(BUILD / "source" / "python")}
    tests = [BUILD / "source" / "tests" / "python" / name for name in PYTHON_TESTS]
    tests = [found for name in tests for found in name.parent.rglob(name.name)]
    pytest = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    for command in ([BUILD / "build" / "fewbits_tests"], pytest):
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=SECONDS, cwd=BUILD / "source")
        except subprocess.TimeoutExpired:
            return False
        if done.returncode != 0:
            return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", type=int, default=40, help="how many mutants to run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--min-score", type=float, default=0.0, help="exit status 1 if less is killed")
    arguments = parser.parse_args()
    mutants = prepare()
    build()
    if not survives(0):
        sys.exit("the tests fail without a mutant")
    sample = random.Random(arguments.seed).sample(mutants, min(arguments.sample, len(mutants)))
    alive = []
    for mutant in sample:
        if survives(mutant.number):
            alive.append(mutant)
            print(f"survived: {mutant.place} {mutant.change}", flush=True)
    score = 1 - len(alive) / len(sample)
    print(f"{len(sample)} of {len(mutants)} mutants: {score:.0%} killed")
    return int(score < arguments.min_score)


if __name__ == "__main__":
    sys.exit(main())
