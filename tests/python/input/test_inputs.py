"""Every kind of input that is taken gives the same index; every wrong one an error that says what, got and expected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import fewbits as fb
from support.data import F32, brute_force, vectors

DIM = 16


@pytest.fixture
def x() -> F32:
    """Small whole numbers: the same in every dtype."""
    return np.random.default_rng(0).integers(1, 100, size=(60, DIM)).astype(np.float32)


def fresh(metric: str = "l2") -> fb.Index:
    return fb.Index(DIM, metric=metric)


def same(index: fb.Index, x: F32) -> bool:
    expected, _ = brute_force(x, x[:5], 5, "l2")
    return np.array_equal(index.search(x[:5], k=5).ids, expected) and np.array_equal(index.reconstruct([3])[0], x[3])


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "uint8", ml_dtypes.bfloat16, ">f4", ">f8", ">f2"], ids=str
)
def test_dtypes(x: F32, dtype: Any) -> None:
    assert same(fresh().add(x.astype(dtype)), x)
    index = fresh().add(x)
    np.testing.assert_array_equal(index.search(x[:3].astype(dtype)).ids, index.search(x[:3]).ids)


class Tensor:
    """What a CPU tensor of another library offers: DLPack."""

    def __init__(self, x: F32) -> None:
        self.x = x

    def __dlpack__(self, **settings: Any) -> Any:
        return self.x.__dlpack__(**settings)

    def __dlpack_device__(self) -> Any:
        return self.x.__dlpack_device__()


class Frame:
    """What data frames offer: __array__ and an iterator over something else."""

    def __init__(self, x: F32) -> None:
        self.x = x

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.x

    def __iter__(self) -> Iterator[str]:
        return iter("abc")


def misaligned(x: F32) -> F32:
    raw = np.zeros(x.nbytes + 1, np.uint8)
    out = raw[1:].view(np.float32).reshape(x.shape)
    out[:] = x
    return out


LAYOUTS = {
    "fortran": np.asfortranarray,
    "negative strides": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "columns of a wider array": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "rows of a taller array": lambda x: np.repeat(x, 3, axis=0)[::3],
    "transposed view": lambda x: np.ascontiguousarray(x.T).T,
    "misaligned": misaligned,
    "list of lists": lambda x: x.tolist(),
    "list of lists of ints": lambda x: x.astype(int).tolist(),
    "list of rows": list,
    "tuple of tuples": lambda x: tuple(map(tuple, x.tolist())),
    "dlpack": Tensor,
    "memoryview": memoryview,
    "memoryview of float64": lambda x: memoryview(x.astype(np.float64)),
    "array protocol": Frame,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_layouts(x: F32, layout: Any) -> None:
    assert same(fresh().add(layout(x)), x)


def test_read_only_memmap_and_arrays_that_change_later(x: F32, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", x.astype(np.float16))
    assert same(fresh().build(np.load(tmp_path / "x.npy", mmap_mode="r")), x)
    mutable = x.copy()
    index = fresh().add(mutable)
    mutable[:] = 0
    assert same(index, x)


def test_broadcast_rows() -> None:
    index = fresh().add(np.broadcast_to(np.float32(3), (4, DIM)))
    np.testing.assert_array_equal(index.reconstruct([3]), np.full((1, DIM), 3))


@pytest.mark.parametrize("block", [1, 7, 60, 1000])
def test_iterables_of_blocks(x: F32, block: int) -> None:
    blocks = [x[begin : begin + block] for begin in range(0, len(x), block)]
    assert same(fresh().add(iter(blocks)), x)
    assert same(fresh().add(blocks), x)
    assert same(fresh().build(b.astype(np.float16) for b in blocks), x)


@pytest.mark.parametrize("n", [1, 59, 60])
@pytest.mark.parametrize("row", [np.asarray, np.ndarray.tolist, memoryview, lambda row: row.astype(np.float16)])
def test_iterables_of_rows(x: F32, n: int, row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.input.rows.BLOCK_ROWS", 25)
    assert fresh().add(row(r) for r in x[:n]).to_bytes() == fresh().add(x[:n]).to_bytes()
    mixed = [*x[:30], x[30:40], *x[40:]]
    assert same(fresh().add(iter(mixed)), x)
    buffer = np.empty(DIM, np.float32)

    def reused() -> Iterator[F32]:
        for r in x:
            buffer[:] = r
            yield buffer

    assert same(fresh().build(reused()), x)


def test_wrong_rows_of_iterables_are_numbered(x: F32) -> None:
    wrong = x.copy()
    wrong[7, 3] = np.nan
    index = fresh()
    with pytest.raises(ValueError, match=r"x: .*row 7$"):
        index.add(iter(wrong))
    with pytest.raises(ValueError, match=r"x: row 1: expected shape \(16,\), got \(15,\)"):
        index.add(iter([x[0], x[1, 1:]]))
    with pytest.raises(TypeError, match=r"x: row 1: expected vectors as .*int64"):
        index.add(iter([x[0], np.arange(DIM)]))
    assert len(index) == 0


class Sparse:
    """What sparse matrices offer: a shape, rows to iterate over, and toarray."""

    def __init__(self, x: F32) -> None:
        self.x, self.shape, self.ndim = x, x.shape, 2

    def __iter__(self) -> Iterator[Any]:
        return (Sparse(row[None]) for row in self.x)

    def toarray(self) -> F32:
        return self.x


class Nullable(Frame):
    """What a data frame of nullable columns offers."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.x.astype(object)

    def to_numpy(self, dtype: str) -> F32:
        return self.x.astype(dtype)


