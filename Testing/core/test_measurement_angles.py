"""Angles and rotations on vertebrae of known pose: 0.2 degrees."""

from __future__ import annotations

from math import atan, cos, degrees, radians, tan

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.measurement import Measurements, PatientFrame, Vertebra, measure
from measurement_phantom import Shape, phantom, rotation, sacrum

TOLERANCE_DEG = 0.2


def spine(
    pitch: list[float], lean: list[float] | None = None, turn: list[float] | None = None, **kwargs
) -> list[Vertebra]:
    """Return L1-L5 with the given forward tilts, leans to the left and turns to the left, 38 mm apart."""
    lean, turn = lean or [0.0] * 5, turn or [0.0] * 5
    return [
        phantom(level, turned=rotation(pitch[i], lean[i], turn[i]), at=(0, 0, -38.0 * i), **kwargs)
        for i, level in enumerate(LUMBAR_LEVELS)
    ]


def value(measurements: Measurements, key: str, level: str | None = None) -> float:
    item = measurements.find(key, level)
    assert item is not None, f"{key} {level} was not measured"
    return item.value


LORDOTIC = [-18.0, -9.0, 0.0, 8.0, 20.0]


def test_lordosis_is_positive_when_the_spine_bends_backward():
    found = measure(spine(LORDOTIC))
    assert value(found, "lordosis_l1_l5") == pytest.approx(38, abs=TOLERANCE_DEG)
    assert value(found, "lordosis_l1_l5_3d") == pytest.approx(38, abs=TOLERANCE_DEG)


def test_kyphosis_is_negative_lordosis_but_the_3d_angle_has_no_sign():
    found = measure(spine([10.0, 5.0, 0.0, -5.0, -10.0]))
    assert value(found, "lordosis_l1_l5") == pytest.approx(-20, abs=TOLERANCE_DEG)
    assert value(found, "lordosis_l1_l5_3d") == pytest.approx(20, abs=TOLERANCE_DEG)


def test_lordosis_to_the_superior_endplate_of_l5_leaves_out_the_wedge_of_l5():
    found = measure(spine(LORDOTIC, shape=Shape(wedge_sagittal=6)))
    assert value(found, "lordosis_l1_l5") == pytest.approx(38 + 6, abs=TOLERANCE_DEG)
    assert value(found, "lordosis_l1_l5_superior") == pytest.approx(38, abs=TOLERANCE_DEG)


def test_lordosis_to_s1_is_measured_only_when_s1_is_given():
    bodies = spine(LORDOTIC)
    assert measure(bodies).find("lordosis_l1_s1") is None
    found = measure([*bodies, sacrum(rotation(40), (8, 0, -190))])
    assert value(found, "lordosis_l1_s1") == pytest.approx(18 + 40, abs=TOLERANCE_DEG)
    assert value(found, "segmental_cobb", "L5-S1") == pytest.approx(20, abs=TOLERANCE_DEG)
    assert value(found, "disc_angle", "L5-S1") == pytest.approx(20, abs=TOLERANCE_DEG)


def test_segmental_cobb_counts_the_upper_body_and_the_disc_angle_does_not():
    found = measure(spine(LORDOTIC, shape=Shape(wedge_sagittal=4)))
    for pair, step in zip(("L1-L2", "L2-L3", "L3-L4", "L4-L5"), np.diff(LORDOTIC)):
        assert value(found, "segmental_cobb", pair) == pytest.approx(step, abs=TOLERANCE_DEG)
        assert value(found, "disc_angle", pair) == pytest.approx(step - 4, abs=TOLERANCE_DEG)


def test_the_sagittal_projection_ignores_a_lean_and_the_3d_angle_does_not():
    lean = [12.0, 0.0, 0.0, 0.0, 0.0]
    found = measure(spine([-10.0, 0.0, 0.0, 0.0, 0.0], lean))
    # Leaning after tilting shortens the vertical part of the normal: tan(projected) = tan(tilt) / cos(lean).
    assert value(found, "segmental_cobb", "L1-L2") == pytest.approx(
        degrees(atan(tan(radians(10)) / cos(radians(12)))), abs=TOLERANCE_DEG
    )
    both = degrees(np.arccos(cos(radians(10)) * cos(radians(12))))
    assert value(found, "segmental_cobb_3d", "L1-L2") == pytest.approx(both, abs=TOLERANCE_DEG)


