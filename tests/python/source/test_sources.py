"""Vectors as other libraries hold them, in memory and in files, each kind made by the library itself."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.cli import main as cli
from fewbits.source.load import load_column
from support.data import F32, vectors

N, DIM = 900, 8
X = vectors(N, DIM)
BYTES = np.clip(np.round(X * 20), -127, 127).astype(np.int8)
IDS = np.arange(N) * 3 + 5


# --- in memory ---


def arrow(x: F32, **how: Any) -> Any:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra files")
    return pyarrow.array(list(x), **how)


def fixed(x: F32) -> Any:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra files")
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(x.ravel()), x.shape[1])


def chunked(x: F32) -> Any:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra files")
    return pyarrow.chunked_array([fixed(x[:100]), fixed(x[100:100]), fixed(x[100:])])


def tensors(x: F32) -> Any:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra files")
    return pyarrow.FixedShapeTensorArray.from_numpy_ndarray(x)


def table(x: F32, first: int = 0) -> Any:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra files")
    return pyarrow.table(
        {"id": 3 * np.arange(first, first + len(x)) + 5, "vec": chunked(x), "text": [str(i) for i in range(len(x))]}
    )


def polars(x: F32, kind: str) -> Any:
    library = pytest.importorskip("polars", reason="needs the extra integrations")
    pytest.importorskip("pyarrow", reason="needs the extra files")
    inner = library.Float32
    return library.Series("vec", list(x), library.List(inner) if kind == "list" else library.Array(inner, x.shape[1]))


def pandas(x: F32, kind: str) -> Any:
    library = pytest.importorskip("pandas", reason="needs the extra integrations")
    if kind == "arrow":
        return library.Series(chunked(x).to_pandas(), dtype=library.ArrowDtype(chunked(x).type))
    column = library.Series(list(x) if kind == "arrays" else x.tolist())
    return library.DataFrame({"id": range(len(x)), "text": "a", "vec": column}) if kind == "table" else column


def duckdb(x: F32, kind: str) -> Any:
    library = pytest.importorskip("duckdb", reason="needs the extra integrations")
    columns = library.connect().from_arrow(table(x))
    return columns.project("vec" if kind == "array" else "id, vec::FLOAT[] AS vec")


def dataset(x: F32) -> Any:
    library = pytest.importorskip("datasets", reason="needs the extra integrations")
    features = {"id": library.Value("int64"), "vec": library.List(library.Value("float32"))}
    columns = {"id": list(range(len(x))), "vec": list(x)}
    return library.Dataset.from_dict(columns, library.Features(features))


def zarr_array(x: F32) -> Any:
    library = pytest.importorskip("zarr", reason="needs the extra integrations")
    return library.array(x, chunks=(100, x.shape[1]))


MEMORY: dict[str, Callable[[F32], Any]] = {
    "FixedSizeList": fixed,
    "FixedSizeList, sliced": lambda x: fixed(np.concatenate([X[:7], x]))[7:],
    "List": arrow,
    "List, sliced": lambda x: arrow(np.concatenate([X[:7], x, X[:3]]))[7 : 7 + len(x)],
    "LargeList": lambda x: arrow(x, type=__import__("pyarrow").large_list(__import__("pyarrow").float32())),
    "ChunkedArray": chunked,
    "FixedShapeTensor": tensors,
    "Table of one column of lists": table,
    "column of a Table": lambda x: table(x)["vec"],
    "RecordBatch": lambda x: table(x).combine_chunks().to_batches()[0],
    "polars List": lambda x: polars(x, "list"),
    "polars Array": lambda x: polars(x, "array"),
    "polars DataFrame": lambda x: polars(x, "array").to_frame(),
    "DuckDB arrays": lambda x: duckdb(x, "array"),
    "DuckDB lists": lambda x: duckdb(x, "list"),
    "Hugging Face dataset": dataset,
    "column of a dataset": lambda x: dataset(x)["vec"],
    "selected rows of a dataset": lambda x: dataset(x[::-1]).select(range(len(x) - 1, -1, -1)),
    "zarr array": zarr_array,
    "pandas arrays": lambda x: pandas(x, "arrays"),
    "pandas lists": lambda x: pandas(x, "lists"),
    "pandas Arrow": lambda x: pandas(x, "arrow"),
    "pandas DataFrame": lambda x: pandas(x, "table"),
    "pandas numbers": lambda x: pytest.importorskip("pandas").DataFrame(x, columns=["same"] * x.shape[1]),
}


@pytest.mark.parametrize("kind", MEMORY)
def test_columns_in_memory(kind: str, tmp_path: Path) -> None:
    if "List" in kind or kind == "FixedShapeTensor":
        pytest.importorskip("pyarrow", reason="needs the extra files")
    given = MEMORY[kind](X)
    expected = fb.Index(DIM, metric="l2").add(X, progress=False)
    for index in (
        fb.Index(DIM, metric="l2").add(given, progress=False),
        fb.build(given, metric="l2", bytes_per_vector=100, progress=False),
    ):
        np.testing.assert_allclose(index.reconstruct(np.arange(N)), X, rtol=1e-6)
    np.testing.assert_array_equal(expected.search(MEMORY[kind](X[:5]), 3).ids, expected.search(X[:5], 3).ids)
    collection = fb.Collection(tmp_path / "c", dim=DIM, metric="l2")
    collection.add(keys=IDS, vectors=given)
    assert collection.search(X[7], k=1).keys == [IDS[7]]
    collection.close()


def test_a_reader_is_read_by_blocks() -> None:
    reader = table(X).to_reader(max_chunksize=64)
    index = fb.Index(DIM, metric="l2", codec=fb.Scalar(8)).build(reader, progress=False)
    assert len(index) == N
    np.testing.assert_allclose(index.reconstruct([N - 1])[0], X[N - 1], atol=0.1)


def test_a_fixed_size_list_is_not_copied() -> None:
    from fewbits.input.vectors import as_vectors

    given = fixed(X)
    assert np.shares_memory(as_vectors(given, "x"), given.flatten().to_numpy())


def test_wrong_columns() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra files")
    index = fb.Index(DIM, metric="l2")
    wrong = [
        (pyarrow.array([X[0].tolist(), None]), ValueError, "row 1"),
        (pyarrow.array([X[0].tolist(), X[0].tolist()[:3]]), ValueError, "lists of 8 numbers.*3 in row 1"),
        (pyarrow.array([X[0].tolist(), [None] * DIM]), ValueError, "missing one in row 1"),
        (pyarrow.table({"a": arrow(X), "b": arrow(X)}), ValueError, "one column of lists"),
        (pyarrow.array(["a", "b"]), TypeError, "expected vectors"),
        ("x.parquet", TypeError, r"load_vectors\('x.parquet'\)"),
        (Path("x.npy"), TypeError, r"load_vectors\('x.npy'\)"),
        (pandas(np.array([[1.0, 2.0]]), "lists").map(lambda row: [row, row]), ValueError, r"expected|shape"),
    ]
    for given, error, match in wrong:
        with pytest.raises((error, TypeError), match=match):
            index.add(given, progress=False)
    two = pandas(X, "table").assign(more=list(X))
    with pytest.raises(ValueError, match=r"got \['vec', 'more'\]"):
        index.add(two, progress=False)
    series = pandas(X[:3], "lists")
    series[2] = [1.0]
    with pytest.raises(ValueError, match=r"8 numbers.*row 2"):
        index.add(series, progress=False)
    assert len(index) == 0


# --- in files ---


def parquet(path: Path, x: F32, first: int = 0, row_group_size: int = 200) -> None:
    library = pytest.importorskip("pyarrow.parquet", reason="needs the extra files")
    library.write_table(table(x, first), path, row_group_size=row_group_size)


def parquet_folder(path: Path, x: F32) -> None:
    path.mkdir()
    for part, begin in enumerate(range(0, len(x), 350)):
        parquet(path / f"{part}.parquet", x[begin : begin + 350], begin)


def hdf5(path: Path, x: F32) -> None:
    with pytest.importorskip("h5py", reason="needs the extra hdf5").File(path, "w") as file:
        file["group/vec"], file["id"] = x, IDS


def zarr(path: Path, x: F32, grouped: bool = True) -> None:
    library = pytest.importorskip("zarr", reason="needs the extra integrations")
    store = library.open_group(str(path), mode="w") if grouped else None
    for name, values in (("vec", x), ("id", IDS)) if grouped else ((None, x),):
        place = {"store": str(path)} if store is None else {"store": store.store, "path": name}
        library.save_array(place["store"], values, **({"path": name} if grouped else {}))


def words(path: Path, x: F32, header: bool = False) -> None:
    lines = [f"{len(x)} {x.shape[1]}"] if header else []
    lines += [f"{name(row)} {' '.join(map(repr, numbers.tolist()))}" for row, numbers in enumerate(x)]
    path.write_text("\n".join(lines) + "\n")


def name(row: int) -> str:
    return f"two words {row}" if row % 7 == 3 else f"wört{row}"


def safetensors(path: Path, x: F32) -> None:
    library = pytest.importorskip("safetensors.numpy", reason="needs the extra files")
    library.save_file({"vec": x, "other": x[:3]}, path)


def records(path: Path, x: Any) -> None:
    width = np.full((len(x), 1), x.shape[1], "<i4").view(np.uint8)
    np.concatenate([width, np.ascontiguousarray(x).view(np.uint8)], axis=1).tofile(path)


def matrix(path: Path, x: Any) -> None:
    path.write_bytes(struct.pack("<II", *x.shape) + x.tobytes())


FILES: dict[str, tuple[Callable[[Path, Any], None], Any, str | None]] = {
    "x.npy": (np.save, X, None),
    "x.npz": (lambda path, x: np.savez(path, vec=x, id=IDS), X, "vec"),
    "one.npz": (lambda path, x: np.savez(path, vec=x), X, None),
    "x.parquet": (parquet, X, "vec"),
    "default.parquet": (parquet, X, None),
    "large.parquet": (lambda path, x: parquet(path, x, row_group_size=10**6), X, "vec"),
    "folder": (parquet_folder, X, "vec"),
    "x.h5": (hdf5, X, "group/vec"),
    "x.zarr": (zarr, X, "vec"),
    "one.zarr": (lambda path, x: zarr(path, x, grouped=False), X, None),
    "x.txt": (words, X, None),
    "x.vec": (lambda path, x: words(path, x, header=True), X, None),
    "x.safetensors": (safetensors, X, "vec"),
    "x.fvecs": (records, X, None),
    "x.bvecs": (records, BYTES.view(np.uint8), None),
    "x.ivecs": (records, BYTES.astype("<i4"), None),
    "x.fbin": (matrix, X, None),
    "x.u8bin": (matrix, BYTES.view(np.uint8), None),
    "x.i8bin": (matrix, BYTES, None),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, x, column = FILES[name]
    make(tmp_path / name, x)
    monkeypatch.setattr("fewbits.source.parquet._BATCH", 64)
    loaded = fb.load_vectors(tmp_path / name, column)
    assert loaded.shape == x.shape
    np.testing.assert_array_equal(np.asarray(loaded), x)
    np.testing.assert_array_equal(loaded[10:250], x[10:250])
    np.testing.assert_array_equal(loaded[3:3], x[3:3])
    rows = np.random.default_rng(0).integers(0, N, 300)
    np.testing.assert_array_equal(loaded[rows], x[rows])
    floats = x.astype(np.float32)
    found = fb.build(loaded, metric="l2", bytes_per_vector=12, ids=IDS, progress=False, threads=1)
    expected = fb.build(floats, metric="l2", bytes_per_vector=12, ids=IDS, progress=False, threads=1)
    assert found.to_bytes() == expected.to_bytes()


@pytest.mark.parametrize("file", ["x.txt", "x.vec"])
def test_words_are_a_column(tmp_path: Path, file: str) -> None:
    words(tmp_path / file, X, header=file == "x.vec")
    np.testing.assert_array_equal(load_column(tmp_path / file, "word"), [name(row) for row in range(N)])
    with pytest.raises(ValueError, match="one of 'word'"):
        load_column(tmp_path / file, "id")
    with pytest.raises(ValueError, match="without a name"):
        fb.load_vectors(tmp_path / file, "word")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "some words"),
        ("a 1 2\nb 1\n", "2 numbers in line 2"),
        ("a 1 2\nb 1 x\n", "2 numbers in line 2"),
        ("3 2\na 1 2\n", "expected 3 words.*got 1"),
        ("word\n", "numbers in line 1"),
        ("a \udcff 1\n", "UTF-8"),
    ],
)
def test_damaged_words(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.txt").write_text(text, errors="surrogateescape")
    with pytest.raises(ValueError, match=message):
        fb.load_vectors(tmp_path / "x.txt")


@pytest.mark.parametrize("name", ["x.parquet", "folder", "x.h5", "x.npz"])
def test_the_command_takes_column_and_key(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, x, column = FILES[name]
    make(tmp_path / name, x)
    output = tmp_path / "o.fb"
    arguments = ["build", str(tmp_path / name), "--column", str(column), "--metric", "l2", "-o", str(output), "-q"]
    assert cli.main([*arguments, "--key", "id"]) == 0
    index = fb.open(output)
    np.testing.assert_array_equal(index.ids(), IDS)
    assert cli.main([*arguments, "--key", "text" if column == "vec" and name != "x.npz" else "absent"]) == 1
    assert cli.main([*arguments, "--key", "id", "--ids", "ids.npy"]) == 1
    arguments[3] = "absent"
    assert cli.main(arguments) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert "one of --key and --ids" in errors[1]
    assert "another column than 'absent'" in errors[2]


def test_memory_is_bounded_by_a_block(tmp_path: Path) -> None:
    x = vectors(60_000, 64)
    parquet(tmp_path / "x.parquet", x, row_group_size=20_000)
    loaded = fb.load_vectors(tmp_path / "x.parquet")
    tracemalloc.start()
    fb.Index(64, metric="l2", codec=fb.RaBitQ(2)).add(loaded, progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes  # blocks of 16,384 rows, before and after they are cut


DAMAGED: dict[str, tuple[str, bytes, str]] = {
    "cut records": ("x.fvecs", struct.pack("<i", 8) + bytes(30), "records of 4"),
    "uneven records": ("x.fvecs", struct.pack("<i4x", 1) + struct.pack("<i4x", 2), "got 2 in row 1"),
    "negative": ("x.fvecs", struct.pack("<i", -1), "records of 4"),
    "empty": ("x.fvecs", b"", "records of 4"),
    "neighbours": ("x.ivecs", struct.pack("<iii", 2, 70_000, 3), "from 3 to 70000"),
    "short matrix": ("x.fbin", struct.pack("<II", 3, 4) + bytes(40), "expected 56 bytes"),
    "no matrix": ("x.fbin", b"\0\0", "expected 8 bytes"),
    "long header": ("x", struct.pack("<Q", 1 << 50) + b'{"', "npy file of numbers|header"),
    "no Parquet": ("x.parquet", b"PAR1" + bytes(20) + b"PAR1", "Parquet file"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files(tmp_path: Path, kind: str) -> None:
    name, content, match = DAMAGED[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises((ValueError, ModuleNotFoundError), match=match):
        fb.load_vectors(tmp_path / name)


@pytest.mark.parametrize(
    "tensor",
    [
        {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 49]},
        {"dtype": "F32", "shape": [3, 400], "data_offsets": [0, 4800]},
        {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 48]},
        {"dtype": "F32", "shape": [-3, -4], "data_offsets": [0, 48]},
        {"dtype": "F32", "shape": [3, 4], "data_offsets": [-48, 0]},
        {"dtype": "I64", "shape": [3, 4], "data_offsets": [0, 96]},
        {"dtype": "F32", "shape": None, "data_offsets": [0, 48]},
        [],
    ],
    ids=range(8),
)
def test_damaged_headers_of_safetensors(tmp_path: Path, tensor: Any) -> None:
    head = json.dumps({"x": tensor}).encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(head)) + head + bytes(48))
    with pytest.raises(ValueError, match="expected"):
        fb.load_vectors(tmp_path / "x")


def test_what_cannot_be_chosen(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=X, b=X)
    np.save(tmp_path / "x.npy", X)
    for call, match in (
        (lambda: fb.load_vectors(tmp_path / "x.npz"), "one of 'a', 'b'"),
        (lambda: fb.load_vectors(tmp_path / "x.npz", "c"), "another column than 'c'"),
        (lambda: fb.load_vectors(tmp_path / "x.npy", "c"), "without a name"),
        (lambda: fb.load_vectors(tmp_path), "got a folder"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
    with pytest.raises(FileNotFoundError, match="none"):
        fb.load_vectors(tmp_path / "none")
