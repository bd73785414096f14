"""fb.from_faiss: converts a faiss index to a fewbits index. Codes and tables are taken over; nothing is encoded again.

Anything that faiss supports and fewbits does not is rejected by name: an index is converted completely or not at all.
faiss is imported when the function is called, and used for reading only.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..index.index import Index
from ..input.ids import vector_ids
from ..kinds import PARTITIONS
from ..numeric.arrays import F32, I64, f32_array
from ..spec.description import Description
from ..spec.float import Float
from ..spec.identity import Identity
from ..spec.ivf import IVF
from ..spec.opq import OPQ
from ..spec.parts import Fitted, Fitting, Model
from ..spec.pq import PQ
from ..spec.transform import Transform, dense
from .coded import Coded, index_of_codes

_ORTHONORMAL = 1e-3
_BLOCK_ROWS = 65_536
_READS = "Flat, PQ, OPQ + PQ and IVF, PQ (8 or 4 bits), also under an IDMap"


class Read(NamedTuple):
    """The contents of a faiss index: the code and id of each vector, and its list (None without lists)."""

    rows: NDArray[np.uint8]
    ids: I64
    lists: NDArray[np.uint32] | None = None

    def ordered(self) -> Read:
        """Sorted by id, as if the vectors had been added one after the other."""
        order = np.argsort(self.ids, kind="stable")
        lists = None if self.lists is None else np.ascontiguousarray(self.lists[order])
        return Read(np.ascontiguousarray(self.rows[order]), self.ids[order], lists)


def from_faiss(source: Any) -> Index:
    """Convert a faiss index to a fewbits index with the same vectors, codes, ids and scores.

    Parameters
    ----------
    source : path or faiss.Index
        A file written by faiss, or a faiss index in memory, which is not modified: Flat, PQ, OPQ + PQ (or any other
        rotation or projection with orthonormal rows) or IVF, PQ, with 8 or 4 bits per code and metric inner product or
        L2, also within an IDMap.

    Returns
    -------
    Index
        Its codes decode to the same vectors as in faiss; searches scan them as in any other index, and `fb.train` can
        train on them. The default nprobe is that of the source. A single list (IVF1) is folded into the codebook, so
        that the index is a plain PQ, like the published JPQ and RepCONC indexes.

    Raises
    ------
    ValueError
        If the file is not a faiss index, or if the index uses something that is not supported; the message names it.
    OSError
        If the file cannot be opened.
    ImportError
        Without faiss: ``pip install "fewbits[faiss]"`` installs it.

    References
    ----------
    Johnson, Douze, Jégou, "Billion-scale similarity search with GPUs", 2017.

    Examples
    --------
    >>> index = fb.from_faiss("passages.OPQ96,IVF1,PQ96x8.faiss")  # doctest: +SKIP
    """
    faiss = _faiss()
    index = _read(faiss, os.fsdecode(source)) if isinstance(source, str | bytes | os.PathLike) else source
    if not isinstance(index, faiss.Index):
        raise TypeError(f"from_faiss: expected a path or a faiss index, got {type(source).__name__}")
    return _Reader(faiss, index).index()


def _read(faiss: Any, path: str | bytes) -> Any:
    with open(path, "rb"):  # faiss would raise RuntimeError
        pass
    try:
        return faiss.read_index(os.fsdecode(path))
    except RuntimeError as error:
        raise ValueError(f"from_faiss: {os.fsdecode(path)!r} is not a faiss index ({error})") from error


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ImportError(f'from_faiss needs faiss: pip install "fewbits[faiss]" ({error})') from error
    return faiss


class _Reader:
    """Converts one faiss index: removes the wrappers around it one by one, then reads its core."""

    def __init__(self, faiss: Any, index: Any) -> None:
        self.faiss = faiss
        self.dim, self.metric = int(index.d), self._metric(index)
        self.ids: I64 | None = None
        nothing = np.empty((0, self.dim), np.float32)
        self.transform: tuple[Transform, Fitted] = Identity(), Identity().fit(nothing, Fitting("ip"))
        if not index.is_trained:
            raise ValueError("from_faiss: expected a trained index")
        self.core = self._unwrapped(index)

    def index(self) -> Index:
        kinds = {"IndexFlat": self._flat, "IndexFlatIP": self._flat, "IndexFlatL2": self._flat}
        kinds |= {"IndexPQ": self._pq, "IndexIVFPQ": self._ivf_pq}
        name = type(self.core).__name__
        if name not in kinds:  # a subclass may store its codes in another order
            raise ValueError(f"from_faiss: expected {_READS}, got {name}")
        return kinds[name]()

    def _metric(self, index: Any) -> str:
        names = {self.faiss.METRIC_INNER_PRODUCT: "ip", self.faiss.METRIC_L2: "l2"}
        if index.metric_type not in names:
            raise ValueError(f"from_faiss: expected metric inner product or L2, got number {index.metric_type}")
        return names[index.metric_type]

    def _unwrapped(self, index: Any) -> Any:
        index = self.faiss.downcast_index(index)
        if isinstance(index, self.faiss.IndexIDMap):
            self.ids = vector_ids(self.faiss.vector_to_array(index.id_map))
            return self._unwrapped(index.index)
        if isinstance(index, self.faiss.IndexPreTransform):
            matrix = np.eye(self.dim)
            for number in range(index.chain.size()):
                matrix = self._linear(self.faiss.downcast_VectorTransform(index.chain.at(number))) @ matrix
            out_dim = None if len(matrix) == self.dim else len(matrix)
            self.transform = OPQ(dim=out_dim), dense(matrix)
            return self._unwrapped(index.index)
        return index

    def _linear(self, transform: Any) -> NDArray[Any]:
        """The matrix of a transform, which must have orthonormal rows and no bias."""
        name = type(transform).__name__
        if not isinstance(transform, self.faiss.LinearTransform):
            raise ValueError(f"from_faiss: expected linear transforms, got {name}")
        if transform.have_bias and np.any(self.faiss.vector_to_array(transform.b)):
            raise ValueError(f"from_faiss: expected transforms that subtract no mean, got {name} with one")
        flat = self.faiss.vector_to_array(transform.A)
        matrix: NDArray[Any] = flat.reshape(transform.d_out, transform.d_in).astype(np.float64)
        error = float(np.abs(matrix @ matrix.T - np.eye(len(matrix))).max())
        if error > _ORTHONORMAL:
            raise ValueError(f"from_faiss: expected transforms with orthonormal rows, got {name}, off by {error:.2g}")
        return matrix

    def _flat(self) -> Index:
        if not self.transform[0].is_identity:
            raise ValueError("from_faiss: expected Flat without a transform: fewbits keeps whole vectors as they are")
        n = int(self.core.ntotal)
        index = Index(self.dim, metric=self.metric, codec=Float(32))
        if n:
            vectors = self.faiss.rev_swig_ptr(self.core.get_xb(), n * self.dim).reshape(n, self.dim)
            index.add(vectors, ids=self.ids, progress=False)
        return index

    def _pq(self) -> Index:
        n = int(self.core.ntotal)
        rows = self.faiss.vector_to_array(self.core.codes).reshape(n, self.core.code_size)
        ids = np.arange(n) if self.ids is None else self.ids
        return self._made(None, None, self._codebook(self.core.pq), Read(rows, ids))

    def _ivf_pq(self) -> Index:
        core = self.core
        nlist, residual = int(core.nlist), bool(core.by_residual)
        centroids = core.quantizer.reconstruct_n(0, nlist)
        book = self._codebook(core.pq)
        read = self._lists()
        if nlist == 1:
            m, _, width = book.shape
            folded = book + centroids.reshape(m, 1, width) if residual else book
            return self._made(None, None, f32_array(folded), read._replace(lists=None))
        params = {"kind": PARTITIONS["ivf"], "nlist": nlist, "residual": int(residual)}
        stored = Fitted(params, {"centroids": f32_array(centroids)})
        return self._made(IVF(nlist=nlist), stored, book, read)

    def _lists(self) -> Read:
        lists = self.core.invlists
        sizes = np.array([lists.list_size(number) for number in range(lists.nlist)], np.int64)
        rows, ids = np.empty((int(sizes.sum()), lists.code_size), np.uint8), np.empty(int(sizes.sum()), np.int64)
        for number, (first, size) in enumerate(zip(np.cumsum(sizes) - sizes, sizes, strict=True)):
            if size:
                codes, labels = lists.get_codes(number), lists.get_ids(number)
                rows[first : first + size] = self.faiss.rev_swig_ptr(codes, int(size) * lists.code_size).reshape(
                    size, -1
                )
                ids[first : first + size] = self.faiss.rev_swig_ptr(labels, int(size))
                lists.release_codes(number, codes)
                lists.release_ids(number, labels)
        numbers = ids if self.ids is None else self.ids[ids]
        return Read(rows, vector_ids(numbers), np.repeat(np.arange(lists.nlist, dtype=np.uint32), sizes))

    def _codebook(self, pq: Any) -> F32:
        """(m, codewords, width)."""
        if pq.nbits not in (4, 8):
            raise ValueError(f"from_faiss: expected codes of 4 or 8 bits, got {pq.nbits}")
        return f32_array(self.faiss.vector_to_array(pq.centroids).reshape(pq.M, pq.ksub, pq.dsub))

    def _made(self, partition: IVF | None, lists: Fitted | None, book: F32, read: Read) -> Index:
        residual = lists is not None and bool(lists.params["residual"])
        bits = 8 if book.shape[1] == 256 else 4
        codec = PQ(book.shape[0], bits=bits, residual=residual if lists else None, score_aware=False)
        model = Model.without_parts(self.dim, self.metric)
        model.put("transform", self.transform[1])
        model.put("codec", codec.fitted(book))
        if lists:
            model.put("partition", lists)
            model.params["default.nprobe"] = min(int(self.core.nprobe), int(self.core.nlist))
        read = read.ordered()
        norms = _norms(model, read) if residual and self.metric == "l2" else None
        description = Description(self.dim, self.metric, self.transform[0], partition, codec)
        coded = Coded(read.rows, read.lists, b=norms)
        return index_of_codes(description, model, [coded], read.ids, ("read from a faiss index",))


def _norms(model: Model, read: Read) -> F32:
    """The factor of residual codes under l2: minus the squared norm of the vector that each code represents."""
    assert read.lists is not None
    centroids, out = model.arrays["partition.centroids"], np.empty(len(read.ids), np.float32)
    for first in range(0, len(out), _BLOCK_ROWS):
        rows = slice(first, first + _BLOCK_ROWS)
        vectors = _core.decode(model.params, model.arrays, "codec", read.rows[rows], None)
        vectors = vectors + centroids[read.lists[rows]]
        out[rows] = -np.einsum("ij,ij->i", vectors, vectors)
    return out
