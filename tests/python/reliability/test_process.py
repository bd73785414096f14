"""What importing and searching leave behind in a process: nothing."""

import os
import subprocess
import sys
from pathlib import Path

import fewbits as fb

IMPORT_ONLY = """
import os, signal, sys, threading
import numpy
before = dict(os.environ), [signal.getsignal(s) for s in signal.valid_signals()], len(os.listdir("/proc/self/task"))
import fewbits
after = dict(os.environ), [signal.getsignal(s) for s in signal.valid_signals()], len(os.listdir("/proc/self/task"))
assert before == after, (before, after)
"""

SEARCH = """
import os, sys
import numpy as np
threads = len(os.listdir("/proc/self/task"))
import fewbits as fb
x = np.random.default_rng(0).standard_normal((5000, 32)).astype(np.float32)
index = fb.Index(32, metric="ip", partition=fb.IVF(16), codec=fb.PQ(16, bits=4)).build(x, progress=False, threads=2)
index.search(x[:500], 10, threads=2)
assert np.float32(1e-40) * np.float32(1) != 0, "denormals are flushed to zero"
assert len(os.listdir("/proc/self/task")) <= threads, "threads were left running"
child = os.fork()
if child == 0:
    index.search(x[:500], 10, threads=2)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0, "search in a forked child"
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | environment)


def test_import_changes_no_state() -> None:
    done = run(IMPORT_ONLY)
    assert done.returncode == 0, done.stderr


def test_search_leaves_nothing_behind_and_survives_fork() -> None:
    done = run(SEARCH)
    assert done.returncode == 0, done.stderr


def test_an_unknown_instruction_set_fails_the_import() -> None:
    done = run("import fewbits", FEWBITS_ISA="mmx")
    assert done.returncode != 0
    assert "ImportError" in done.stderr
    assert "mmx" in done.stderr
    assert "scalar" in done.stderr


SUBINTERPRETER = """
try:
    import _interpreters as interpreters
    create = lambda: interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    create = interpreters.create
code = "import sys\\ntry: import fewbits._core\\nexcept ImportError as error: print(error)"
print(interpreters.run_string(create(), code) or "done")
"""


def test_a_subinterpreter_gets_an_error() -> None:
    done = run("import fewbits\n" + SUBINTERPRETER)
    assert "subinterpreter" in done.stdout, done.stderr
    assert done.stdout.endswith("done\n"), done.stderr


def test_no_openmp() -> None:
    core = Path(fb._core.__file__)
    linked = subprocess.run(["ldd", core], capture_output=True, text=True, check=True).stdout
    assert "gomp" not in linked
    assert "blas" not in linked.lower()
