"""Disc heights, in three named variants that differ by millimetres: Dabbs, Hurxthal and Fyllos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .bodies import Body, adjacent
from .endplates import Endplate
from .heights import sagittal_point
from .results import MeasuredGeometry, Measurement

_WHERE = ("anterior", "middle", "posterior")
_ALONG = "measured along the normal of the plane that bisects the two endplate planes"
_VARIANTS = (
    ("anterior", "Anterior disc height", ("anterior",), "Between the anterior corners"),
    ("posterior", "Posterior disc height", ("posterior",), "Between the posterior corners"),
    ("dabbs", "Disc height (Dabbs)", ("anterior", "posterior"), "Mean of the anterior and the posterior disc height"),
    ("hurxthal", "Disc height (Hurxthal)", ("middle",), "Mid-line, between the endplate surfaces halfway back"),
    ("fyllos", "Disc height (Fyllos)", _WHERE, "Mean of the anterior, the mid-line and the posterior disc height"),
)


def disc_heights(bodies: Sequence[Body]) -> list[Measurement]:
    """Return the disc heights between neighbours, in mm; negative if the endplates overlap."""
    result = []
    for upper, lower in adjacent(bodies):
        above, below = upper.inferior, lower.superior
        if above is None or below is None or not (above.has_sagittal_corners and below.has_sagittal_corners):
            continue
        normal = bisector_normal(above, below)
        ends = {where: (sagittal_point(above, where), sagittal_point(below, where)) for where in _WHERE}
        height = {where: float((top - bottom) @ normal) for where, (top, bottom) in ends.items()}
        for key, title, used, what in _VARIANTS:
            points = {
                f"{where} {side}": p for where in used for side, p in zip(("upper", "lower"), ends[where], strict=True)
            }
            result.append(
                Measurement(
                    f"disc_height_{key}",
                    title,
                    float(np.mean([height[where] for where in used])),
                    "mm",
                    (upper.level, lower.level),
                    f"{what} of the endplates that face the disc, {_ALONG}.",
                    geometry=MeasuredGeometry(
                        points,
                        {above.name: above.plane, below.name: below.plane},
                        tuple((f"{where} upper", f"{where} lower") for where in used),
                    ),
                )
            )
    return result


def bisector_normal(above: Endplate, below: Endplate) -> np.ndarray:
    """Return the (3,) unit normal, cranial, of the plane that bisects two endplate planes."""
    total = above.plane.normal + below.plane.normal
    return total / np.linalg.norm(total)
