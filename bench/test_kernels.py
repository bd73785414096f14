"""Every kernel on every instruction set of this CPU, in items and bytes per second, compared with its roof.

pytest bench/test_kernels.py [-k 'scan4 and avx2'] [--compare] [--benchmark-disable]

One thread. "memory": one pass over 256 MiB, or over rows selected from as many; the roof is a plain sum over all of it.
"cache": 96 KiB, scans with 32 queries; the roof is the rate of the one instruction that the kernel cannot do without,
repeated in registers. An item is a (query, vector) pair, a row, a (point, centroid) pair, or a number. CPU time, the
minimum over rounds, also for the roofs. The scalar set is the specification: it is measured in cache only.
--compare prints the sets side by side, with an asterisk where a set is more than 3 % slower than a narrower one.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

ROOT = Path(__file__).parents[1]


@cache
def library() -> ctypes.CDLL:
    """The library of cases, built beside the package (an option of CMakeLists.txt)."""
    if shutil.which("cmake") is None or shutil.which("ninja") is None:
        pytest.skip("needs cmake and ninja", allow_module_level=True)
    build = ROOT / "build" / "bench"
    for command in (
        ["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DFEWBITS_KERNEL_BENCH=ON", "-DFEWBITS_TESTS=OFF"],
        ["cmake", "--build", build],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-10_000:]
    loaded = ctypes.CDLL(str(build / "libfewbits_kernel_bench.so"))
    for name in ("fewbits_isas", "fewbits_cases"):
        getattr(loaded, name).restype = ctypes.c_char_p
    loaded.fewbits_open.restype = ctypes.c_void_p
    loaded.fewbits_run.argtypes = loaded.fewbits_close.argtypes = [ctypes.c_void_p]
    for name, arguments in (("items", []), ("bytes", []), ("least_seconds", [ctypes.c_char_p])):
        getattr(loaded, f"fewbits_{name}").argtypes = [ctypes.c_void_p, *arguments]
        getattr(loaded, f"fewbits_{name}").restype = ctypes.c_double
    return loaded


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    isas, cases = (getattr(library(), f"fewbits_{what}")().decode().split(",") for what in ("isas", "cases"))
    pairs = [(case, isa) for case in cases for isa in isas if isa != "scalar" or "memory" not in case]
    metafunc.parametrize(("case", "isa"), pairs)


@pytest.mark.benchmark(timer=time.process_time)
def test_kernel(case: str, isa: str, benchmark: BenchmarkFixture, roofline: list[tuple[object, ...]]) -> None:
    opened = library().fewbits_open(isa.encode(), case.encode())
    assert opened, f"no case '{case}' on {isa}"
    try:
        benchmark.pedantic(library().fewbits_run, (opened,), rounds=7, iterations=repeats(opened), warmup_rounds=1)
        if benchmark.disabled:
            return
        least = library().fewbits_least_seconds(opened, isa.encode())
        seconds = benchmark.stats.stats.min
        items, size = library().fewbits_items(opened), library().fewbits_bytes(opened)
        share = f"{least / seconds:.0%}" if least else "-"
        benchmark.extra_info.update(items_per_s=items / seconds, bytes_per_s=size / seconds, roof_s=least)
        roofline.append((case, isa, f"{items / seconds / 1e6:,.1f}", f"{size / seconds / 1e9:.2f}", share))
    finally:
        library().fewbits_close(opened)


def repeats(opened: int, least_seconds: float = 0.01) -> int:
    """Runs long enough to be timed."""
    start = time.process_time()
    library().fewbits_run(opened)
    return max(1, round(least_seconds / max(time.process_time() - start, 1e-6)))
