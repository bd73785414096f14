"""`fewbits train`: how an index scores, fitted to queries and judgements."""

from __future__ import annotations

import argparse
from pathlib import Path

import fewbits as fb

from ..bench.datasets import load_array
from ..file.places import shown
from .arguments import add_index, add_progress, add_threads, progress, say
from .files import open_single

SUMMARY = "train how an index scores, for queries like those given, and save it"
_TRAINERS = {"jpq": fb.train.jpq, "adapter": fb.train.adapter}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_index(parser)
    parser.add_argument("queries", type=Path, metavar="Q.npy", help="queries like those that will be asked")
    parser.add_argument(
        "--positives",
        type=Path,
        metavar="P.npy",
        help="rows of query number, relevant id and perhaps a grade (default: the ranking of the vectors is learnt)",
    )
    parser.add_argument(
        "--vectors", type=Path, metavar="X.npy", help="the vectors; not needed if the index has a rerank store"
    )
    parser.add_argument("--ids", type=Path, metavar="IDS.npy", help="ids of the vectors (default: row numbers)")
    parser.add_argument(
        "--trainer",
        choices=tuple(_TRAINERS),
        help="jpq: the codebook and a map of queries; adapter: a map of queries (default: jpq for PQ codes)",
    )
    parser.add_argument("--seed", type=int, default=0)
    add_threads(parser)
    add_progress(parser)


def run(arguments: argparse.Namespace) -> int:
    index = open_single(arguments.index)
    paths = {name: getattr(arguments, name) for name in ("queries", "positives", "vectors", "ids")}
    arrays = {name: None if path is None else load_array(path) for name, path in paths.items()}
    train = _TRAINERS[arguments.trainer or ("jpq" if isinstance(index.codec, fb.PQ) else "adapter")]
    report = train(
        index,
        arrays["queries"],
        arrays["positives"],
        x=arrays["vectors"],
        x_ids=arrays["ids"],
        seed=arguments.seed,
        threads=arguments.threads,
        progress=progress(arguments),
    )
    say(arguments)(str(report))
    if report.changed:
        index.save(arguments.index)
        say(arguments)(f"saved to {shown(arguments.index)}")
    return 0