@pytest.mark.parametrize("sagittal", [-8.0, 0.0, 11.0])
@pytest.mark.parametrize("coronal", [-5.0, 3.0])
def test_wedges_are_those_of_the_body_whatever_its_pose(sagittal: float, coronal: float):
    turned = rotation(25, -14, 31)
    found = measure([phantom(Level.L3, Shape(wedge_sagittal=sagittal, wedge_coronal=coronal), turned, (40, -30, 900))])
    assert value(found, "wedge_sagittal") == pytest.approx(sagittal, abs=TOLERANCE_DEG)
    assert value(found, "wedge_coronal") == pytest.approx(coronal, abs=TOLERANCE_DEG)


def curved(lean: list[float], sway: list[float]) -> list[Vertebra]:
    """Return L1-L5 with the given leans to the left and places to the left, in mm."""
    return [
        phantom(level, turned=rotation(lean=lean[i]), at=(0, sway[i], -38.0 * i))
        for i, level in enumerate(LUMBAR_LEVELS)
    ]


@pytest.mark.parametrize(("mirror", "side"), [(1, "left"), (-1, "right")])
def test_coronal_cobb_names_end_vertebrae_side_and_apex(mirror: int, side: str):
    # Going up, the lower part leans to the left and the upper part to the right: convex left, from L2 to L4.
    lean = [mirror * angle for angle in (-4.0, -9.0, 1.0, 12.0, 5.0)]
    cobb = measure(curved(lean, [mirror * y for y in (2.0, 7.0, 10.0, 6.0, 0.0)])).find("coronal_cobb")
    assert cobb is not None
    assert cobb.value == pytest.approx(mirror * 21, abs=TOLERANCE_DEG)
    assert cobb.level == "L2-L4"
    assert cobb.note == f"convex {side}, apex L3"


def test_the_apex_is_the_same_wherever_the_patient_stands():
    lean, sway = [-9.0, -8.0, -2.0, 4.0, 12.0], [-40.0, -35.0, -32.0, -33.0, -38.0]
    assert "apex L3" in measure(curved(lean, sway)).find("coronal_cobb").note


def test_a_curve_that_lies_farthest_out_at_its_end_has_no_apex():
    cobb = measure(curved([2.0, 4.0, 6.0, 8.0, 14.0], [30.0, 24.0, 18.0, 10.0, 0.0])).find("coronal_cobb")
    assert cobb.note == "convex left, the curve may go on above L1 and below L5"


def test_a_curve_without_a_vertebra_between_its_ends_names_no_apex():
    whole = curved([-9.0, -6.0, 1.0, 5.0, 12.0], [0.0, 7.0, 10.0, 6.0, 0.0])
    assert "apex L3" in measure(whole).find("coronal_cobb").note
    cobb = measure([vertebra for vertebra in whole if vertebra.level is not Level.L3]).find("coronal_cobb")
    assert (cobb.level, cobb.value) == ("L1-L5", pytest.approx(21, abs=TOLERANCE_DEG))
    assert cobb.note.startswith("convex left, apex not known without L3, the curve may go on")


@pytest.mark.parametrize(
    ("lean", "level", "note"),
    [
        ([-9.0, -4.0, 1.0, 12.0, 5.0], "L1-L4", "the curve may go on above L1"),
        ([-4.0, -9.0, 1.0, 5.0, 12.0], "L2-L5", "the curve may go on below L5"),
    ],
)
def test_a_curve_may_go_on_beyond_the_last_vertebra_measured(lean: list[float], level: str, note: str):
    cobb = measure(curved(lean, [2.0, 7.0, 10.0, 6.0, 0.0])).find("coronal_cobb")
    assert (cobb.level, cobb.note) == (level, f"convex left, apex L3, {note}")


