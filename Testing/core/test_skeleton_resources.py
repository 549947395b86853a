"""A resource is found in a checkout, in an installed Slicer extension and in an installed wheel."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from LumbarBiplanarLib import __version__
from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.resources import resource_path

FIND = """
import sys
sys.path.insert(0, sys.argv[1])
from LumbarBiplanarLib.anatomy import load_landmarks
from LumbarBiplanarLib.resources import resource_path
load_landmarks()
print(resource_path("Landmarks.json"))
"""


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling", reason="building a wheel needs hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(repository)], check=True, cwd=folder)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def found_from(installed: Path, elsewhere: Path) -> Path:
    """Return where a new Python process finds Landmarks.json when the package is at ``installed``."""
    # -I leaves out the checkout: neither PYTHONPATH nor the current folder is searched.
    command = [sys.executable, "-I", "-B", "-c", FIND, str(installed)]
    result = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip())


def test_a_checkout_finds_its_resources(repository):
    path = resource_path("Landmarks.json")
    assert path == repository / "LumbarBiplanar" / "Resources" / "Landmarks.json"
    assert json.loads(path.read_text(encoding="utf-8"))["landmarks"]


def test_an_installed_slicer_extension_finds_its_resources(slicer_install, tmp_path):
    assert found_from(slicer_install, tmp_path) == slicer_install / "Resources" / "Landmarks.json"


def test_an_installed_wheel_finds_its_resources(wheel, tmp_path):
    site_packages = tmp_path / "site-packages"
    wheel.extractall(site_packages)
    expected = site_packages / "LumbarBiplanarLib" / "Resources" / "Landmarks.json"
    assert found_from(site_packages, tmp_path) == expected


def test_a_wheel_holds_every_file_of_the_package_and_every_resource(wheel, tracked):
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    sources = {path.relative_to("LumbarBiplanar").as_posix() for path in tracked if path.parts[0] == "LumbarBiplanar"}
    package = {name for name in sources if name.startswith("LumbarBiplanarLib/")}
    resources = {f"LumbarBiplanarLib/{name}" for name in sources if name.startswith("Resources/")}
    assert held == package | resources


def test_a_wheel_brings_the_command_the_version_and_the_licences(wheel):
    info = f"lumbar_biplanar-{__version__}.dist-info"
    assert "lumbar-biplanar = LumbarBiplanarLib.cli:program" in wheel.read(f"{info}/entry_points.txt").decode()
    licences = {Path(name).name for name in wheel.namelist() if name.startswith(f"{info}/licenses/")}
    assert {"LICENSE.txt", "LICENSE-DATA.md"} <= licences


def test_the_notices_that_the_data_ask_for_go_wherever_the_data_go(repository, slicer_install):
    notices = (repository / "LICENSE-DATA.md").read_bytes()
    assert (slicer_install / "Resources" / "LICENSE-DATA.md").read_bytes() == notices


def test_a_missing_resource_is_named_with_the_places_searched(repository):
    with pytest.raises(StudyError) as caught:
        resource_path("Weights", "no-such-weights.pt")
    assert "Weights/no-such-weights.pt" in str(caught.value)
    assert str(repository / "LumbarBiplanar" / "Resources") in str(caught.value)
