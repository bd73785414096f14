"""fb.LEMUR: one short vector per set, by least squares on a sample of tokens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .. import _core
from ..errors import NotTrainedError
from ..input.checks import thread_count, whole_number
from ..input.progress import Progress, ProgressArgument
from ..input.sets import Sets, SetsInput, read_sets, token_dim
from ..numeric.arrays import F32
from .lemur_fit import fit

if TYPE_CHECKING:
    from .._core import _Arrays as Arrays

_MAX_FEATURES = 65_536
_SETTINGS = ("features", "sample", "dim", "seed")  # as given; in files under "given."


@dataclass(frozen=True)
class LEMUR:
    """Learned encodings: short single vectors for sets, whose inner products estimate Chamfer similarity.

    The largest inner product of a token with those of a document is a function of the token. Least squares on a sample
    of tokens approximates it, for each document, by a linear function of features of the token; a document's encoding
    is the coefficients of its function, a query's the sum of its tokens' features. What all documents share is left
    out, and both sides are reduced to `dim` dimensions by the linear maps that lose least and suit codes of few bits.

    An index trains its encoder on the documents that it is trained on. Documents that are added later are encoded as
    they are, and change no other encoding.

    Parameters
    ----------
    features : int, optional
        How many features a token has: GELU units, each of which sees how near it is to one token of the sample. None:
        the coordinates of the token itself, which is faster and finds somewhat less.
    sample : int
        Tokens that the regression is fitted to, at most. It should be at least 8 times the number of features. Encoding
        a document takes time in proportion to it.
    dim : int, optional
        Dimensions of an encoding, at most the number of features. None: that number.
    seed : int
        Of the sample and the features.

    Notes
    -----
    Encodings have the same bits for any number of threads, and do not depend on the sets beside a set. Inner products
    of encodings differ from estimates of Chamfer similarity by a number per query, which does not change the ranking;
    scores of `MultiVectorIndex.search` with ``rerank=0`` include it.

    References
    ----------
    Jääsaari et al., "LEMUR: Learned Multi-Vector Retrieval", 2026, arXiv 2601.21853; here with fixed features and in
    closed form.

    Examples
    --------
    >>> lemur = fb.LEMUR(features=64, dim=32).train(documents)
    >>> encoded = lemur.encode_documents(documents)  # (n, 32) float32
    >>> scores = lemur.encode_queries(query_sets) @ encoded.T
    >>> index = fb.MultiVectorIndex(16, encoder=fb.LEMUR(features=64, dim=32), codec=fb.RaBitQ(2)).build(documents)
    """

    features: int | None = None
    sample: int = 16_384
    dim: int | None = None
    seed: int = 0
    _regression: _core.Lemur | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.features is not None:
            whole_number(self.features, "LEMUR: features", 1, _MAX_FEATURES)
        whole_number(self.sample, "LEMUR: sample", 1, 1 << 20)
        if self.dim is not None:
            whole_number(self.dim, "LEMUR: dim", 1, self.features or _MAX_FEATURES)
        whole_number(self.seed, "LEMUR: seed", 0, 2**63 - 1)

    def __reduce__(self) -> tuple[Any, ...]:
        trained = None if self._regression is None else (self._regression.params, self._regression.arrays())
        return _unpickled, (self.features, self.sample, self.dim, self.seed, trained)

    @property
    def is_trained(self) -> bool:
        """Whether it can encode."""
        return self._regression is not None

    def train(
        self, documents: Any, queries: Any = None, *, progress: ProgressArgument = None, threads: int | None = None
    ) -> LEMUR:
        """Fit the regression; for use without an index.

        Parameters
        ----------
        documents : sets of vectors
            As in `MultiVectorIndex.add`. Some thousand are best.
        queries : sets of vectors, optional
            Real queries. Their tokens become half of the sample, so that encodings are accurate where queries are.
        progress : bool or callable, optional
            As in `Index.train`.
        threads : int, optional
            None: all CPUs. The result has the same bits for any number.

        Returns
        -------
        LEMUR
            A trained copy.

        Raises
        ------
        TypeError, ValueError
            For sets of wrong shapes or dtypes, tokens that are not finite, and no documents.
        """
        dim = token_dim(documents, "documents")
        of_queries = None if queries is None else SetsInput(queries, dim, "queries")
        untrained = replace(self, _regression=None)
        source = SetsInput(documents, dim, "documents")
        return untrained.fitted(source, of_queries, dim, thread_count(threads), Progress(progress))

    def encode_queries(self, queries: Any, *, threads: int | None = None) -> F32:
        """Encode queries.

        Parameters
        ----------
        queries : sets of vectors
            A list of (t, d) arrays (numpy, torch, anything with ``__array__`` or DLPack), an (n, t, d) array, or
            (tokens, offsets); or a single (t, d) array. Every set has at least one token.
        threads : int, optional
            None: all CPUs. The result has the same bits for any number.

        Returns
        -------
        (n, dim) or (dim,) float32 array
            (dim,) for a single set.

        Raises
        ------
        NotTrainedError
            Before `train`.
        """
        sets, single = read_sets(queries, self._trained("encode_queries").dim, "queries")
        out, _ = self.of_queries(sets, thread_count(threads))
        return out[0] if single else out

    def encode_documents(self, documents: Any, *, threads: int | None = None) -> F32:
        """Encode documents.

        Parameters
        ----------
        documents, threads
            As the arguments of `encode_queries`.

        Returns
        -------
        (n, dim) or (dim,) float32 array
            (dim,) for a single set.

        Raises
        ------
        NotTrainedError
            Before `train`.
        """
        sets, single = read_sets(documents, self._trained("encode_documents").dim, "documents")
        out = self.of_documents(sets, thread_count(threads))
        return out[0] if single else out

    def describe(self) -> str:
        """The settings in words."""
        units = "the tokens' coordinates" if self.features is None else f"{self.features:,} features near its tokens"
        reduced = "" if self.dim is None else f", reduced to {self.dim:,} dimensions"
        return f"LEMUR of {units}{reduced}, by least squares on {self.sample:,} tokens"

    # --- as an encoder of an index (encoders.py) ---

    @property
    def scale(self) -> float:
        return 1.0

    @property
    def params(self) -> dict[str, int]:
        given = {f"given.{name}": getattr(self, name) or 0 for name in _SETTINGS}
        return self._trained("params").params | given

    def arrays(self) -> Arrays:
        return self._trained("arrays").arrays()

    def dims_of(self, dim: int) -> int:
        if self._regression is not None and self._regression.dim != dim:
            raise ValueError(f"encoder: it is trained on tokens of {self._regression.dim} dimensions, got {dim}")
        features = self.features or dim
        if self.dim is not None and self.dim > features:
            raise ValueError(f"encoder: expected at most as many dimensions as features, {features}, got {self!r}")
        return self.dim or features

    def fitted(
        self, documents: SetsInput, queries: SetsInput | None, dim: int, threads: int, progress: Progress
    ) -> LEMUR:
        if self._regression is not None:
            if queries is not None:
                raise ValueError("queries: the encoder is trained already; expected none")
            return self
        dims = self.dims_of(dim)
        params, arrays = fit(documents, queries, dim, dims, self.features, self.sample, self.seed, threads, progress)
        return replace(self, _regression=_core.Lemur(params, arrays))

    def of_queries(self, sets: Sets, threads: int) -> tuple[F32, F32]:
        return self._trained("encode_queries").encode_queries(*sets, threads=threads)

    def of_documents(self, sets: Sets, threads: int) -> F32:
        return self._trained("encode_documents").encode_documents(*sets, threads=threads)

    @staticmethod
    def restored(params: dict[str, int], engine: _core.Engine) -> LEMUR:
        given = {name: params[f"given.{name}"] for name in _SETTINGS}
        untrained = LEMUR(given["features"] or None, given["sample"], given["dim"] or None, given["seed"])
        trained = replace(untrained, _regression=_core.Lemur.of(engine))
        if (params["dims"], params["features"]) != (trained.dims_of(params["dim"]), untrained.features or 0):
            raise ValueError(f"{untrained!r} does not make encodings of {params['dims']} dimensions")
        return trained

    def _trained(self, action: str) -> _core.Lemur:
        if self._regression is None:
            raise NotTrainedError(
                f"{action}: this encoder needs training first: an index trains its own, or call train"
            )
        return self._regression


def _unpickled(
    features: int | None, sample: int, dim: int | None, seed: int, trained: tuple[dict[str, int], Arrays] | None
) -> LEMUR:
    encoder = LEMUR(features, sample, dim, seed)
    return encoder if trained is None else replace(encoder, _regression=_core.Lemur(*trained))
