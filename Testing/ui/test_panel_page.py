"""docs/panel.md explains every control of the form by its name, and no page names one that is not there."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from LumbarBiplanarLib.geometry.settings import KEYS
from LumbarBiplanarLib.geometry.sides import LEFT_SIDE_NUMBER, SOURCE_SIDE_NUMBER

ROOT = Path(__file__).resolve().parents[2]
FORM = ROOT / "LumbarBiplanar" / "Resources" / "UI" / "LumbarBiplanar.ui"
PAGE = ROOT / "docs" / "panel.md"
LIBRARY = ROOT / "LumbarBiplanar" / "LumbarBiplanarLib"
# What the pages name of Slicer itself.
SLICERS = {
    *("PyTorch", "PyTorch Utils", "LumbarBiplanar", "Lumbar Biplanar", "Registration, Lumbar Biplanar"),
    *("Edit, Application Settings, Modules", "Four-Up", "View/Transform", "Fit to window"),
}


def named_controls():
    """Class and text of every button, box and section."""
    for widget in ElementTree.parse(FORM).iter("widget"):
        if widget.get("class") in ("QPushButton", "QCheckBox", "ctkCollapsibleButton"):
            text = widget.find("property[@name='text']/string")
            if text is not None and text.text:
                yield widget.get("name"), text.text


@pytest.mark.parametrize(("name", "text"), list(named_controls()))
def test_a_control_is_explained_under_its_name(name, text):
    page = PAGE.read_text(encoding="utf-8")
    assert f"*{text}*" in page or f"## {text}" in page, f"{name}: docs/panel.md does not mention *{text}*"


def test_every_measurement_column_and_list_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    for name in ("Measurement", "Level", "Value", "Unit", "Definition"):
        assert f"*{name}*" in page
    assert page.count("**Problem:**") == page.count("**Explanation:**") == page.count("**Remedy:**") > 10


def test_a_file_whose_name_looks_like_markup_is_told_by_its_name():
    told = {
        name
        for path in (LIBRARY / "ui").glob("*.py")
        for name in re.findall(r"(\w+Label)\.text = ", path.read_text("utf-8"))
    }
    formats = {
        widget.get("name"): widget.findtext("property[@name='textFormat']/enum")
        for widget in ElementTree.parse(FORM).iter("widget")
    }
    assert len(told) > 3
    assert {name: formats[name] for name in told} == dict.fromkeys(told, "Qt::PlainText")


def texts_of_the_panel() -> set[str]:
    found = {item.text or "" for item in ElementTree.parse(FORM).iter("string")}
    for path in [*(LIBRARY / "ui").glob("*.py"), *(LIBRARY / "mrml").glob("*.py")]:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        found |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text.rstrip(":").split(": ")[0].lower() for text in found}


@pytest.mark.parametrize("name", ["panel.md", "tutorial.md"])
def test_a_page_names_only_what_the_panel_says(name):
    page = re.sub(r"`[^`]*`", "", (ROOT / "docs" / name).read_text(encoding="utf-8"))
    named = {" ".join(text.split()) for text in re.findall(r"(?<!\*)\*([^*\s][^*]*)\*(?!\*)", page)}
    named = {text for text in named if not text.endswith(".")}  # a sentence
    assert len(named) > 15
    assert {text for text in named - SLICERS if text.lower() not in texts_of_the_panel()} == set()


@pytest.mark.parametrize("number", [LEFT_SIDE_NUMBER, SOURCE_SIDE_NUMBER])
def test_messages_name_numbers_of_the_geometry_as_the_table_does(number):
    key, title = re.fullmatch(r"(\w+), in the panel '(.*)'", number).groups()
    assert key in KEYS
    assert title.lower() in texts_of_the_panel()
