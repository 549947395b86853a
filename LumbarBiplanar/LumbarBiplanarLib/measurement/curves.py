"""The coronal curve: Cobb angle between the most tilted endplates, its side and its apex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from ..anatomy import Level
from .angles import opening_angle, tilts
from .bodies import Body
from .frames import PatientFrame
from .results import Measurement

COBB = "coronal_cobb"
# Scoliosis begins at 10 degrees (Scoliosis Research Society); below, a spine is not called convex to a side.
NAMED_FROM_DEG = 10.0


def curve_angles(bodies: Sequence[Body], patient: PatientFrame) -> dict[tuple[Level, Level], float]:
    """Return the coronal angle of each pair of levels that has the endplates it takes.

    Args:
        bodies: cranial first.
        patient: its coronal plane is that of ``left`` and ``up``.

    Returns:
        {(upper, lower): degrees} between the superior endplate of the upper and the inferior one of the lower body;
        positive = convex left (Cobb's method, see docs/measurements.md).
    """
    return {
        (upper.level, lower.level): opening_angle(
            upper.superior.plane.normal, lower.inferior.plane.normal, patient.left, patient.up
        )
        for upper, lower in combinations(bodies, 2)
        if upper.superior is not None and lower.inferior is not None
    }


def coronal_cobb(bodies: Sequence[Body], patient: PatientFrame) -> list[Measurement]:
    """Return the coronal Cobb angle of the largest curve, if two bodies or more have the endplates it takes.

    The end vertebrae are the pair, upper and lower, with the largest angle between the superior endplate of the upper
    and the inferior endplate of the lower body, so that they bound the largest curve; smaller ones are not reported.
    The note names side and apex from ``NAMED_FROM_DEG`` on, and an end beyond which the curve may go on.
    """
    angles = curve_angles(bodies, patient)
    if not angles:
        return []
    ends = max(angles, key=lambda pair: abs(angles[pair]))
    angle, found = angles[ends], {body.level: body for body in bodies}
    levels = ", ".join(body.level.name for body in bodies)
    said = []
    if abs(angle) >= NAMED_FROM_DEG:
        curve = [body for body in bodies if ends[0].index <= body.level.index <= ends[1].index]
        apex, missing = apex_of(curve, patient, left=angle > 0), _missing(curve)
        where = f"apex not known without {' and '.join(missing)}" if missing else apex_text([apex] if apex else [])
        said = [f"convex {'left' if angle > 0 else 'right'}", where]
    return [
        Measurement(
            COBB,
            "Coronal Cobb angle",
            angle,
            "deg",
            ends,
            "Angle between the superior endplate plane of the upper and the inferior one of the lower end vertebra, "
            "projected on the patient's coronal plane; end vertebrae = the pair of largest angle among "
            f"{levels}; positive = convex left. Side and apex are named from {NAMED_FROM_DEG:g} degrees on.",
            patient.name,
            ", ".join(part for part in (*said, _goes_on(ends, list(angles))) if part),
            tilts(found[ends[0]].superior, found[ends[1]].inferior, patient.left, patient.up),
        )
    ]


def apex_of(bodies: Sequence[Body], patient: PatientFrame, left: bool) -> Level | None:
    """Return the apical vertebra of a curve, or None if it is not between the end vertebrae.

    The apical vertebra is the one most deviated laterally from the patient's vertical through the sacrum (glossary of
    the Scoliosis Research Society). Which one that is does not depend on where the vertical stands, so that no sacrum
    is needed. Where an end vertebra lies farthest out, the spine leans or the curve goes on, and no apex is known; nor
    where a vertebra between them is missing, which may be it.

    Args:
        bodies: the end vertebrae and those between, cranial first.
        patient: gives the vertical and the left.
        left: whether the curve is convex to the patient's left.
    """
    farthest = farthest_out(lateral_places(bodies, patient), (bodies[0].level, bodies[-1].level), left)
    return None if _missing(bodies) else farthest


def apex_text(levels: Sequence[Level]) -> str:
    """Return which level is the apex, as far as that is known: "apex L3", "apex L2 or L3", or nothing."""
    return f"apex {' or '.join(level.name for level in levels)}" if levels else ""


def lateral_places(bodies: Sequence[Body], patient: PatientFrame) -> dict[Level, float]:
    """Return how far to the patient's left the centre of each body lies that has both endplates, in mm of RAS."""
    return {
        body.level: float(
            np.mean([plate.plane.origin_ras_mm @ patient.left for plate in (body.superior, body.inferior)])
        )
        for body in bodies
        if body.superior is not None and body.inferior is not None
    }


def farthest_out(places_mm: Mapping[Level, float], ends: tuple[Level, Level], left: bool) -> Level | None:
    """Return the level that lies farthest to one side, or None if it is not between the end vertebrae.

    Args:
        places_mm: as :func:`lateral_places` gives them.
        ends: the end vertebrae, upper and lower.
        left: whether the left side is meant.
    """
    curve = [level for level in places_mm if ends[0].index <= level.index <= ends[1].index]
    farthest = max(curve, key=lambda level: places_mm[level] if left else -places_mm[level], default=None)
    return None if farthest in ends else farthest


def _missing(curve: Sequence[Body]) -> list[str]:
    """Return the names of the levels between the first and the last body, cranial first, that are not there."""
    present = {body.level for body in curve if body.superior is not None and body.inferior is not None}
    between = range(curve[0].level.index + 1, curve[-1].level.index)
    return [level.name for level in Level if level.index in between and level not in present]


def _goes_on(ends: tuple[Level, Level], pairs: Sequence[tuple[Level, Level]]) -> str:
    """Return in words beyond which ends the curve may go on: those that are the last of all pairs (cranial first)."""
    places = []
    if ends[0] is pairs[0][0]:
        places.append(f"above {ends[0].name}")
    if ends[1] is pairs[-1][1]:
        places.append(f"below {ends[1].name}")
    return f"the curve may go on {' and '.join(places)}" if places else ""