def test_a_small_curve_has_a_sign_but_no_side_in_words():
    cobb = measure(curved([-1.0, -4.0, 0.0, 5.5, 2.0], [2.0, 4.0, 5.0, 4.0, 0.0])).find("coronal_cobb")
    assert cobb.value == pytest.approx(9.5, abs=TOLERANCE_DEG)
    assert cobb.note == ""


def test_a_tilt_of_the_whole_spine_is_neither_cobb_nor_lordosis():
    found = measure(spine([12.0] * 5, [15.0] * 5))
    assert value(found, "coronal_cobb") == pytest.approx(0, abs=TOLERANCE_DEG)
    assert value(found, "lordosis_l1_l5") == pytest.approx(0, abs=TOLERANCE_DEG)


def test_a_patient_turned_in_the_beam_reads_a_false_cobb_and_true_3d_angles():
    pitch, turned = [-22.0, -12.0, -2.0, 10.0, 28.0], rotation(turn=20)
    found = measure(
        phantom(level, turned=turned @ rotation(pitch[i]), at=turned @ np.array([0, 0, -38.0 * i]))
        for i, level in enumerate(LUMBAR_LEVELS)
    )
    assert value(found, "lordosis_l1_l5") == pytest.approx(47.3, abs=TOLERANCE_DEG)  # as docs/measurements.md says
    assert value(found, "coronal_cobb") == pytest.approx(18.2, abs=TOLERANCE_DEG)
    assert value(found, "lordosis_l1_l5_3d") == pytest.approx(50, abs=TOLERANCE_DEG)


@pytest.mark.parametrize("angle", [-17.0, 0.0, 6.0, 40.0])
def test_axial_rotation_is_positive_when_the_front_turns_left(angle: float):
    found = measure([phantom(Level.L2, turned=rotation(turn=angle))])
    assert value(found, "axial_rotation", "L2") == pytest.approx(angle, abs=TOLERANCE_DEG)


def test_rotation_on_the_level_below_is_the_difference_for_upright_vertebrae():
    found = measure(spine([0.0] * 5, turn=[9.0, 5.0, -2.0, -2.0, 4.0]))
    for pair, expected in zip(("L1-L2", "L2-L3", "L3-L4", "L4-L5"), (4, 7, 0, -6)):
        assert value(found, "intervertebral_axial_rotation", pair) == pytest.approx(expected, abs=TOLERANCE_DEG)


def test_rotation_on_the_level_below_does_not_depend_on_how_both_are_posed():
    relative, common = rotation(turn=7), rotation(20, -15, 12)
    upper = phantom(Level.L3, turned=common @ relative, at=common @ np.array([0, 0, 38.0]))
    found = measure([upper, phantom(Level.L4, turned=common)])
    assert value(found, "intervertebral_axial_rotation", "L3-L4") == pytest.approx(7, abs=TOLERANCE_DEG)


def test_projections_follow_the_patient_frame_and_name_it():
    turned = rotation(turn=35)
    upright = [
        phantom(level, turned=turned @ rotation(p), at=turned @ np.array([0, 0, -38.0 * i]))
        for i, (level, p) in enumerate(zip(LUMBAR_LEVELS, LORDOTIC))
    ]
    axis = np.array([-np.sin(radians(35)), np.cos(radians(35)), 0])  # forward turned to the left, in RAS
    found = measure(upright, PatientFrame.from_axes(axis, np.array([0, 0, 2.0]), "pelvis"))
    assert value(found, "lordosis_l1_l5") == pytest.approx(38, abs=TOLERANCE_DEG)
    assert value(found, "axial_rotation", "L3") == pytest.approx(0, abs=TOLERANCE_DEG)
    assert found.frame == "pelvis"
    assert value(measure(upright), "lordosis_l1_l5") < 34
    assert value(measure(upright), "axial_rotation", "L3") == pytest.approx(35, abs=TOLERANCE_DEG)
