"""What a reconstruction measures, beside what is measured on the true vertebrae."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..errors import MeasurementError, RegistrationError
from ..measurement import Measurements, PatientFrame, Spread, Vertebra, measure, vertebrae_from_reconstruction
from ..measurement.bodies import prepare
from ..measurement.curves import COBB, curve_angles
from ..measurement.results import level_text
from ..shape.model import ShapeModel
from ..study.registering import INTERVAL_SAMPLES
from .accuracy_rows import MeasurementRow

if TYPE_CHECKING:
    from ..registration import Reconstruction


def true_values(vertebrae: Iterable[Vertebra]) -> dict[tuple[str, str], float]:
    """Return {(quantity, level): true value}; the coronal angle is there for every pair of end vertebrae.

    A reconstruction that takes other end vertebrae than the true curve has is so compared with the angle between its
    own. Nothing is true of vertebrae that cannot be measured.
    """
    vertebrae, world = tuple(vertebrae), PatientFrame.world()
    try:
        found = {(item.key, item.level): item.value for item in measure(vertebrae)}
        angles = curve_angles(prepare(vertebrae, world), world)
    except MeasurementError:
        return {}
    return found | {(COBB, level_text(ends)): angle for ends, angle in angles.items()}


def measurement_rows(
    true: Mapping[tuple[str, str], float],
    model: ShapeModel,
    result: Reconstruction,
    case: tuple[str, str, int],
    with_intervals: bool,
) -> list[MeasurementRow]:
    """Return a row for every quantity that both the reconstruction and the truth have.

    Args:
        true: as ``true_values`` gives it.
        model: the registration's.
        result: the registration.
        case: condition, subject and seed.
        with_intervals: whether to find the 90 % intervals, which takes a second or two.
    """
    vertebrae = vertebrae_from_reconstruction(model, result)
    try:
        found = measure(vertebrae)
    except MeasurementError:
        return []
    if with_intervals:
        found = _with_intervals(found, vertebrae, result)
    return [
        MeasurementRow(
            *case,
            item.key,
            item.level,
            item.unit,
            item.value,
            true[item.key, item.level],
            *(item.interval or (None,) * 2),
        )
        for item in found
        if (item.key, item.level) in true
    ]


def _with_intervals(found: Measurements, vertebrae: tuple[Vertebra, ...], result: Reconstruction) -> Measurements:
    spread = Spread(vertebrae)
    try:
        for points in result.final_state.posterior.samples(INTERVAL_SAMPLES):
            spread.add(points)
    except (MeasurementError, RegistrationError):
        return found
    return spread.applied_to(found)
