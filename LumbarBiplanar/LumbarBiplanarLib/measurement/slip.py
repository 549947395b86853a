"""Slip of one body on the next: forward (spondylolisthesis) and sideways.

Signs: forward slip of the upper body (anterolisthesis) and slip to the patient's left are positive.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..anatomy import Level
from .bodies import Body, adjacent
from .endplates import Endplate
from .results import MeasuredGeometry, Measurement

# Below both, a slip is not graded: the cut-offs for an abnormal sagittal translation. Meyerding gives no lower limit,
# and two readers of a radiograph differ by 1.3 mm on average (Eur J Radiol 1994;18:227).
NO_SLIP_MM = 3.0
NO_SLIP_PERCENT = 8.0

_ROMAN = ("0", "I", "II", "III", "IV", "V")
_WHAT = (
    "Vector from the posterior-superior corner of the lower body to the posterior-inferior corner of the upper body, "
    "along the anterior axis of the lower superior endplate"
)
_PERCENT = "Slip divided by the depth of the lower superior endplate"
_SIGN = "positive = anterolisthesis, negative = retrolisthesis"
_GRADES = (
    "Slip in percent, either direction: to 25 I, to 50 II, to 75 III, to 100 IV, above V; "
    f"below {NO_SLIP_MM:g} mm and {NO_SLIP_PERCENT:g} % = 0 (no slip)."
)


def meyerding_grade(slip_mm: float, slip_percent: float) -> int:
    """Return the Meyerding grade, 0 (no slip) to 5, from the slip in mm and in percent; the sign does not matter.

    Up to 25 % is I, up to 50 % II, up to 75 % III, up to 100 % IV, more V. Slips below both ``NO_SLIP_MM`` and
    ``NO_SLIP_PERCENT`` are 0.
    """
    percent = abs(slip_percent)
    if abs(slip_mm) < NO_SLIP_MM and percent < NO_SLIP_PERCENT:
        return 0
    return 1 + sum(percent > border for border in (25.0, 50.0, 75.0, 100.0))


def slips(bodies: Sequence[Body]) -> list[Measurement]:
    """Return slip in mm and percent and the Meyerding grade of each pair of neighbours."""
    result = []
    for upper, lower in adjacent(bodies):
        above, below = upper.inferior, lower.superior
        if above is not None and below is not None and "posterior" in above.corners and below.has_sagittal_corners:
            result += _slip(above, below, (upper.level, lower.level))
    return result


def _slip(above: Endplate, below: Endplate, levels: tuple[Level, Level]) -> list[Measurement]:
    corner, base = above.corners["posterior"], below.corners["posterior"]
    offset = float((corner - base) @ below.anterior)
    percent = 100 * offset / below.depth_mm
    grade = meyerding_grade(offset, percent)
    note = "no slip" if grade == 0 else "anterolisthesis" if offset > 0 else "retrolisthesis"
    points = {"upper": corner, "lower": base, "lower anterior": below.corners["anterior"]}
    lines = (("lower", "upper"), ("lower", "lower anterior"))
    geometry = MeasuredGeometry(points, {below.name: below.plane}, lines)
    frame, words = "lower endplate", f"{_ROMAN[grade]}, {note}" if grade else note
    text, share = f"{_WHAT}; {_SIGN}.", f"{_PERCENT}; {_SIGN}."
    return [
        Measurement("slip", "Slip", offset, "mm", levels, text, frame, note, geometry),
        Measurement("slip_percent", "Slip, percent", percent, "%", levels, share, frame, note, geometry),
        Measurement("meyerding_grade", "Meyerding grade", grade, "grade", levels, _GRADES, frame, words, geometry),
    ]


def lateral_listhesis(bodies: Sequence[Body]) -> list[Measurement]:
    """Return the sideways offset of each pair of neighbours, from endplate edges and from body centres, in mm."""
    result = []
    for upper, lower in adjacent(bodies):
        levels, above, below = (upper.level, lower.level), upper.inferior, lower.superior
        plates = [plate for plate in (above, below) if plate is not None and plate.has_lateral_corners]
        if len(plates) == 2 and below.left is not None:
            result.append(_edge_offset(above, below, levels))
        if upper.frame is not None and lower.frame is not None:
            top, bottom = upper.frame.origin_ras_mm, lower.frame.origin_ras_mm
            result.append(
                Measurement(
                    "lateral_listhesis_centres",
                    "Lateral listhesis, body centres",
                    float((top - bottom) @ lower.frame.left),
                    "mm",
                    levels,
                    "Offset of the centre of the upper body from that of the lower one along the lower vertebra's y "
                    "axis; positive = upper body to the patient's left. Tilt between the bodies adds to it.",
                    "lower vertebra",
                    geometry=MeasuredGeometry({"upper": top, "lower": bottom}, lines=(("lower", "upper"),)),
                )
            )
    return result


def _edge_offset(above: Endplate, below: Endplate, levels: tuple[Level, Level]) -> Measurement:
    top, bottom = (0.5 * (plate.corners["left"] + plate.corners["right"]) for plate in (above, below))
    edges = {
        f"{word} {side}": plate.corners[side]
        for word, plate in (("upper", above), ("lower", below))
        for side in ("left", "right")
    }
    return Measurement(
        "lateral_listhesis",
        "Lateral listhesis",
        float((top - bottom) @ below.left),
        "mm",
        levels,
        "Offset of the midpoint between the left and right edges of the upper body's inferior endplate from that of "
        "the lower body's superior endplate, along the left axis of the latter; positive = upper body to the left.",
        "lower endplate",
        geometry=MeasuredGeometry(
            {"upper": top, "lower": bottom, **edges}, {below.name: below.plane}, (("lower", "upper"),)
        ),
    )
