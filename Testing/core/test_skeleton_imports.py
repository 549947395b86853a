"""The package's parts stand in one order, and what is heavy or belongs to Slicer stays where it may be."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from package_sources import PACKAGE, Module, imports_of, package_modules, part_of

# From the bottom up: a part imports only itself and what stands before it.
ORDER = [
    *("errors", "resources", "files", "processes", "anatomy", "geometry", "imaging", "shape", "rendering", "network"),
    *("registration", "measurement", "study", "training", "evaluation", "commands", "mrml", "ui", "cli"),
]
SLICER_PARTS = {"mrml": {"slicer"}, "ui": {"slicer", "qt", "ctk"}}
SLICER_HAS = {"mrml": {"vtk"}, "ui": {"vtk"}}  # loaded long before the module
TORCH_PARTS = {"rendering", "network", "registration", "training"}
HEAVY = {"matplotlib", "rich", "vtk", "vtkmodules", "SimpleITK", "pydicom"}
# Names under which the declared dependencies are imported, where they differ.
IMPORT_NAMES = {
    "pillow": {"PIL"},
    "vtk": {"vtk", "vtkmodules"},
    "simpleitk": {"SimpleITK"},
    "torch": {"torch"},
    "pytorch-optimizer": {"pytorch_optimizer"},
}


@pytest.fixture(scope="module")
def modules() -> dict[str, Module]:
    return package_modules()


def upward_imports(modules: dict[str, Module]) -> list[str]:
    rank = {name: position for position, name in enumerate(ORDER)}
    rank[""] = -1
    complaints = []
    for module in modules.values():
        for found in imports_of(module, set(modules)):
            if found.target.split(".")[0] != PACKAGE or part_of(found.target) == module.part:
                continue
            if rank.get(part_of(found.target), 99) > rank.get(module.part, 99):
                complaints.append(f"{module.name}:{found.line} imports {found.target}")
    return complaints


def import_cycle(modules: dict[str, Module]) -> list[str]:
    """Return the names along one import cycle among the modules, or nothing."""
    edges = {
        name: sorted({found.target for found in imports_of(module, set(modules))} & set(modules) - {name})
        for name, module in modules.items()
    }
    finished: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in finished:
            return []
        for target in edges[name]:
            if cycle := visit(target, [*trail, name]):
                return cycle
        finished.add(name)
        return []

    return next((cycle for name in edges if (cycle := visit(name, []))), [])


def source_tree(folder: Path, files: dict[str, str]) -> dict[str, Module]:
    for name, text in files.items():
        path = folder / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package_modules(folder / PACKAGE)


def test_every_part_of_the_package_has_a_place_in_the_order(modules):
    parts = {module.part for module in modules.values()} - {""}
    assert parts - set(ORDER) == set()


def test_no_part_imports_one_that_stands_above_it(modules):
    assert "\n".join(upward_imports(modules)) == ""


def test_an_upward_import_is_noticed_even_inside_a_function(tmp_path):
    lib = source_tree(tmp_path, {"geometry/view.py": "def f():\n    from ..study import case\n", "study/case.py": ""})
    assert upward_imports(lib) == [f"{PACKAGE}.geometry.view:2 imports {PACKAGE}.study.case"]


def test_no_modules_import_each_other_in_a_circle(modules):
    assert " imports ".join(import_cycle(modules)) == ""


def test_a_circle_of_imports_is_noticed(tmp_path):
    lib = source_tree(tmp_path, {"shape/a.py": "from . import b", "shape/b.py": "from .a import c"})
    assert import_cycle(lib) == [f"{PACKAGE}.shape.a", f"{PACKAGE}.shape.b", f"{PACKAGE}.shape.a"]


def test_slicer_and_qt_stay_in_the_parts_made_for_them(modules):
    found = [
        f"{module.name}:{item.line} imports {item.target}"
        for module in modules.values()
        for item in imports_of(module, set(modules))
        if (top := item.target.split(".")[0]) in {"slicer", "qt", "ctk", "PythonQt"}
        and top not in SLICER_PARTS.get(module.part, set())
    ]
    assert not found, "\n".join(found)


def test_no_vtk_widget_is_used_outside_mrml_and_ui(modules):
    found = []
    for module in modules.values():
        if module.part in SLICER_PARTS:
            continue
        for node in ast.walk(module.tree):
            name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", None)))
            if isinstance(name, str) and re.fullmatch(r"vtk(MRML\w+|\w*Widget2?|\w*InteractorStyle\w*)", name):
                found.append(f"{module.name}:{getattr(node, 'lineno', '?')} uses {name}")
    assert not found, "\n".join(found)


def test_only_the_parts_of_vtk_that_are_used_are_imported(modules):
    """All of VTK, with its windows and OpenGL, takes five times as long; Slicer has loaded it before ``mrml``."""
    found = [
        f"{module.name}:{item.line} imports {item.target}"
        for module in modules.values()
        if module.part not in SLICER_HAS
        for item in imports_of(module, set(modules))
        if item.target.split(".")[0] == "vtk" or item.target in {"vtkmodules", "vtkmodules.all"}
    ]
    assert not found, "\n".join(found)


def test_torch_is_imported_at_file_scope_only_where_it_does_the_work(modules):
    found = [
        f"{module.name}:{item.line}"
        for module in modules.values()
        for item in imports_of(module, set(modules))
        if item.when == "import" and item.target.split(".")[0] == "torch"
        if module.part not in TORCH_PARTS or module.is_package
    ]
    assert not found, "\n".join(found)


def test_heavy_packages_are_imported_only_inside_the_functions_that_use_them(modules):
    found = [
        f"{module.name}:{item.line} imports {item.target}"
        for module in modules.values()
        for item in imports_of(module, set(modules))
        if item.when == "import" and item.target.split(".")[0] in HEAVY - SLICER_HAS.get(module.part, set())
    ]
    assert not found, "\n".join(found)


def test_only_declared_dependencies_are_imported(modules, repository):
    project = (repository / "pyproject.toml").read_text()
    declared = re.search(r"^dependencies = \[(.*?)^\]", project, re.M | re.S)

    def imported_as(text: str) -> set[str]:
        names = re.findall(r'"([A-Za-z0-9_.-]+)', text)
        return set().union(*(IMPORT_NAMES.get(name.lower(), {name}) for name in names))

    for_training, for_statismo = (
        imported_as(re.search(rf"^{extra} = \[(.*?)\]", project, re.M).group(1)) for extra in ("train", "h5")
    )
    allowed = imported_as(declared.group(1))
    allowed |= set(sys.stdlib_module_names) | {PACKAGE} | set().union(*SLICER_PARTS.values())
    found = [
        f"{module.name}:{item.line} imports {item.target}"
        for module in modules.values()
        for item in imports_of(module, set(modules))
        if item.target.split(".")[0]
        not in allowed
        | (for_training if module.part == "training" else set())
        | (for_statismo if module.name.endswith("shape.statismo") else set())
    ]
    assert not found, "\n".join(found)
