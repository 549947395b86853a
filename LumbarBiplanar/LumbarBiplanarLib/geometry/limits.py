"""What the numbers of a geometry can be in any radiography room: the panel and the files are held to the same limits.

A ``View`` itself takes any number that its formula can bear.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import GeometryError
from .view import View

# Outside these, a number is a slip of the pen or of the unit. Wide enough for any radiography room and C-arm.
LIMITS = {
    "focal_mm": (300.0, 5000.0, "mm"),
    "isocenter_mm": (100.0, 4900.0, "mm"),
    "spacing_x_mm": (0.02, 5.0, "mm per column"),
    "spacing_y_mm": (0.02, 5.0, "mm per row"),
    "principal_x_px": (-50000.0, 50000.0, "pixels"),
    "principal_y_px": (-50000.0, 50000.0, "pixels"),
    "angle_deg": (20.0, 160.0, "degrees"),
}
# A film of the whole body on a slot scanner is some 1.9 m high. Far larger ones also take minutes to look at.
LARGEST_FILM_MM = 2000.0
_GOOD_ANGLES_DEG = (60.0, 120.0)
_LENGTHS = "Lengths are in mm: correct this number."


def angle_doubt(angle_deg: float) -> str | None:
    """Return a sentence if the beams of two films are too nearly parallel for their depth to be well known, or None."""
    low, high = _GOOD_ANGLES_DEG
    if low <= angle_deg <= high:
        return None
    return (
        f"The beams are {angle_deg:.0f} degrees apart: depth is best known between {low:g} and {high:g} degrees. Check "
        "the angle if the films are an AP and a lateral one."
    )


def nearest_to_beams(views: Sequence[View]) -> np.ndarray:
    """Return the point (3,) nearest to the central rays of two views, RAS mm (least squares)."""
    normal_matrix, right_side = np.zeros((3, 3)), np.zeros(3)
    for view in views:
        across = np.eye(3) - np.outer(view.beam_ras, view.beam_ras)
        normal_matrix += across
        right_side += across @ view.source_ras_mm
    return np.linalg.solve(normal_matrix, right_side)


def check_plausible(views: Sequence[View]) -> None:
    """Raise GeometryError if a number of two views is one that no radiography room has; says which and what to do."""
    for view in views:
        _check_view(view)
    center = nearest_to_beams(views)
    for view in views:
        depth_mm = float(view.depth_mm(center))
        low, high, _ = LIMITS["isocenter_mm"]
        if not low <= depth_mm <= min(high, view.focal_mm):
            raise GeometryError(
                f"View {view.name!r}: the central rays meet {depth_mm:.4g} mm from the source, but the detector is "
                f"at {view.focal_mm:.4g} mm (focal_mm); the patient must lie between the two, at least {low:g} mm from "
                "the source. Lengths are in mm: correct camera_from_ras or focal_mm."
            )


def _check_view(view: View) -> None:
    sx, sy = view.spacing_mm
    cu, cv = view.principal_px
    for key, place, number in (
        ("focal_mm", "focal_mm", view.focal_mm),
        ("spacing_x_mm", "spacing_mm", sx),
        ("spacing_y_mm", "spacing_mm", sy),
        ("principal_x_px", "principal_px", cu),
        ("principal_y_px", "principal_px", cv),
    ):
        low, high, unit = LIMITS[key]
        if not low <= number <= high:
            what = "Pixels are counted from the film's corner: correct it." if place == "principal_px" else _LENGTHS
            raise GeometryError(
                f"View {view.name!r}: {place} holds {number:g}; it must lie between {low:g} and {high:g} {unit}. {what}"
            )
    width, height = (side * pitch for side, pitch in zip(view.size_px, view.spacing_mm, strict=True))
    if max(width, height) > LARGEST_FILM_MM:
        raise GeometryError(
            f"View {view.name!r}: {view.size_px[0]} x {view.size_px[1]} pixels (size_px) of {sx:g} x {sy:g} mm "
            f"(spacing_mm) are a film of {width:.0f} x {height:.0f} mm; none is larger than {LARGEST_FILM_MM:.0f} mm. "
            "Correct spacing_mm: it is the detector's pitch in mm."
        )
