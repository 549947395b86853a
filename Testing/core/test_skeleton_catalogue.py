"""The entry for Slicer's extension catalogue says what the extension itself says."""

from __future__ import annotations

import json
import re

import pytest

# What slicer-extension-catalog-entry-schema-v1.0.2.json allows; anything else is refused there.
ALLOWED = {
    *("$schema", "category", "scm_url", "scm_revision", "scm_type", "build_dependencies", "dicom_support_rule"),
    *("build_subdirectory", "enabled", "tier"),
}


@pytest.fixture(scope="module")
def entry(repository):
    return json.loads((repository / "LumbarBiplanar.json").read_text(encoding="utf-8"))


def cmake_value(repository, name):
    text = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(rf'^set\({name} "([^"]*)"\)$', text, re.M).group(1)


def test_the_entry_is_called_like_the_extension(repository):
    text = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"^project\((\w+)", text, re.M).group(1) == "LumbarBiplanar"


def test_the_entry_holds_what_the_catalogue_asks_for_and_nothing_else(entry):
    assert {"$schema", "category", "scm_url"} <= set(entry) <= ALLOWED
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry["tier"] in (1, 3, 5)


def test_the_entry_agrees_with_the_extension_s_own_description(entry, repository):
    assert entry["build_dependencies"] == cmake_value(repository, "EXTENSION_DEPENDS").split()
    assert cmake_value(repository, "EXTENSION_HOMEPAGE").startswith(entry["scm_url"].removesuffix(".git"))
    assert entry["scm_url"].rsplit("/", 1)[1].startswith("Slicer")


def test_the_category_is_that_of_the_module(entry, repository):
    module = (repository / "LumbarBiplanar" / "LumbarBiplanar.py").read_text(encoding="utf-8")
    assert f'translate("qSlicerAbstractCoreModule", "{entry["category"]}")' in module
