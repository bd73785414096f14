"""The compiled core. Arrays are C-contiguous, float input is float32; the public interface is fewbits.index."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypedDict, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

_F32 = NDArray[np.float32]
_I64 = NDArray[np.int64]
_I8 = NDArray[np.int8]
_U32 = NDArray[np.uint32]
_U64 = NDArray[np.uint64]
_U8 = NDArray[np.uint8]

_Params = dict[str, int]
_Arrays = dict[str, NDArray[Any]]
_Path = str | bytes
_Progress = Callable[[float], None] | None

class FewbitsError(Exception): ...
class CorruptIndexError(FewbitsError, ValueError): ...
class FormatVersionError(FewbitsError, ValueError): ...

__version__: Final[str]

def isa() -> str: ...
def available_isas() -> list[str]: ...

# --- the kinds of every part: numbers in files, and names; cpp/codec/registry.h explains the traits of codecs.
# isas: the instruction sets that this build and CPU support, best first ---
class _Kind(TypedDict):
    kind: int
    name: str

class _CodecKind(_Kind):
    traits: dict[str, bool]

class _Registry(TypedDict):
    codecs: list[_CodecKind]
    transforms: list[_Kind]
    query_maps: list[_Kind]
    partitions: list[_Kind]
    metrics: list[_Kind]
    isas: list[str]

def registry() -> _Registry: ...

# --- training primitives (deterministic for any `threads`; 0 = all CPUs; `progress` gets 0..1) ---
def kmeans(
    x: _F32,
    k: int,
    *,
    spherical: bool = False,
    iterations: int = 10,
    seed: int = 0,
    threads: int = 0,
    progress: _Progress = None,
) -> _F32: ...
def second_lists(
    x: _F32, centroids: _F32, lists: _U32, *, lam: float, spherical: bool = False, threads: int = 0
) -> tuple[_U32, _F32]: ...  # by SOAR, given the first ones; and squared residual / loss of the second
def assign(x: _F32, centroids: _F32, *, spherical: bool = False, threads: int = 0) -> _U32: ...
def pq_train(
    x: _F32,
    m: int,
    bits: int,
    *,
    iterations: int = 16,
    seed: int = 0,
    threads: int = 0,
    initial: _F32 | None = None,
    progress: _Progress = None,
) -> _F32: ...  # (m, 2**bits, ceil(dim / m))
def lloyd_max(x: _F32, levels: int, *, iterations: int = 50) -> _F32: ...  # ascending levels of 1-d data
def apply_transform(
    params: _Params, arrays: _Arrays, x: _F32, *, threads: int = 0
) -> _F32: ...  # parts "transform.*", "dim"
def encode(
    params: _Params, arrays: _Arrays, prefix: str, x: _F32, origin: _F32 | None = None, *, threads: int = 0
) -> tuple[_U8, _F32 | None, _F32 | None]: ...
def decode(params: _Params, arrays: _Arrays, prefix: str, rows: _U8, a: _F32 | None, *, threads: int = 0) -> _F32: ...

# --- exact search, for ground truth: ids best first, ties by id; scores as in the public API ---
def exact_search(
    x: _F32, queries: _F32, k: int, metric: str, *, first_id: int = 0, threads: int = 0
) -> tuple[_I64, _F32]: ...

# Row number of the first row that is not finite, is longer than `longest` or, with nonzero=True, is zero; or -1.
def first_bad_row(x: _F32, nonzero: bool = False, longest: float = ...) -> int: ...
def normalize_rows(x: _F32) -> _F32: ...

# --- changes ---
class Turn:
    """Ends with `end`, with `with`, or with the object."""

    def end(self) -> None: ...
    def __enter__(self) -> Turn: ...
    def __exit__(self, *args: object) -> None: ...

class Turns:
    """Turns for changing an index: one thread at a time; RuntimeError if the thread already has the turn."""

    def __init__(self) -> None: ...
    def take(self, action: str) -> Turn: ...

# --- the engine ---
class Builder:
    """Collects encoded blocks of one segment; the engine does not change until Engine.publish."""

    def append(
        self,
        x: _F32,
        ids: _I64 | None = None,
        *,
        tokens: _F32 | None = None,  # of a multi-vector index, with offsets: the set that each row stands for
        offsets: _I64 | None = None,
        labels: _I64 | None = None,  # one per row, for all blocks or none
        rerank_vectors: _F32 | None = None,  # of an index of two embeddings
        threads: int = 0,
    ) -> None: ...
    def append_codes(
        self,
        rows: _U8,
        *,
        lists: _U32 | None = None,
        a: _F32 | None = None,
        b: _F32 | None = None,
        ids: _I64 | None = None,
    ) -> None: ...  # codes as from `encode`, (n, bytes per row); lists: with a partition
    def __len__(self) -> int: ...

class Filter:
    """The allowed ids; the allowed rows of the last snapshot are cached."""

    @staticmethod
    def mask(mask: _U8) -> Filter: ...
    @staticmethod
    def ids(ids: _I64, *, allow: bool) -> Filter: ...
    @staticmethod
    def labels(labels: _I64) -> Filter: ...  # vectors with any of these
    @staticmethod
    def predicate(address: int) -> Filter: ...  # address of a C function bool(int64), callable from any thread
    # What an equal filter can be made from: ("mask", u8), ("allowed", i64), ("denied", i64),
    # ("labels", i64) or ("predicate", None).
    def given(self) -> tuple[str, NDArray[Any] | None]: ...

class IdBlocks:
    """An iterator over the ids of one snapshot, block by block, in the order in which they are stored."""

    def __iter__(self) -> IdBlocks: ...
    def __next__(self) -> _I64: ...

class Engine:
    """An immutable model and its immutable segments; publish swaps the list of segments as a whole. One writer at a
    time: if another thread's change comes first, a change raises ValueError and has no effect."""

    def __init__(self, params: _Params, arrays: _Arrays) -> None: ...
    @staticmethod
    def open(file: IndexFile, *, mapped: bool = True, verify_all: bool = False) -> Engine: ...
    # directory: for unnamed files with the data that is kept on disk; None: the system's temporary directory.
    def builder(self, expected: int = 0, *, directory: _Path | None = None) -> Builder: ...
    def publish(
        self, builder: Builder, *, on_conflict: str = "error", threads: int = 0, progress: _Progress = None
    ) -> None: ...
    def remove(self, ids: _I64) -> int: ...
    def compact(self, *, directory: _Path | None = None, threads: int = 0, progress: _Progress = None) -> None: ...
    @staticmethod
    def join(engines: Sequence[Engine], *, on_conflict: str = "error") -> Engine: ...
    def save(self, file: IndexFile, meta: bytes) -> None: ...
    def sync(self, file: IndexFile, meta: bytes) -> None: ...
    def to_bytes(self, meta: bytes) -> bytes: ...
    @staticmethod
    def from_bytes(file: Buffer) -> Engine: ...
    @property
    def meta(self) -> bytes: ...
    @property
    def params(self) -> _Params: ...  # as given, and search's defaults under "default.*"
    def arrays(self) -> _Arrays: ...  # the model's arrays (copies)
    def set_default(self, name: str, value: int) -> None: ...  # "default.nprobe", ".rerank", ".patience"
    def __len__(self) -> int: ...
    @overload
    def search(
        self,
        queries: _F32,
        k: int,
        nprobe: int,
        rerank: int,
        filters: Sequence[Filter] = ...,
        filter_of: _U32 | None = None,  # per query, the number of its filter; None: all use the first
        min_score: float = ...,  # lowest similarity (l2: minus the squared distance) of a result
        lists: tuple[_U32, _F32] | None = None,  # what probe returned: these lists are read
        patience: int = 0,  # lists without a new one of the k best until a query stops; 0: never
        rerank_queries: _F32 | None = None,  # of the other embedding that is reranked, if there is one
        threads: int = 0,
        *,
        keys: Literal[False] = False,
    ) -> tuple[_I64, _F32]: ...
    @overload
    def search(
        self,
        queries: _F32,
        k: int,
        nprobe: int,
        rerank: int,
        filters: Sequence[Filter] = ...,
        filter_of: _U32 | None = None,
        min_score: float = ...,
        lists: tuple[_U32, _F32] | None = None,
        patience: int = 0,
        rerank_queries: _F32 | None = None,
        threads: int = 0,
        *,
        keys: Literal[True],  # also returns what each result was selected by, a similarity; -inf pads
    ) -> tuple[_I64, _F32, _F32]: ...
    # Per query the nearest lists, and their scores (for search): (queries, nprobe); fewer if there are fewer lists.
    def probe(self, queries: _F32, nprobe: int, *, threads: int = 0) -> tuple[_U32, _F32]: ...
    # Another engine with these vectors, unique; its bytes depend on nothing else.
    def take(self, ids: _I64, *, directory: _Path | None = None, threads: int = 0) -> Engine: ...
    # The number of codes that a search scans for each query.
    def entries_read(
        self, queries: _F32, k: int, *, nprobe: int, rerank: int = 0, patience: int = 0, threads: int = 0
    ) -> _U64: ...
    # Of vectors by id: (queries, m), as search reports them. ids: (1, m) for all queries, or (queries, m); -1 pads.
    def score(self, queries: _F32, ids: _I64, *, threads: int = 0) -> _F32: ...
    # Of an engine with tokens: `candidates` rows that are found by vectors (one per query) are ranked by tokens (a set
    # per query); 0: none, and products of vectors / scale (+ shared, one number per query) are the scores. Ids and
    # scores, (queries, k).
    def search_sets(
        self,
        vectors: _F32,
        tokens: _F32,
        offsets: _I64,
        k: int,
        *,
        nprobe: int,
        candidates: int,
        scale: float = 1.0,
        shared: _F32 | None = None,
        filters: Sequence[Filter] = ...,
        filter_of: _U32 | None = None,
        min_score: float = ...,
        margin: float = ...,
        patience: int = 0,
        threads: int = 0,
    ) -> tuple[_I64, _F32]: ...
    def rank_all(
        self, tokens: _F32, offsets: _I64, k: int, *, threads: int = 0
    ) -> tuple[_I64, _F32]: ...  # the same for all rows
    # Chamfer similarities with documents by id: (queries, m). ids: (1, m) for all queries, or (queries, m); -1 pads.
    def score_sets(self, tokens: _F32, offsets: _I64, ids: _I64, *, threads: int = 0) -> _F32: ...
    def reconstruct_sets(self, ids: _I64, *, threads: int = 0) -> tuple[_F32, _I64]: ...  # tokens and offsets
    @property
    def next_id(self) -> int: ...  # above all ids ever assigned
    def number_from(self, next_id: int) -> None: ...  # raises next_id to at least this
    def copy(self) -> Engine: ...  # with the same state; later changes to one do not affect the other
    def contains(self, ids: _I64) -> NDArray[np.bool_]: ...
    def labels(self, ids: _I64) -> _I64: ...  # of each vector; ValueError if it is unknown or has none
    @property
    def labelled(self) -> bool | None: ...  # whether the vectors have labels; None if there are no vectors
    # From the finest codes stored; ValueError names the first unknown id. rerank_vectors: those of the other embedding.
    def reconstruct(self, ids: _I64, *, rerank_vectors: bool = False) -> _F32: ...
    # Another engine over the same segments with this "codec.scoring" and "query.*" (or none, if not given).
    def with_scoring(self, params: _Params, arrays: _Arrays) -> Engine: ...
    # Another engine over the same segments for inputs of another "dim", coded by a compatible encoder ("codec.*").
    def with_encoder(self, params: _Params, arrays: _Arrays) -> Engine: ...
    def ids(self) -> _I64: ...  # of all vectors, ascending
    def id_blocks(self, block: int) -> IdBlocks: ...  # the same in storage order, at most `block` at a time
    def codes(self) -> tuple[_I64, _U32, _U8]: ...  # per vector: id, list, code in row form
    def factors_b(self) -> _F32: ...  # for the same vectors; zeros if the codec has none
    def stats(
        self,
    ) -> dict[str, Any]: ...  # n, removed, segments (sizes), lists, tokens; bytes by part in three columns

