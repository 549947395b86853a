"""Where the module's resources are: the one place that knows."""

from __future__ import annotations

from pathlib import Path

from .errors import StudyError

_PACKAGE = Path(__file__).resolve().parent
# A checkout and an installed Slicer extension keep Resources beside the package; a wheel carries it inside.
_ROOTS = (_PACKAGE.parent / "Resources", _PACKAGE / "Resources")


def resource_path(*parts: str) -> Path:
    """Return the path of a resource of the module.

    Args:
        parts: path components below ``Resources``, for example ``("ShapeModel", "lumbar.npz")``.

    Returns:
        The absolute path in the first resource folder that holds it: beside the package (checkout, Slicer) or
        inside it (wheel).

    Raises:
        StudyError: if no resource folder holds it; the message names the places searched.
    """
    for root in _ROOTS:
        candidate = root.joinpath(*parts)
        if candidate.exists():
            return candidate
    searched = ", ".join(str(root) for root in _ROOTS)
    raise StudyError(f"The resource {'/'.join(parts)} is missing (searched {searched}). Reinstall LumbarBiplanar.")
