"""A vertebra prepared for measuring: endplates and frame, found once and checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..anatomy import Level
from ..errors import MeasurementError
from .endplates import Endplate, endplate_of
from .frames import PatientFrame, VertebralFrame, vertebral_frame
from .vertebra import Vertebra


@dataclass(frozen=True, eq=False)
class Body:
    """What the quantities are computed from; None is what the vertebra lacks."""

    level: Level
    superior: Endplate | None
    inferior: Endplate | None
    frame: VertebralFrame | None


def prepare(vertebrae: Iterable[Vertebra], patient: PatientFrame) -> tuple[Body, ...]:
    """Return the bodies, cranial first.

    Raises:
        MeasurementError: if there is none, a level comes twice, a surface is degenerate, levels are out of order, or
            the spine does not stand upright and face forward in the patient frame.
    """
    ordered = sorted(vertebrae, key=lambda vertebra: vertebra.level.index)
    if not ordered:
        raise MeasurementError("There is no vertebra to measure; reconstruct at least one level.")
    for first, second in pairwise(ordered):
        if first.level is second.level:
            raise MeasurementError(f"The level {first.level.name} is given twice; give each level once.")
    bodies = tuple(_prepare_one(vertebra, patient) for vertebra in ordered)
    _check_order(bodies)
    return bodies


def adjacent(bodies: Sequence[Body]) -> list[tuple[Body, Body]]:
    """Return the pairs (upper, lower) of neighbouring levels; a missing level makes no pair."""
    return [(a, b) for a, b in pairwise(bodies) if b.level.index == a.level.index + 1]


def _prepare_one(vertebra: Vertebra, patient: PatientFrame) -> Body:
    superior, inferior = (endplate_of(vertebra, side, patient.up) for side in ("superior", "inferior"))
    axes = [("up", endplate.plane.normal, patient.up) for endplate in (superior, inferior) if endplate is not None]
    axes += [
        ("forward", endplate.anterior, patient.forward)
        for endplate in (superior, inferior)
        if endplate is not None and endplate.anterior is not None
    ]
    for word, axis, expected in axes:
        if axis @ expected <= 0:
            raise MeasurementError(
                f"{vertebra.level.name} does not face {word} in the frame '{patient.name}'; are the points LPS instead "
                "of RAS, the endplates exchanged, or the spine lying? Convert the points or give its frame."
            )
    return Body(vertebra.level, superior, inferior, vertebral_frame(vertebra, superior, inferior))


def _check_order(bodies: Sequence[Body]) -> None:
    def centre(body: Body) -> np.ndarray | None:
        plates = [plate.plane.origin_ras_mm for plate in (body.superior, body.inferior) if plate is not None]
        return np.mean(plates, axis=0) if plates else None

    for upper, lower in pairwise(bodies):
        plate, top, bottom = lower.superior or lower.inferior, centre(upper), centre(lower)
        if plate is None or top is None or bottom is None:
            continue
        # A body that has slipped off (spondyloptosis) sinks beside the lower one; one that is misnamed lies under it.
        height = (top - bottom) @ plate.plane.normal
        if height <= 0 and -height >= np.linalg.norm(top - bottom - height * plate.plane.normal):
            raise MeasurementError(
                f"{upper.level.name} lies below {lower.level.name}; the levels are named in the wrong order."
            )