def column(x: F32) -> Any:
    """Vectors in one column of a data frame."""
    out = np.empty(len(x), object)
    out[:] = list(x)
    return out


ADVICE: list[tuple[Any, str, Any]] = [
    (
        lambda x: dict(enumerate(x)),
        r"add\(np\.stack\(list\(d\.values\(\)\)\), ids=list\(d\)\)",
        lambda d: np.stack(list(d.values())),
    ),
    (Sparse, r"\.toarray\(\)", Sparse.toarray),
    (column, r"np\.stack\(column\)", np.stack),
    (lambda x: column(list(map(np.ndarray.tolist, x))), r"np\.stack\(column\)", np.stack),
    (Nullable, r'\.to_numpy\(dtype="float32"\)', lambda frame: frame.to_numpy(dtype="float32")),
    (lambda x: x.astype(object), r"\.astype\(np\.float32\)", lambda x: x.astype(np.float32)),
]


@pytest.mark.parametrize(("make", "message", "advised"), ADVICE, ids=range(len(ADVICE)))
def test_the_error_names_the_call_that_works(x: F32, make: Any, message: str, advised: Any) -> None:
    given = make(x)
    index = fresh().add(x)
    actions = [index.add, fresh().build, fresh().train, index.search, lambda y: fb.build(y, metric="l2")]
    actions += [lambda y: fb.exact_search(y, x, metric="l2"), lambda y: fb.exact_search(x, y, metric="l2")]
    for action in actions:
        with pytest.raises(TypeError, match=message):
            action(given)
    assert len(index) == 60
    assert same(fresh().add(advised(given)), x)


def test_data_frames(x: F32) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"vector": list(x)})
    assert same(fresh().add(frame["vector"]), x)
    assert same(fresh().add(np.stack(frame["vector"])), x)
    nullable = pandas.DataFrame(x).astype("Float32")
    if np.asarray(nullable).dtype == object:
        with pytest.raises(TypeError, match="to_numpy"):
            fresh().add(nullable)
    assert same(fresh().add(nullable.to_numpy(dtype="float32")), x)
    assert same(fresh().add(pandas.DataFrame(x)), x)


def test_sparse_matrices(x: F32) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    for kind in (sparse.csr_matrix, sparse.csr_array, sparse.coo_array):
        with pytest.raises(TypeError, match=r"toarray\(\)"):
            fresh().add(kind(x))
    csr = sparse.csr_array(x)
    assert same(fresh().add(csr[i : i + 7].toarray() for i in range(0, csr.shape[0], 7)), x)


