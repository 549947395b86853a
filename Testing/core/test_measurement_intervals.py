"""Intervals of measurements from random reconstructions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.errors import MeasurementError
from LumbarBiplanarLib.measurement import PatientFrame, Spread, measure, rows, spread_text
from LumbarBiplanarLib.measurement.angles import angle_between, tilt_between
from LumbarBiplanarLib.measurement.intervals import length_interval
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
    angle = found.find("segmental_cobb_3d", "L2-L3")
    assert angle.interval == pytest.approx((angle.value, angle.value), abs=0.01)


def test_intervals_of_few_samples_hold_nine_of_ten_values_too():
    vertebrae, rng = spine(), np.random.default_rng(4)
    measured = measure(vertebrae)
    slip, held = measured.find("slip", "L2-L3"), []
    for _ in range(1500):
        spread = Spread(vertebrae)
        spread._values[slip.key, slip.level] = list(slip.value + 0.5 * rng.standard_normal((8, 1)))
        low, high = spread.applied_to(measured).find("slip", "L2-L3").interval
        held.append(low <= slip.value + 0.5 * rng.standard_normal() <= high)
    assert 0.88 < np.mean(held) < 0.92  # 1.645 of their deviations would hold 86 %


def test_a_slip_that_may_be_none_is_not_stated_and_its_grade_names_both():
    vertebrae = [phantom(Level.L4, at=(3.5, 0, 36.0)), phantom(Level.L5)]
    measured = measure(vertebrae)
    assert measured.find("slip").note == "anterolisthesis"
    for sd_mm, note, words in (
        (0.1, "anterolisthesis", "I (anterolisthesis)"),
        (0.6, "", "I, possibly 0 (anterolisthesis)"),
    ):
        found = spread_of(vertebrae, sd_mm).applied_to(measured)
        assert (found.find("slip").note, found.find("slip_percent").note) == (note, note)
        grade = found.find("meyerding_grade")
        assert (grade.value, grade.note, grade.interval) == (1, words, None)


def leaning(lean: list[float]):
    return [phantom(level, None, rotation(lean=lean[i]), (0, 0, -38.0 * i)) for i, level in enumerate(LUMBAR_LEVELS)]


def spread_of_leans(vertebrae, lean: list[float], sd_deg: float, count: int = 24, seed: int = 1):
    rng, spread = np.random.default_rng(seed), Spread(vertebrae)
    for _ in range(count):
        sample = leaning([angle + sd_deg * rng.standard_normal() for angle in lean])
        spread.add({item.level: item.points_ras_mm for item in sample})
    return spread


def test_a_coronal_curve_has_the_interval_of_the_end_vertebrae_reported():
    # L1 and L2 lean nearly alike, and so do L4 and L5: the steepest pair differs from sample to sample.
    lean = [-10.0, -9.8, 0.0, 9.7, 10.0]
    vertebrae = leaning(lean)
    found = spread_of_leans(vertebrae, lean, 1.5).applied_to(measure(vertebrae)).find("coronal_cobb")
    assert found.level == "L1-L5"
    assert (found.interval[0] + found.interval[1]) / 2 == pytest.approx(found.value)
    # Two levels, of which each leans with the same deviation; 24 samples tell the deviation to 14 %.
    assert (found.interval[1] - found.interval[0]) / 2 == pytest.approx(1.714 * 1.5 * np.sqrt(2), rel=0.35)
    assert found.note.startswith("convex left")


def test_the_side_of_a_curve_that_may_be_none_is_not_stated():
    lean = [-5.5, -2.0, 0.0, 2.0, 5.5]
    vertebrae = leaning(lean)
    measured = measure(vertebrae)
    assert measured.find("coronal_cobb").note.startswith("convex left")
    found = spread_of_leans(vertebrae, lean, 6.0).applied_to(measured).find("coronal_cobb")
    assert found.interval[0] < 0 < found.interval[1]
    assert found.note == ""


@pytest.mark.parametrize(
    ("sway_mm", "apex"),
    [
        ((0.0, 6.0, 10.0, 6.0, 0.0), "apex L3"),
        ((0.0, 9.7, 10.0, 6.0, 0.0), "apex L2 or L3"),
        ((9.7, 9.9, 10.0, 6.0, 0.0), ""),
    ],
)
def test_the_words_name_every_level_that_may_be_the_apex(sway_mm: tuple, apex: str):
    lean = [-9.0, -4.0, 1.0, 5.0, 12.0]
    vertebrae = [
        phantom(level, None, rotation(lean=lean[i]), (0, sway_mm[i], -38.0 * i))
        for i, level in enumerate(LUMBAR_LEVELS)
    ]
    measured, rng, spread = measure(vertebrae), np.random.default_rng(3), Spread(vertebrae)
    assert "apex L3" in measured.find("coronal_cobb").note
    for _ in range(24):
        spread.add({item.level: item.points_ras_mm + [0.7 * rng.standard_normal(), 0.0, 0.0] for item in vertebrae})
    parts = spread.applied_to(measured).find("coronal_cobb").note.split(", ")
    assert parts[0] == "convex left" and [part for part in parts if part.startswith("apex")] == [apex][: bool(apex)]
    assert parts[-1] == "the curve may go on above L1 and below L5"


@pytest.mark.parametrize("length", [0.0, 0.5, 1.0, 2.0, 6.0])
@pytest.mark.parametrize("sd", [(1.0, 1.0), (1.0, 0.3), (0.3, 1.0)])
def test_intervals_of_angles_without_a_sign_hold_nine_of_ten_values_near_zero_too(length: float, sd: tuple):
    rng, held = np.random.default_rng(5), []
    for _ in range(1500):
        estimate = [length, 0.0] + sd * rng.standard_normal(2)
        low, high = length_interval(estimate, estimate + sd * rng.standard_normal((24, 2)))
        assert 0 <= low <= np.linalg.norm(estimate) <= high
        held.append(low <= length <= high)
    assert 0.85 < np.mean(held) < 0.96


def test_a_3d_angle_near_zero_has_an_interval_from_zero():
    vertebrae = leaning([0.0, 1.0, 0.0, 0.0, 20.0])
    found = spread_of_leans(vertebrae, [0.0, 1.0, 0.0, 0.0, 20.0], 1.0).applied_to(measure(vertebrae))
    small, large = (found.find("segmental_cobb_3d", levels) for levels in ("L1-L2", "L4-L5"))
    assert small.interval[0] == 0 and 2.5 < small.interval[1] < 5
    assert spread_text(small) == f"(0.0 to {small.interval[1]:.1f})" and spread_text(small) in found.table()
    assert (large.interval[0] + large.interval[1]) / 2 == pytest.approx(large.value)
    assert spread_text(large).startswith("±")


@pytest.mark.parametrize(("pitch", "lean"), [(0.0, 0.0), (7.0, 0.0), (0.0, -12.0), (20.0, 35.0)])
def test_the_parts_of_a_3d_angle_are_tilts_forward_and_sideways(pitch: float, lean: float):
    common = rotation(11, -6, 20)
    first, second = common[:, 2], common @ rotation(pitch, lean)[:, 2]
    forward, left = tilt_between(first, second, common[:, 0])
    assert np.hypot(forward, left) == pytest.approx(angle_between(first, second))
    if not pitch or not lean:
        assert (forward, left) == pytest.approx((pitch, lean), abs=1e-9)


def test_intervals_are_those_of_the_frame_measured_in():
    vertebrae, frame = spine(), PatientFrame.from_axes([-1.0, 1.0, 0.0], [0.0, 0.0, 1.0], "turned by 45 degrees")
    spread = Spread(vertebrae, frame)
    for _ in range(10):
        spread.add({item.level: item.points_ras_mm for item in vertebrae})
    item = spread.applied_to(measure(vertebrae, frame)).find("lordosis_l1_l5")
    assert item.interval == pytest.approx((item.value, item.value))
    assert np.mean(spread._values["lordosis_l1_l5", "L1-L5"]) == pytest.approx(item.value)


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
