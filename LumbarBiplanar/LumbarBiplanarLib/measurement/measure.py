"""All quantities of a set of vertebrae."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .angles import lordosis, segmental_angles, wedges
from .bodies import Body, prepare
from .curves import coronal_cobb
from .discs import disc_heights
from .frames import PatientFrame
from .heights import body_heights, endplate_sizes
from .results import Measurements
from .rotation import axial_rotations
from .slip import lateral_listhesis, slips
from .vertebra import Vertebra


def measure(vertebrae: Iterable[Vertebra], frame: PatientFrame | None = None) -> Measurements:
    """Measure everything that the vertebrae given allow; what needs a missing level or part is absent.

    Args:
        vertebrae: L1 to L5 and S1, as far as there are, in any order; points in RAS mm.
        frame: axes of the patient for projected quantities; by default those of the RAS world.

    Returns:
        The quantities; definitions, signs and sources are in docs/measurements.md.

    Raises:
        MeasurementError: if there is no vertebra, a level comes twice, a surface is degenerate, or the spine is named
            or oriented impossibly.
    """
    patient = PatientFrame.world() if frame is None else frame
    return measure_bodies(prepare(vertebrae, patient), patient)


def measure_bodies(bodies: Sequence[Body], patient: PatientFrame) -> Measurements:
    """Measure everything that bodies, cranial first, allow; see :func:`measure`."""
    items = [
        *lordosis(bodies, patient),
        *segmental_angles(bodies, patient),
        *coronal_cobb(bodies, patient),
        *axial_rotations(bodies, patient),
        *slips(bodies),
        *lateral_listhesis(bodies),
        *disc_heights(bodies),
        *body_heights(bodies),
        *wedges(bodies),
        *endplate_sizes(bodies),
    ]
    return Measurements(tuple(items), patient.name)
