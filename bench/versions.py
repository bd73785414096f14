"""Two versions of fewbits, compared at the same work: is the new one as fast as the old one?

python bench/versions.py OLD NEW [DATA_FOLDER] [--rounds 9] [--single 100] [--only NAME]

OLD and NEW are folders that contain a built `fewbits` package (`python/` of a source tree, or site-packages). Each
version builds the same indexes in a process of its own, which then waits; rounds of searches alternate between the two
processes, which are pinned to the same core. Prints the CPU time per query of both, and the median over rounds of the
ratio old / new: below 1, the new version is slower. Also says whether both gave the same ids. Without a data folder:
60,000 clustered vectors of 128 dimensions.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
K = 10
BENCH = Path(__file__).resolve().parent


def configurations(n: int, dim: int) -> dict[str, dict[str, Any]]:
    import fewbits as fb

    nlist = max(16, int(4 * n**0.5) // 16 * 4)
    return {
        "Float(32)": {"codec": fb.Float(32)},
        "Float(16)": {"codec": fb.Float(16)},
        "Scalar(8)": {"codec": fb.Scalar(8)},
        "Scalar(4)": {"codec": fb.Scalar(4)},
        "Scalar(4), Lloyd-Max": {"codec": fb.Scalar(4, levels="lloyd-max")},
        "Scalar(4), Lloyd-Max, staged": {"codec": fb.Scalar(4, levels="lloyd-max", staged=True)},
        "PQ(d/4) 4 bits": {"codec": fb.PQ(dim // 4, bits=4)},
        "RaBitQ(1)": {"codec": fb.RaBitQ(1)},
        "RaBitQ(4)": {"codec": fb.RaBitQ(4)},
        "RaBitQ(4), staged": {"codec": fb.RaBitQ(4, staged=True)},
        "IVF, PQ(d/2) 4 bits, Scalar(8)": {
            "partition": fb.IVF(nlist),
            "codec": fb.PQ(dim // 2, bits=4),
            "rerank": fb.Scalar(8),
        },
        "IVF, RaBitQ(4)": {"partition": fb.IVF(nlist), "codec": fb.RaBitQ(4)},
    }


def arrays(folder: str) -> tuple[F32, F32]:
    if folder:
        from loading import load

        data = load(folder)
        return data.base, data.queries[:256]
    random = np.random.default_rng(0)
    centers = random.normal(size=(200, 128))
    x = centers[random.integers(0, 200, 60_000)] + 0.7 * random.normal(size=(60_000, 128))
    queries = x[:256] + 0.1 * random.normal(size=(256, 128))
    return x.astype(np.float32), queries.astype(np.float32)


def serve(folder: str, single: int, only: str) -> None:
    """The process of one version: for each line that it reads, measures one round and answers with one line."""
    import fewbits as fb

    x, queries = arrays(folder)
    for name, how in configurations(*x.shape).items():
        if only not in name:
            continue
        started = time.process_time()
        index = fb.Index(x.shape[1], metric="ip", **how).build(x, progress=False, threads=1)
        print(time.process_time() - started, flush=True)
        for line in sys.stdin:
            if line.strip() == "next":
                break
            started = time.process_time()
            found = index.search(queries, K, threads=1)
            batch = (time.process_time() - started) / len(queries)
            started = time.process_time()
            for i in range(single):
                index.search(queries[i], K, threads=1)
            alone = (time.process_time() - started) / single
            print(batch, alone, hash(np.asarray(found.ids).tobytes()), flush=True)


class Version:
    def __init__(self, package: str, folder: str, single: int, only: str) -> None:
        path = os.pathsep.join([str(Path(package).resolve()), str(BENCH)])
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", folder, str(single), only],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        )

    def answer(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def ask(self, what: str) -> None:
        assert self.process.stdin is not None
        print(what, file=self.process.stdin, flush=True)


def rounds(versions: list[Version], number: int) -> list[list[list[str]]]:
    """Per round, the answers of the old and the new version; the first round warms up."""
    out = []
    for i in range(number + 1):
        answers: list[list[str]] = [[], []]
        for v in (0, 1) if i % 2 == 0 else (1, 0):
            versions[v].ask("round")
            answers[v] = versions[v].answer()
        out.append(answers)
    return out[1:]


def compare(name: str, versions: list[Version], number: int) -> None:
    built = [float(version.answer()[0]) for version in versions]
    measured = rounds(versions, number)
    cells = [f"{built[0] / built[1]:5.2f}"]
    for column in (0, 1):
        times = [[float(answer[column]) for answer in answers] for answers in measured]
        old, new = (statistics.median(each) * 1e6 for each in zip(*times, strict=True))
        cells.append(f"{old:9.1f} {new:9.1f} {statistics.median(a / b for a, b in times):6.3f}")
    same = all(a[2] == b[2] for a, b in measured)
    print(f"{name:32}", *cells, "" if same else "  other ids", flush=True)
    for version in versions:
        version.ask("next")


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]), sys.argv[4])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("data", nargs="?", default="")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="compare the configurations whose names contain this")
    parser.add_argument("--single", type=int, default=100, help="queries per round that are searched one by one")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sys.path.insert(0, str(Path(arguments.new).resolve()))
    x, _ = arrays(arguments.data)
    print(f"n {len(x):,}, d {x.shape[1]}, k {K}, 1 thread, medians of {arguments.rounds} rounds, us of CPU per query")
    print(f"{'':32} {'build':>5} {'batch old':>9} {'new':>9} {'ratio':>6} {'single old':>10} {'new':>8} {'ratio':>6}")
    folders, only = (arguments.old, arguments.new), arguments.only
    versions = [Version(package, arguments.data, arguments.single, only) for package in folders]
    for name in configurations(*x.shape):
        if only in name:
            compare(name, versions, arguments.rounds)


if __name__ == "__main__":
    main()
