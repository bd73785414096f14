"""Which folder of the C++ core may include which: the table in docs/architecture.md, held by the sources."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[3]
CPP = ROOT / "cpp"
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
# Tests compile the AVX-512 kernels once more, with intrinsics of their own.
HOOKS = {"emulate/avx512.h"}


def includes(path: Path) -> set[str]:
    return set(INCLUDE.findall(path.read_text())) - HOOKS


def sources(folder: str = "") -> list[Path]:
    return sorted(path for path in (CPP / folder).rglob("*") if path.suffix in (".h", ".cpp"))


def folder_of(include: str) -> str:
    return include.split("/")[0]


def allowed() -> dict[str, set[str]]:
    """The column "includes" of the table of folders."""
    rows = re.findall(
        r"^\| `cpp/(\w+)` \|.*\|([^|]*)\|$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE
    )
    return {folder: set(re.findall(r"`(\w+)`", names)) for folder, names in rows}


def found() -> dict[str, set[str]]:
    folders = {path.name for path in CPP.iterdir() if path.is_dir()}
    return {
        folder: {folder_of(name) for path in sources(folder) for name in includes(path)} - {folder}
        for folder in folders
    }


def test_the_walk_sees_the_core() -> None:
    assert len(sources()) > 150
    assert sum(len(includes(path)) for path in sources()) > 400


def test_every_include_names_a_file_of_the_core() -> None:
    missing = {(path, name) for path in sources() for name in includes(path) if not (CPP / name).is_file()}
    assert not missing


def test_folders_include_what_the_architecture_says_and_no_more() -> None:
    assert found() == allowed()


def test_no_folder_includes_itself_through_others() -> None:
    tuple(TopologicalSorter(allowed()).static_order())


def test_kernels_include_no_standard_library_and_of_the_core_only_errors() -> None:
    outside = {name for path in sources("kernels") for name in includes(path) if folder_of(name) != "kernels"}
    assert outside == {"base/error.h"}
    kernels = [path for path in sources("kernels") if path.parent != CPP / "kernels"]
    assert kernels
    angled = {name for path in kernels for name in re.findall(r"^#include <([^>]+)>", path.read_text(), re.MULTILINE)}
    assert angled <= {"arm_neon.h", "cstddef", "cstdint", "immintrin.h", "initializer_list"}


def test_folders_of_instruction_sets_know_only_themselves() -> None:
    sets = [path for path in (CPP / "kernels").iterdir() if path.is_dir()]
    assert len(sets) > 1
    for folder in sets:
        others = {f"kernels/{other.name}/" for other in sets if other != folder}
        for path in sources(f"kernels/{folder.name}"):
            assert not {name for name in includes(path) if any(name.startswith(other) for other in others)}


def test_files_know_no_meaning_of_names() -> None:
    for path in sources("io"):
        assert not re.search(r'"\.?(seg|segment|tokens|codec|partition|lists|removed)[."]', path.read_text()), path
