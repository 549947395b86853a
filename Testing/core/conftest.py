"""What the tests of the Slicer-free packages share."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cmake_program import cmake_program, configure
from tracked_files import NotACheckoutError, tracked_files

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED_DATA_VARIABLE = "LUMBAR_BIPLANAR_DATA"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def tracked(repository) -> list[Path]:
    """The repository's files, relative to its root: tracked, or neither tracked nor ignored."""
    try:
        return tracked_files(repository)
    except NotACheckoutError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the anatomical data the shape model is built from; too large for the repository, so often absent."""
    given = os.environ.get(SHARED_DATA_VARIABLE)
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        pytest.skip(f"the anatomical data is not at {folder}; set {SHARED_DATA_VARIABLE} to its folder")
    return folder


@pytest.fixture(scope="session")
def slicer_build(repository, tmp_path_factory) -> Path:
    """Build folder of the extension, configured against the stand-in for Slicer in Testing/cmake-stub."""
    build = tmp_path_factory.mktemp("slicer-build")
    result = configure(repository, build, repository / "Testing" / "cmake-stub")
    assert result.returncode == 0, f"{result.stderr}\nAfter adding or removing a file: make cmake-lists"
    return build


@pytest.fixture(scope="session")
def slicer_install(slicer_build, tmp_path_factory) -> Path:
    """Folder of Slicer's scripted modules into which the extension has been installed."""
    prefix = tmp_path_factory.mktemp("slicer-install")
    command = [cmake_program("cmake"), "--install", str(slicer_build), "--prefix", str(prefix)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return prefix / "lib" / "Slicer-5.12" / "qt-scripted-modules"


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    # The tests' arrays are small: more threads cost more than they give, and sums would depend on their number.
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)
