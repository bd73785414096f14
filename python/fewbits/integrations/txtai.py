"""An index for txtai: `pip install fewbits txtai`, and the backend "fewbits.integrations.txtai.Fewbits"."""

from __future__ import annotations

from typing import Any

import numpy as np
from txtai.ann.base import ANN

from ..choose.build import build
from ..index.index import Index
from ..numeric.arrays import F32

_NAME = "fewbits.integrations.txtai.Fewbits"


class Fewbits(ANN):
    """A txtai backend: codes of a few bits, exact removal, and one file.

    Settings are those under the backend's name in txtai's configuration: ``bytes_per_vector``, as in `fb.build`.
    Without it, ``Index(dim, metric="ip", codec="auto")``: float16, and short codes from 16,384 vectors on.

    Examples
    --------
    >>> from txtai import Embeddings  # doctest: +SKIP
    >>> backend = "fewbits.integrations.txtai.Fewbits"  # doctest: +SKIP
    >>> embeddings = Embeddings(backend=backend, **{backend: {"bytes_per_vector": 64}})  # doctest: +SKIP
    """

    def index(self, embeddings: F32) -> None:
        """Build an index; ids are positions."""
        budget = self.setting("bytes_per_vector")
        if budget is None:
            self.backend = Index(embeddings.shape[1], metric="ip", codec="auto").add(embeddings, progress=False)
        else:
            self.backend = build(embeddings, metric="ip", bytes_per_vector=budget, progress=False)
        self.config["offset"] = len(embeddings)
        self.metadata({"bytes_per_vector": budget})

    def append(self, embeddings: F32) -> None:
        """Add vectors; ids continue."""
        first = self.config["offset"]
        self.backend.add(embeddings, ids=np.arange(first, first + len(embeddings)), progress=False)
        self.config["offset"] += len(embeddings)
        self.metadata()

    def delete(self, ids: Any) -> None:
        """Remove vectors."""
        self.backend.remove(np.asarray(ids, np.int64))

    def search(self, queries: F32, limit: int) -> list[list[tuple[int, float]]]:
        """The best ids with their inner products, per query."""
        found = self.backend.search(queries, limit)
        rows = zip(found.ids.tolist(), found.scores.tolist(), found.counts.tolist(), strict=True)
        return [list(zip(ids[:count], scores[:count], strict=True)) for ids, scores, count in rows]

    def count(self) -> int:
        """How many vectors there are."""
        return len(self.backend)

    def save(self, path: str) -> None:
        """Write the index to a file, atomically."""
        self.backend.save(path)

    def load(self, path: str) -> None:
        """Open a file."""
        self.backend = Index.open(path)
