"""Landmarks that do not lie on the bone of their level are noticed, told in words, and count for less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.network.inference import _detection
from LumbarBiplanarLib.network.reading import load_networks, read
from LumbarBiplanarLib.network.self_check import checked
from LumbarBiplanarLib.network.together import _renamed
from network_phantom import phantom_film, phantom_view


@pytest.fixture(scope="module", params=["AP", "lateral"])
def reading(request):
    return read(load_networks(None, "cpu"), phantom_film(phantom_view(request.param), seed=1).film)


def moved(reading, level: int, by_mm: tuple[float, float]):
    """The reading with the landmarks of one level slid along the film."""
    landmarks = reading.close.landmarks_px.copy()
    landmarks[level] += np.array(by_mm) / 0.82 / reading.film.view.spacing_mm
    return replace(reading, close=replace(reading.close, landmarks_px=landmarks))


def test_image_and_landmarks_of_a_plain_film_agree(reading):
    confidences, notes = checked(reading)
    assert notes == ()
    np.testing.assert_array_equal(confidences, reading.close.confidences)


@pytest.mark.parametrize("by_mm", [(18.0, 0.0), (0.0, -16.0)])
def test_landmarks_that_slid_off_their_bone_are_noticed(reading, by_mm):
    wrong = moved(reading, 2, by_mm)
    confidences, notes = checked(wrong)
    assert len(notes) == 1 and "L3" in notes[0] and "heck" in notes[0]
    assert (confidences[2] < 0.5).all()
    others = [0, 1, 3, 4]
    np.testing.assert_array_equal(confidences[others], reading.close.confidences[others])


def test_the_farther_they_slid_the_less_they_count(reading):
    near, far = (checked(moved(reading, 2, (0.0, by)))[0][2].mean() for by in (12.0, 24.0))
    assert far < near < 0.5


def test_levels_renamed_against_the_image_are_noticed_and_say_what_the_image_shows(reading):
    notes = checked(_renamed(reading, 1, 0))[1]
    told = [note for note in notes if "stand where the lumbar-only image of the whole film shows" in note]
    assert len(told) >= 3
    assert any("landmarks of L3" in note and "shows L2" in note for note in told)
    # A person who renames them knows better than the image.
    assert not any("stand where" in note for note in checked(_renamed(reading, 0, 1))[1])


def test_a_detection_carries_the_doubts(reading):
    detection = _detection(moved(reading, 3, (20.0, 0.0)))
    assert any("L4" in note for note in detection.notes)
    doubted = [item.confidence for (level, _), item in detection.landmarks.items() if level is Level.L4]
    assert max(doubted) < 0.5
