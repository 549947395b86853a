"""Every public name says what it does: arrays with shapes, lengths and angles with units, errors with their cause."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from package_sources import Module, package_modules

ARRAY_TYPES = re.compile(r"\b(ndarray|Tensor|NDArray|ArrayLike)\b")
# "(N, 3)", "(..., 2)", "(len(views), count)" or words that say as much.
_SIZE = r"[\w.…*+-]+(?: ?[+*-] ?\w+)?(?:\(\w+\))?"
SHAPE = re.compile(rf"\({_SIZE},(?: {_SIZE}(?:, {_SIZE})*)?\)|\b\d+ ?[x×] ?\d+\b|\b[Ss]hapes?\b|\b[Ss]calars?\b")
LENGTH_NAME = re.compile(r"(^|_)(points|positions?|spacing|angles?)($|_)")
UNIT_IN_NAME = re.compile(r"_(mm|px|deg|rad)$")
UNIT = re.compile(r"\b(mm|millimet|px|pixels?|deg|degrees?|rad|radians?|unit|units)\b", re.I)
# Slicer's own parts follow Slicer's conventions and have tests of their own.
OTHER_PARTS = {"mrml", "ui"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_names(module: Module) -> Iterator[tuple[str, ast.AST, ast.ClassDef | None]]:
    """Yield dotted name, node and class of the module's public classes, functions and methods."""
    for node in module.tree.body:
        if not isinstance(node, (ast.ClassDef, Function)) or node.name.startswith("_"):
            continue
        yield f"{module.name}.{node.name}", node, None
        for item in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(item, Function) and not item.name.startswith("_"):
                yield f"{module.name}.{node.name}.{item.name}", item, node


def complaints(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield f"{module.name}: no docstring"
    for name, node, owner in public_names(module):
        where = f"{name} (line {node.lineno})"
        text = ast.get_docstring(node) or ""
        if not text:
            if not _is_override(node, owner):
                yield f"{where}: no docstring"
        elif isinstance(node, Function):
            around = [text, ast.get_docstring(module.tree) or "", (owner and ast.get_docstring(owner)) or ""]
            yield from (f"{where}: {fault}" for fault in function_faults(node, text, "\n".join(around)))


def function_faults(node: Function, text: str, around: str) -> Iterator[str]:
    """Yield what the docstring of a function leaves out; its class or module may state shapes and units for it."""
    arguments = [item for item in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs) if item.annotation]
    arrays = [item.arg for item in arguments if ARRAY_TYPES.search(ast.unparse(item.annotation))]
    returned = node.returns is not None and ARRAY_TYPES.search(ast.unparse(node.returns))
    if (arrays or returned) and not SHAPE.search(around):
        yield "takes or returns arrays but states no shape"
    unitless = [name for name in arrays if LENGTH_NAME.search(name) and not UNIT_IN_NAME.search(name)]
    if unitless and not UNIT.search(around):
        yield f"takes {', '.join(unitless)} but states no unit"
    raised = sorted(raised_errors(node))
    if raised and not re.search(r"\b(raises?|errors?)\b", text, re.I):
        yield f"raises {', '.join(raised)} but does not say when"


def raised_errors(function: Function) -> set[str]:
    """Return the names of the exceptions a function raises itself, unless it tells what is not implemented."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func))
    return {name for name in found if name.endswith("Error") and name != "NotImplementedError"}


def _is_override(node: ast.AST, owner: ast.ClassDef | None) -> bool:
    """Tell whether a method fills in one its framework defines and documents: torch's forward, backward and setup."""
    return (
        owner is not None
        and bool(owner.bases)
        and getattr(node, "name", "")
        in {
            "forward",
            "backward",
            "jvp",
            "setup_context",
            "find_spec",
        }
    )


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return [module for module in package_modules().values() if module.part not in OTHER_PARTS]


def test_every_public_name_is_documented_with_shapes_units_and_errors(modules):
    found = [line for module in modules for line in complaints(module)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def f(x): pass", "no docstring"),
        ("class A:\n    'About a.'\n    def f(self): pass", "no docstring"),
        ("def f(a: np.ndarray) -> float:\n    'Sum.'", "no shape"),
        ("def f() -> torch.Tensor:\n    'Zero.'", "no shape"),
        ("def f(points: np.ndarray):\n    'Sum of points (N, 3).'", "takes points but states no unit"),
        ("def f(a: np.ndarray):\n    'Sum (of a number, or of many).'", "no shape"),
        ("def f(x):\n    'Check.'\n    raise FilmError('no')", "raises FilmError"),
    ],
)
def test_a_docstring_that_leaves_something_out_is_noticed(tmp_path, source, fault):
    assert [line for line in complaints(module_of(source, tmp_path)) if fault in line]


@pytest.mark.parametrize(
    "source",
    [
        "def _f(a: np.ndarray): pass",
        "def f(points_mm: np.ndarray):\n    'Sum of points (..., 3) in mm.'",
        "def f(x):\n    '''Check.\n\n    Raises:\n        FilmError: always.\n    '''\n    raise FilmError('no')",
        "class Layer(Module):\n    'Twice.'\n    def forward(self, x): return x",
    ],
)
def test_a_docstring_that_says_it_all_passes(tmp_path, source):
    assert list(complaints(module_of(source, tmp_path))) == []


def module_of(source, folder):
    return Module("LumbarBiplanarLib.a", folder / "a.py", ast.parse(f"'''A.'''\n{source}\n"))
