"""Heights of the bodies and sizes of the endplates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .bodies import Body
from .endplates import Endplate
from .frames import VertebralFrame
from .results import MeasuredGeometry, Measurement

_HEIGHTS = (
    ("anterior", "Anterior body height", "the anterior corners of the two endplates"),
    ("middle", "Middle body height", "the endplate surfaces halfway between their anterior and posterior corners"),
    ("posterior", "Posterior body height", "the posterior corners of the two endplates"),
)


def sagittal_point(endplate: Endplate, where: str) -> np.ndarray | None:
    """Return the "anterior", "middle" or "posterior" point of an endplate, (3,) RAS mm, or None."""
    return endplate.middle if where == "middle" else endplate.corners.get(where)


def body_heights(bodies: Sequence[Body]) -> list[Measurement]:
    """Return the anterior, middle and posterior height of each body, in mm, in its own mid-sagittal plane."""
    result = []
    for body in bodies:
        if body.frame is None or body.superior is None or body.inferior is None:
            continue
        for where, title, what in _HEIGHTS:
            top, bottom = sagittal_point(body.superior, where), sagittal_point(body.inferior, where)
            if top is not None and bottom is not None:
                result.append(
                    Measurement(
                        f"body_height_{where}",
                        title,
                        _in_sagittal_plane(body.frame, top - bottom),
                        "mm",
                        (body.level,),
                        f"Distance between {what}, in the vertebra's mid-sagittal plane.",
                        "vertebra",
                        geometry=MeasuredGeometry(
                            {"superior": top, "inferior": bottom}, lines=(("superior", "inferior"),)
                        ),
                    )
                )
    return result


def endplate_sizes(bodies: Sequence[Body]) -> list[Measurement]:
    """Return depth and width of each endplate, in mm."""
    result = []
    for body in bodies:
        for side, plate in (("superior", body.superior), ("inferior", body.inferior)):
            if plate is None:
                continue
            for what, value, ends, named in (
                ("depth", plate.depth_mm, ("posterior", "anterior"), "corner"),
                ("width", plate.width_mm, ("right", "left"), "rim landmark"),
            ):
                if value is not None:
                    result.append(
                        Measurement(
                            f"endplate_{what}_{side}",
                            f"{what.capitalize()} of the {side} endplate",
                            value,
                            "mm",
                            (body.level,),
                            f"Distance from the {ends[0]} to the {ends[1]} {named} of the endplate, in its plane.",
                            geometry=MeasuredGeometry(
                                {end: plate.corners[end] for end in ends}, {plate.name: plate.plane}, (ends,)
                            ),
                        )
                    )
    return result


def _in_sagittal_plane(frame: VertebralFrame, vector: np.ndarray) -> float:
    return float(np.linalg.norm(vector - (vector @ frame.left) * frame.left))
