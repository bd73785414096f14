"""What a multi-vector index says of itself: sizes, and text for people."""

from __future__ import annotations

from collections.abc import Mapping

from .. import _core
from ..index.asked import candidates_in_words
from .state import SetState
from .stats import MultiVectorStats


def explained(state: SetState) -> str:
    """Parts, why they were chosen, and their sizes."""
    tokens = state.tokens
    lines = [f"fewbits.MultiVectorIndex of {state.n:,} documents, tokens of {state.token_dim} dimensions"]
    lines.append(f"  encoding   {state.encoder.describe()}")
    lines.append(f"  codec      {state.description.codec.describe()}")
    lines.append(f"  tokens     {tokens.describe()}{', on disk' if tokens.on_disk else ''}")
    if state.pooling is not None:
        lines.append(f"  pooling    {state.pooling.describe()}")
    if state.engine is None:
        return "\n".join([*lines, "  not trained yet"])
    numbers = stats_of(state.engine)
    lines.append(
        f"  per document {numbers.fde_bytes:,.0f} bytes to find it, {numbers.token_bytes:,.0f} to rank it"
        f" ({numbers.tokens / max(1, numbers.n):,.1f} tokens)"
    )
    if tokens.on_disk:
        lines.append(f"  on disk    {numbers.token_bytes_on_disk:,.0f} bytes per document")
    lines.append(f"  fixed      {numbers.bytes_fixed:,} bytes")
    lines.append(f"  search     {_search(state.engine.params)}")
    if state.why:
        lines += ["  why:", *(f"  - {reason}" for reason in state.why)]
    return "\n".join(lines)


def _search(params: Mapping[str, int]) -> str:
    reads = f"reads {params['default.nprobe']:,} lists and " if "partition.nlist" in params else ""
    margin = params.get("default.margin", 0) / 1000
    until = f" at most, with a margin of {margin:g} deviations" if margin else ""
    return f"{reads}ranks {candidates_in_words(params.get('default.rerank', 0))} documents{until} by default"


def stats_of(engine: _core.Engine) -> MultiVectorStats:
    counts = engine.stats()
    n, removed, columns = counts["n"], counts["removed"], counts["per_vector"]
    of_tokens = sum(size for name, size in columns.items() if name.startswith("tokens."))
    of_encodings = sum(columns.values()) - of_tokens
    return MultiVectorStats(
        n=n,
        segments=len(counts["segments"]),
        removed=removed,
        removed_share=removed / (n + removed) if n else 0.0,
        lists=counts["lists"],
        tokens=counts["tokens"],
        fde_bytes=of_encodings / n if n else 0.0,
        token_bytes=of_tokens / n if n else 0.0,
        token_bytes_on_disk=sum(counts["on_disk"].values()) / n if n else 0.0,
        bytes_fixed=sum(counts["fixed"].values()),
    )
