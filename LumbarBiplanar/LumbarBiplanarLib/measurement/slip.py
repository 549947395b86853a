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


def slip_notes(
    slip_mm: float,
    slip_percent: float,
    interval_mm: tuple[float, float] | None = None,
    interval_percent: tuple[float, float] | None = None,
) -> tuple[str, str]:
    """Return what a slip and its Meyerding grade mean in words, as far as their intervals leave no doubt.

    Args:
        slip_mm, slip_percent: the slip, signed.
        interval_mm, interval_percent: (low, high) of each, or None where unknown: the values then count as certain.

    Returns:
        Of the slip "anterolisthesis" or "retrolisthesis", or "no slip", or nothing where the intervals allow another of
        these; of the grade, that of the values first, then those that the intervals allow as well: "no slip",
        "I (anterolisthesis)", "0, possibly I (retrolisthesis)", "II, possibly I or III (anterolisthesis)".
    """
    ends_mm = interval_mm or (slip_mm, slip_mm)
    ends_percent = interval_percent or (slip_percent, slip_percent)
    grades, directions = {meyerding_grade(slip_mm, slip_percent)}, []
    for name, sign in (("anterolisthesis", 1), ("retrolisthesis", -1)):
        least, most = (
            meyerding_grade(max(choose(sign * mm for mm in ends_mm), 0), max(choose(sign * x for x in ends_percent), 0))
            for choose in (min, max)
        )
        if any(sign * mm > 0 for mm in ends_mm):
            grades |= set(range(least, most + 1))
        if most:
            directions.append(name)
    if grades == {0}:
        return "no slip", "no slip"
    own = meyerding_grade(slip_mm, slip_percent)
    others = " or ".join(_ROMAN[grade] for grade in sorted(grades - {own}))
    words = f"{_ROMAN[own]}, possibly {others}" if others else _ROMAN[own]
    direction = directions[0] if len(directions) == 1 else "either direction"
    return "" if 0 in grades or len(directions) > 1 else direction, f"{words} ({direction})"


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
    note, words = slip_notes(offset, percent)
    points = {"upper": corner, "lower": base, "lower anterior": below.corners["anterior"]}
    lines = (("lower", "upper"), ("lower", "lower anterior"))
    geometry = MeasuredGeometry(points, {below.name: below.plane}, lines)
    frame = "lower endplate"
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
