"""Distillation of codes that rank alone: the scoring codebook and the query map of fb.train.jpq, without labels.

It pays where codes of product quantization decide the ranking. With a rerank store they only find candidates, and the
map of queries would change the ranking by the finer codes as well.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from ..index.index import Index
from ..input.progress import ProgressArgument
from ..input.rows import Rows
from ..numeric.arrays import F32
from .candidates import Setting

if TYPE_CHECKING:
    from ..train.report import TrainingReport

_MIN_QUERIES = 200
_MOST_FLOATS = 1 << 28  # 1 GiB of vectors, which are held in memory
_EPOCHS = {"normal": 4, "thorough": 8}


def distilled(
    index: Index,
    given: Setting,
    queries: F32 | None,
    rows: Rows,
    ids: ArrayLike | None,
    effort: str,
    progress: ProgressArgument,
) -> str | None:
    """Trains how the index scores, in place, if this can pay; returns what was gained in words, None if nothing."""
    trainable = index.codec.kind.traits.scoring and index.rerank is None and given.metric != "l2"
    if not trainable or queries is None or len(queries) < _MIN_QUERIES or rows.array.size > _MOST_FLOATS:
        return None
    report = _trained(index, given, queries, rows, ids, effort, progress)
    if not report.changed:
        return None
    gain = f"{report.measure} {report.before:.3f} before, {report.after:.3f} after"
    return f"distilled with {report.queries:,} queries: {gain}"


def _trained(
    index: Index,
    given: Setting,
    queries: F32,
    rows: Rows,
    ids: ArrayLike | None,
    effort: str,
    progress: ProgressArgument,
) -> TrainingReport:
    from ..train.jpq import jpq  # numba is loaded when it is used

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few validation queries: the result is judged by others
        return jpq(
            index,
            queries,
            x=rows.array,
            x_ids=ids,
            epochs=_EPOCHS[effort],
            seed=given.seed,
            progress=progress,
            threads=given.threads,
        )
