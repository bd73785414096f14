"""Google's encoder of the MUVERA paper compared with ours: recall and documents per second, one thread, in alternation.

python bench/google_fde.py ../shared/data/scifact_tokens GRAPH_MINING EIGEN

GRAPH_MINING: a clone of github.com/google/graph-mining. EIGEN: the folder that has Eigen/Core. The encoder is compiled
with c++, in two ways (-O2; -O3 and, on x86, AVX2), against stand-ins for the parts of Abseil and protobuf it needs.
"""

from __future__ import annotations

import argparse
import ctypes
import platform
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fewbits as fb
from fewbits.input.sets import Sets
from multivector import DEPTHS, F32, SETTINGS, Data, best, head, load, recall, seconds

FLAGS = ("-O2", "-O3 -mavx2 -mfma" if platform.machine() in ("x86_64", "AMD64") else "-O3")
HERE = Path(__file__).parent / "google_fde"
SOURCE = "sketching/point_cloud/fixed_dimensional_encoding"
HEADERS = (
    *(f"absl/{name}.h" for name in ("log/check", "log/log", "status/status", "status/statusor", "strings/str_cat")),
    "absl/types/span.h",
    f"{SOURCE}_config.pb.h",
)

Encode = Callable[[Sets, int, int, bool], F32]  # sets, bits, projected dimensions, whether they are documents


def compiled(graph_mining: Path, eigen: Path, flags: str, folder: Path) -> Encode:
    for name in HEADERS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('#include "standins.h"\n')
    library = folder / f"encode{flags.replace(' ', '')}.so"
    sources = [HERE / "encode.cpp", graph_mining / f"{SOURCE}.cc"]
    paths = [f"-I{path}" for path in (HERE, folder, graph_mining, eigen)]
    command = ["c++", "-std=c++20", *flags.split(), "-DNDEBUG", "-fPIC", "-shared", *paths, *sources, "-o", library]
    subprocess.run(command, check=True)
    encode = ctypes.CDLL(str(library)).encode
    encode.restype = ctypes.c_bool

    def run(sets: Sets, bits: int, projected: int, is_document: bool) -> F32:
        n, dim = len(sets.offsets) - 1, sets.tokens.shape[1]
        out = np.empty((n, 20 * projected << bits), np.float32)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (sets.tokens, sets.offsets, out)]
        sizes = [ctypes.c_int64(n), *map(ctypes.c_int32, (dim, 20, bits, projected))]
        if not encode(*pointers[:2], *sizes, ctypes.c_bool(is_document), pointers[2]):
            raise RuntimeError("Google's encoder rejected the documents")
        return out

    return run


def compare(data: Data, theirs: dict[str, Encode], bits: int, projected: int) -> None:
    some = head(data.documents, 300)
    fdes = {p: fb.FDE(data.dim, 20, bits, projected, projection=p) for p in ("sketch", "dense")}
    tasks = [lambda run=run: run(some, bits, projected, True) for run in theirs.values()]  # type: ignore[misc]
    tasks += [lambda fde=fde: fde.encode_documents(some, threads=1) for fde in fdes.values()]  # type: ignore[misc]
    spent = dict(zip((*theirs, *fdes), seconds(*tasks), strict=True))
    run = theirs[FLAGS[0]]
    scores = run(data.queries, bits, projected, False) @ run(data.documents, bits, projected, True).T
    print(f"\nR=20 k={bits} proj={projected}: recall", *(f"{recall(best(scores, n), data.top):.3f}" for n in DEPTHS))
    for name, each in spent.items():
        ratios = "".join(f"{spent[flags] / each:8.1f}x {flags}" for flags in theirs)
        print(f"{name:<20}{len(some.offsets[1:]) / each:8,.0f} documents/s{ratios}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("folder", "graph_mining", "eigen"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    data = load(arguments.folder)
    with tempfile.TemporaryDirectory() as folder:
        theirs = {flags: compiled(arguments.graph_mining, arguments.eigen, flags, Path(folder)) for flags in FLAGS}
        for _, bits, projected in SETTINGS:
            compare(data, theirs, bits, projected)


if __name__ == "__main__":
    main()
