"""The files that commands read and write, checked before anything is overwritten."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import fewbits as fb

from ..bench.datasets import load_array, load_sets
from ..file.foreign import EMPTY, INDEX, UNKNOWN, instead_of_index, kind_of
from ..source.load import load_column


def open_any(path: Path) -> fb.Index | fb.MultiVectorIndex | fb.SparseIndex:
    check_is_index(path)
    return fb.open(path)


def open_index(path: Path) -> fb.Index | fb.MultiVectorIndex:
    """The index in a file, for commands that take vectors or documents of tokens."""
    index = open_any(path)
    if isinstance(index, fb.SparseIndex):
        raise ValueError(f"{path}: expected an index of vectors or documents, got a sparse index: use it from Python")
    return index


def open_single(path: Path) -> fb.Index:
    """The same, for commands that take vectors only."""
    index = open_index(path)
    if not isinstance(index, fb.Index):
        raise ValueError(f"{path}: expected an index of single vectors, got {index!r}")
    return index


def check_is_index(path: Path) -> None:
    """Raises ValueError if a file is recognised as something else, and says what it is."""
    if path.is_file() and kind_of(path) not in (INDEX, EMPTY, UNKNOWN):  # the core explains these
        raise ValueError(f"{path}: expected an index file, {instead_of_index(path)}")


def load_vectors(index: fb.Index | fb.MultiVectorIndex, path: Path, name: str) -> Any:
    """Input for the index: rows of a file or, from a folder, NAME_tokens.npy and NAME_offsets.npy."""
    return load_sets(path, name) if isinstance(index, fb.MultiVectorIndex) and path.is_dir() else load_array(path)


def is_sets(path: Path, name: str) -> bool:
    """Whether this is a folder of token vectors with the sets NAME."""
    return (path / f"{name}_tokens.npy").is_file()


def given_vectors(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The vectors and the ids of `arguments.add_vectors`; None for ids that are not given."""
    x = fb.load_vectors(arguments.vectors, arguments.column)
    if arguments.key is None:
        return x, load_array(arguments.ids) if arguments.ids else None
    if arguments.ids:
        raise ValueError(f"--key: expected one of --key and --ids, got --key {arguments.key} --ids {arguments.ids}")
    keys = load_column(arguments.vectors, arguments.key)
    if keys.dtype.kind not in "iu":
        raise ValueError(
            f"--key: expected whole numbers in {arguments.key!r}, got {keys.dtype}; fb.Collection takes text"
        )
    return x, keys


def given_labels(arguments: argparse.Namespace) -> Any:
    """The labels of `arguments.add_vectors`, or None."""
    return load_array(arguments.labels) if arguments.labels else None


def other_vectors(arguments: argparse.Namespace) -> Any:
    """The vectors of `arguments.add_rerank_vectors`, or None."""
    if arguments.rerank_vectors is None:
        if arguments.rerank_column is not None:
            raise ValueError(f"--rerank-column: expected --rerank-vectors with it, got {arguments.rerank_column}")
        return None
    return fb.load_vectors(arguments.rerank_vectors, arguments.rerank_column)


def other_queries(index: fb.Index | fb.MultiVectorIndex, arguments: argparse.Namespace) -> dict[str, Any]:
    """The queries of `arguments.add_rerank_queries`, as an argument of `index.search`; none if they are not given."""
    if arguments.rerank_queries is None:
        return {}
    if not isinstance(index, fb.Index):
        raise ValueError(f"--rerank-queries: expected an index of vectors in two embeddings, got {index!r}")
    return {"rerank_queries": load_array(arguments.rerank_queries)}


def files_of(path: Path) -> list[Path]:
    """A file, or the files in a folder."""
    return sorted(path.iterdir()) if path.is_dir() else [path]


def check_output(output: Path, *inputs: Path | None) -> None:
    """Raises if writing `output` would overwrite an input, under any name, or if its folder does not exist."""
    folder = Path(os.path.realpath(output)).parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    for path in filter(None, inputs):
        if os.path.exists(output) and os.path.exists(path) and output.samefile(path):
            raise ValueError(f"{output}: this is the input {path}, which would be lost: write to another file")


def check_report(folder: Path, *inputs: Path | None) -> None:
    """The same for the files of a report."""
    files = [file for path in inputs if path is not None for file in files_of(path)]
    for name in files_of(folder) if folder.is_dir() else []:
        if name.suffix in (".json", ".html", ".png"):
            check_output(name, *files)