# --- sparse vectors: terms of row i, ascending, are terms[offsets[i] : offsets[i + 1]]. Nothing changes an engine ---
class SparseEngine:
    def __init__(self) -> None: ...
    def added(
        self, offsets: _I64, terms: _U32, values: _F32, ids: _I64 | None = None, *, replace: bool = False
    ) -> SparseEngine: ...
    def removed(self, ids: _I64) -> SparseEngine: ...
    def compacted(self) -> SparseEngine: ...
    def search(
        self,
        offsets: _I64,
        terms: _U32,
        values: _F32,
        k: int,
        *,
        filters: Sequence[Filter] = ...,
        filter_of: _U32 | None = None,
        min_score: float = 0.0,
        mass: float = 1.0,
        rerank: int = 0,
        threads: int = 0,
    ) -> tuple[_I64, _F32]: ...
    # ids: (1, m) for all queries, or (queries, m); -1 pads.
    def score(self, offsets: _I64, terms: _U32, values: _F32, ids: _I64, *, threads: int = 0) -> _F32: ...
    def reconstruct(self, ids: _I64) -> tuple[_I64, _U32, _F32]: ...
    def contains(self, ids: _I64) -> NDArray[np.bool_]: ...
    def ids(self) -> _I64: ...  # ascending
    def scales(self) -> _F32: ...  # by term; 0 for terms that no vector has
    def stats(self) -> dict[str, Any]: ...
    def __len__(self) -> int: ...
    @property
    def next_id(self) -> int: ...
    @property
    def meta(self) -> bytes: ...
    def save(self, file: IndexFile, meta: bytes) -> None: ...
    def sync(self, file: IndexFile, meta: bytes) -> None: ...
    def to_bytes(self, meta: bytes) -> bytes: ...
    @staticmethod
    def open(file: IndexFile) -> SparseEngine: ...
    @staticmethod
    def from_bytes(file: Buffer) -> SparseEngine: ...

