"""A patient who stood turned in the films is told from one who did not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS
from LumbarBiplanarLib.errors import MeasurementError
from LumbarBiplanarLib.measurement import Spread, measure
from LumbarBiplanarLib.study.registering import INTERVAL_SAMPLES
from LumbarBiplanarLib.study.run import run_case
from LumbarBiplanarLib.study.turned import turned_hint
from measurement_phantom import phantom, rotation
from study_sample import sample_case

PITCH = [-25.0, -12.0, 0.0, 11.0, 25.0]


def spine(whole_deg: float, own_deg: tuple[float, ...] = (0.0,) * 5):
    """A lordosis of 50 degrees whose vertebrae are turned by their own angles, and all by ``whole_deg``."""
    turned = rotation(turn=whole_deg)
    return [
        phantom(level, turned=turned @ rotation(pitch, 0.0, own), at=turned @ np.array([0, 0, -38.0 * i]))
        for i, (level, pitch, own) in enumerate(zip(LUMBAR_LEVELS, PITCH, own_deg, strict=True))
    ]


@pytest.mark.parametrize(("whole", "side"), [(20.0, "left"), (-12.0, "right")])
def test_a_turned_patient_is_told_with_what_would_be_measured_otherwise(whole, side):
    vertebrae = spine(whole)
    here = measure(vertebrae)
    assert abs(here.find("coronal_cobb").value) > 8.0
    hint = turned_hint(vertebrae, here)
    assert f"by {abs(whole):.0f} degrees on average, their fronts to the patient's {side}" in hint
    told = re.findall(r"(-?\d+) degrees \(here L\d-L\d: (-?\d+)\)", hint)
    (lordosis, was), (cobb, curve) = (map(int, pair) for pair in told)
    assert lordosis == pytest.approx(50, abs=1) and cobb == pytest.approx(0, abs=1)
    assert was == round(here.find("lordosis_l1_l5").value) < lordosis
    assert abs(curve) == abs(round(here.find("coronal_cobb").value))


@pytest.mark.parametrize("own", [(0.0,) * 5, (12.0, 18.0, 6.0, -3.0, -4.0), (3.0, 4.0, 5.0, 4.0, 3.0)])
def test_a_patient_who_stood_straight_is_not(own):
    vertebrae = spine(0.0, own)
    assert turned_hint(vertebrae, measure(vertebrae)) == ""


def test_a_spine_that_cannot_be_measured_costs_the_intervals_and_not_the_result(monkeypatch):
    count, add = [0], Spread.add

    def sometimes(self, points):
        count[0] += 1
        if count[0] == 3:
            raise MeasurementError("L3 does not face up.")
        add(self, points)

    monkeypatch.setattr(Spread, "add", sometimes)
    result = list(run_case(sample_case(), device="cpu"))[-1].result
    assert count[0] == INTERVAL_SAMPLES
    assert all(item.interval is None for item in result.measurements)
    assert result.quality
    assert any("1 of 24 cannot be measured (first: L3 does not face up.)" in text for text in result.warnings)
