"""The lines of docs/scripting.md do what the page says, in a scene without a window."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="detection and registration need PyTorch")

import known_network

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scripting.md"


class _AlwaysKnown:
    """The attribute of every logic that says what detects: the network that knows the truth."""

    def __get__(self, logic, kind):
        return known_network.detect

    def __set__(self, logic, value):
        pass


def blocks():
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.S)


def test_the_lines_of_the_page_can_be_typed_one_after_the_other(app, tmp_path, monkeypatch, sample_study, capsys):
    from LumbarBiplanarLib.mrml import case_run

    app.load_module()
    known_network.quicken(monkeypatch)
    monkeypatch.setattr(case_run.CaseRun, "detector", _AlwaysKnown(), raising=False)
    for name in ("ap.png", "lateral.png", "geometry.json"):
        shutil.copy(sample_study / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    typed = {}
    for number, block in enumerate(blocks()):
        exec(compile(block, f"scripting.md, block {number + 1}", "exec"), typed)
    said = capsys.readouterr().out
    assert "Lordosis L1-L5" in said and "(True, '')" in said
    assert "no_such_film.png" in said
    assert {"L1.vtp", "reconstruction.json"} <= {path.name for path in (tmp_path / "case").iterdir()}
    for name in ("result", "surfaces", "measurements.csv", "report.html", "case.mrb", "landmarks.json"):
        assert (tmp_path / name).exists(), name
    assert app.messages == []


def test_the_page_names_only_methods_that_exist():
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    named = set(re.findall(r"logic\.(\w+)\(", PAGE.read_text(encoding="utf-8")))
    named |= set(re.findall(r"`(\w+)\(", PAGE.read_text(encoding="utf-8")))
    assert {"process", "detect", "register", "exportCase"} <= named
    missing = {name for name in named if not hasattr(CaseLogic, name)} - {"LumbarBiplanarLogic"}
    assert missing == set()
