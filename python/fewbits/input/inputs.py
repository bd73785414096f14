"""What users pass, checked and turned into what the core takes. The only place that looks at dtypes and strides.

The core sees C-contiguous float32 blocks of finite rows, short enough that scores are finite too, and int64 ids that
are not negative. Conversion goes block by block, so that a memmap of any size needs one block of memory. Whole numbers
wider than a byte are refused as vectors: they are almost always ids passed by mistake.
"""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .packed import warn_if_packed

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

BLOCK_FLOATS = 1 << 22  # 16 MiB of float32 a block
BLOCK_ROWS = 1 << 14  # and no more rows than the slowest codec encodes in a second: Ctrl-C is heard between blocks
MAX_ID = (1 << 62) - 1
LONGEST = 2.0**62  # squared differences (2^126) and doubled products of two rows of this length fit float32
_LEAST_SCALE = 1e-15  # products of smaller values are next to nothing in float32
METRICS = ("l2", "ip", "cosine")
_VECTOR_CHARS = "efdbB"  # numpy's own of these, told apart in no time
_VECTOR_DTYPES = ("float16", "float32", "float64", "bfloat16", "int8", "uint8")
_SHOWN_ROWS = 5


def metric_name(metric: object) -> str:
    if metric not in METRICS:
        raise ValueError(f"metric: expected one of {', '.join(map(repr, METRICS))}, got {metric!r}")
    return str(metric)


def whole_number(value: object, name: str, low: int, high: int | None = None) -> int:
    """value as an int in low..high; bools and floats are refused."""
    expected = f"a whole number >= {low}" if high is None else f"a whole number in {low}..{high}"
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected {expected}, got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}: expected {expected}, got {value!r} ({type(value).__name__})") from None
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name}: expected {expected}, got {number}")
    return number


def thread_count(threads: object) -> int:
    """What the core takes: 0 for all CPUs."""
    return 0 if threads is None else whole_number(threads, "threads", 1)


def is_blocks(x: object) -> bool:
    """Whether x is an iterable of blocks rather than one array (or one list of rows)."""
    if hasattr(x, "__array__") or hasattr(x, "__dlpack__") or not isinstance(x, Iterable):
        return False
    if isinstance(x, list | tuple):
        return bool(x) and all(getattr(block, "ndim", 0) == 2 for block in x)
    return not (isinstance(x, str | Mapping) or hasattr(x, "toarray") or _is_buffer(x))


def _is_buffer(x: Any) -> bool:
    """Whether x offers its memory, as memoryview and array.array do: numpy takes that as an array."""
    try:
        memoryview(x)
    except TypeError:
        return False
    return True


