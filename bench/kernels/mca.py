"""Estimates the cycles of kernels on processors that are not at hand, with llvm-mca.

python bench/kernels/mca.py [-k scan4,dot8] [--cpus znver4] [--llvm /usr/lib/llvm-22/bin] [--measured FILE --on znver4]

Single-stepping a kernel with a little data tells how often each instruction runs. Straight runs of
instructions with one count are blocks; llvm-mca says how many cycles a block takes if it is repeated, and the estimate
of a case is the sum over blocks, per item. So this needs a processor that runs the sets, but not the one that is asked
about. llvm-mca knows ports and latencies. It assumes that loads hit the first cache, that branches are predicted and
that instructions are there, so the estimate is better for comparing sets than for cycles. It needs Debian's llvm-16 or
newer for znver4, and llvm-17 or newer for sapphirerapids.

--measured compares with what was measured on one of the processors: a Markdown table of rates, `| kernel | set | ...`.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from test_kernels import ROOT, library

CPUS = ("znver4", "sapphirerapids", "icelake-server")
NOISE = 0.03
ITERATIONS = 100
RARE = 1e-3  # share of the instructions run below which a block is left out
LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S.*?)\s*(?:#.*|<.*)?$")
Rates = dict[str, dict[str, float]]  # by case and set


class Instruction(NamedTuple):
    address: int
    text: str

    @property
    def leaves(self) -> bool:
        """Whether the next instruction is not usually the one behind it: loops end so."""
        name, _, target = self.text.partition("\t") if "\t" in self.text else self.text.partition(" ")
        if name.startswith(("ret", "jmp")):
            return True
        return name.startswith("j") and int(target.strip().split()[0], 16) <= self.address


def disassembled(path: Path, llvm: str) -> list[Instruction]:
    command = [f"{llvm}llvm-objdump", "-d", "--no-show-raw-insn", str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Instruction(int(found[1], 16), found[2]) for line in lines if (found := LINE.match(line))]


def counts(isa: str, case: str, length: int) -> np.ndarray:
    lib = library()
    lib.fewbits_trace.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    opened = lib.fewbits_open(isa.encode(), case.encode())
    if not opened:
        raise ValueError(f"no case {case!r} on {isa}")
    found = np.zeros(length, np.uint32)
    lib.fewbits_run(opened)
    if lib.fewbits_trace(opened, found.ctypes.data, length) != 0:
        raise OSError("this process cannot be single-stepped (x86-64 Linux only)")
    found = found / lib.fewbits_items(opened)
    lib.fewbits_close(opened)
    return found


def blocks(code: list[Instruction], often: np.ndarray) -> Iterator[tuple[float, list[Instruction]]]:
    """Straight runs of instructions with one count, and this count per item."""
    block: list[Instruction] = []
    count = 0.0
    for instruction in code:
        own = float(often[instruction.address])
        if block and (own != count or block[-1].leaves):
            yield count, block
            block = []
        count = own
        if own:
            block.append(instruction)
    if block:
        yield count, block


def cycles(hot: Sequence[list[Instruction]], cpu: str, llvm: str) -> list[float]:
    """Of each block, if it is repeated."""
    regions = []
    for number, block in enumerate(hot):
        regions += [f"# LLVM-MCA-BEGIN {number}", *map(assembled, block), f"# LLVM-MCA-END {number}"]
    command = [
        f"{llvm}llvm-mca",
        f"-mcpu={cpu}",
        f"-iterations={ITERATIONS}",
        "--json",
        "-skip-unsupported-instructions=any",
    ]
    done = subprocess.run(command, input="\n".join(regions) + "\n", capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr[-2000:])
    by_name = {int(each["Name"]): each["SummaryView"] for each in json.loads(done.stdout)["CodeRegions"]}
    return [by_name[number]["TotalCycles"] / ITERATIONS for number in range(len(hot))]


def assembled(instruction: Instruction) -> str:
    """What llvm-mca parses: without the names of targets."""
    text = re.sub(r"\s*<[^>]*>", "", instruction.text)
    return "nop" if re.match(r"(data16|cs)?\s*nop|call|ret", text) else text


def estimated(code: list[Instruction], case: str, isa: str, cpus: Sequence[str], llvm: str) -> list[float]:
    """Cycles per item, on each processor."""
    found = list(blocks(code, counts(isa, f"{case.split()[0]} steps", code[-1].address + 1)))
    total = sum(count * len(block) for count, block in found)
    hot = [(count, block) for count, block in found if count * len(block) > RARE * total]
    each = [cycles([block for _, block in hot], cpu, llvm) for cpu in cpus]
    return [sum(count * own for (count, _), own in zip(hot, of_cpu, strict=True)) for of_cpu in each]


def marked(row: list[float]) -> list[str]:
    """An asterisk where a set takes longer than a narrower one."""
    best = np.minimum.accumulate([math.inf, *row[:-1]])
    return [f"{own:.3g}{'*' if own > least * (1 + NOISE) else ''}" for own, least in zip(row, best, strict=True)]


def measured_rates(path: Path) -> Rates:
    """Of a table in Markdown: items a second."""
    rates: Rates = {}
    isas: list[str] = []
    for line in path.read_text().splitlines():
        cells = [cell.strip(" *|") for cell in line.strip().strip("|").split("|")]
        if "avx2" in cells:
            isas = [cell for cell in cells[1:] if cell.startswith("avx")]
        elif isas and len(cells) > len(isas) and re.match(r"\w+ cache", cells[0]):
            values = [cell.replace(",", "") for cell in cells[1 : 1 + len(isas)]]
            if all(re.fullmatch(r"[\d.]+", value) for value in values):
                rates[cells[0]] = {isa: float(value) for isa, value in zip(isas, values, strict=True)}
    return rates


def side(ratio: float) -> int:
    """1 faster, -1 slower, 0 neither."""
    return int(ratio > 1 + NOISE) - int(ratio < 1 - NOISE)


def compare(estimate: Rates, rates: Rates, isas: list[str]) -> None:
    """How a set does beside AVX2: estimated and measured."""
    print("\nrates beside avx2's: estimated / measured; ! where they disagree on which is faster\n")
    others = [isa for isa in isas if isa != "avx2"]
    print(f"| kernel | {' | '.join(others)} |\n|{'---|' * (1 + len(others))}")
    errors, agreed = [], 0
    for case, of in estimate.items():
        cells = []
        for isa in others:
            if isa not in rates.get(case, {}):
                cells.append("-")
                continue
            own, real = of["avx2"] / of[isa], rates[case][isa] / rates[case]["avx2"]
            same = side(own) == side(real)
            errors.append(abs(math.log(own / real)))
            agreed += same
            cells.append(f"{own:.2f} / {real:.2f}{'' if same else ' !'}")
        print(f"| {case} | {' | '.join(cells)} |")
    if errors:
        typical = math.exp(float(np.median(errors))) - 1
        print(f"\n{agreed} of {len(errors)} agree on which is faster; the typical error of a ratio is {typical:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", help="kernels, separated by commas; default: all")
    parser.add_argument("--cpus", default=",".join(CPUS), help="as llvm-mca calls them")
    parser.add_argument("--llvm", default="", help="the folder of llvm-mca and llvm-objdump")
    parser.add_argument("--measured", type=Path, help="a table of measured rates")
    parser.add_argument("--on", default=CPUS[0], help="the processor that it was measured on")
    arguments = parser.parse_args()
    llvm = f"{arguments.llvm.rstrip('/')}/" if arguments.llvm else ""
    names = [name for name in arguments.k.split(",") if name]
    cases = [case for case in library().fewbits_cases().decode().split(",") if " cache" in case]
    cases = [case for case in cases if not names or case.split()[0] in names]
    isas = [isa for isa in library().fewbits_isas().decode().split(",")[::-1] if isa != "scalar"]
    cpus = arguments.cpus.split(",")
    code = disassembled(ROOT / "build" / "bench" / "libfewbits_kernel_bench.so", llvm)
    print("cycles per item; * longer than a narrower set\n")
    print(f"| kernel | {' | '.join(f'{cpu} {isa}' for cpu in cpus for isa in isas)} |")
    print(f"|{'---|' * (1 + len(cpus) * len(isas))}")
    beside: Rates = {}
    for case in cases:
        by_isa = [estimated(code, case, isa, cpus, llvm) for isa in isas]
        rows = list(map(list, zip(*by_isa, strict=True)))
        print(f"| {case} | {' | '.join(cell for row in rows for cell in marked(row))} |", flush=True)
        if arguments.on in cpus:
            beside[case] = dict(zip(isas, rows[cpus.index(arguments.on)], strict=True))
    if arguments.measured:
        compare(beside, measured_rates(arguments.measured), isas)


if __name__ == "__main__":
    main()
