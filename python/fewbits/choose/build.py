"""fb.build: an index for a number of bytes per vector and a recall, by rule or by measuring, and the reasons in words.

If queries are given, codes are fitted to some of them, and settings are chosen by the others.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from ..index.index import Index
from ..index.turns import replace_state, state_of
from ..input.checks import boolean, metric_name, one_of, real_number
from ..input.labels import vector_labels
from ..input.progress import ProgressArgument
from ..input.rows import Rows
from ..input.vectors import as_vectors
from ..spec.codec import MAX_DIM
from ..spec.leanvec import LeanVec
from ..spec.opq import OPQ
from .asked import asked, tuned_for
from .candidates import Candidate, Setting
from .compare import Task, compared
from .rules import choose, shape_of
from .tuning import share

_EFFORTS = ("quick", "normal", "thorough")
_MIN_ROWS_TO_COMPARE = 1000  # the scan of fewer vectors takes microseconds in any case


def build(
    x: Any,
    *,
    metric: str,
    bytes_per_vector: float = 64,
    recall: float | None = None,
    queries: Any = None,
    effort: str | None = None,
    on_disk: bool = False,
    ids: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    rerank_vectors: Any = None,
    seed: int = 0,
    progress: ProgressArgument = None,
    threads: int | None = None,
) -> Index:
    """Build an index of x whose codes, factors and ids take at most `bytes_per_vector` (not counting fixed parts).

    Parameters
    ----------
    x : (n, dim) array
        As in `Index.add`, but an array, as n affects the choice.
    metric : {"l2", "ip", "cosine"}
    bytes_per_vector : float
        Of memory. Own ids take 8 of these bytes, default ids 4 (none in an index without lists).
    recall : float, optional
        Build the fastest index whose searches find this share of the true 10 nearest, and set nprobe and rerank for it
        (see `fb.tune`). It is measured against exact search of x, with a third of the given queries (drawn by the seed,
        at most 1,000; under "l2", where nothing is fitted to queries, 1,000), or else with vectors of x. With the same
        settings, recall is lower for real queries that differ from the vectors of x.
    queries : (m, dim) array, optional
        A sample of the expected queries, 1,000 or more, without the queries that the index will be evaluated on. Under
        "ip" and "cosine", codes are fitted to some of them if this helps the others, which were left out of the fit: by
        `LeanVec` in front of `OPQ`, or, if configurations are compared, by distillation (`fb.train.jpq`) of `PQ` codes
        that rank without a rerank store. Settings are chosen by the others.
    effort : {"quick", "normal", "thorough"}, optional
        "quick": choose by rule, from n, dim and bytes. "normal": compare about ten configurations on a sample of
        32,768 vectors, and build the best two if both may be the fastest; takes about 3 to 6 times as long as "quick".
        "thorough": compare about thirty on 131,072 vectors, and build up to four; about 10 to 20 times. None: "normal"
        if a recall is asked for, else "quick". Without `recall`, the codes with the highest recall are chosen, which
        searches of all lists reach. Fewer than 1,000 vectors are not worth a comparison.
    on_disk : bool
        Whether configurations may have a rerank store on disk, which takes no memory, but reads of a few kilobytes per
        query. Has no effect on "quick", which has none.
    ids : (n,) array of int, optional
        Own ids; None: row numbers.
    labels : (n,) array of int, optional
        As in `Index.add`, for `Filter.label`. Not counted in `bytes_per_vector`: 12 bytes for each label in each list.
    rerank_vectors : (n, other dim) array, optional
        Another embedding of the same objects, which ranks the candidates: it is kept in float16 on disk, and searches
        take `rerank_queries` (docs/guide.md). Only with "quick" and without `recall`.
    seed : int
        Seed of everything random. Comparisons depend on CPU times; of configurations that are equally fast within 5 %,
        the same one is chosen each time, unless noise exceeds that.
    progress, threads
        As in `Index.build`. Times are measured on one thread.

    Returns
    -------
    Index
        `index.explain()` says what was chosen and why, `index.tries` has the comparison as a table, `index.stats()` the
        size.

    Raises
    ------
    TypeError, ValueError
        As in `Index.build`; for too few bytes; for queries under "l2" with "quick" and without `recall`, where they
        have no use, and for on_disk=True with "quick"; for rerank_vectors with `recall` or an effort other than
        "quick": `fb.tune` tunes such an index afterwards.

    Warns
    -----
    UserWarning
        If these bytes do not allow the recall; the warning and `explain()` give the recall that was reached. The
        settings with the best recall are then the defaults; a comparison also says how many bytes, or which store on
        disk, would reach it. If fitting to the queries gains nothing, so it is not used.

    Examples
    --------
    >>> index = fb.build(x, metric="cosine", bytes_per_vector=64)
    >>> ids, scores = index.search(queries, k=10)
    """
    metric_name(metric)
    budget = real_number(bytes_per_vector, "bytes_per_vector", 1)
    target = None if recall is None else share(recall)
    boolean(on_disk, "on_disk")
    if effort is None:
        effort = "quick" if target is None else "normal"
    one_of(effort, "effort", _EFFORTS)
    if on_disk and effort == "quick":
        raise ValueError("on_disk: expected effort 'normal' or 'thorough' with it, as 'quick' has no store on disk")
    rows = Rows(x, _dim(x, "x"))
    other = None if rerank_vectors is None else _dim(rerank_vectors, "rerank_vectors")
    if other is not None and (target is not None or effort != "quick"):
        raise ValueError(
            f"rerank_vectors: expected effort 'quick' and recall=None, got effort {effort!r} and recall={target}; tune "
            "the index afterwards: fb.tune(index, queries, recall=..., x=rerank_vectors, rerank_queries=...)"
        )
    if labels is not None:
        labels = vector_labels(labels, len(rows))  # before the configurations are compared
    n, dim = rows.array.shape
    if not n:
        raise ValueError(f"x: expected at least 1 vector, got shape {rows.array.shape}")
    compares = effort != "quick" and n >= _MIN_ROWS_TO_COMPARE
    given = asked(queries, dim, metric, tunes=compares or target is not None, seed=seed)
    shape = shape_of(rows, metric)
    own, labelled = ids is not None, labels is not None
    choice = choose(n, dim, metric, budget, own, shape, labelled, other)  # also checks the budget
    if compares:
        setting = Setting(
            n, dim, metric, budget, own, labelled, shape.cone, given.to_fit is not None, on_disk, seed, threads
        )
        rule = Candidate(choice.transform, choice.codec, choice.rerank, float(choice.partition is not None))
        return compared(Task(setting, rule, rows, ids, labels, given, target, effort, progress))
    transform = choice.transform
    index = Index(
        dim,
        metric=metric,
        transform=[LeanVec(), transform] if given.to_fit is not None and isinstance(transform, OPQ) else transform,
        partition=choice.partition,
        codec=choice.codec,
        rerank=choice.rerank,
        seed=seed,
    )
    to_fit = given.to_fit if index.transform.needs_queries else None
    index.build(
        rows.array,
        ids,
        labels=labels,
        queries=to_fit,
        rerank_vectors=rerank_vectors,
        progress=progress,
        threads=threads,
    )
    why = [*choice.why, *state_of(index).why]
    why += [] if target is None else [tuned_for(index, rows, ids, target, given.to_tune, threads)]
    replace_state(index, "build", lambda now: now.explained(tuple(why)))
    return index


def _dim(x: Any, name: str) -> int:
    shape = as_vectors(x, name).shape
    if len(shape) != 2 or not 1 <= shape[1] <= MAX_DIM:
        raise ValueError(f"{name}: expected shape (n, dim) with dim in 1..{MAX_DIM}, got {shape}")
    return int(shape[1])