WRONG_VECTORS = [
    (np.zeros((3, DIM), np.int64), TypeError, r"int64.*\(3, 16\)"),
    (np.zeros((3, DIM), np.int16), TypeError, "int16"),
    (np.zeros((3, DIM), bool), TypeError, "bool"),
    (np.zeros((3, DIM), complex), TypeError, "complex128"),
    (np.zeros((3, DIM), "U3"), TypeError, "<U3"),
    (np.zeros((3, DIM), object), TypeError, "object|ndarray"),
    (np.zeros((3, DIM), "datetime64[s]"), TypeError, "datetime64"),
    (np.zeros((3, DIM), [("a", "f4")]), TypeError, "a"),
    (np.zeros((3, DIM), np.longdouble), TypeError, "longdouble|float128"),
    ([["1.0"] * DIM], TypeError, "U3"),
    ([[True] * DIM], TypeError, "bool"),
    ([[1.0] * DIM, [1.0]], TypeError, "x: expected an array"),
    (np.ma.masked_array(np.ones((3, DIM))), TypeError, "mask"),
    (None, TypeError, "NoneType|object"),
    ("abc", TypeError, "read a file"),
    (3, TypeError, "int64"),
    (np.float32(3), ValueError, r"\(n, 16\).*\(\)"),
    (np.zeros(DIM, np.float32), ValueError, r"\(n, 16\).*\(16,\)"),
    (np.zeros((3, DIM + 1), np.float32), ValueError, r"\(n, 16\).*\(3, 17\)"),
    (np.zeros((2, 3, DIM), np.float32), ValueError, r"\(n, 16\).*\(2, 3, 16\)"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG_VECTORS, ids=range(len(WRONG_VECTORS)))
def test_wrong_vectors_change_nothing(x: F32, wrong: Any, error: type[Exception], message: str) -> None:
    index = fresh().add(x)
    for action in (index.add, fresh().build, fresh().train):
        with pytest.raises(error, match=message):
            action(wrong)
    assert len(index) == 60
    with pytest.raises((TypeError, ValueError)):
        index.search(np.zeros((2, DIM + 1), np.float32) if isinstance(wrong, np.ndarray) and wrong.ndim == 1 else wrong)
    assert same(index, x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 31, 32, 59])
def test_rows_that_are_not_finite_are_named(x: F32, bad: float, row: int) -> None:
    wrong = x.copy()
    wrong[row, row % DIM] = bad
    index = fresh().add(x[:10])
    for action in (index.add, fresh().build, index.search):
        with pytest.raises(ValueError, match=f"finite.*row {row}$"):
            action(wrong)
    assert len(index) == 10


def test_several_wrong_rows_and_blocks(x: F32) -> None:
    wrong = x.copy()
    wrong[[2, 5, 6, 7, 8, 40]] = np.nan
    with pytest.raises(ValueError, match="rows 2, 5, 6, 7, 8 and 1 more"):
        fresh().add(wrong)
    index = fresh()
    with pytest.raises(ValueError, match=r"block 2: .*row 40$"):
        index.add(iter([x[:20], x[20:40], wrong[40:]]))
    assert len(index) == 0
    with pytest.raises(ValueError, match=r"block 1: expected shape \(n, 16\)"):
        index.add([x[:5], x[:5, :3]])


def test_values_beyond_float32(x: F32) -> None:
    wide = x.astype(np.float64)
    wide[4, 2] = 1e39
    with pytest.raises(ValueError, match="beyond the range of float32 in row 4"):
        fresh().add(wide)
    with pytest.raises(ValueError, match="beyond the range of float32 in row 4"):
        fresh().add(x).search(wide)


def test_zero_vectors(x: F32) -> None:
    zeros = x.copy()
    zeros[[3, 9]] = 0
    for metric in ("l2", "ip"):
        assert fresh(metric).add(zeros).search(zeros[3]).counts == 10
    for action in (fresh("cosine").add, fresh("cosine").build, fresh("cosine").add(x).search):
        with pytest.raises(ValueError, match=r"zero vector.*cosine.*rows 3, 9"):
            action(zeros)


