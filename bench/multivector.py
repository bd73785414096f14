"""Multi-vector search: encodings, Chamfer, compressed encodings and reranked search, on documents of token vectors.

python bench/multivector.py ../shared/data/scifact_tokens [--seeds 5] [--synthetic N] [--peers N] [--only TABLE ...]

The folder holds doc_tokens (T, d), doc_offsets, query_tokens, query_offsets and qrels_test (query, document, relevance)
as .npy. One thread; CPU times, medians of alternating runs. --peers: other libraries, if installed. --synthetic: a
larger index of documents generated around the real ones, block by block.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from fewbits.choose.margin import needed, of_results
from fewbits.input.sets import Sets
from multivector_data import F32, Data, around, as_list, best, head, load, recall, seconds
from multivector_peers import peers
from multivector_stopping import stopping
from multivector_tokens import token_codes

SETTINGS = ((20, 3, 8), (20, 5, 16))
DEPTHS = (10, 50, 100)
LONGER = (4, 16, 40)
MARGIN_DEPTHS = (25, 50, 75, 100, 150, 200)
MARGIN_SHARES = (0.95, 0.98, 0.99, 0.995, 0.998)
BUDGETS = (500, 1000, 3000, 6000, 10_000, 20_000, 40_000)
STORES = tuple((fb.RaBitQ(bits), share) for share in (1.0, 0.75, 0.5, 0.25) for bits in (1, 2, 3, 4, 5, 6)) + tuple(
    (codec, share) for share in (1.0, 0.5) for codec in (fb.Scalar(4), fb.Scalar(8))
)


# --- encodings -------------------------------------------------------------------------------------------------------


def encodings(data: Data, seeds: int) -> None:
    print(f"\nFloat encodings: Chamfer top-10 within the first N, mean of {seeds} seeds\n")
    print(f"{'encoding':<34}{'dims':>7}" + "".join(f"{f'N={n}':>8}" for n in DEPTHS) + f"{'docs/s':>9}")
    some = head(data.documents, 300)
    for repetitions, bits, projected in SETTINGS:
        for projection in ("sketch", "dense"):
            rows = []
            for seed in range(seeds):
                fde = fb.FDE(data.dim, repetitions, bits, projected, projection=projection, seed=seed)
                scores = fde.encode_queries(data.queries, threads=1) @ fde.encode_documents(data.documents).T
                rows.append([recall(best(scores, n), data.top) for n in DEPTHS])
            spent = seconds(lambda fde=fde: fde.encode_documents(some, threads=1))[0]  # type: ignore[misc]
            name = f"fewbits {projection}, R={repetitions} k={bits} proj={projected}"
            shown = "".join(f"{value:8.3f}" for value in np.mean(rows, axis=0))
            print(f"{name:<34}{fde.dims:>7}{shown}{len(some.offsets[1:]) / spent:>9,.0f}", flush=True)


def peer(data: Data) -> None:
    """The same settings in muvera-python: its recall, and its speed compared with ours on the same documents. It takes
    them as a batch or one by one, with its compiled kernels or, if not installed, with numpy and Python."""
    if importlib.util.find_spec("muvera") is None:
        print("muvera-python is not installed")
        return
    muvera = importlib.import_module("muvera")
    count = 100
    documents, queries, some = as_list(data.documents), as_list(data.queries), head(data.documents, count)
    few = documents[:30]
    for repetitions, bits, projected in SETTINGS:
        theirs = muvera.Muvera(
            num_repetitions=repetitions,
            num_simhash_projections=bits,
            dimension=data.dim,
            projection_type="ams_sketch",
            projection_dimension=projected,
            seed=1,
        )
        sketch, dense = (fb.FDE(data.dim, repetitions, bits, projected, projection=p) for p in ("sketch", "dense"))
        spent = seconds(
            lambda theirs=theirs: theirs.encode_documents(documents[:count]),  # type: ignore[misc]
            lambda fde=sketch: fde.encode_documents(some, threads=1),  # type: ignore[misc]
            lambda fde=dense: fde.encode_documents(some, threads=1),  # type: ignore[misc]
        )
        scores = theirs.encode_queries(queries) @ theirs.encode_documents(documents).T
        shown = "".join(f"{recall(best(scores, n), data.top):8.3f}" for n in DEPTHS)
        name = f"muvera-python, R={repetitions} k={bits} proj={projected}"
        print(
            f"{name:<34}{theirs.output_dimension:>7}{shown}{count / spent[0]:>9,.0f}"
            f"  (fewbits sketch {spent[0] / spent[1]:.1f}x, dense {spent[0] / spent[2]:.1f}x)",
            flush=True,
        )
        compiled = muvera._RUST_AVAILABLE
        for kernels in (compiled, False):
            muvera._RUST_AVAILABLE = kernels
            one_by_one = seconds(lambda theirs=theirs: [theirs.encode_documents(d) for d in few])[0] / len(few)  # type: ignore[misc]
            print(
                f"  {'compiled' if kernels else 'numpy'}, one by one: {1 / one_by_one:,.0f} documents/s"
                f"  (fewbits sketch {one_by_one / (spent[1] / count):.0f}x)",
                flush=True,
            )
        muvera._RUST_AVAILABLE = compiled


# --- chamfer ---------------------------------------------------------------------------------------------------------


def rerank_all(index: fb.MultiVectorIndex, queries: Sets, n: int) -> F32:
    """Scores every document of the store for every query: the token store without its index."""
    return index.score(queries, np.arange(n), threads=1)


def chamfer(data: Data) -> None:
    """A query of 32 tokens against documents of 128, per pair: medians over queries, each timed in alternation."""
    n, tokens = 200, 32
    count = min(32, len(data.queries.tokens) // tokens)
    documents = head(data.documents, n)
    small = fb.FDE(data.dim, 1, 0, 1)

    def by_numpy(query: F32) -> None:
        np.maximum.reduceat(query @ documents.tokens.T, documents.offsets[:-1], axis=1).sum(axis=0)

    stores = {
        codec.describe(): fb.MultiVectorIndex(data.dim, encoder=small, tokens=codec).build(documents, progress=False)
        for codec in (fb.Float(32), fb.Float(16), fb.Scalar(8), fb.Scalar(4))
    }
    rounds = []
    for query in data.queries.tokens[: count * tokens].reshape(count, tokens, -1):
        one = Sets(query, np.array([0, tokens]))
        tasks = [lambda index=index, one=one: rerank_all(index, one, n) for index in stores.values()]  # type: ignore[misc]
        rounds.append(seconds(lambda query=query: by_numpy(query), *tasks))  # type: ignore[misc]
    spent = np.median(rounds, axis=0)
    print(f"\nChamfer, {tokens} tokens against {len(documents.tokens) / n:.0f}: microseconds per pair\n")
    for name, time_ in zip(("numpy, float32", *stores), spent, strict=True):
        print(f"{name:<46}{time_ / n * 1e6:8.2f}{spent[0] / time_:8.2f}x", flush=True)


def bounds(data: Data) -> None:
    """What an early exit could save: the share of maxima (of a query token with a document) that are not needed once
    the sum of the earlier ones and a bound on the remaining ones fall short of the tenth best score so far."""
    fde = fb.FDE(data.dim)
    index = fb.Index(fde.dims, metric="ip", codec=fb.RaBitQ(1))
    index.build(fde.encode_documents(data.documents, threads=1), progress=False)
    candidates = index.search(fde.encode_queries(data.queries, threads=1), 100, threads=1).ids
    documents, queries = as_list(data.documents), as_list(data.queries)
    longest = np.linalg.norm(data.documents.tokens, axis=1).max()
    saved, total = np.zeros(3), 0
    for query, ids in zip(queries, candidates, strict=True):
        maxima = np.stack([(query @ documents[i].T).max(axis=1) for i in ids])
        total += maxima.size
        scores = maxima.sum(axis=1)
        best_maxima = maxima.max(axis=0)
        order = np.argsort(maxima.mean(axis=0) - best_maxima)
        known = np.arange(len(query))
        for way, (bound, tokens) in enumerate(
            ((longest * np.linalg.norm(query, axis=1), known), (best_maxima, known), (best_maxima, order))
        ):
            most = maxima[:, tokens].cumsum(axis=1) + bound[tokens].sum() - bound[tokens].cumsum()
            for row in range(10, len(ids)):
                short = np.flatnonzero(most[row] < np.partition(scores[:row], -10)[-10])
                saved[way] += len(query) - 1 - short[0] if len(short) else 0
    names = ("lengths of tokens", "best maximum of the candidates", "the same, best order of query tokens")
    print("\nEarly exit from 100 candidates, k = 10: maxima saved, by bound\n")
    for name, share in zip(names, saved / total, strict=True):
        print(f"{name:<40}{share:8.3f}", flush=True)


# --- compressed encodings and reranked search ------------------------------------------------------------------------


def compressed(data: Data) -> None:
    """Codes of encodings: all documents for codecs without codebooks, and half of the documents for other codecs, whose
    codebooks are trained on the other half."""
    n = len(data.documents.offsets) - 1
    fde = fb.FDE(data.dim)
    all_fdes = (fde, fb.FDE(data.dim, 20, 4), fb.FDE(data.dim, 20, 3), fb.FDE(data.dim, 20, 3, 8))
    documents = {f.dims: f.encode_documents(data.documents) for f in all_fdes}
    queries = {f.dims: f.encode_queries(data.queries) for f in all_fdes}
    print("\nCompressed encodings: Chamfer top-10 within the first 100\n")
    rows: list[tuple[int, Any]] = [
        (fde.dims, fb.Float(32)),
        (fde.dims, fb.Scalar(4)),
        (fde.dims, fb.RaBitQ(bits=1)),
        *((f.dims, codec) for f in all_fdes[1:] for codec in (fb.Float(32), fb.Scalar(8), fb.Scalar(4))),
        *((f.dims, fb.RaBitQ(bits)) for f in all_fdes[1:] for bits in (4, 2, 1)),
    ]
    for dims, codec in rows:
        index = fb.Index(dims, metric="ip", codec=codec).build(documents[dims], progress=False)
        found = recall(index.search(queries[dims], 100).ids, data.top)
        size = index.stats()["bytes_per_vector"]
        print(f"all {n}: {dims:>6} dims, {codec.describe():<46}{size:>8,.0f} bytes{found:8.3f}", flush=True)
    later = np.arange(n // 2, n)
    top = best(data.chamfer[:, later], 10)
    for codec in (fb.Float(32), fb.RaBitQ(bits=1), fb.PQ(1280), fb.PQ(640)):
        index = fb.Index(fde.dims, metric="ip", codec=codec).train(documents[fde.dims][: n // 2], progress=False)
        index.add(documents[fde.dims][later], progress=False)
        found = recall(index.search(queries[fde.dims], 50).ids, top)
        size = index.stats()["bytes_per_vector"]
        print(
            f"half, first 50: {fde.dims} dims, {codec.describe():<40}{size:>8,.0f} bytes{found:8.3f}",
            flush=True,
        )


def every_second(sets: Sets) -> list[F32]:
    return as_list(sets)[::2]


def mixed_lengths(documents: Sets) -> tuple[list[F32], NDArray[np.int64]]:
    """The documents, some joined to documents of LONGER times the usual length; how many each one is made of."""
    members = as_list(documents)
    order = np.random.default_rng(0).permutation(len(members))
    corpus, parts_of, at = [], [], 0
    for parts in (*LONGER, 1):
        count = len(members) // (10 * parts) if parts > 1 else len(members) - at
        for _ in range(count):
            corpus.append(np.concatenate([members[i] for i in order[at : at + parts]]))
            at += parts
        parts_of += [parts] * count
    return corpus, np.array(parts_of)


def short(encoder: fb.FDE | fb.LEMUR) -> str:
    return encoder.describe().partition(":")[0].partition(", by")[0]


def encoders(data: Data) -> None:
    """Candidates by codes, of documents of equal and of mixed lengths. LEMUR is trained on every second document; in
    the last rows on all of them."""
    corpus, parts_of = mixed_lengths(data.documents)
    top = best(fb.chamfer(data.queries, corpus, threads=1), 10)
    fde, half, whole = fb.FDE(data.dim), every_second(data.documents), as_list(data.documents)
    paper, lemur = fb.FDE(data.dim, length_fair=False), fb.LEMUR(2048, dim=256)
    rows: list[tuple[Any, Any, list[F32]]] = [
        *((encoder, codec, half) for encoder in (paper, fde) for codec in (fb.Float(32), fb.RaBitQ(1))),
        (fb.FDE(data.dim, 20, 3, 8), fb.RaBitQ(1), half),
        *((fb.LEMUR(), fb.RaBitQ(bits), half) for bits in (1, 2, 4)),
        *((lemur, codec, half) for codec in (fb.RaBitQ(1), fb.RaBitQ(2), fb.RaBitQ(4), fb.Float(32))),
        *((lemur, codec, whole) for codec in (fb.RaBitQ(2), fb.RaBitQ(4))),
    ]
    print("\nCandidates by encoder and codec: Chamfer top-10 within the first N")
    print(f"Of mixed lengths, within the first 100, by length ({', '.join(map(str, LONGER))} times the usual one)\n")
    trained: dict[Any, Any] = {}
    for encoder, codec, sample in rows:
        start = time.process_time()
        if (encoder, len(sample)) not in trained:
            fits = isinstance(encoder, fb.LEMUR)
            trained[encoder, len(sample)] = encoder.train(sample, threads=1) if fits else encoder
        fitting = time.process_time() - start
        fitted = trained[encoder, len(sample)]
        index = fb.MultiVectorIndex(data.dim, encoder=fitted, codec=codec, tokens=fb.Scalar(4))
        index.train(sample, progress=False, threads=1)
        start = time.process_time()
        index.add(data.documents, progress=False, threads=1)
        each = (time.process_time() - start) / len(index) * 1e3
        ids = index.search(data.queries, 100, rerank=0, threads=1).ids
        shown = "".join(f"{recall(ids[:, :n], data.top):8.3f}" for n in DEPTHS)
        other = fb.MultiVectorIndex(data.dim, encoder=fitted, codec=codec, tokens=fb.Scalar(4))
        other.build(corpus, progress=False, threads=1)
        ids = other.search(data.queries, 100, rerank=0, threads=1).ids
        held = (top[:, :, None] == ids[:, None, :]).any(axis=2)
        by_length = ", ".join(f"{parts}: {held[parts_of[top] == parts].mean():.3f}" for parts in (*LONGER, 1))
        form = "" if getattr(encoder, "length_fair", True) else ", as in the paper"
        name = f"{short(encoder)}{form}, {codec.describe()}"
        print(
            f"{name[:88]:<90}{index.stats()['fde_bytes']:>8,.0f} bytes{shown}  {by_length}"
            f"{each:7.2f} ms per document (training on {len(sample):,}: {fitting:.1f} s)",
            flush=True,
        )


def searched(data: Data) -> None:
    print("\nReranked search: candidates, token codec; documents that the encoder was trained on\n")
    exact = fb.evaluate(best(data.chamfer, 10), None, data.qrels, k=10)["ndcg"]
    print(f"{'exact Chamfer, float tokens':<149}{exact:8.4f} nDCG@10")
    half, whole = every_second(data.documents), as_list(data.documents)
    fde = fb.FDE(data.dim)
    rows: list[tuple[Any, Any, Any, list[F32]]] = [
        *((fde, fb.RaBitQ(1), tokens, half) for tokens in (fb.Float(16), fb.Scalar(8), fb.Scalar(4))),
        *(
            (fb.LEMUR(2048, dim=dim), fb.RaBitQ(bits), fb.Scalar(4), sample)
            for sample in (half, whole)
            for dim, bits in ((256, 2), (256, 4), (512, 2), (1024, 4))
        ),
    ]
    for encoder, codec, tokens, sample in rows:
        index = fb.MultiVectorIndex(data.dim, encoder=encoder, codec=codec, tokens=tokens)
        index.train(sample, progress=False, threads=1).add(data.documents, progress=False, threads=1)
        numbers = index.stats()
        size = numbers["fde_bytes"] + numbers["token_bytes"]
        for depth in (50, 100):

            def search(index: Any = index, depth: int = depth) -> NDArray[np.int64]:
                ids: NDArray[np.int64] = index.search(data.queries, 10, rerank=depth, threads=1).ids
                return ids

            each = seconds(search)[0] / (len(data.queries.offsets) - 1) * 1e3
            ndcg = fb.evaluate(search(), None, data.qrels, k=10)["ndcg"]
            name = f"{depth} by {short(encoder)}, {codec.bits} bits; {tokens.describe().partition(', u')[0]}"
            print(
                f"{name:<112}{len(sample):>5,}{size:>9,.0f} bytes{recall(search(), data.top):8.3f} recall@10"
                f"{ndcg:8.4f} nDCG@10 {each:7.2f} ms per query",
                flush=True,
            )


def ranked(index: fb.MultiVectorIndex, queries: Sets, ids: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    return np.take_along_axis(ids, best(index.score(queries, ids, threads=1), k), axis=1)


def stores(data: Data) -> None:
    """Token codecs and pooling, with candidates from encodings of 10,240 and of 2,560 dimensions."""
    count = len(data.queries.offsets) - 1
    small = fb.FDE(data.dim, 1, 0, 1)
    candidates = []
    for fde in (fb.FDE(data.dim), fb.FDE(data.dim, 20, 3)):
        index = fb.Index(fde.dims, metric="ip", codec=fb.RaBitQ(1))
        index.build(fde.encode_documents(data.documents, threads=1), progress=False)
        candidates.append((fde.dims, index.search(fde.encode_queries(data.queries, threads=1), 100, threads=1).ids))
    print("\nToken stores, 100 candidates of RaBitQ codes\n")
    for tokens, share in STORES:
        pooling = None if share == 1 else fb.Pooling(share)
        index = fb.MultiVectorIndex(data.dim, encoder=small, tokens=tokens, pooling=pooling)
        index.build(data.documents, progress=False)
        shown = f"{tokens.describe()}, {share:.0%} of the tokens"
        print(f"{shown:<58}{index.stats()['token_bytes']:>8,.0f} bytes", end="")
        for dims, ids in candidates:
            run = lambda ids=ids, index=index: ranked(index, data.queries, ids, 10)  # noqa: E731
            ndcg = fb.evaluate(run(), None, data.qrels, k=10)["ndcg"]
            spent = seconds(run)[0] / count * 1e3
            print(f" | {dims:,}: {recall(run(), data.top):.3f} {ndcg:.4f} {spent:.2f} ms", end="")
        print(flush=True)


def margin_of(index: fb.MultiVectorIndex, queries: Any, depth: int, share: float) -> float:
    """With which this share of the queries' results is ranked, of `depth` candidates."""
    found = index.search(queries, depth, rerank=0, threads=1)
    scores = index.score(queries, found.ids, threads=1)
    margins = of_results(needed(found.scores, scores, 10), scores, 10)
    return max(0.0, float(margins[math.ceil(share * len(margins)) - 1]))


