"""The C++ tests, built beside the package and run on the instruction set that FEWBITS_ISA names (default: the best)."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(shutil.which("cmake") is None or shutil.which("ninja") is None, reason="needs cmake and ninja")
@pytest.mark.skipif(not (ROOT / "CMakeLists.txt").exists(), reason="needs the source tree")
def test_cpp() -> None:
    build = ROOT / "build" / "tests"
    subprocess.run(["cmake", "-S", ROOT, "-B", build, "-G", "Ninja"], check=True, capture_output=True)
    built = subprocess.run(["cmake", "--build", build], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-10_000:]
    ran = subprocess.run(["ctest", "--test-dir", build, "--output-on-failure"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-10_000:]