# --- multi-vector search: sets are tokens (T, d) and offsets (n + 1,) from 0 to T, none empty ---
class Fde:
    def __init__(
        self,
        dim: int,
        *,
        repetitions: int,
        simhash_bits: int,
        directions: str,  # "gaussian", "hadamard"
        projection: str,  # "none", "dense", "sketch"
        projection_dim: int,
        final_dim: int,  # 0: none
        fill_empty: bool,
        length_fair: bool,
        seed: int,
    ) -> None: ...
    @property
    def dims(self) -> int: ...
    def encode_queries(self, tokens: _F32, offsets: _I64, *, threads: int = 0) -> _F32: ...
    def encode_documents(self, tokens: _F32, offsets: _I64, *, threads: int = 0) -> _F32: ...

# By params and arrays as cpp/multivector/lemur.h lists them.
class Lemur:
    def __init__(self, params: _Params, arrays: _Arrays) -> None: ...
    @staticmethod
    def of(engine: Engine) -> Lemur: ...  # those named "lemur.*" of an engine, shared with it
    @property
    def dim(self) -> int: ...  # of tokens
    @property
    def params(self) -> _Params: ...
    def arrays(self) -> _Arrays: ...  # copies
    # Vectors, and of each query what is to be added to its products to estimate Chamfer similarity.
    def encode_queries(self, tokens: _F32, offsets: _I64, *, threads: int = 0) -> tuple[_F32, _F32]: ...
    def encode_documents(self, tokens: _F32, offsets: _I64, *, threads: int = 0) -> _F32: ...

