"""Indexes beyond one machine, on Ray: `build` codes vectors in parallel into shards, and `serve` searches and changes
them (docs/scale-out.md). What is not about Ray is in `fewbits.shards`.

>>> import fewbits.ray
>>> manifest = fewbits.ray.build(x, "fleet", template=index.empty(), shards=3)  # doctest: +SKIP
>>> with fewbits.ray.serve(manifest) as fleet:  # doctest: +SKIP
...     ids, scores = fleet.search(queries, k=10)
"""

from .build import build
from .fleet import Fleet, serve
from .scatter import MissingShardsError, PartialResult

__all__ = ["Fleet", "MissingShardsError", "PartialResult", "build", "serve"]
