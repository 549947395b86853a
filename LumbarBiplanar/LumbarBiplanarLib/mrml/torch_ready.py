"""Whether Slicer's Python has the PyTorch that detection and registration need; found out without importing it."""

from __future__ import annotations

import importlib.util
import re
import sys
from importlib import metadata
from typing import Any

from slicer.i18n import tr as _

from ..errors import StudyError

TORCH_REQUIREMENT = ">=2.4"
_LEAST = (2, 4)


def loaded_torch() -> Any:
    """Return the module torch if it has been loaded, and not only half of it by another thread; else None."""
    loaded = sys.modules.get("torch")
    return None if getattr(getattr(loaded, "__spec__", None), "_initializing", False) else loaded


def torch_version() -> str | None:
    """Return the version of the PyTorch that is installed, or None."""
    loaded = loaded_torch()
    if loaded is not None:
        return str(loaded.__version__)
    if importlib.util.find_spec("torch") is None:
        return None
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return _("of unknown version")


def torch_problem() -> str:
    """Return in words why PyTorch cannot be used, or an empty text."""
    version = torch_version()
    if version is None:
        return _(
            "PyTorch is missing, which detection and registration need. Install it with the button Install PyTorch… "
            "in the section Reconstruct, or with LumbarBiplanarLogic().installTorch() in the Python console."
        )
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers.group(1)), int(numbers.group(2))) < _LEAST:
        return _("PyTorch {version} is too old, {required} is needed. Install it anew with Install PyTorch….").format(
            version=version, required=TORCH_REQUIREMENT
        )
    return ""


def require_torch() -> None:
    """Raise StudyError with what to do if PyTorch cannot be used."""
    problem = torch_problem()
    if problem:
        raise StudyError(problem)
