"""fb.FDE: fixed-dimensional encodings of sets of vectors, so that inner products approximate Chamfer similarities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import _core
from ..input.checks import boolean, one_of, thread_count, whole_number
from ..input.progress import Progress
from ..input.sets import Sets, SetsInput, read_sets
from ..numeric.arrays import F32

if TYPE_CHECKING:
    from .._core import _Arrays as Arrays

MAX_TOKEN_DIM = 4096
_PROJECTION_DIM = 16
_PROJECTIONS = (None, "dense", "sketch")  # by number, in files
_DIRECTIONS = ("gaussian", "hadamard")  # by number, in files
_PLAIN = ("dim", "repetitions", "simhash_bits", "seed")


@dataclass(frozen=True)
class FDE:
    """Fixed-dimensional encodings: single vectors for sets, whose inner products approximate Chamfer similarity.

    The inner product of a query's and a document's encoding is about repetitions · Chamfer(query, document), where
    Chamfer (MaxSim) is the sum over query tokens of the largest inner product with a document token. Each repetition
    splits space into 2^simhash_bits buckets by the signs of random directions; a query's part is the sum of its tokens
    in each bucket, a document's their mean, stretched to their mean length. Buckets are projected to `projection_dim`
    dimensions and all are concatenated: `dims` = repetitions · 2^simhash_bits · projection_dim.

    Parameters
    ----------
    dim : int
        Dimensions of the tokens, 1..4,096.
    repetitions : int
    simhash_bits : int
        Directions per repetition.
    projection_dim : int, optional
        Dimensions of a projected bucket. None: 16, at most dim.
    projection : {"sketch", "dense", None}
        Signed sums of coordinates (the fastest), rows of random orthogonal matrices, or buckets as they are. The first
        two are unbiased, and successive repetitions take slices of one orthogonal matrix, which ranks better than
        independent projections.
    final_dim : int, optional
        Reduce the whole to this many dimensions by a count sketch.
    fill_empty : bool
        Fill empty buckets of a document with the token whose signs differ least.
    seed : int
        Of everything random. Encodings compare only if all settings are equal, and have the same bits on every machine.
    directions : {"hadamard", "gaussian"}
        Directions of the buckets: rows of Hadamard matrices with random signs, or independent ones as in the paper,
        which are slower and do not rank better.
    length_fair : bool
        Stretch a document's mean of a bucket to the mean length of its tokens. Means shrink as buckets hold more
        tokens, so that with False, as in the paper, documents of many tokens are hardly found beside short ones.

    Notes
    -----
    Encodings are for inner products ("ip"): normalising them would change the ranking.

    With ``length_fair=False``, ``fill_empty=True`` and no projection, estimates are never above Chamfer similarity.
    Stretched means give that up: estimates may be above it, by at most the difference between a mean's length and its
    tokens' mean length, per token of the query. The paper's bound from the other side holds: a stretched mean is as far
    from the mean as it is longer, which is no more than the mean distance of the tokens from each other, so that an
    estimate errs by no more than twice what the paper allows for tokens of length 1.

    References
    ----------
    Dhulipala et al., "MUVERA: Multi-Vector Retrieval via Fixed Dimensional Encodings", 2024, arXiv 2405.19504.

    Examples
    --------
    >>> fde = fb.FDE(16)
    >>> encoded = fde.encode_documents(documents)  # (n, fde.dims) float32
    >>> scores = fde.encode_queries(query_sets) @ encoded.T
    """

    dim: int
    repetitions: int = 20
    simhash_bits: int = 5
    projection_dim: int | None = None
    projection: str | None = "sketch"
    final_dim: int | None = None
    fill_empty: bool = True
    seed: int = 0
    directions: str = "hadamard"
    length_fair: bool = True

    def __post_init__(self) -> None:
        whole_number(self.dim, "FDE: dim", 1, MAX_TOKEN_DIM)
        whole_number(self.repetitions, "FDE: repetitions", 1, 4096)
        whole_number(self.simhash_bits, "FDE: simhash_bits", 0, 16)
        one_of(self.projection, "FDE: projection", ("sketch", "dense", None))
        boolean(self.fill_empty, "FDE: fill_empty")
        boolean(self.length_fair, "FDE: length_fair")
        one_of(self.directions, "FDE: directions", _DIRECTIONS)
        whole_number(self.seed, "FDE: seed", 0, 2**63 - 1)
        if self.projection_dim is not None:
            low = 1 if self.projection else self.dim
            whole_number(self.projection_dim, f"FDE: projection_dim with projection={self.projection!r}", low, self.dim)
        encoded = self.repetitions * self._bucket_dim << self.simhash_bits
        if encoded > 1 << 24:
            raise ValueError(f"FDE: expected at most {1 << 24:,} dimensions before final_dim, got {encoded:,}")
        side = max(1, self.simhash_bits, self._bucket_dim if self.projection == "dense" else 0)
        if self.repetitions * self.dim * side > 1 << 24:
            raise ValueError(
                f"FDE: expected at most {1 << 24:,} numbers in its maps (repetitions x dim x simhash_bits, or "
                f"projection_dim if that is dense and larger), got {self.repetitions * self.dim * side:,}"
            )
        if self.final_dim is not None:
            whole_number(self.final_dim, "FDE: final_dim", 1, encoded)

    def __reduce__(self) -> tuple[Any, ...]:
        return FDE.of, (self.params,)  # without the encoder, which is made from them

    @property
    def dims(self) -> int:
        """Dimensions of an encoding."""
        return self.final_dim or self.repetitions * self._bucket_dim << self.simhash_bits

    def encode_queries(self, queries: Any, *, threads: int | None = None) -> F32:
        """Encode queries: sums of tokens per bucket.

        Parameters
        ----------
        queries : sets of vectors
            A list of (t, dim) arrays (numpy, torch, anything with ``__array__`` or DLPack), an (n, t, dim) array, or
            (tokens, offsets); or a single (t, dim) array. Every set has at least one token.
        threads : int, optional
            None: all CPUs. The result has the same bits for any number.

        Returns
        -------
        (n, dims) or (dims,) float32 array
            (dims,) for a single set.
        """
        sets, single = read_sets(queries, self.dim, "queries")
        out, _ = self.of_queries(sets, thread_count(threads))
        return out[0] if single else out

    def encode_documents(self, documents: Any, *, threads: int | None = None) -> F32:
        """Encode documents: means of tokens per bucket, with empty buckets filled.

        Parameters
        ----------
        documents, threads
            As the arguments of `encode_queries`.

        Returns
        -------
        (n, dims) or (dims,) float32 array
            (dims,) for a single set.
        """
        sets, single = read_sets(documents, self.dim, "documents")
        out = self.of_documents(sets, thread_count(threads))
        return out[0] if single else out

    # --- as an encoder of an index (encoders.py) ---

    def arrays(self) -> Arrays:
        return {}  # everything follows from the settings

    def dims_of(self, dim: int) -> int:
        if self.dim != dim:
            raise ValueError(f"encoder: expected one of the tokens' dimension {dim}, got {self!r}")
        return self.dims

    def fitted(
        self, documents: SetsInput, queries: SetsInput | None, dim: int, threads: int, progress: Progress
    ) -> FDE:
        if queries is not None:
            raise ValueError("queries: FDE learns nothing from data; expected none, or encoder=LEMUR()")
        return self

    def of_queries(self, sets: Sets, threads: int) -> tuple[F32, None]:
        return self._encoder.encode_queries(*sets, threads=threads), None

    def of_documents(self, sets: Sets, threads: int) -> F32:
        return self._encoder.encode_documents(*sets, threads=threads)

    @property
    def scale(self) -> float:
        """What inner products of encodings are divided by to estimate Chamfer similarity."""
        return float(self.repetitions)

    def describe(self) -> str:
        """The settings in words."""
        kind = f"{self.projection} to {self._bucket_dim}" if self.projection else "no projection"
        final = f", sketched to {self.final_dim:,}" if self.final_dim else ""
        return f"FDE of {self.dims:,} dimensions: {self.repetitions} x {1 << self.simhash_bits} buckets, {kind}{final}"

    @property
    def params(self) -> dict[str, int]:
        """The settings as a file holds them."""
        return {name: int(getattr(self, name)) for name in _PLAIN} | {
            "projection": _PROJECTIONS.index(self.projection),
            "projection_dim": self.projection_dim or 0,
            "final_dim": self.final_dim or 0,
            "fill_empty": int(self.fill_empty),
            "directions": _DIRECTIONS.index(self.directions),
            "length_fair": int(self.length_fair),
        }

    @staticmethod
    def restored(params: dict[str, int], engine: _core.Engine) -> FDE:
        return FDE.of(params)

    @staticmethod
    def of(params: dict[str, int]) -> FDE:
        """From `params`. Raises KeyError, IndexError or ValueError if they are not valid."""
        plain: dict[str, Any] = {name: params[name] for name in _PLAIN}
        return FDE(
            **plain,
            projection=_PROJECTIONS[params["projection"]],
            projection_dim=params["projection_dim"] or None,
            final_dim=params["final_dim"] or None,
            fill_empty=bool(params["fill_empty"]),
            directions=_DIRECTIONS[params.get("directions", 0)],  # absent in files written before this option
            length_fair=bool(params.get("length_fair", 0)),  # nor this
        )

    @property
    def _bucket_dim(self) -> int:
        if self.projection is None:
            return self.dim
        return self.projection_dim or min(_PROJECTION_DIM, self.dim)

    @cached_property
    def _encoder(self) -> _core.Fde:
        return _core.Fde(
            self.dim,
            repetitions=self.repetitions,
            simhash_bits=self.simhash_bits,
            directions=self.directions,
            length_fair=self.length_fair,
            projection=self.projection or "none",
            projection_dim=self._bucket_dim,
            final_dim=self.final_dim or 0,
            fill_empty=self.fill_empty,
            seed=self.seed,
        )