def token_features(tokens: _F32, weights: _F32, bias: _F32) -> _F32: ...  # (T, features)
def rounded_rows(x: _F32) -> tuple[_I8, _F32]: ...  # levels and steps
def token_maxima(
    levels: _I8, steps: _F32, tokens: _F32, offsets: _I64, *, threads: int = 0
) -> _F32: ...  # (sets, rows): the largest product of each row with a token of each set
def chamfer(
    queries: _F32, query_offsets: _I64, documents: _F32, document_offsets: _I64, *, threads: int = 0
) -> _F32: ...  # (queries, documents)
def pool(
    tokens: _F32, offsets: _I64, *, share: float, max_tokens: int, method: str, threads: int = 0
) -> tuple[_F32, _I64]: ...  # method: "agglomerative" or "kmeans"
def carve(tokens: _F32, offsets: _I64, *, min_similarity: float, threads: int = 0) -> tuple[_F32, _I64]: ...

class IndexFile:
    """The file of an index and its log, and which arrays of the index they hold already."""

    def __init__(self, path: _Path) -> None: ...  # reads nothing
    @staticmethod
    def open(path: _Path) -> IndexFile: ...  # reads all but the arrays, which Engine.open reads, once
    @property
    def params(self) -> _Params: ...  # as they were opened
    @property
    def log(self) -> dict[str, int]: ...  # bytes, changes, and the bytes dropped, as they were opened

def inspect(path: _Path) -> dict[str, Any]: ...
def verify(path: _Path) -> None: ...
def params_of(file: Buffer) -> _Params: ...  # of a whole file in memory, every byte of which is checked
