"""The coronal curve: Cobb angle between the most tilted endplates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from .angles import opening_angle, tilts
from .bodies import Body
from .frames import PatientFrame
from .results import Measurement


def coronal_cobb(bodies: Sequence[Body], patient: PatientFrame) -> list[Measurement]:
    """Return the coronal Cobb angle of the largest curve, if two bodies or more have the endplates it takes.

    The end vertebrae are the pair, upper and lower, with the largest angle between the superior endplate of the upper
    and the inferior endplate of the lower body, so that they bound the largest curve; smaller ones are not reported.
    """
    pairs = [
        (
            opening_angle(upper.superior.plane.normal, lower.inferior.plane.normal, patient.left, patient.up),
            upper,
            lower,
        )
        for upper, lower in combinations(bodies, 2)
        if upper.superior is not None and lower.inferior is not None
    ]
    if not pairs:
        return []
    angle, upper, lower = max(pairs, key=lambda pair: abs(pair[0]))
    side = "left" if angle > 0 else "right"
    levels = ", ".join(body.level.name for body in bodies)
    return [
        Measurement(
            "coronal_cobb",
            "Coronal Cobb angle",
            angle,
            "deg",
            (upper.level, lower.level),
            "Angle between the superior endplate plane of the upper and the inferior one of the lower end vertebra, "
            "projected on the patient's coronal plane; end vertebrae = the pair of largest angle among "
            f"{levels}; positive = convex left.",
            patient.name,
            f"convex {side}",
            tilts(upper.superior, lower.inferior, patient.left, patient.up),
        )
    ]
