"""Where cmake and ctest are."""

from __future__ import annotations

import shutil
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
