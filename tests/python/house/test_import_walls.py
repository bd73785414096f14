"""The walls of the package: who may import whom, no circles, and nobody reaches into another object's private parts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fewbits

ROOT = Path(fewbits.__file__).parent
PACKAGE = ROOT.name
ROOT_OF_PROJECT = Path(__file__).resolve().parents[3]


def table() -> dict[str, set[str]]:
    """What each folder may import, as docs/architecture.md has it: `fewbits` is the public face."""
    lines = (
        (ROOT_OF_PROJECT / "docs" / "architecture.md").read_text().partition("| `python/fewbits/` |")[2].splitlines()
    )
    rows = [line.split("|") for line in lines[2 : lines.index("")]]
    return {row[1].strip(" `"): set(re.findall(r"`(\w+)`", row[3])) for row in rows}


# Beside the folders: they import nothing but each other. Everything may import them and the compiled module.
COMMON = {"_core", "errors", "kinds", "records"}
ALLOWED = table() | {"__main__": {"cli"}} | {name: set() for name in COMMON - {"_core"}}

NAMED_TUPLE = {"_replace", "_asdict", "_fields"}


def modules() -> dict[str, Path]:
    """By dotted name below the package; the package itself is ""."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(name: str, tree: ast.AST) -> Iterator[str]:
    """The modules of the package that a module imports, wherever in it: in functions and for types too."""
    package = name.split(".") if MODULES[name].name == "__init__.py" else name.split(".")[:-1]
    package = [part for part in package if part]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    yield alias.name.partition(".")[2]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
            elif node.module and node.module.split(".")[0] == PACKAGE:
                base, node.module = [], node.module.partition(".")[2]
            else:
                continue
            base = base + (node.module.split(".") if node.module else [])
            for alias in node.names:
                whole = ".".join([*base, alias.name])
                yield whole if whole in MODULES or whole == "_core" else ".".join(base)


def graph() -> dict[str, set[str]]:
    """Without what the package exports: its face names what is behind it."""
    trees = {name: ast.parse(path.read_text()) for name, path in MODULES.items() if name}
    return {name: set(imported(name, tree)) - {name} for name, tree in trees.items()}


GRAPH = graph()


def room(module: str) -> str:
    return module.split(".")[0] if module else PACKAGE


def test_every_room_has_a_rule() -> None:
    assert {room(name) for name in MODULES if name} == set(ALLOWED)


@pytest.mark.parametrize("name", sorted(GRAPH))
def test_imports_are_allowed(name: str) -> None:
    own = room(name)
    rooms = {room(other) for other in GRAPH[name]} - {own}
    assert rooms <= ALLOWED[own] | COMMON, f"{name} imports {sorted(rooms - ALLOWED[own] - COMMON)}"


def test_no_rule_is_unused() -> None:
    used = {name: set[str]() for name in ALLOWED}
    for name, others in GRAPH.items():
        used[room(name)] |= {room(other) for other in others} - {room(name)} - COMMON
    assert used == ALLOWED


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of a circle of imports; empty if there is none."""
    done: set[str] = set()
    for start in sorted(graph):
        trail: list[str] = []
        stack = [(start, iter(sorted(graph[start])))]
        while stack:
            name, others = stack[-1]
            if name not in trail:
                trail.append(name)
            other = next((other for other in others if other in graph and other not in done), None)
            if other is None:
                done.add(name)
                stack.pop()
                trail.pop()
            elif other in trail:
                return [*trail[trail.index(other) :], other]
            else:
                stack.append((other, iter(sorted(graph[other]))))
    return []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert not circle(GRAPH)


def reaches(tree: ast.AST) -> list[str]:
    """Uses of private attributes of objects other than self whose class is of another module."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    declared = [node.target for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
    own |= {target.id for target in declared if isinstance(target, ast.Name)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            of_self = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if of_self and isinstance(node.ctx, ast.Store):
                own.add(node.attr)
            elif not of_self:
                found.append(node)
    return [f"line {node.lineno}: {ast.unparse(node)}" for node in found if node.attr not in own | NAMED_TUPLE]


def test_a_reach_is_found() -> None:
    assert reaches(ast.parse("index._state")) == ["line 1: index._state"]
    assert reaches(ast.parse("class A:\n  def f(self, other):\n    self._x = other._x")) == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_nothing_private_is_taken_from_another_module(name: str) -> None:
    assert not reaches(ast.parse(MODULES[name].read_text()))
