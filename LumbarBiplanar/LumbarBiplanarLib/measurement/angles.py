"""Angles between endplate planes: lordosis, segments, wedges.

Signs: an angle between an upper and a lower plane is positive if the planes open forward (lordosis, a body higher in
front) or, in the coronal plane, to the patient's left (convex left). 3D angles have no sign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..anatomy import Level
from .bodies import Body, adjacent
from .endplates import Endplate
from .frames import PatientFrame
from .results import MeasuredGeometry, Measurement

_SAGITTAL = "projected on the patient's sagittal plane, positive = lordosis (opens forward)"
_LINE_MM = 70.0  # of the lines that show an angle: an endplate and half as much again
# Wedges by planes and by corners differ by 1.7 degrees on average (32 vertebrae), by more than this if fractured.
CORNER_DOUBT_DEG = 3.0
_CRUSHED = (
    "A plane leaves out an edge that alone is crushed: where the lines through the corners enclose an angle that "
    f"differs by more than {CORNER_DOUBT_DEG:g} degrees, it is noted."
)
_SPACE = "between the two plane normals in space (0 = parallel), without a sign"


def opening_angle(upper: np.ndarray, lower: np.ndarray, toward: np.ndarray, up: np.ndarray) -> float:
    """Return how far two planes open ``toward`` an axis, in degrees, projected on the plane of ``toward`` and ``up``.

    Args:
        upper, lower: (3,) normals of the upper and lower plane, both cranial.
        toward: (3,) unit axis: forward for a sagittal, left for a coronal angle.
        up: (3,) unit axis.

    Returns:
        Degrees in (-180, 180]; positive if the planes are farther apart on the ``toward`` side.
    """
    angle = math.degrees(
        math.atan2(float(lower @ toward), float(lower @ up)) - math.atan2(float(upper @ toward), float(upper @ up))
    )
    return 180.0 - (180.0 - angle) % 360.0


def angle_between(first: np.ndarray, second: np.ndarray) -> float:
    """Return the angle of two unit vectors (3,) in degrees, 0 to 180, exact for small angles too."""
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(first, second))), float(first @ second)))


def tilt_between(first: np.ndarray, second: np.ndarray, toward: np.ndarray) -> tuple[float, float]:
    """Return the angle of two unit vectors (3,) with its direction: how far the second tilts out of the first.

    Args:
        first, second: (3,) unit vectors.
        toward: (3,) axis, not parallel to ``first``.

    Returns:
        Degrees toward ``toward`` and, at right angles, toward ``first`` x ``toward``; together as long as
        :func:`angle_between` (azimuthal equidistant coordinates of the second about the first).
    """
    ahead = toward - (toward @ first) * first
    ahead /= np.linalg.norm(ahead)
    parts = np.array([second @ ahead, second @ np.cross(first, ahead)])
    length = np.linalg.norm(parts)
    scale = angle_between(first, second) / length if length > 1e-12 else math.degrees(1.0)
    return float(scale * parts[0]), float(scale * parts[1])


def lordosis(bodies: Sequence[Body], patient: PatientFrame) -> list[Measurement]:
    """Return L1-L5 (to the inferior and to the superior endplate of L5) and L1-S1 lordosis, each also in 3D."""
    found = {body.level: body for body in bodies}
    first = found[Level.L1].superior if Level.L1 in found else None
    ends = (
        ("lordosis_l1_l5", "Lordosis L1-L5", Level.L5, "inferior"),
        ("lordosis_l1_l5_superior", "Lordosis L1-L5, to the superior endplate of L5", Level.L5, "superior"),
        ("lordosis_l1_s1", "Lordosis L1-S1", Level.S1, "superior"),
    )
    result = []
    for key, title, level, side in ends:
        last = getattr(found.get(level), side, None)
        if first is not None and last is not None:
            what = f"Angle between the superior endplate plane of L1 and the {side} endplate plane of {level.name}"
            result += _plane_pair(key, title, (Level.L1, level), first, last, patient, what)
    return result


def segmental_angles(bodies: Sequence[Body], patient: PatientFrame) -> list[Measurement]:
    """Return the Cobb angle and the disc angle of each pair of neighbours, each also in 3D."""
    result = []
    for upper, lower in adjacent(bodies):
        levels = (upper.level, lower.level)
        for key, title, plate, what in (
            ("segmental_cobb", "Segmental angle (Cobb)", upper.superior, "superior"),
            ("disc_angle", "Disc angle", upper.inferior, "inferior"),
        ):
            if plate is not None and lower.superior is not None:
                text = f"Angle between the {what} endplate plane of the upper and the superior one of the lower body"
                result += _plane_pair(key, title, levels, plate, lower.superior, patient, text)
    return result


def wedges(bodies: Sequence[Body]) -> list[Measurement]:
    """Return the sagittal and coronal wedge of each body, in its own frame.

    The note of a sagittal wedge gives the angle between the lines through the corners (:func:`corner_wedge`) where it
    differs by more than ``CORNER_DOUBT_DEG``: a plane leaves out an edge that is crushed.
    """
    result = []
    for body in bodies:
        frame, superior, inferior = body.frame, body.superior, body.inferior
        if frame is None or superior is None or inferior is None:
            continue
        for key, title, axis, side in (
            ("wedge_sagittal", "Sagittal wedge", frame.forward, f"in front. {_CRUSHED}"),
            ("wedge_coronal", "Coronal wedge", frame.left, "on the left."),
        ):
            angle = opening_angle(superior.plane.normal, inferior.plane.normal, axis, frame.up)
            corners = corner_wedge(body) if key == "wedge_sagittal" else None
            result.append(
                Measurement(
                    key,
                    title,
                    angle,
                    "deg",
                    (body.level,),
                    f"Angle between the body's own endplate planes in its own {title.split()[0].lower()} plane, "
                    f"positive = body higher {side}",
                    "vertebra",
                    _corner_note(angle, corners, "its"),
                    geometry=tilts(superior, inferior, axis, frame.up),
                )
            )
    return result


def corner_wedge(body: Body) -> float | None:
    """Return the angle between the lines through the anterior and posterior corners of a body's endplates.

    As a wedge is measured on a film: projected on the body's own sagittal plane, in degrees, positive = higher in
    front. None if a corner or the frame is not known.
    """
    plates, frame = (body.superior, body.inferior), body.frame
    if frame is None or any(plate is None or not plate.has_sagittal_corners for plate in plates):
        return None
    lines = [plate.corners["anterior"] - plate.corners["posterior"] for plate in plates]
    upper, lower = (math.atan2(float(line @ frame.up), float(line @ frame.forward)) for line in lines)
    return math.degrees(upper - lower)


def corner_rise(plate: Endplate) -> float | None:
    """Return how far the line from the posterior to the anterior corner rises over the plane of an endplate.

    Degrees, positive = the front lies above the plane; in the endplate's own sagittal plane, so that it does not depend
    on how the patient stands. None without these corners.
    """
    if not plate.has_sagittal_corners:
        return None
    line = plate.corners["anterior"] - plate.corners["posterior"]
    return math.degrees(math.atan2(float(line @ plate.plane.normal), float(line @ plate.anterior)))


def _corner_note(angle: float, by_corners: float | None, whose: str) -> str:
    """Return what the angle is by corners where that differs by more than ``CORNER_DOUBT_DEG`` degrees."""
    if by_corners is None or abs(by_corners - angle) <= CORNER_DOUBT_DEG:
        return ""
    return f"{by_corners + 0.0:.1f} between {whose} corners"


def _plane_pair(
    key: str,
    title: str,
    levels: tuple[Level, ...],
    upper: Endplate,
    lower: Endplate,
    patient: PatientFrame,
    what: str,
) -> list[Measurement]:
    planes = {plate.name: plate.plane for plate in (upper, lower)}
    drawn = tilts(upper, lower, patient.forward, patient.up)
    first, last = upper.plane.normal, lower.plane.normal
    projected = opening_angle(first, last, patient.forward, patient.up)
    rises = corner_rise(upper), corner_rise(lower)
    note = "" if None in rises else _corner_note(projected, projected + rises[0] - rises[1], "the")
    text = f"{what}, {_SAGITTAL}. {_CRUSHED}"
    return [
        Measurement(key, title, projected, "deg", levels, text, patient.name, note, drawn),
        Measurement(
            f"{key}_3d",
            f"{title}, 3D",
            angle_between(first, last),
            "deg",
            levels,
            f"{what}, {_SPACE}.",
            geometry=MeasuredGeometry(planes=planes),
            components=tilt_between(first, last, patient.forward),
        ),
    ]


def tilts(upper: Endplate, lower: Endplate, toward: np.ndarray, up: np.ndarray) -> MeasuredGeometry:
    """Return the planes of two endplates and, in each, the line in which it meets the plane of ``toward`` and ``up``.

    The two lines enclose :func:`opening_angle`.

    Args:
        upper, lower: the endplates.
        toward: (3,) unit axis: forward for a sagittal, left for a coronal angle.
        up: (3,) unit axis.
    """
    points, lines = {}, []
    for plate in (upper, lower):
        plane = plate.plane
        along = np.cross(np.cross(up, toward), plane.normal)
        along = _LINE_MM / 2 * along / np.linalg.norm(along)
        ends = f"{plate.name}, from", f"{plate.name}, to"
        points.update(zip(ends, (plane.origin_ras_mm - along, plane.origin_ras_mm + along), strict=True))
        lines.append(ends)
    return MeasuredGeometry(points, {plate.name: plate.plane for plate in (upper, lower)}, tuple(lines))
