"""Prints pip constraints: the lowest version that pyproject.toml allows of what fewbits is built and runs with."""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def lowest(requirement: str) -> str | None:
    found = re.match(r"([\w.-]+)>=([\d.]+)", requirement.partition(";")[0].strip())
    return f"{found[1]}=={found[2]}" if found else None


if __name__ == "__main__":
    build_time = re.search(r"^requires = \[(.*)\]", PYPROJECT.read_text(), re.MULTILINE)
    assert build_time
    wanted = re.findall(r'"([^"]+)"', build_time[1])
    for requirement in requires("fewbits") or []:
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        if extra is None or extra[1] in ("charts", "hdf5"):
            wanted.append(requirement)
    print(*sorted({bound for requirement in wanted if (bound := lowest(requirement))}), sep="\n")
