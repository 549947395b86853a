"""Reading the package as text: its modules and what they import. Nothing here imports the package itself."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "LumbarBiplanarLib"
PACKAGE_FOLDER = Path(__file__).resolve().parents[2] / "LumbarBiplanar" / PACKAGE


@dataclass(frozen=True)
class Import:
    """One import statement: the module asked for, its line, and when it runs ("import", "call" or "typing")."""

    target: str
    line: int
    when: str


@dataclass(frozen=True)
class Module:
    """One Python file of the package."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def part(self) -> str:
        """First name below the package: "geometry" for LumbarBiplanarLib.geometry.view; empty for the package."""
        return part_of(self.name)


def part_of(name: str) -> str:
    return (name.split(".") + [""])[1]


def package_modules(folder: Path = PACKAGE_FOLDER) -> dict[str, Module]:
    """Return the modules of the package by dotted name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = [folder.name, *path.relative_to(folder).with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return found


def imports_of(module: Module, known: set[str]) -> list[Import]:
    """Return the imports of a module, with relative ones made absolute.

    ``from package import name`` counts as an import of ``package.name`` where that is one of the ``known`` modules.
    """
    found: list[Import] = []
    _collect(module.tree, "import", module, known, found)
    return found


def _collect(node: ast.AST, when: str, module: Module, known: set[str], found: list[Import]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            found.extend(Import(alias.name, child.lineno, when) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(child, module)
            for alias in child.names:
                deeper = f"{base}.{alias.name}"
                found.append(Import(deeper if deeper in known else base, child.lineno, when))
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            _collect(child, "call", module, known, found)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            _collect(child, "typing", module, known, found)
        else:
            _collect(child, when, module, known, found)


def _absolute(statement: ast.ImportFrom, module: Module) -> str:
    if not statement.level:
        return statement.module or ""
    parts = module.name.split(".")
    base = parts[: len(parts) - statement.level + module.is_package]
    return ".".join([*base, *([statement.module] if statement.module else [])])
