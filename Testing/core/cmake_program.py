"""Where cmake and ctest are, and how the extension is configured."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def cmake_program(name: str) -> str:
    """Return the path of cmake or ctest, from this Python environment or else the system; skips the test if absent."""
    beside = Path(sys.executable).with_name(name)
    found = shutil.which(str(beside)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def configure(source: Path, build: Path, slicer: Path) -> subprocess.CompletedProcess:
    """Let CMake configure an extension against a Slicer; skips the test where CMake finds no compiler."""
    command = [cmake_program("cmake"), "-S", str(source), "-B", str(build), f"-DSlicer_DIR={slicer}"]
    result = subprocess.run(command, capture_output=True, text=True)
    if re.search(r"CMAKE_C(XX)?_COMPILER\s+(could\s+be\s+found|not\s+set)", result.stderr):
        pytest.skip("no C and C++ compiler is installed, which CMake needs to configure an extension")
    return result
