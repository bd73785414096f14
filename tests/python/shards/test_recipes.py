"""The recipes of docs/scale-out.md for other engines, run as they are printed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import numpy as np
import pytest

import fewbits as fb
from fewbits import shards
from support.changes import DIM, trained
from support.data import vectors

X = vectors(4000, DIM, seed=3)
BLOCKS = [
    block.partition("```")[0]
    for block in (Path(__file__).parents[3] / "docs" / "scale-out.md").read_text().split("```python\n")[1:]
]
IMPORTS = "import multiprocessing\nimport numpy as np\nimport fewbits as fb\nif __name__ == '__main__':\n"
READ = "x = np.load('x.npy')\nindex = fb.open('index.fb')\n"
SPARK = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
rows = [(number, row.tolist()) for number, row in enumerate(x)]
table = spark.createDataFrame(rows, "id long, vector array<float>").repartition(3)
"""


def block_with(text: str) -> str:
    [block] = [block for block in BLOCKS if text in block]
    return block


def run(folder: Path, *blocks: str) -> None:
    np.save(folder / "x.npy", X)
    trained("ivf-pq4-scalar8").save(folder / "index.fb")
    lines = "\n".join([READ, block_with("def code("), *blocks, block_with("assemble(")])
    (folder / "recipe.py").write_text(IMPORTS + indent(lines, "    "))
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "recipe.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    whole = trained("ivf-pq4-scalar8").add(X)
    bucket = shards.bucket_of(whole.ids())
    for number, (first, end) in enumerate(shards.buckets_of_shards(4)):
        own = whole.ids()[(bucket >= first) & (bucket < end)]
        assert (folder / f"shard-{number}.fb").read_bytes() == whole.take(own).to_bytes()


@pytest.mark.skipif(sys.platform != "linux" or sys.version_info >= (3, 14), reason="its processes are not forked")
def test_multiprocessing(tmp_path: Path) -> None:
    run(tmp_path, block_with("multiprocessing.Pool"))


def test_dask(tmp_path: Path) -> None:
    pytest.importorskip("dask.bag", reason="dask is not installed")
    run(tmp_path, block_with("dask.bag"))


def test_spark(tmp_path: Path) -> None:
    pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    run(tmp_path, SPARK, block_with("mapInArrow"))


def test_lists_that_are_fitted_to_parts(tmp_path: Path) -> None:
    sample = vectors(5000, 64, seed=1)
    names = {"fb": fb, "np": np, "sample": sample, "parts_of_x": np.array_split(sample, 3)}
    exec(block_with("kmeans_step"), names)
    index = names["index"]
    assert isinstance(index, fb.Index)
    assert index.partition == fb.IVF(1000)
    assert len(index.add(sample[:10])) == 10
