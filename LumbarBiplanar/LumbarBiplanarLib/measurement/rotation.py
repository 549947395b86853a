"""Axial rotation of the vertebrae, of the patient and of each other.

Sign: positive = counterclockwise seen from above = the front of the vertebra turns to the patient's left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .bodies import Body, adjacent
from .frames import PatientFrame, VertebralFrame
from .results import MeasuredGeometry, Measurement

_SIGN = "positive = counterclockwise seen from above (the front turns to the patient's left)"


def axial_rotation(left: np.ndarray, frame: PatientFrame | VertebralFrame) -> float:
    """Return the rotation of a left-pointing axis (3,) about ``frame.up``, from ``frame.left``, in degrees."""
    return math.degrees(math.atan2(-float(left @ frame.forward), float(left @ frame.left)))


def axial_rotations(bodies: Sequence[Body], patient: PatientFrame) -> list[Measurement]:
    """Return the rotation of each vertebra about the patient's vertical, and of each on its lower neighbour."""
    result = [
        Measurement(
            "axial_rotation",
            "Axial rotation",
            axial_rotation(body.frame.left, patient),
            "deg",
            (body.level,),
            f"Rotation of the vertebra's y axis about the patient's vertical, from the patient's left; {_SIGN}.",
            patient.name,
            geometry=_axes(body.frame, "vertebra"),
        )
        for body in bodies
        if body.frame is not None
    ]
    for upper, lower in adjacent(bodies):
        if upper.frame is not None and lower.frame is not None:
            both = _axes(upper.frame, "upper"), _axes(lower.frame, "lower")
            result.append(
                Measurement(
                    "intervertebral_axial_rotation",
                    "Axial rotation on the level below",
                    axial_rotation(upper.frame.left, lower.frame),
                    "deg",
                    (upper.level, lower.level),
                    f"Rotation of the upper vertebra's y axis about the lower vertebra's z axis; {_SIGN}.",
                    "lower vertebra",
                    geometry=MeasuredGeometry(
                        {**both[0].points_ras_mm, **both[1].points_ras_mm}, lines=both[0].lines + both[1].lines
                    ),
                )
            )
    return result


def _axes(frame: VertebralFrame, name: str, length_mm: float = 20.0) -> MeasuredGeometry:
    """Return the y axis of a frame as a line from right to left through its origin."""
    ends = {
        f"{name} {side}": frame.origin_ras_mm + sign * length_mm * frame.left
        for side, sign in (("right", -1), ("left", 1))
    }
    return MeasuredGeometry(ends, lines=((f"{name} right", f"{name} left"),))
