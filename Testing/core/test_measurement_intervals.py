"""Intervals of measurements from random reconstructions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS
from LumbarBiplanarLib.errors import MeasurementError
from LumbarBiplanarLib.measurement import Spread, measure, rows, spread_text
from LumbarBiplanarLib.measurement.vertebra import with_points
from measurement_phantom import phantom, rotation


def spine():
    return [phantom(level, turned=rotation(-16 + 8 * i), at=(0, 0, -38.0 * i)) for i, level in enumerate(LUMBAR_LEVELS)]


def spread_of(vertebrae, sd_mm: float, count: int = 60):
    """Move whole vertebrae forward and backward by random amounts."""
    rng, spread = np.random.default_rng(2), Spread(vertebrae)
    for _ in range(count):
        spread.add({item.level: item.points_ras_mm + [0.0, sd_mm * rng.standard_normal(), 0.0] for item in vertebrae})
    return spread


def test_the_interval_of_a_slip_is_as_wide_as_the_vertebrae_move():
    vertebrae = spine()
    found = spread_of(vertebrae, 0.5).applied_to(measure(vertebrae))
    slip = found.find("slip", "L2-L3")
    low, high = slip.interval
    assert (low + high) / 2 == pytest.approx(slip.value)
    assert (high - low) / 2 == pytest.approx(1.645 * 0.5 * np.sqrt(2), rel=0.3)  # the difference of two movements
    width = found.find("endplate_width_superior", "L3").interval
    assert width[1] - width[0] < 0.01  # a moved vertebra is as wide as before


def test_intervals_of_few_samples_hold_nine_of_ten_values_too():
    vertebrae, rng = spine(), np.random.default_rng(4)
    measured = measure(vertebrae)
    slip, held = measured.find("slip", "L2-L3"), []
    for _ in range(1500):
        spread = Spread(vertebrae)
        spread._values[slip.key, slip.level] = list(slip.value + 0.5 * rng.standard_normal(8))
        low, high = spread.applied_to(measured).find("slip", "L2-L3").interval
        held.append(low <= slip.value + 0.5 * rng.standard_normal() <= high)
    assert 0.88 < np.mean(held) < 0.92  # 1.645 of their deviations would hold 86 %


def test_without_samples_there_is_no_interval_and_the_table_does_not_show_one():
    vertebrae = spine()
    found = Spread(vertebrae).applied_to(measure(vertebrae))
    assert all(item.interval is None for item in found)
    assert all(row["low_90"] == row["high_90"] == "" for row in rows(found))
    assert "±" not in found.table()


def test_table_and_rows_show_the_interval():
    vertebrae = spine()
    found = spread_of(vertebrae, 0.5).applied_to(measure(vertebrae))
    assert "90 %" in found.table().splitlines()[0]
    row = next(row for row in rows(found) if row["key"] == "slip" and row["level"] == "L2-L3")
    assert float(row["low_90"]) < float(row["value"]) < float(row["high_90"])
    assert spread_text(found.find("slip", "L2-L3")) in found.table()
    grade = found.find("meyerding_grade", "L2-L3")
    assert grade is None or grade.interval is None


def test_landmarks_go_with_their_surface():
    vertebra = spine()[0]
    moved = with_points(vertebra, vertebra.points_ras_mm + [1.0, 2.0, 3.0])
    for name, position in vertebra.landmarks.items():
        assert moved.landmarks[name] - position == pytest.approx([1.0, 2.0, 3.0])


def test_a_sample_of_another_model_is_refused():
    vertebra = replace(spine()[0])
    with pytest.raises(MeasurementError, match="same shape model"):
        with_points(vertebra, vertebra.points_ras_mm[:-1])
