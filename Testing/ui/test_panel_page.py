"""docs/panel.md explains every control of the form by the name that stands on it; what is told is shown as it is."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORM = ROOT / "LumbarBiplanar" / "Resources" / "UI" / "LumbarBiplanar.ui"
PAGE = ROOT / "docs" / "panel.md"
CODE = ROOT / "LumbarBiplanar" / "LumbarBiplanarLib" / "ui"


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
    told = {name for path in CODE.glob("*.py") for name in re.findall(r"(\w+Label)\.text = ", path.read_text("utf-8"))}
    formats = {
        widget.get("name"): widget.findtext("property[@name='textFormat']/enum")
        for widget in ElementTree.parse(FORM).iter("widget")
    }
    assert len(told) > 3
    assert {name: formats[name] for name in told} == dict.fromkeys(told, "Qt::PlainText")
