"""Every name of qt, ctk and slicer that the module uses exists in the headless Slicer or is listed as out of reach."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "LumbarBiplanar"
README = (ROOT / "Testing" / "headless" / "README.md").read_text(encoding="utf-8")


def sources() -> list[Path]:
    folders = [MODULE / "LumbarBiplanarLib" / "mrml", MODULE / "LumbarBiplanarLib" / "ui", MODULE / "Scripts"]
    return [MODULE / "LumbarBiplanar.py", *(path for folder in folders for path in sorted(folder.glob("*.py")))]


def dotted(node: ast.AST) -> str | None:
    """Return ``slicer.app.layoutManager`` for the expression of that form, None for any other."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in ("qt", "ctk", "slicer"):
        return ".".join([node.id, *reversed(parts)])
    return None


def names_in(tree: ast.AST) -> set[str]:
    found = {name for node in ast.walk(tree) if isinstance(node, ast.Attribute) and (name := dotted(node))}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "slicer":
            found |= {f"{node.module}.{item.name}" for item in node.names}
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


def used_names() -> set[str]:
    return set().union(*(names_in(ast.parse(path.read_text(encoding="utf-8"))) for path in sources()))


def resolves(name: str) -> bool:
    first, *rest = name.split(".")
    found = importlib.import_module(first)
    for part in rest:
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def test_every_name_of_slicer_that_the_module_uses_is_there(app):
    names = used_names()
    assert len(names) > 30
    assert sorted(name for name in names if not resolves(name)) == []


def test_a_name_that_slicer_does_not_have_is_noticed(app):
    code = "import qt, slicer\nqt.QPushButtn('x')\nslicer.app.layoutManger().layout\nqt.Qt.AlignLeft"
    found = {name: resolves(name) for name in names_in(ast.parse(code))}
    assert found == {"qt.QPushButtn": False, "slicer.app.layoutManger": False, "qt.Qt.AlignLeft": True}


def test_the_readme_names_every_part_of_the_application_that_is_a_stand_in():
    used = {name.split(".")[2] for name in used_names() if name.startswith("slicer.app.")}
    assert used and sorted(name for name in used if f"`{name}`" not in README) == []


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_no_python_class_declares_qt_signals_or_takes_pyside_names(path):
    text = path.read_text(encoding="utf-8")
    for wrong in ("PySide", "PyQt", "QtWidgets", "QtCore", "QtGui", "qt.Signal", "qt.Property", "qt.Slot"):
        assert wrong not in text
