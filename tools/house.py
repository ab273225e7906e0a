"""Measure the house: rooms, imports between them, lines, and functions that only tests use.

A room is a module or package directly under `langsteer`, and a package within a package; an arrow
is one room that imports from another. A function that only tests use is one whose name occurs in
no other place of the package, the tools and the benchmarks, but in the tests.

    python tools/house.py [REVISION …]      # the working tree, and each revision
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = "langsteer"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One module that imports another."""

    module: str
    line: int
    target: str
    lazy: bool
    """Within a function: it happens only when that is called."""
    typing: bool
    """Only for type checkers: it never happens."""


class House:
    """A checkout of the project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "src" / PACKAGE

    @cached_property
    def modules(self) -> dict[str, ast.Module]:
        """Every module of the package by its dotted name."""
        return {
            _module_name(path.relative_to(self.source.parent)): ast.parse(path.read_text("utf-8"))
            for path in sorted(self.source.rglob("*.py"))
        }

    @cached_property
    def packages(self) -> set[str]:
        """The names of those modules that are packages."""
        paths = self.source.rglob("__init__.py")
        return {_module_name(path.relative_to(self.source.parent)) for path in paths}

    def room(self, module: str) -> str:
        """The room that a module is in; the package's own `__init__` is the room ``""``."""
        if module == PACKAGE:
            return ""
        package = module if module in self.packages else module.rpartition(".")[0]
        return (module if package == PACKAGE else package).removeprefix(f"{PACKAGE}.")

    @cached_property
    def rooms(self) -> list[str]:
        """All rooms that hold code."""
        return sorted({self.room(module) for module in self.modules} - {""})

    @cached_property
    def imports(self) -> list[Import]:
        """All imports of one module of the package by another."""
        return [one for module, tree in self.modules.items() for one in self._imports(module, tree)]

    def _imports(self, module: str, tree: ast.Module) -> Iterator[Import]:
        lazy = {id(one) for body in _functions(tree) for one in ast.walk(body)}
        typing = {
            id(one)
            for body in ast.walk(tree)
            if isinstance(body, ast.If) and "TYPE_CHECKING" in ast.unparse(body.test)
            for one in ast.walk(body)
        }
        for node in ast.walk(tree):
            for target in sorted(set(self._targets(node))):
                yield Import(module, node.lineno, target, id(node) in lazy, id(node) in typing)  # type: ignore[attr-defined]

    def _targets(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in self.modules)
        elif isinstance(node, ast.ImportFrom) and node.module in self.modules:
            for one in node.names:
                whole = f"{node.module}.{one.name}"
                yield whole if whole in self.modules else node.module

    @cached_property
    def arrows(self) -> list[tuple[str, str]]:
        """Pairs of rooms of which the first imports from the second."""
        pairs = {(self.room(one.module), self.room(one.target)) for one in self.imports}
        return sorted(pair for pair in pairs if pair[0] != pair[1] and "" not in pair)

    @cached_property
    def lines(self) -> int:
        """Lines of Python in the package."""
        return sum(len(path.read_text("utf-8").splitlines()) for path in self.source.rglob("*.py"))

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function and method with the name of its module."""
        for module, tree in self.modules.items():
            for one in _functions(tree):
                yield module, one

    def classes(self) -> Iterator[tuple[str, ast.ClassDef]]:
        """Every class at the top of a module with the name of its module."""
        for module, tree in self.modules.items():
            for one in tree.body:
                if isinstance(one, ast.ClassDef):
                    yield module, one

    def test_only(self) -> list[str]:
        """Functions of the package that only tests use, as `module.function`."""
        used = _names([self.source, self.root / "tools", self.root / "benchmarks"])
        tested = _names([self.root / "tests"])
        return sorted(
            f"{module}.{one.name}"
            for module, one in self.functions()
            if not one.name.startswith("__")
            and not one.decorator_list
            and one.name not in used
            and one.name in tested
        )


def parameters(function: Function) -> int:
    """How many parameters a caller can give."""
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (one for one in ast.walk(tree) if isinstance(one, Function))


def _module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _names(folders: list[Path]) -> set[str]:
    """Every name that code in these folders uses; definitions and prose do not count."""
    found: set[str] = set()
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.alias):
                found.add(node.name.rpartition(".")[2])
    return found


def _checkout(revision: str, folder: Path) -> House:
    command = ["git", "archive", revision, "src", "tests", "tools", "benchmarks"]
    archive = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return House(folder)


def _report(name: str, house: House) -> None:
    unused = house.test_only()
    crossing = [one for one in house.imports if house.room(one.module) != house.room(one.target)]
    print(f"{name}: {len(house.rooms)} rooms, {len(house.arrows)} arrows between rooms")
    print(f"    {len(crossing)} imports across rooms, {house.lines:,} lines")
    print(f"    {len(unused)} functions that only tests use: {', '.join(unused) or 'none'}")


def main() -> None:
    _report("working tree", House(Path(__file__).parents[1]))
    for revision in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            _report(revision, _checkout(revision, Path(folder)))


if __name__ == "__main__":
    main()
