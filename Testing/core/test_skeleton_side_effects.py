"""Importing any module starts nothing: no file is read, no network used, no torch loaded before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import import_probe
from package_sources import PACKAGE, PACKAGE_FOLDER, Module, imports_of, package_modules

TORCH_PARTS = {"rendering", "network", "registration", "training"}
SLICER_PARTS = {"mrml", "ui"}
HEAVY = ("matplotlib", "rich", "vtk", "vtkmodules", "SimpleITK", "pydicom", "lightning", "pytorch_optimizer")
TRAINER = f"{PACKAGE}.training.module"  # what a training imports when it begins


def probe(folder: Path, names: list[str], blocked: tuple[str, ...] = (), preload: tuple[str, ...] = ()) -> list[str]:
    """Import modules in a process of its own and return what they did besides."""
    command = [sys.executable, "-B", import_probe.__file__, str(folder), ",".join(blocked), ",".join(preload), *names]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def modules() -> dict[str, Module]:
    return {name: module for name, module in package_modules().items() if module.part not in SLICER_PARTS}


def outside_packages(modules: dict[str, Module]) -> tuple[str, ...]:
    """Return every module of other people that ours import at file scope."""
    targets = {
        item.target
        for module in modules.values()
        for item in imports_of(module, set(modules))
        if item.when == "import" and item.target.split(".")[0] not in (PACKAGE, "__future__")
    }
    return tuple(sorted(targets))


def test_importing_every_module_opens_no_file_and_no_socket(modules):
    complaints = probe(PACKAGE_FOLDER.parent, list(modules), preload=outside_packages(modules))
    assert not complaints, "\n".join(complaints)


def test_a_module_that_reads_a_file_or_starts_a_process_when_imported_is_noticed(tmp_path):
    (tmp_path / "data.txt").write_text("1")
    (tmp_path / "reader.py").write_text("import pathlib\npathlib.Path(__file__).with_name('data.txt').read_text()\n")
    (tmp_path / "starter.py").write_text("import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])\n")
    (tmp_path / "caller.py").write_text("import socket\nsocket.socket()\n")
    complaints = probe(tmp_path, ["reader", "starter", "caller"])
    for expected in ("reader opens ", "starter does subprocess.Popen", "caller does socket."):
        assert any(line.startswith(expected) for line in complaints), complaints


def test_torch_is_not_loaded_outside_the_modules_that_compute_with_it(modules):
    light = {name: item for name, item in modules.items() if item.is_package or item.part not in TORCH_PARTS}
    assert {PACKAGE, f"{PACKAGE}.geometry", f"{PACKAGE}.resources"} <= set(light)
    blocked = ("torch", *HEAVY)
    preload = tuple(name for name in outside_packages(light) if name.split(".")[0] not in blocked)
    complaints = probe(PACKAGE_FOLDER.parent, list(light), blocked, preload)
    assert not complaints, "\n".join(complaints)


def test_heavy_packages_are_not_loaded_by_importing_any_module(modules):
    others = {name: module for name, module in modules.items() if name != TRAINER}
    assert len(others) == len(modules) - 1
    complaints = probe(PACKAGE_FOLDER.parent, list(others), blocked=HEAVY, preload=outside_packages(others))
    assert not complaints, "\n".join(complaints)


def test_a_module_that_loads_torch_when_imported_is_noticed(tmp_path):
    (tmp_path / "eager.py").write_text("import torch\n")
    (complaint,) = probe(tmp_path, ["eager"], blocked=("torch",))
    assert complaint.startswith("eager: torch is imported at file scope") and "eager.py:1" in complaint
