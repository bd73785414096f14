"""The command line: demo, build, search, tune, info, verify, bench.

Wrong usage exits with 2, failure with 1 and one line on stderr that says what is wrong; never a traceback. Results go
to stdout, progress to stderr (bars only on a terminal).
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fewbits as fb

from ..bench.datasets import METRICS, load, load_array, load_sets, synthetic
from ..file.files import open_any
from ..file.foreign import EMPTY, INDEX, UNKNOWN, instead, kind_of
from ..file.places import shown

_SETS = "with a multi-vector index an (n, t, dim) array or a folder of {0}_tokens.npy and {0}_offsets.npy"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command_line = shown(shlex.join(["fewbits", *(sys.argv[1:] if argv is None else argv)]))
    try:
        run: Callable[[argparse.Namespace], int] = arguments.run
        code = run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output has left: nothing to report, and nobody to report it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("fewbits: interrupted", file=sys.stderr)
        return 130
    except (fb.FewbitsError, ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        print(f"fewbits: {_one_line(error)}", file=sys.stderr)
        return 1


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    else:
        text = str(error) or type(error).__name__
    return " ".join(shown(text).split())


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    top = argparse.ArgumentParser(
        prog="fewbits", description="Compact vector search on CPUs: numpy arrays in, a small searchable index out."
    )
    top.add_argument("--version", action="version", version=f"fewbits {fb.__version__} ({fb.isa()})")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_build(commands)
    _add_search(commands)
    _add_tune(commands)
    _add_info(commands)
    _add_verify(commands)
    _add_bench(commands)
    return top


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(run=run)
    return command


def _add_running(command: argparse.ArgumentParser, *, progress: bool = True) -> None:
    command.add_argument("--threads", type=_positive, metavar="N", help="threads to use (default: all CPUs)")
    if progress:
        command.add_argument(
            "--no-progress", action="store_true", help="no progress bars (they show on a terminal only)"
        )
        command.add_argument("--quiet", "-q", action="store_true", help="print results only")


def _add_demo(commands: Any) -> None:
    command = _command(
        commands, "demo", _demo, "build, save, open and search 400,000 word vectors, and measure memory against recall"
    )
    command.add_argument("--synthetic", action="store_true", help="generated data instead of the GloVe words")
    command.add_argument(
        "--out", type=Path, default=Path("fewbits-demo"), metavar="DIR", help="where index and report go (%(default)s)"
    )
    _add_running(command)


def _add_build(commands: Any) -> None:
    command = _command(commands, "build", _build, "build an index from a .npy file of vectors")
    command.add_argument("vectors", type=Path, metavar="X.npy", help="matrix of vectors; read block by block")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="INDEX", help="the index file to write")
    command.add_argument("--metric", choices=METRICS, required=True)
    command.add_argument(
        "--bytes-per-vector", type=float, default=64, metavar="B", help="budget of memory (default: 64)"
    )
    command.add_argument("--recall", type=float, metavar="R", help="set nprobe and rerank for this recall@10")
    command.add_argument("--ids", type=Path, metavar="IDS.npy", help="int64 ids (default: row numbers)")
    command.add_argument("--seed", type=int, default=0)
    _add_running(command)


def _add_search(commands: Any) -> None:
    command = _command(commands, "search", _search, "search an index with a .npy file of queries")
    command.add_argument("index", type=Path, metavar="INDEX")
    command.add_argument("queries", type=Path, metavar="Q", help=f"Q.npy; {_SETS.format('query')}")
    command.add_argument("-k", type=_positive, default=10, help="results per query (%(default)s)")
    command.add_argument("--nprobe", type=_positive, help="lists to read (default: the index's)")
    command.add_argument("--rerank", type=_natural, help="candidates to rerank, 0 for none (default: the index's)")
    command.add_argument(
        "-o", "--output", type=Path, metavar="OUT.npz", help="write arrays ids and scores instead of a table"
    )
    _add_running(command, progress=False)


def _add_tune(commands: Any) -> None:
    command = _command(
        commands, "tune", _tune, "find the cheapest nprobe and rerank of an index for a recall, and save them in it"
    )
    command.add_argument("index", type=Path, metavar="INDEX")
    command.add_argument(
        "queries", type=Path, metavar="Q", help=f"Q.npy: held-out, some hundreds or more; {_SETS.format('query')}"
    )
    command.add_argument("--recall", type=float, default=0.95, metavar="R", help="of the k nearest (%(default)s)")
    command.add_argument("-k", type=_positive, default=10, help="results per query (%(default)s)")
    command.add_argument(
        "--vectors",
        type=Path,
        metavar="X",
        help="X.npy: the vectors (default: recall is relative to the codes, read in full); " + _SETS.format("doc"),
    )
    command.add_argument("--ids", type=Path, metavar="IDS.npy", help="ids of the vectors (default: row numbers)")
    _add_running(command, progress=False)


def _add_info(commands: Any) -> None:
    command = _command(commands, "info", _info, "describe an index file")
    command.add_argument("index", type=Path, metavar="INDEX")


def _add_verify(commands: Any) -> None:
    command = _command(commands, "verify", _verify, "check every byte of an index file")
    command.add_argument("index", type=Path, metavar="INDEX")


def _add_bench(commands: Any) -> None:
    command = _command(commands, "bench", _bench, "memory against recall and speed, for the codecs on your vectors")
    command.add_argument(
        "data",
        type=Path,
        nargs="?",
        metavar="X",
        help="vectors.npy, vectors.npz, an ann-benchmarks .hdf5, a folder with base.npy and queries.npy, or a folder of"
        " token vectors (doc_tokens, doc_offsets, query_tokens, query_offsets and perhaps qrels_test, as .npy)",
    )
    command.add_argument("--synthetic", action="store_true", help="generated data instead of a file")
    command.add_argument(
        "--queries", type=Path, metavar="Q.npy", help="default: those of the data set, or rows held out"
    )
    command.add_argument("--metric", choices=METRICS)
    command.add_argument("-k", "--k", type=_positive, default=10, help="recall is measured at k and 10 k (%(default)s)")
    command.add_argument(
        "--budgets", type=_positive, nargs="+", metavar="B", help="bytes per vector to fill (default: powers of two)"
    )
    command.add_argument(
        "--out", type=Path, default=Path("fewbits-bench"), metavar="DIR", help="where the report goes (%(default)s)"
    )
    command.add_argument("--seed", type=int, default=0)
    _add_running(command)


def _vectors(index: fb.Index | fb.MultiVectorIndex, path: Path, name: str) -> Any:
    """What the index takes: rows of a file, or of a folder NAME_tokens.npy and NAME_offsets.npy."""
    return load_sets(path, name) if isinstance(index, fb.MultiVectorIndex) and path.is_dir() else load_array(path)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 expected, got {text}")
    return number


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"a whole number of at least 0 expected, got {text}")
    return number


def _npz(path: Path) -> Path:
    """The name that numpy gives an archive."""
    return path if path.suffix == ".npz" else path.with_name(path.name + ".npz")


def _files(path: Path) -> list[Path]:
    """A file, or those of a folder."""
    return sorted(path.iterdir()) if path.is_dir() else [path]


def _progress(arguments: argparse.Namespace) -> bool | None:
    return False if arguments.no_progress or arguments.quiet else None


def _say(arguments: argparse.Namespace) -> Callable[[str], None]:
    """Prints a line about what is going on, unless --quiet."""
    return (lambda line: None) if arguments.quiet else (lambda line: print(shown(line), flush=True))


def _index(path: Path) -> fb.Index | fb.MultiVectorIndex:
    _check_is_index(path)
    return open_any(path)


def _check_is_index(path: Path) -> None:
    """Names what a file is that is none."""
    if path.is_file() and kind_of(path) not in (INDEX, EMPTY, UNKNOWN):  # of these the core says what is wrong
        raise ValueError(f"{path}: an index file expected, {instead(path)}")


def _check_output(output: Path, *inputs: Path | None) -> None:
    """Refuses to write over a file that is read, by whatever name, and where there is no folder."""
    folder = Path(os.path.realpath(output)).parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    for path in filter(None, inputs):
        if os.path.exists(output) and os.path.exists(path) and output.samefile(path):
            raise ValueError(f"{output}: this is the input {path}, which would be lost: write to another file")


def _check_report(folder: Path, *inputs: Path | None) -> None:
    """The same for the files of a report."""
    files = [file for path in inputs if path is not None for file in _files(path)]
    for name in _files(folder) if folder.is_dir() else []:
        if name.suffix in (".json", ".html", ".png"):
            _check_output(name, *files)


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import run

    run(
        arguments.out,
        generated=arguments.synthetic,
        threads=arguments.threads,
        command=arguments.command_line,
        say=_say(arguments),
        progress=_progress(arguments),
    )
    return 0


def _build(arguments: argparse.Namespace) -> int:
    x = load_array(arguments.vectors)
    ids = load_array(arguments.ids) if arguments.ids else None
    _check_output(arguments.output, arguments.vectors, arguments.ids)
    index = fb.build(
        x,
        metric=arguments.metric,
        bytes_per_vector=arguments.bytes_per_vector,
        recall=arguments.recall,
        ids=ids,
        seed=arguments.seed,
        threads=arguments.threads,
        progress=_progress(arguments),
    )
    index.save(arguments.output)
    say = _say(arguments)
    say(index.explain())
    say(f"saved to {arguments.output} ({arguments.output.stat().st_size:,} bytes)")
    return 0


def _search(arguments: argparse.Namespace) -> int:
    index = _index(arguments.index)
    queries = _vectors(index, arguments.queries, "query")
    if arguments.output:
        _check_output(_npz(arguments.output), arguments.index, *_files(arguments.queries))
    ids, scores = index.search(
        queries, arguments.k, nprobe=arguments.nprobe, rerank=arguments.rerank, threads=arguments.threads
    )
    distances = isinstance(index, fb.Index) and index.metric == "l2"
    if arguments.output:
        np.savez(_npz(arguments.output), ids=ids, scores=scores)
        return 0
    print(f"{'query':>8} {'rank':>5} {'id':>12} {'distance' if distances else 'score':>12}")
    for query, (row_ids, row_scores) in enumerate(zip(np.atleast_2d(ids), np.atleast_2d(scores), strict=True)):
        for rank, (item, score) in enumerate(zip(row_ids.tolist(), row_scores.tolist(), strict=True), 1):
            if item >= 0:
                print(f"{query:>8} {rank:>5} {item:>12} {score:>12.6g}")
    return 0


def _tune(arguments: argparse.Namespace) -> int:
    index = _index(arguments.index)
    x = _vectors(index, arguments.vectors, "doc") if arguments.vectors else None
    queries = _vectors(index, arguments.queries, "query")
    x_ids = load_array(arguments.ids) if arguments.ids else None
    found = fb.tune(index, queries, arguments.k, recall=arguments.recall, x=x, x_ids=x_ids, threads=arguments.threads)
    index.save(arguments.index)
    settings = [f"{name} {value}" for name, value in (("nprobe", found.nprobe), ("rerank", found.rerank)) if value]
    print(f"{shown(arguments.index)}: {', '.join(settings) or 'nothing to set'} by default")
    truth = "the true nearest" if found.truth == "exact" else "what its own codes find when all is read (no --vectors)"
    print(f"recall@{arguments.k} {found.recall:.4f} of {truth} (at least {found.recall_low:.4f} at 95 %)")
    print(f"{found.queries_per_second:,.0f} queries a second on one thread")
    return 0


def _info(arguments: argparse.Namespace) -> int:
    print(_index(arguments.index).explain())
    contents = fb.inspect(arguments.index)
    major, minor = contents["version"]
    print(f"\n{shown(arguments.index)}: format {major}.{minor}, {contents['bytes']:,} bytes")
    for section in contents["sections"]:
        print(f"  {section['name']:<28} {section['dtype']:<5} {section['bytes']:>14,} bytes")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    _check_is_index(arguments.index)
    fb.verify(arguments.index)
    print(f"{shown(arguments.index)}: every byte is as it was written")
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    from ..bench import is_token_folder, run_bench

    if (arguments.data is None) != arguments.synthetic:
        given = "both" if arguments.synthetic else "neither"
        print(f"fewbits bench: one of a data set and --synthetic expected, got {given}", file=sys.stderr)
        return 2
    say = _say(arguments)
    _check_report(arguments.out, arguments.data, arguments.queries)
    if arguments.data is not None and is_token_folder(arguments.data):
        return _bench_tokens(arguments, say)
    if arguments.synthetic:
        data = synthetic(100_000, 128, seed=arguments.seed, metric=arguments.metric or "cosine")
    else:
        data = load(arguments.data, queries=arguments.queries, metric=arguments.metric, seed=arguments.seed)
    shape = f"{len(data):,} vectors of {data.dim} dimensions, {len(data.queries):,} queries"
    say(f"{data.name}: {shape}, metric {data.metric}")
    for note in data.notes:
        say(f"  {note}")
    report = run_bench(
        data,
        budgets=arguments.budgets,
        k=arguments.k,
        threads=arguments.threads,
        seed=arguments.seed,
        command=arguments.command_line,
        announce=say,
        progress=_progress(arguments),
    )
    report.show(arguments.out)
    return 0


def _bench_tokens(arguments: argparse.Namespace, say: Callable[[str], None]) -> int:
    from ..bench import run_token_bench

    for option in ("queries", "metric", "budgets"):
        if getattr(arguments, option) is not None:
            raise ValueError(f"--{option}: a folder of token vectors has its own, got {getattr(arguments, option)}")
    report = run_token_bench(
        arguments.data,
        k=arguments.k,
        threads=arguments.threads,
        seed=arguments.seed,
        command=arguments.command_line,
        announce=say,
    )
    report.show(arguments.out)
    return 0