def margins(data: Data) -> None:
    """Ranking that stops early beside ranking of a fixed number of candidates: margins are fitted to the first half of
    the queries, and all is measured on the other half."""
    queries = as_list(data.queries)
    fit, held_out = queries[: len(queries) // 2], queries[len(queries) // 2 :]
    top = data.top[len(fit) :]
    print(f"\nRanking that stops early, {len(held_out)} queries, margins fitted to {len(fit)} others, k = 10\n")
    encodings: list[tuple[Any, Any]] = [
        (fb.FDE(data.dim), fb.RaBitQ(1)),
        (fb.LEMUR(), fb.RaBitQ(4)),
        (fb.LEMUR(2048, dim=256), fb.RaBitQ(4)),
    ]
    for encoder, codec in encodings:
        index = fb.MultiVectorIndex(data.dim, encoder=encoder, codec=codec, tokens=fb.RaBitQ(4))
        index.train(every_second(data.documents), progress=False, threads=1).add(data.documents, progress=False)
        print(f"{short(encoder)}, {codec.describe()}", flush=True)
        found = index.search(held_out, max(MARGIN_DEPTHS), rerank=0, threads=1)
        scores = index.score(held_out, found.ids, threads=1)
        least = needed(found.scores, scores, 10)
        deepest = np.argsort(-scores[:, :100], axis=1, kind="stable")[:, :10].max(axis=1) + 1
        print(f"    the last of the best of 100 candidates is number {deepest.mean():.1f}, on average")
        settings = [(depth, 1.0, math.inf) for depth in MARGIN_DEPTHS]
        settings += [
            (depth, share, margin_of(index, fit, depth, share)) for depth in (100, 200) for share in MARGIN_SHARES
        ]
        for depth, share, margin in settings:

            def search(index: Any = index, depth: int = depth, margin: float = margin) -> NDArray[np.int64]:
                ids: NDArray[np.int64] = index.search(held_out, 10, rerank=depth, margin=margin, threads=1).ids
                return ids

            ranked = (least[:, :depth] <= margin).sum(axis=1).mean()
            each = seconds(search)[0] / len(held_out) * 1e3
            chosen = "all of them" if math.isinf(margin) else f"margin {margin:.2f} ({share:.3f} of other results)"
            print(
                f"    {depth:>3} candidates, {chosen:<38}{ranked:6.1f} ranked{recall(search(), top):8.4f} recall@10"
                f"{each:8.3f} ms of CPU",
                flush=True,
            )


def budgets(data: Data) -> None:
    print("\nfb.build_multivector by budget, 100 candidates\n")
    for budget, effort in ((budget, effort) for effort in ("quick", "normal") for budget in BUDGETS):
        start = time.process_time()
        index = fb.build_multivector(
            data.documents, bytes_per_document=budget, effort=effort, progress=False, threads=1
        )
        built = time.process_time() - start
        spent = seconds(lambda index=index: index.search(data.queries, 10, rerank=100, threads=1))[0]  # type: ignore[misc]
        ids = index.search(data.queries, 10, rerank=100, threads=1).ids
        ndcg = fb.evaluate(ids, None, data.qrels, k=10)["ndcg"]
        numbers = index.stats()
        size = numbers["fde_bytes"] + numbers["token_bytes"]
        each = spent / (len(data.queries.offsets) - 1) * 1e3
        print(
            f"{effort:<7}{budget:>7,}: {size:>7,.0f} bytes (on disk {numbers['token_bytes_on_disk']:,.0f}, "
            f"built in {built:.0f} s)"
            f"{recall(ids, data.top):8.3f} recall@10{ndcg:8.4f} nDCG@10{each:7.2f} ms per query  "
            + "; ".join(index.explain().partition("why:")[2].split("  - ")[1:]),
            flush=True,
        )


# --- fewer tokens ----------------------------------------------------------------------------------------------------


def reduced(data: Data) -> None:
    """Pooled documents and carved queries: all documents ranked by Scalar(8) tokens, so nothing else has an effect."""
    n, count = len(data.documents.offsets) - 1, len(data.queries.offsets) - 1
    small = fb.FDE(data.dim, 1, 0, 1)
    print(f"\nFewer tokens: all {n} documents ranked by Scalar(8) tokens; top-10 shared with exact Chamfer, nDCG@10\n")

    def line(name: str, index: fb.MultiVectorIndex, queries: Sets) -> None:
        some = head(queries, 20)
        spent = seconds(lambda: rerank_all(index, some, n))[0] / 20 / n * 1e6
        found = index.rank_all(queries, 10, threads=1).ids
        ndcg = fb.evaluate(found, None, data.qrels, k=10)["ndcg"]
        sizes = f"{index.stats()['tokens'] / n:6.1f} x {len(queries.tokens) / count:5.1f} tokens"
        print(f"{name:<34}{sizes}{recall(found, data.top):8.3f}{ndcg:9.4f}{spent:8.2f} us per pair", flush=True)

    whole = fb.MultiVectorIndex(data.dim, encoder=small).build(data.documents, progress=False)
    line("as they are", whole, data.queries)
    for least in (0.9, 0.8, 0.7, 0.6):
        line(f"carved, minimum {least}", whole, fb.carve(data.queries, least))
    for method in ("agglomerative", "kmeans"):
        for share in (0.75, 0.5, 0.25):
            pooling = fb.Pooling(share, method=method)
            index = fb.MultiVectorIndex(data.dim, encoder=small, pooling=pooling).build(data.documents, progress=False)
            line(f"pooled to {share:.0%}, {method}", index, data.queries)
    fixed = fb.MultiVectorIndex(data.dim, encoder=small, pooling=fb.Pooling(tokens=32)).build(
        data.documents, progress=False
    )
    line("pooled to 32, agglomerative", fixed, data.queries)


# --- a larger index --------------------------------------------------------------------------------------------------


GROWN: dict[str, tuple[Any, Any]] = {
    "fde": (None, fb.RaBitQ(1)),
    "lemur": (fb.LEMUR(2048, dim=256), fb.RaBitQ(2)),
    "linear": (fb.LEMUR(sample=4096), fb.RaBitQ(4)),
}


def synthetic(data: Data, n: int, grown: list[str]) -> None:
    """Encoders over the same documents and token codes. What is found is compared with a ranking of all documents by
    their codes; margins are fitted to other queries."""
    print(f"\n{n:,} documents generated around the real ones: growth\n")
    indexes: dict[str, fb.MultiVectorIndex] = {}
    for name in grown:
        encoder, codec = GROWN[name]
        index = fb.MultiVectorIndex(data.dim, encoder=encoder, codec=codec, tokens=fb.Scalar(4, on_disk=True))
        indexes[name] = index.train(data.documents, progress=False, threads=1)
    queries = as_list(data.queries)
    some, others = queries[:20], queries[20:120]
    spent, next_shown = dict.fromkeys(indexes, 0.0), n // 8
    for sets in around(data.documents, n, 0):
        for name, index in indexes.items():
            start = time.process_time()
            index.add(sets, progress=False, threads=1)
            spent[name] += time.process_time() - start
        held = len(index)
        if held < next_shown and held < n:
            continue
        next_shown *= 2
        for name, index in indexes.items():
            each = seconds(lambda index=index: index.search(some, 10, rerank=100, threads=1))[0] / len(some)  # type: ignore[misc]
            numbers = index.stats()
            print(
                f"{held:>9,} documents, {name:<6}{numbers['fde_bytes']:>7,.0f} + {numbers['token_bytes']:,.0f} bytes in"
                f" memory, {numbers['token_bytes_on_disk']:,.0f} on disk, {each * 1e3:8.2f} ms per query, built in"
                f" {spent[name] / held * 1e3:.2f} ms of CPU per document",
                flush=True,
            )
    top = index.rank_all(some, 10, threads=1).ids
    for name, index in indexes.items():
        for depth in (50, 100, 200):
            margin = margin_of(index, others, depth, 0.998)
            for least in (math.inf, margin):

                def search(index: Any = index, depth: int = depth, least: float = least) -> NDArray[np.int64]:
                    ids: NDArray[np.int64] = index.search(some, 10, rerank=depth, margin=least, threads=1).ids
                    return ids

                each = seconds(search)[0] / len(some) * 1e3
                print(
                    f"{name:<6}{depth:>4} candidates, margin {least:5.2f}: {recall(search(), top):.3f} of the top 10,"
                    f" {each:.2f} ms per query",
                    flush=True,
                )


TABLES: dict[str, Callable[[Data, int], None]] = {
    "encodings": encodings,
    "peer": lambda data, _: peer(data),
    "chamfer": lambda data, _: chamfer(data),
    "bounds": lambda data, _: bounds(data),
    "encoders": lambda data, _: encoders(data),
    "compressed": lambda data, _: compressed(data),
    "searched": lambda data, _: searched(data),
    "stores": lambda data, _: stores(data),
    "budgets": lambda data, _: budgets(data),
    "reduced": lambda data, _: reduced(data),
    "margin": lambda data, _: margins(data),
    "stopping": lambda data, _: stopping(data),
    "tokens": lambda data, _: token_codes(data),
}


def hold_numpy_to_one_thread() -> None:
    """Restarts the process: BLAS reads these variables only when it is loaded."""
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        os.execv(sys.executable, [sys.executable, *sys.argv])


def main() -> None:
    hold_numpy_to_one_thread()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--synthetic", type=int, default=0)
    parser.add_argument("--encoders", choices=GROWN, nargs="*", default=["fde", "lemur"], help="of --synthetic")
    parser.add_argument("--only", choices=TABLES, nargs="*", default=list(TABLES), help="the tables to print")
    parser.add_argument(
        "--peers", type=int, metavar="N", help="other libraries, on N passages of the documents (0: on the documents)"
    )
    arguments = parser.parse_args()
    data = load(arguments.folder)
    n, queries = len(data.documents.offsets) - 1, len(data.queries.offsets) - 1
    print(f"{arguments.folder.name}: {n:,} documents, {queries:,} queries, {data.dim} dimensions; {fb.isa()}")
    for name in arguments.only:
        TABLES[name](data, arguments.seeds)
    if arguments.peers is not None:
        peers(data, arguments.peers)
    if arguments.synthetic:
        synthetic(data, arguments.synthetic, arguments.encoders)


if __name__ == "__main__":
    main()
