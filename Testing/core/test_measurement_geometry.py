"""What is drawn for a measurement lies where it was taken and shows the value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.measurement import measure, title_text, value_text
from measurement_phantom import Shape, phantom, rotation

FORWARD, LEFT, UP = np.array([0.0, 1.0, 0.0]), np.array([-1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])


def spine(**kwargs):
    return [
        phantom(level, turned=rotation(-16 + 8 * i), at=(0, 0, -38.0 * i), **kwargs)
        for i, level in enumerate(LUMBAR_LEVELS)
    ]


def tilt_of_line(geometry, number, axis):
    first, second = (geometry.points_ras_mm[name] for name in geometry.lines[number])
    return np.degrees(np.arctan2((second - first) @ UP, (second - first) @ axis))


@pytest.mark.parametrize(("key", "axis"), [("lordosis_l1_l5", FORWARD), ("coronal_cobb", LEFT)])
def test_the_two_lines_of_a_projected_angle_enclose_its_value(key, axis):
    vertebrae = spine() if axis is FORWARD else [
        phantom(Level.L1, turned=rotation(pitch=4, lean=9), at=(0, 0, 140)),
        phantom(Level.L5, turned=rotation(pitch=-6, lean=-7), at=(0, 0, 0)),
    ]  # fmt: skip
    item = measure(vertebrae).find(key)
    geometry = item.geometry
    assert len(geometry.lines) == 2
    assert tilt_of_line(geometry, 0, axis) - tilt_of_line(geometry, 1, axis) == pytest.approx(item.value, abs=1e-6)
    for ends, plane in zip(geometry.lines, geometry.planes.values(), strict=True):
        assert np.abs([plane.height(geometry.points_ras_mm[end]) for end in ends]).max() < 1e-9


def test_a_plane_s_edges_hold_its_endplate_and_no_more():
    shape = Shape(depth=34.0, width=46.0)
    vertebra = phantom(Level.L3, shape, turned=rotation(pitch=20, lean=10, turn=15))
    plane = next(iter(measure([vertebra]).find("endplate_depth_superior").geometry.planes.values()))
    depth, width = np.linalg.norm(plane.edges_mm, axis=1)
    assert (depth, width) == pytest.approx((34.0, 46.0), abs=0.1)
    assert np.abs(plane.edges_mm @ plane.normal).max() < 1e-9
    assert plane.edges_mm[0] @ plane.edges_mm[1] == pytest.approx(0.0, abs=1e-9)


def test_text_of_a_value_has_a_point_no_minus_zero_and_no_decimals_for_a_grade():
    found = measure(spine())
    grade, slip = found.find("meyerding_grade"), found.find("slip")
    assert value_text(grade) == "1"
    assert value_text(slip, 2) == f"{slip.value:.2f}"
    assert value_text(replace(slip, value=-0.001), 2) == "0.00"
    assert title_text(slip).startswith("Slip: ")
