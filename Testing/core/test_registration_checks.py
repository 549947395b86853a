"""What a finished registration warns of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.registration.checks import gain_warnings, shape_warnings
from LumbarBiplanarLib.registration.poses import VertebraState


def vertebra(log_scale: float) -> VertebraState:
    return VertebraState(Level.L3, np.eye(3), np.zeros(3), log_scale, np.zeros(2))


def test_a_size_is_unusual_against_the_model_but_never_for_a_trifle():
    assert shape_warnings([vertebra(0.0005)], 1e-6) == []  # a rigid model
    (said,) = shape_warnings([vertebra(0.06)], 1e-6)
    assert "Unlikely sizes against the mean vertebra: L3 +6 %." in said
    assert shape_warnings([vertebra(0.06)], 0.08) == []
    assert len(shape_warnings([vertebra(-0.3)], 0.08)) == 1


def test_unusual_sizes_of_a_whole_spine_are_one_warning():
    below = replace(vertebra(0.4), level=Level.L4, translation_mm=np.array([0.0, 0.0, -40.0]))
    (said,) = shape_warnings([vertebra(0.3), below], 0.08)
    assert "L3 +35 %, L4 +49 %." in said


@pytest.mark.parametrize(
    ("gain", "said"),
    [(1.0, ""), (0.5, "0.50 times as strong"), (3.0, "in mm of bone"), (-0.78, "do not belong together")],
)
def test_an_image_of_another_strength_and_one_of_something_else_are_told_apart(gain, said):
    found = gain_warnings({"AP": gain})
    assert len(found) == bool(said)
    assert all(said in text for text in found)
    assert "mm of bone" not in found[0] if gain < 0 else True
