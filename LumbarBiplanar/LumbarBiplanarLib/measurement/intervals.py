"""Intervals of measured quantities, from random reconstructions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from ..anatomy import Level
from .bodies import prepare
from .curves import COBB, curve_angles
from .frames import PatientFrame
from .measure import measure_bodies
from .results import Measurement, Measurements, level_text
from .vertebra import Vertebra, with_points

_SHARE = 0.9  # of the true values, that intervals hold
# A spread over fewer values says little.
_LEAST_VALUES = 8


class Spread:
    """How much quantities vary over random reconstructions, gathered sample by sample."""

    def __init__(self, vertebrae: Iterable[Vertebra], frame: PatientFrame | None = None) -> None:
        """Prepare to vary ``vertebrae``, the reconstruction; ``frame`` is the one it is measured in, by default RAS."""
        self._vertebrae = tuple(vertebrae)
        self._frame = PatientFrame.world() if frame is None else frame
        self._values: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, points_ras_mm: Mapping[Level, np.ndarray]) -> None:
        """Measure one random reconstruction, {level: (V, 3)} RAS mm (``registration.uncertainty.Posterior.samples``).

        Of a coronal curve the angles of all pairs of levels are kept: its end vertebrae change from sample to sample,
        while the interval is that of the pair reported.

        Raises:
            MeasurementError: if it does not have the vertices of the reconstruction.
        """
        moved = [with_points(vertebra, points_ras_mm[vertebra.level]) for vertebra in self._vertebrae]
        bodies = prepare(moved, self._frame)
        for item in measure_bodies(bodies, self._frame):
            if item.key != COBB:
                self._values[item.key, item.level].append(item.value)
        for ends, angle in curve_angles(bodies, self._frame).items():
            self._values[COBB, level_text(ends)].append(angle)

    def applied_to(self, measurements: Measurements) -> Measurements:
        """Return the measurements with the intervals that hold the true values with a probability of 90 %.

        An interval is the value ± as many standard deviations of the samples as hold 90 % of Student's distribution:
        of few samples the deviation itself is known only roughly. A Meyerding grade has none, nor has a quantity that
        few samples allow.
        """
        return replace(measurements, items=tuple(self._with_interval(item) for item in measurements))

    def _with_interval(self, item: Measurement) -> Measurement:
        values = self._values.get((item.key, item.level), [])
        if item.unit == "grade" or len(values) < _LEAST_VALUES:
            return item
        half = float(stdtrit(len(values) - 1, 0.5 + 0.5 * _SHARE) * np.std(values, ddof=1))
        interval = (item.value - half, item.value + half)
        # Where the spine may be straight or bent to the other side, neither side nor apex nor curve is stated.
        straight = item.key == COBB and interval[0] <= 0 <= interval[1]
        return replace(item, interval=interval, note="" if straight else item.note)