class Rows:
    """A matrix of vectors as the user holds it (array, memmap, list of rows, tensor); converted only by blocks."""

    def __init__(
        self,
        x: object,
        dim: int,
        name: str = "x",
        first_row: int = 0,
        *,
        numbers: I64 | None = None,
        longest: float = LONGEST,
    ) -> None:
        self.name = name
        self.first_row = first_row  # of the whole input, for messages
        self.numbers = numbers  # of the rows in it, where they do not follow from that
        self.longest = longest  # length of a row that is not normalised
        self.array = as_vectors(x, name)
        if self.array.ndim != 2 or self.array.shape[1] != dim:
            raise ValueError(f"{name}: expected shape (n, {dim}), got {self.array.shape}")

    def __len__(self) -> int:
        return int(self.array.shape[0])

    def blocks(self, *, nonzero: bool) -> Iterator[F32]:
        """float32 blocks in order, their rows checked: finite, and not too long; or, with nonzero=True for rows that
        will be normalised, not zero."""
        step = block_rows(self.array.shape[1])
        for begin in range(0, len(self), step):
            yield self._floats(self.array[begin : begin + step], nonzero, begin)

    def sample(self, size: int, seed: int, *, nonzero: bool) -> F32:
        """Up to `size` rows drawn by the seed without repetition, in ascending order (memmaps are read forward)."""
        n = len(self)
        if size >= n:
            picked = np.arange(n)
        else:
            picked = np.sort(np.random.default_rng(seed).choice(n, size, replace=False, shuffle=False))
        out = np.empty((len(picked), self.array.shape[1]), np.float32)
        step = block_rows(self.array.shape[1])
        for begin in range(0, len(picked), step):
            rows = picked[begin : begin + step]
            out[begin : begin + step] = self._floats(self.array[rows], nonzero, rows)
        return out

    def all(self, *, nonzero: bool) -> F32:
        """All rows in one matrix; x itself where it is float32 already."""
        return self._floats(self.array, nonzero, 0)

    def _floats(self, block: NDArray[Any], nonzero: bool, rows: int | NDArray[np.int64]) -> F32:
        if block.dtype.char == "f":
            floats = np.ascontiguousarray(block, dtype=np.float32)
        else:
            with np.errstate(all="ignore"):  # values beyond float32 become infinite or zero, reported below
                floats = np.ascontiguousarray(block, dtype=np.float32)
        wide = block.dtype.itemsize > 4
        longest = math.inf if nonzero else self.longest
        if _core.first_bad_row(floats, nonzero=nonzero or wide, longest=longest) >= 0:
            self._explain(block, floats, nonzero, rows)
        return floats

    def _explain(self, block: NDArray[Any], floats: F32, nonzero: bool, rows: int | NDArray[np.int64]) -> None:
        """Raises what is wrong with a block, if anything is."""
        infinite: NDArray[np.bool_] = np.logical_not(np.isfinite(floats).all(axis=1))
        if infinite.any():
            finite = block.dtype.itemsize > 4 and bool(np.isfinite(block[infinite]).all())
            what = "beyond the range of float32" if finite else "not finite (NaN or infinity)"
            raise ValueError(
                f"{self.name}: expected finite float32 values, got values {what} in {self._rows(infinite, rows)}"
            )
        zero: NDArray[np.bool_] = np.logical_not(floats.any(axis=1))
        vanished = zero & block.any(axis=1)
        if vanished.any():
            raise ValueError(
                f"{self.name}: expected values in the range of float32, got only smaller ones in "
                f"{self._rows(vanished, rows)}"
            )
        if nonzero and zero.any():
            raise ValueError(
                f"{self.name}: a zero vector has no direction under metric 'cosine': {self._rows(zero, rows)}"
            )
        long = np.sqrt(np.einsum("ij,ij->i", floats, floats, dtype=np.float64)) > self.longest
        if not nonzero and long.any():
            raise ValueError(
                f"{self.name}: expected vectors of length {self.longest:.2g} or less, as scores of longer ones "
                f"overflow float32 (divide all by a constant), got longer ones in {self._rows(long, rows)}"
            )

    def _rows(self, wrong: NDArray[np.bool_], rows: int | NDArray[np.int64]) -> str:
        numbers = np.flatnonzero(wrong)
        numbers = (rows + numbers if isinstance(rows, int) else rows[numbers]) + self.first_row
        numbers = numbers if self.numbers is None else self.numbers[numbers]
        shown = ", ".join(str(number) for number in numbers[:_SHOWN_ROWS])
        more = f" and {len(numbers) - _SHOWN_ROWS} more near them" if len(numbers) > _SHOWN_ROWS else ""
        return f"row{'s' if len(numbers) > 1 else ''} {shown}{more}"


