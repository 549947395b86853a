"""The Slicer extension configures, and what it installs is every file of the module."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cmake_lists import MODULE, RESOURCES, SCRIPTS, listed_files, module_files, with_lists
from cmake_program import cmake_program, configure


@pytest.fixture
def extension(tmp_path, repository, tracked) -> Path:
    """A copy of what CMake reads, to be spoiled."""
    for path in tracked:
        if path == Path("CMakeLists.txt") or path.parts[0] == MODULE:
            (tmp_path / "extension" / path).parent.mkdir(parents=True, exist_ok=True)
            # Only the names matter to CMake, and the weights are large.
            if path.name == "CMakeLists.txt":
                shutil.copy(repository / path, tmp_path / "extension" / path)
            else:
                (tmp_path / "extension" / path).touch()
    return tmp_path / "extension"


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_installed_files_are_all_the_files_of_the_module(slicer_install, tracked):
    installed = {path.relative_to(slicer_install).as_posix() for path in slicer_install.rglob("*") if path.is_file()}
    expected = {path.relative_to(MODULE).as_posix() for path in tracked if path.parts[0] == MODULE} - {"CMakeLists.txt"}
    assert expected - installed == set(), "not listed in LumbarBiplanar/CMakeLists.txt: run make cmake-lists"
    assert installed - expected == set()


def test_the_lists_are_what_make_cmake_lists_writes(repository, tracked):
    text = (repository / MODULE / "CMakeLists.txt").read_text()
    lists = module_files(repository)
    for variable, names in lists.items():
        assert set(listed_files(text, variable)) ^ set(names) == set(), (
            "after adding or removing a file: make cmake-lists"
        )
    assert with_lists(text, lists) == text


def test_the_lists_can_be_rewritten():
    text = "set(MODULE_NAME A)\nset(MODULE_PYTHON_SCRIPTS\n  old.py\n  )\nset(MODULE_PYTHON_RESOURCES a)\nend()\n"
    lists = {SCRIPTS: [f"{MODULE}.py", "B/c.py"], RESOURCES: ["Resources/d.json"]}
    written = with_lists(text, lists)
    assert {variable: listed_files(written, variable) for variable in lists} == lists
    assert written.startswith("set(MODULE_NAME A)\n") and written.endswith(")\nend()\n")


def test_slicer_finds_its_generic_test_and_the_module_s_own(slicer_build):
    command = [cmake_program("ctest"), "--show-only"]
    listed = subprocess.run(command, cwd=slicer_build, capture_output=True, text=True, check=True).stdout
    names = re.findall(r"Test +#\d+: (\S+)", listed)
    assert sorted(names) == [
        "py_LumbarBiplanar",
        "py_generic_module_test",
        "py_nomainwindow_LumbarBiplanar",
        "py_nomainwindow_qSlicerLumbarBiplanarModuleGenericTest",
    ]


def test_a_listed_file_that_is_missing_stops_the_configuration(extension, tmp_path, repository):
    (extension / MODULE / "Resources" / "Landmarks.json").unlink()
    result = configure(extension, tmp_path / "build", repository / "Testing" / "cmake-stub")
    assert result.returncode != 0 and "Resources/Landmarks.json" in result.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("CMakeLists.txt", "project(LumbarBiplanar)", "project(LumbarBiplanar NONE)", "CMAKE_SIZEOF_VOID_P is not set"),
        ("CMakeLists.txt", 'EXTENSION_DEPENDS "PyTorch"', 'EXTENSION_DEPENDS ""', "EXTENSION_DEPENDS is empty"),
        ("LumbarBiplanar/CMakeLists.txt", "WITH_GENERIC_TESTS", "WITH_ALL_TESTS", "does not exist"),
        ("LumbarBiplanar/CMakeLists.txt", "NAME ${MODULE_NAME}", "TITLE ${MODULE_NAME}", "TITLE"),
    ],
)
def test_a_mistake_in_the_description_stops_the_configuration(extension, tmp_path, repository, file, old, new, message):
    spoil(extension / file, old, new)
    result = configure(extension, tmp_path / "build", repository / "Testing" / "cmake-stub")
    assert result.returncode != 0 and message in result.stderr


def test_the_description_has_one_line_per_field_as_the_extension_index_reads_it(repository):
    text = (repository / "CMakeLists.txt").read_text()
    fields = dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"\n]+)"\)$', text, re.M))
    assert set(fields) == {"HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"}
    assert fields["DEPENDS"] == "PyTorch"
    assert re.search(r"^project\(LumbarBiplanar\b", text, re.M)


def test_the_pictures_of_the_description_are_in_the_repository(repository, tracked):
    text = (repository / "CMakeLists.txt").read_text()
    (icon,) = re.findall(r'EXTENSION_ICONURL "([^"]+)"', text)
    (screenshots,) = re.findall(r'EXTENSION_SCREENSHOTURLS "([^"]+)"', text)
    for address in [icon, *screenshots.split()]:
        assert Path(address.split("/main/", 1)[1]) in tracked