def test_ids(x: F32) -> None:
    ids = np.arange(60)[::-1] * 10 + 7
    for given in (ids, ids.tolist(), ids.astype(np.uint64), ids.astype(np.int16), ids[::-1][::-1]):
        index = fresh().add(x, ids=given)
        assert index.search(x[4], k=1).ids[0] == ids[4]
        assert 7 in index
        assert 8 not in index
        assert -1 not in index
        assert "7" not in index
        assert 2**70 not in index
        np.testing.assert_array_equal(index.reconstruct([int(ids[9]), int(ids[2])]), x[[9, 2]])
    large = 2**62 - 1
    assert fresh().add(x[:1], ids=[large]).search(x[0], k=1).ids[0] == large


def test_default_ids_count_on(x: F32) -> None:
    index = fresh().add(x[:20]).add(x[20:])
    assert same(index, x)
    index = fresh().add(x[:20], ids=np.arange(100, 120)).add(x[20:])
    assert len(index) == 60
    assert len(set(index.search(x[:1], k=60).ids[0].tolist())) == 60


WRONG_IDS: list[tuple[Any, type[Exception], str]] = [
    (np.arange(60.0), TypeError, "float64"),
    (["a"] * 60, TypeError, "ids: expected whole numbers"),
    ([True] * 60, TypeError, "bool"),
    (np.arange(59), ValueError, r"\(60\), got 59"),
    (np.arange(61), ValueError, r"\(60\), got 61"),
    (np.arange(60).reshape(6, 10), ValueError, r"\(6, 10\)"),
    (np.arange(-1, 59), ValueError, "got -1 in row 0"),
    (np.append(np.arange(59), 30), ValueError, "got 30 in rows 30 and 59"),
    (np.arange(60, dtype=np.uint64) + np.uint64(2**63), ValueError, r"2\^62"),
    (np.arange(60) + 2**62, ValueError, r"2\^62"),
    (np.arange(1000, 1060), ValueError, "not in the index, got 1005 in row 5"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG_IDS, ids=range(len(WRONG_IDS)))
def test_wrong_ids_change_nothing(x: F32, wrong: Any, error: type[Exception], message: str) -> None:
    index = fresh().add(x[:1], ids=[1005])
    with pytest.raises(error, match=message):
        index.add(x, ids=wrong)
    if "not in the index" not in message:
        with pytest.raises(error, match="ids"):
            index.add(iter([x[:30], x[30:]]), ids=wrong)
    assert len(index) == 1


def test_unknown_ids(x: F32) -> None:
    with pytest.raises(ValueError, match="99"):
        fresh().add(x).reconstruct([3, 99])


@pytest.mark.parametrize("k", [0, -1])
def test_k_too_small(x: F32, k: int) -> None:
    with pytest.raises(ValueError, match=f"k: expected a whole number >= 1, got {k}"):
        fresh().add(x).search(x, k=k)


@pytest.mark.parametrize("k", [1.0, "3", None, True, [2]])
def test_k_of_a_wrong_type(x: F32, k: Any) -> None:
    with pytest.raises(TypeError, match="k: expected a whole number"):
        fresh().add(x).search(x, k=k)


@pytest.mark.parametrize("name", ["nprobe", "rerank", "threads"])
def test_wrong_search_numbers(name: str) -> None:
    x = vectors(200, DIM)
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(4), rerank=fb.Scalar(8)).build(x)
    for value, error in ((-1, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError)):
        settings: dict[str, Any] = {name: value}
        with pytest.raises(error, match=f"{name}: expected"):
            index.search(x[:2], **settings)
    with pytest.raises(ValueError, match="rerank: expected 0 or at least k=10"):
        index.search(x[:2], k=10, rerank=9)
    np.testing.assert_array_equal(index.search(x[:2], nprobe=4).ids, index.search(x[:2], nprobe=10**9).ids)


def test_empty_inputs(x: F32) -> None:
    index = fresh().add(x[:0])
    assert len(index) == 0
    assert len(index.add(iter([]))) == 0
    assert len(index.add(x[:0], ids=[])) == 0
    for action in (fb.Index(DIM, metric="l2", codec=fb.PQ(4)).train, fb.Index(DIM, metric="l2", codec=fb.PQ(4)).build):
        for nothing in (x[:0], iter([]), iter([x[:0]])):
            with pytest.raises(ValueError, match=r"at least 1 vector.*got none"):
                action(nothing)