def block_rows(dim: int) -> int:
    return max(1, min(BLOCK_ROWS, BLOCK_FLOATS // dim))


def all_rows(x: object, dim: int, name: str = "x") -> Iterator[Rows]:
    """x as Rows: one of them for an array, one a block for an iterable of blocks."""
    if not is_blocks(x):
        yield Rows(x, dim, name)
        return
    seen = 0
    for label, block in _blocks(x, dim, name):
        rows = Rows(block, dim, label, seen)
        seen += len(rows)
        yield rows


def _blocks(x: Any, dim: int, name: str) -> Iterator[tuple[str, Any]]:
    """The blocks of an iterable, named; single rows that it yields instead are stacked."""
    stack: list[NDArray[Any]] = []
    for number, block in enumerate(x):
        is_row = _is_row(block)
        if stack and (not is_row or len(stack) == block_rows(dim)):
            yield name, np.stack(stack)
            stack.clear()
        if not is_row:
            yield f"{name}: block {number}", block
            continue
        row = as_vectors(block, f"{name}: row {number}")
        if row.shape != (dim,):
            raise ValueError(f"{name}: row {number}: expected shape ({dim},), got {row.shape}")
        stack.append(row.copy())  # all rows may be one buffer
    if stack:
        yield name, np.stack(stack)


def _is_row(block: Any) -> bool:
    try:
        return np.ndim(block) == 1
    except ValueError:  # lists of several lengths
        return False


class Sample:
    """Training vectors that belong to whoever takes them: to change in place, and to let go of as early as can be."""

    def __init__(self, rows: F32) -> None:
        self._rows: F32 | None = rows
        self._n = len(rows)

    def __len__(self) -> int:
        return self._n

    def take(self) -> F32:
        """The rows, once."""
        rows, self._rows = self._rows, None
        assert rows is not None
        return rows


def in_place(x: F32, change: Callable[[F32], F32]) -> None:
    """x becomes change(x), block by block: for changes that take each row by itself."""
    step = block_rows(x.shape[1])
    for begin in range(0, len(x), step):
        x[begin : begin + step] = change(x[begin : begin + step])


def check_scale(x: F32, name: str) -> None:
    """Refuses the first vectors of an index where all are so small that their products vanish in float32."""
    largest = max(float(x.max()), -float(x.min())) if x.size else 0.0
    if 0 < largest < _LEAST_SCALE:
        raise ValueError(
            f"{name}: expected values of 1e-15 or more, as products of smaller ones vanish in float32, got "
            f"{largest:.3g} at most: multiply all vectors and queries by a constant"
        )


def split_sample(
    x: object, dim: int, size: int, seed: int, *, nonzero: bool
) -> tuple[Sample, Iterator[Rows], int | None]:
    """A training sample of x, all of x for adding, and the number of rows if it is known.

    An array is sampled at random. Of an iterable, which may be readable only once, the first `size` rows are the
    sample.
    """
    sample, source, known = _split(x, dim, size, seed, nonzero)
    if not nonzero:
        check_scale(sample, "x")
    return Sample(sample), source, known


def _split(x: object, dim: int, size: int, seed: int, nonzero: bool) -> tuple[F32, Iterator[Rows], int | None]:
    if not is_blocks(x):
        rows = Rows(x, dim)
        return rows.sample(size, seed, nonzero=nonzero), iter([rows]), len(rows)
    source = all_rows(x, dim)
    head: deque[F32] = deque()
    held = 0
    for rows in source:
        if not held:
            warn_if_packed(rows.array, "x", stacklevel=3)
        for block in rows.blocks(nonzero=nonzero):
            head.append(block.copy())  # all blocks of a source may be one buffer, read into again and again
            held += len(block)
        if held >= size:
            break
    sample = np.empty((min(size, held), dim), np.float32)
    filled = 0
    for block in head:
        taken = block[: len(sample) - filled]
        sample[filled : filled + len(taken)] = taken
        filled += len(taken)
    rest = next(source, None)
    if rest is None:
        return sample, _given_back(head, dim), held
    return sample, chain(_given_back(head, dim), [rest], source), None


def _given_back(blocks: deque[F32], dim: int) -> Iterator[Rows]:
    """Rows that were taken for the sample, each block let go of once it was added."""
    first = 0
    while blocks:
        block = blocks.popleft()
        yield Rows(block, dim, "x", first)
        first += len(block)


def queries(q: object, dim: int, *, nonzero: bool) -> tuple[F32, bool]:
    """Queries as one (n, dim) float32 matrix, and whether a single 1-D query was given."""
    array = as_vectors(q, "queries")
    if array.ndim not in (1, 2) or array.shape[-1] != dim:
        raise ValueError(f"queries: expected shape ({dim},) or (n, {dim}), got {array.shape}")
    single = array.ndim == 1
    return Rows(array[None] if single else array, dim, "queries").all(nonzero=nonzero), single


def vector_ids(ids: object, expected: int | None = None) -> I64:
    """ids as int64: whole numbers in 0..2^62 - 1 (-1 pads results). A copy, which nobody can change once checked."""
    array = np.array(ids)
    if array.ndim != 1:
        raise ValueError(f"ids: expected shape (n,), got {array.shape}")
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"ids: expected whole numbers (int64), got dtype {array.dtype}")
    if expected is not None and len(array) != expected:
        raise ValueError(f"ids: expected one a vector ({expected}), got {len(array)}")
    if array.size and int(array.max()) > MAX_ID:
        raise ValueError(f"ids: expected at most 2^62 - 1, got {int(array.max())}")
    out = np.ascontiguousarray(array, dtype=np.int64)
    if out.size and int(out.min()) < 0:
        row = int(np.argmax(out < 0))
        raise ValueError(f"ids: expected whole numbers >= 0, got {int(out[row])} in row {row}")
    return out


def conflict_rule(on_conflict: object) -> str:
    if on_conflict not in ("error", "replace"):
        raise ValueError(f"on_conflict: expected 'error' or 'replace', got {on_conflict!r}")
    return str(on_conflict)


def check_unique(ids: I64) -> None:
    ordered = np.sort(ids)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if repeated.size:
        rows = np.flatnonzero(ids == repeated[0])[:2]
        raise ValueError(f"ids: expected unique ids, got {int(repeated[0])} in rows {rows[0]} and {rows[1]}")


def are_positions(ordered: I64) -> bool:
    """Whether unique ids in ascending order are 0 .. n - 1, which an index need not store."""
    return not len(ordered) or (int(ordered[0]) == 0 and int(ordered[-1]) == len(ordered) - 1)


def as_vectors(x: object, name: str) -> NDArray[Any]:
    """x as a numpy array of a dtype that holds vectors; a view where numpy can give one."""
    _refuse(x, name)
    from_list = isinstance(x, list | tuple)
    try:
        by_dlpack = not hasattr(x, "__array__") and hasattr(x, "__dlpack__")
        array = np.from_dlpack(x) if by_dlpack else np.asarray(x)  # type: ignore[arg-type]
    except Exception as error:
        raise TypeError(f"{name}: expected an array of vectors, got {type(x).__name__} ({error})") from None
    if from_list and array.dtype.kind in "iu":
        array = array.astype(np.float64)
    if array.dtype.char not in _VECTOR_CHARS and array.dtype.name not in _VECTOR_DTYPES:
        kind = f"a {type(x).__name__}" if array.dtype == object else f"dtype {array.dtype}"
        raise TypeError(
            f"{name}: expected vectors as {', '.join(_VECTOR_DTYPES)}, got {kind} of shape {array.shape}"
            f"{_advice(x, array) if array.dtype == object else ''}"
        )
    return array


def _refuse(x: Any, name: str) -> None:
    """Raises for what numpy would take for something else than vectors."""
    if type(x) is np.ndarray:
        return
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected a plain array, got a masked array (its mask would be lost)")
    if isinstance(x, Mapping):
        raise TypeError(
            f"{name}: expected an array of vectors, got a {type(x).__name__}; with ids as its keys: "
            "add(np.stack(list(d.values())), ids=list(d))"
        )
    if hasattr(x, "toarray"):
        raise TypeError(
            f"{name}: expected a dense array, got a sparse {type(x).__name__}: pass its .toarray(), or an iterable of "
            "blocks, (x[i : i + 10_000].toarray() for i in range(0, x.shape[0], 10_000))"
        )


def _advice(x: Any, array: NDArray[Any]) -> str:
    """What makes vectors of an array of objects."""
    if array.ndim == 1 and array.size and _is_row(array[0]):
        return "; of a column of arrays pass np.stack(column)"
    if array.ndim == 2 and hasattr(x, "to_numpy"):
        return '; pass its .to_numpy(dtype="float32")'
    return "; pass its .astype(np.float32) if it holds numbers" if array.ndim == 2 else ""


def least_similarity(min_score: object, max_distance: object, metric: str) -> float:
    """The threshold in the core's terms, where larger is better, rounded so that no result lies beyond it."""
    name, value = ("max_distance", max_distance) if metric == "l2" else ("min_score", min_score)
    other, unused = ("min_score", min_score) if metric == "l2" else ("max_distance", max_distance)
    if unused is not None:
        raise ValueError(f"{other}: under metric {metric!r} expected {name} instead, got {other}={unused!r}")
    if value is None:
        return -math.inf
    number = real_number(value, name, 0.0 if metric == "l2" else -math.inf)
    number = -number if metric == "l2" else number
    least = np.float32(number)
    return float(np.nextafter(least, np.float32(np.inf))) if float(least) < number else float(least)


def real_number(value: object, name: str, low: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise TypeError(f"{name}: expected a number >= {low:g}, got {value!r}")
    number = float(value)
    if not math.isfinite(number) or number < low:
        raise ValueError(f"{name}: expected a finite number >= {low:g}, got {value!r}")
    return number
