"""fewbits: a compact nearest-neighbour index for vectors, on CPUs.

>>> import fewbits as fb
>>> index = fb.build(x, metric="cosine", bytes_per_vector=64)
>>> ids, scores = index.search(queries, k=10)

Importing loads the compiled core and nothing else; every name loads its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._core import __version__, available_isas, isa

if TYPE_CHECKING:
    from . import shards, train
    from .choose.build import build
    from .choose.build_multivector import build_multivector
    from .choose.tuning import Tuned, tune
    from .collection.collection import Collection
    from .errors import CorruptIndexError, FewbitsError, FormatVersionError, NotTrainedError
    from .evaluation.measures import evaluate, exact_search, recall
    from .fusing import fuse
    from .index.index import Index
    from .index.result import SearchResult
    from .input.filters import Filter
    from .input.packed import unpack_bits
    from .integrations.faiss import from_faiss
    from .integrations.quantized import from_quantized
    from .merging import merge
    from .multivector.chamfer import chamfer
    from .multivector.fde import FDE
    from .multivector.index import MultiVectorIndex
    from .multivector.lemur import LEMUR
    from .multivector.pooling import Pooling, carve
    from .neighbors.duplicates import deduplicate
    from .neighbors.graph import knn_graph
    from .neighbors.join import join
    from .opening import inspect, open, verify
    from .rocchio import feedback
    from .source.load import load_vectors
    from .sparse.index import SparseIndex
    from .spec.chain import Chain
    from .spec.float import Float
    from .spec.identity import Identity
    from .spec.ivf import IVF
    from .spec.leanvec import LeanVec
    from .spec.opq import OPQ
    from .spec.pca import PCA
    from .spec.pq import PQ
    from .spec.rabitq import RaBitQ
    from .spec.random_rotation import RandomRotation
    from .spec.recurrent_binary import RecurrentBinary
    from .spec.scalar import Scalar

__all__ = [
    "FDE",
    "IVF",
    "LEMUR",
    "OPQ",
    "PCA",
    "PQ",
    "Chain",
    "Collection",
    "CorruptIndexError",
    "FewbitsError",
    "Filter",
    "Float",
    "FormatVersionError",
    "Identity",
    "Index",
    "LeanVec",
    "MultiVectorIndex",
    "NotTrainedError",
    "Pooling",
    "RaBitQ",
    "RandomRotation",
    "RecurrentBinary",
    "Scalar",
    "SearchResult",
    "SparseIndex",
    "Tuned",
    "__version__",
    "available_isas",
    "build",
    "build_multivector",
    "carve",
    "chamfer",
    "deduplicate",
    "evaluate",
    "exact_search",
    "feedback",
    "from_faiss",
    "from_quantized",
    "fuse",
    "inspect",
    "isa",
    "join",
    "knn_graph",
    "load_vectors",
    "merge",
    "open",
    "recall",
    "shards",
    "train",
    "tune",
    "unpack_bits",
    "verify",
]

_MODULES = {
    "choose.build": ("build",),
    "choose.build_multivector": ("build_multivector",),
    "collection.collection": ("Collection",),
    "source.load": ("load_vectors",),
    "spec.chain": ("Chain",),
    "spec.float": ("Float",),
    "spec.identity": ("Identity",),
    "spec.leanvec": ("LeanVec",),
    "spec.opq": ("OPQ",),
    "spec.pca": ("PCA",),
    "spec.pq": ("PQ",),
    "spec.rabitq": ("RaBitQ",),
    "spec.random_rotation": ("RandomRotation",),
    "spec.recurrent_binary": ("RecurrentBinary",),
    "spec.scalar": ("Scalar",),
    "errors": ("CorruptIndexError", "FewbitsError", "FormatVersionError", "NotTrainedError"),
    "integrations.faiss": ("from_faiss",),
    "integrations.quantized": ("from_quantized",),
    "multivector.fde": ("FDE",),
    "sparse.index": ("SparseIndex",),
    "neighbors.duplicates": ("deduplicate",),
    "neighbors.graph": ("knn_graph",),
    "neighbors.join": ("join",),
    "multivector.lemur": ("LEMUR",),
    "opening": ("inspect", "open", "verify"),
    "input.filters": ("Filter",),
    "index.index": ("Index",),
    "index.result": ("SearchResult",),
    "evaluation.measures": ("evaluate", "exact_search", "recall"),
    "rocchio": ("feedback",),
    "fusing": ("fuse",),
    "merging": ("merge",),
    "multivector.chamfer": ("chamfer",),
    "multivector.index": ("MultiVectorIndex",),
    "input.packed": ("unpack_bits",),
    "spec.ivf": ("IVF",),
    "multivector.pooling": ("Pooling", "carve"),
    "choose.tuning": ("Tuned", "tune"),
}
_PACKAGES = ("ray", "shards", "train")
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f".{name}", __name__)
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'fewbits' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
