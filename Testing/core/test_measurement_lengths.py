"""Heights, discs and slip on vertebrae of known size and place: 0.1 mm."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians, sin

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import Level, Region
from LumbarBiplanarLib.measurement import Measurements, Vertebra, measure
from LumbarBiplanarLib.measurement.slip import meyerding_grade, slip_notes
from measurement_phantom import RAS_FROM_SRS, Shape, corner, phantom, rotation, sacrum

TOLERANCE_MM = 0.1
POSE = rotation(14, -9, 20), np.array([31.0, -12.0, 444.0])


def value(measurements: Measurements, key: str, level: str | None = None) -> float:
    item = measurements.find(key, level)
    assert item is not None, f"{key} {level} was not measured"
    return item.value


def pair_with_disc(posterior_mm: float, wedge_deg: float, shape: Shape) -> list[Vertebra]:
    """Return L3 on L4, wedge-shaped disc, corners facing each other along the bisector; both in a tilted pose."""
    turned, at = POSE
    tilt = rotation(pitch=-wedge_deg)  # the upper body leans back by the disc angle
    normal = rotation(pitch=-wedge_deg / 2) @ np.array([0, 0, 1.0])
    target = corner(shape, 1, "posterior") + posterior_mm * normal
    upper_at = target - tilt @ corner(shape, -1, "posterior")
    return [
        phantom(Level.L3, shape, turned @ tilt, turned @ upper_at + at),
        phantom(Level.L4, shape, turned, at),
    ]


def pair_with_slip(slip_mm: float, wedge_deg: float = 0.0, side_mm: float = 0.0) -> list[Vertebra]:
    """Return L4 on L5, its posterior-inferior corner slip_mm forward along the endplate of L5 and 8 mm above it."""
    shape, (turned, at) = Shape(), POSE
    tilt = rotation(pitch=-wedge_deg)
    target = corner(shape, 1, "posterior") + np.array([slip_mm, side_mm, 8.0])
    return [
        phantom(Level.L4, shape, turned @ tilt, turned @ (target - tilt @ corner(shape, -1, "posterior")) + at),
        phantom(Level.L5, shape, turned, at),
    ]


@pytest.mark.parametrize(("wedge", "hollow"), [(0.0, 0.0), (8.0, 0.0), (-6.0, 0.0), (0.0, 2.5)])
def test_body_heights_are_those_of_corners_and_of_the_hollow_middle(wedge: float, hollow: float):
    shape = Shape(wedge_sagittal=wedge, hollow=hollow)
    found = measure([phantom(Level.L3, shape, *POSE)])
    lean = shape.depth * np.tan(radians(wedge / 2))
    assert value(found, "body_height_anterior") == pytest.approx(28 + lean, abs=TOLERANCE_MM)
    assert value(found, "body_height_posterior") == pytest.approx(28 - lean, abs=TOLERANCE_MM)
    assert value(found, "body_height_middle") == pytest.approx(28 - 2 * hollow, abs=TOLERANCE_MM)


def test_endplate_depth_and_width_are_measured_in_the_endplate():
    found = measure([phantom(Level.L3, Shape(depth=31, width=44, wedge_sagittal=10), *POSE)])
    for side in ("superior", "inferior"):
        assert value(found, f"endplate_depth_{side}") == pytest.approx(31 / cos(radians(5)), abs=TOLERANCE_MM)
        assert value(found, f"endplate_width_{side}") == pytest.approx(44, abs=TOLERANCE_MM)


def test_the_three_disc_heights_agree_for_a_parallel_flat_disc():
    found = measure(pair_with_disc(9.0, 0.0, Shape()))
    for variant in ("dabbs", "hurxthal", "fyllos", "anterior", "posterior"):
        assert value(found, f"disc_height_{variant}", "L3-L4") == pytest.approx(9, abs=TOLERANCE_MM)


@pytest.mark.parametrize("wedge", [-5.0, 6.0, 14.0])
def test_disc_heights_of_a_wedged_disc_between_hollow_endplates(wedge: float):
    shape, posterior = Shape(hollow=1.5), 6.0
    found = measure(pair_with_disc(posterior, wedge, shape))
    anterior = posterior + 2 * shape.depth * sin(radians(wedge / 2))
    middle = (anterior + posterior) / 2 + 2 * 1.5 * cos(radians(wedge / 2))
    expected = {
        "anterior": anterior,
        "posterior": posterior,
        "dabbs": (anterior + posterior) / 2,
        "hurxthal": middle,
        "fyllos": (anterior + middle + posterior) / 3,
    }
    for variant, height in expected.items():
        assert value(found, f"disc_height_{variant}") == pytest.approx(height, abs=TOLERANCE_MM), variant


def test_disc_height_does_not_change_when_the_upper_body_slips():
    still, slipped = measure(pair_with_slip(0)), measure(pair_with_slip(11))
    for variant in ("dabbs", "hurxthal", "fyllos"):
        key = f"disc_height_{variant}"
        assert value(slipped, key) == pytest.approx(value(still, key), abs=TOLERANCE_MM)
        assert value(slipped, key) == pytest.approx(8, abs=TOLERANCE_MM)


@pytest.mark.parametrize("slip", [-9.0, -2.0, 0.0, 2.0, 5.0, 10.0, 20.0, 30.0, 36.0])
@pytest.mark.parametrize("wedge", [0.0, 12.0])
def test_slip_is_signed_and_does_not_depend_on_the_disc_angle(slip: float, wedge: float):
    found = measure(pair_with_slip(slip, wedge))
    assert value(found, "slip", "L4-L5") == pytest.approx(slip, abs=TOLERANCE_MM)
    assert value(found, "slip_percent", "L4-L5") == pytest.approx(100 * slip / 34, abs=0.4)


@pytest.mark.parametrize("inward_mm", [-1.5, 0.0, 2.5])
def test_a_slip_does_not_depend_on_where_near_the_corner_the_landmark_lies(inward_mm: float):
    upper, lower = pair_with_slip(4)
    forward = POSE[0][:, 0] @ RAS_FROM_SRS.T
    marks = dict(upper.landmarks)
    marks["inferior_endplate_posterior"] = marks["inferior_endplate_posterior"] + inward_mm * forward
    found = measure([replace(upper, landmarks=marks), lower])
    assert value(found, "slip") == pytest.approx(4, abs=TOLERANCE_MM)
    assert value(found, "endplate_depth_inferior", "L4") == pytest.approx(34, abs=TOLERANCE_MM)


def with_lamina(vertebra: Vertebra, behind_mm: float) -> Vertebra:
    """Return the vertebra with a wall, 8 mm high and 7 mm wide, so far behind its posterior-inferior corner."""
    wall = np.array([(-behind_mm, y, z) for y, z in ((-3.5, -4.0), (3.5, -4.0), (3.5, 4.0), (-3.5, 4.0))])
    count, corner_ras = len(vertebra.points_ras_mm), vertebra.landmarks["inferior_endplate_posterior"]
    return replace(
        vertebra,
        points_ras_mm=np.concatenate([vertebra.points_ras_mm, corner_ras + wall @ POSE[0].T @ RAS_FROM_SRS.T]),
        faces=np.concatenate([vertebra.faces, count + np.array([[0, 1, 2], [0, 2, 3]])]),
        region_labels=np.repeat([Region.BODY, Region.LAMINA], [count, 4]),
    )


@pytest.mark.parametrize("behind_mm", [6.0, 8.5, 15.0])
def test_the_lamina_behind_a_narrow_canal_is_no_corner_of_the_body(behind_mm: float):
    upper, lower = pair_with_slip(4)
    found = measure([with_lamina(upper, behind_mm), lower])
    assert value(found, "slip") == pytest.approx(4, abs=TOLERANCE_MM)
    assert value(found, "endplate_depth_inferior", "L4") == pytest.approx(34, abs=TOLERANCE_MM)


def test_a_single_vertex_moves_a_slip_by_less_than_half():
    upper, lower = pair_with_slip(4)
    backward = -POSE[0][:, 0] @ RAS_FROM_SRS.T
    marks, points = dict(upper.landmarks), upper.points_ras_mm.copy()
    points[np.argmin(np.linalg.norm(points - marks["inferior_endplate_posterior"], axis=1))] += backward
    marks["inferior_endplate_posterior"] = marks["inferior_endplate_posterior"] + backward
    assert value(measure([replace(upper, points_ras_mm=points, landmarks=marks), lower]), "slip") > 3.5


@pytest.mark.parametrize(
    ("slip", "grade", "note"),
    [
        (1.0, 0, "no slip"),
        (-2.0, 0, "no slip"),
        (6.0, 1, "I (anterolisthesis)"),
        (-6.0, 1, "I (retrolisthesis)"),
        (12.0, 2, "II (anterolisthesis)"),
        (21.0, 3, "III (anterolisthesis)"),
        (30.0, 4, "IV (anterolisthesis)"),
        (38.0, 5, "V (anterolisthesis)"),
    ],
)
def test_meyerding_grade_says_the_direction(slip: float, grade: int, note: str):
    item = measure(pair_with_slip(slip)).find("meyerding_grade", "L4-L5")
    assert item is not None
    assert (item.value, item.note, item.unit) == (grade, note, "grade")


@pytest.mark.parametrize(
    ("percent", "grade"),
    [(8, 1), (25, 1), (25.01, 2), (50, 2), (50.01, 3), (75, 3), (75.01, 4), (100, 4), (100.01, 5), (-25.01, 2)],
)
def test_meyerding_borders_belong_to_the_lower_grade(percent: float, grade: int):
    assert meyerding_grade(0.35 * percent, percent) == grade


def test_either_cut_off_makes_a_slip():
    assert meyerding_grade(2.99, 7.99) == 0
    assert meyerding_grade(3.0, 7.0) == 1
    assert meyerding_grade(-2.0, -8.0) == 1


@pytest.mark.parametrize(
    ("slip", "half", "note", "words"),
    [
        (1.0, 1.5, "no slip", "no slip"),
        (-2.0, 1.5, "", "0, possibly I (retrolisthesis)"),
        (0.5, 4.0, "", "0, possibly I (either direction)"),
        (3.5, 1.0, "", "I, possibly 0 (anterolisthesis)"),
        (5.0, 1.0, "anterolisthesis", "I (anterolisthesis)"),
        (-9.0, 1.0, "retrolisthesis", "II, possibly I (retrolisthesis)"),
        (5.0, 4.5, "", "I, possibly 0 or II (anterolisthesis)"),
        (5.0, 9.0, "", "I, possibly 0 or II (either direction)"),
        (12.0, 1.0, "anterolisthesis", "II (anterolisthesis)"),
    ],
)
def test_notes_of_slips_leave_open_what_the_interval_does(slip: float, half: float, note: str, words: str):
    ends = (slip - half, slip + half)
    assert slip_notes(slip, slip / 0.34, ends, (ends[0] / 0.34, ends[1] / 0.34)) == (note, words)


@pytest.mark.parametrize("side", [-6.0, 0.0, 4.0])
def test_lateral_listhesis_is_positive_to_the_left(side: float):
    found = measure(pair_with_slip(0, side_mm=side))
    assert value(found, "lateral_listhesis", "L4-L5") == pytest.approx(side, abs=TOLERANCE_MM)
    assert value(found, "lateral_listhesis_centres", "L4-L5") == pytest.approx(side, abs=TOLERANCE_MM)


def test_a_lean_moves_the_body_centre_sideways_and_the_endplate_edges_hardly():
    lean, disc = rotation(lean=10), np.array([0, 0, 8.0])
    shape = Shape()
    hinge = shape.point(1, 0, 0) + disc
    upper = phantom(Level.L4, shape, lean, hinge - lean @ shape.point(-1, 0, 0))
    found = measure([upper, phantom(Level.L5, shape)])
    assert value(found, "lateral_listhesis") == pytest.approx(0, abs=TOLERANCE_MM)
    assert value(found, "lateral_listhesis_centres") == pytest.approx(14 * sin(radians(10)), abs=TOLERANCE_MM)


def test_slip_and_disc_over_the_sacrum_need_its_superior_endplate_only():
    lower = sacrum(rotation(30), (0, 0, -37))
    upper = phantom(Level.L5, turned=rotation(30), at=rotation(30) @ np.array([5.0, 0, 37.0]) + np.array([0, 0, -37]))
    found = measure([upper, lower])
    assert value(found, "slip", "L5-S1") == pytest.approx(5, abs=TOLERANCE_MM)
    assert value(found, "disc_height_hurxthal", "L5-S1") == pytest.approx(9, abs=TOLERANCE_MM)
    assert found.find("axial_rotation", "S1") is None
    assert found.find("body_height_anterior", "S1") is None


@pytest.mark.parametrize(("forward_mm", "down_mm"), [(38.0, 4.0), (42.0, 20.0), (45.0, 30.0)])
def test_a_body_that_has_slipped_off_and_sunk_in_front_of_the_sacrum_is_measured(forward_mm: float, down_mm: float):
    tilt, shape = rotation(45), Shape()
    upper_at = tilt @ (shape.point(1, 0, 0) - shape.point(-1, 0, 0) + [forward_mm, 0, -down_mm])
    found = measure([phantom(Level.L5, shape, tilt, upper_at), sacrum(tilt)])
    assert value(found, "slip", "L5-S1") == pytest.approx(forward_mm, abs=TOLERANCE_MM)
    assert found.find("meyerding_grade", "L5-S1").note == "V (anterolisthesis)"
    assert value(found, "disc_height_dabbs", "L5-S1") == pytest.approx(-down_mm, abs=TOLERANCE_MM)
