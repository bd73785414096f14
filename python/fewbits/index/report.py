"""What an index is and weighs, in words and numbers. Bytes always come in two columns: per vector, and fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import _core
from ..spec.description import Description


def stats(engine: _core.Engine) -> dict[str, Any]:
    counts = engine.stats()
    n = counts["n"]
    columns = {
        column: {part: int(size) for part, size in counts[column].items() if size}
        for column in ("per_vector", "fixed", "on_disk")
    }
    totals = {column: sum(parts.values()) for column, parts in columns.items()}
    return {
        "n": n,
        "segments": len(counts["segments"]),
        "segment_sizes": counts["segments"],
        "removed": counts["removed"],
        "removed_share": counts["removed"] / (n + counts["removed"]) if n else 0.0,
        "lists": counts["lists"],
        "bytes": columns | {"total": sum(totals.values())},
        "bytes_per_vector": totals["per_vector"] / n if n else 0.0,
        "bytes_fixed": totals["fixed"],
        "bytes_on_disk_per_vector": totals["on_disk"] / n if n else 0.0,
    }


def explain(description: Description, engine: _core.Engine | None, why: Sequence[str]) -> str:
    n = 0 if engine is None else len(engine)
    lines = [f"fewbits.Index of {n:,} vectors, {description.dim} dimensions, {description.metric}"]
    lines += [f"  {name:<10} {text}" for name, text in _parts(description, engine)]
    if engine is None:
        return "\n".join([*lines, "  not trained yet"])
    numbers = stats(engine)
    columns = numbers["bytes"]
    lines.append(
        f"  per vector {numbers['bytes_per_vector']:.1f} bytes{_breakdown(columns['per_vector'], len(engine))}"
    )
    lines.append(f"  fixed      {numbers['bytes_fixed']:,} bytes{_breakdown(columns['fixed'], 1)}")
    if numbers["removed"]:
        lines.append(f"  removed    {numbers['removed']:,} vectors still take bytes, until compact()")
    if columns["on_disk"]:
        lines.append(f"  on disk    {numbers['bytes_on_disk_per_vector']:.1f} bytes per vector")
    if why:
        lines += ["  why:", *(f"  - {reason}" for reason in why)]
    return "\n".join(lines)


def _parts(description: Description, engine: _core.Engine | None) -> list[tuple[str, str]]:
    params: Mapping[str, int] = {} if engine is None else engine.params
    parts = [("transform", description.transform.describe())]
    if description.partition is None:
        parts.append(("partition", "none: every vector is scanned"))
    elif engine is None:
        parts.append(("partition", description.partition.describe()))
    else:
        reads = f"a query reads {params['default.nprobe']} by default"
        parts.append(("partition", f"IVF of {params['partition.nlist']:,} lists; {reads}"))
    residual = ", of differences from the list's centroid" if description.residual else ""
    parts.append(("codec", description.codec.describe() + residual))
    scoring = _scoring(engine)
    if scoring:
        parts.append(("scores", scoring))
    if description.rerank is not None:
        parts.append(("rerank", description.rerank.describe() + (", on disk" if description.rerank.on_disk else "")))
    return parts


_QUERY_MAPS = {1: "a full map of queries", 2: "a low-rank map of queries"}


def _scoring(engine: _core.Engine | None) -> str:
    """What training for ranking has moved."""
    if engine is None:
        return ""
    trained = ["a codebook of their own (vectors are encoded as before)"] if _has_scoring_codebook(engine) else []
    kind = engine.params.get("query.kind", 0)
    trained += [_QUERY_MAPS[kind]] if kind else []
    trained += ["codes (vectors are mapped before they are coded)"] if engine.params["transform.kind"] == 3 else []
    if not trained:
        return ""
    reranked = "; rerank scores with mapped queries too" if kind and engine.params["rerank.kind"] else ""
    if _has_scoring_codebook(engine) and engine.params["rerank.kind"]:
        reranked += "; rerank's own codes are as they were"
    return f"trained for ranking: {' and '.join(trained)}{reranked}"


def _has_scoring_codebook(engine: _core.Engine) -> bool:
    return "codec.scoring" in engine.stats()["fixed"]


def _breakdown(parts: Mapping[str, int], n: int) -> str:
    shown = [
        f"{name} {size / n:,.{0 if n == 1 else 1}f}"
        for name, size in sorted(parts.items(), key=lambda item: -item[1])
        if size
    ]
    return f" ({', '.join(shown)})" if n and len(shown) > 1 else ""
