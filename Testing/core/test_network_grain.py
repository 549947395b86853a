"""Films of bones without a body are given a grain, without which they are read worse; other films are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.imaging import Polarity
from LumbarBiplanarLib.network import detect_pair, first_stage
from LumbarBiplanarLib.network.first_stage import stretched
from LumbarBiplanarLib.network.grain import grained, is_of_bones_alone
from study_sample import sample_case

PIXEL_MM = 0.8


def bones_alone():
    """Return the films of the bundled study with nothing on them but L1 to L5."""
    case = sample_case()
    return tuple(replace(film, pixels=case.lumbar_mm[film.view.name]) for film in case.films)


def mean_error_px() -> float:
    found = detect_pair(bones_alone(), "cpu")
    truth = sample_case().landmarks
    return float(
        np.mean(
            [
                np.hypot(*np.subtract(item.position_px, truth[detection.view.name].landmarks[key].position_px))
                for detection in found
                for key, item in detection.landmarks.visible().items()
            ]
        )
    )


def test_landmarks_on_bones_alone_are_found_better_with_a_grain(monkeypatch):
    with_grain = mean_error_px()
    monkeypatch.setattr(first_stage, "grained", lambda image, pixel_mm: image)
    assert with_grain < 0.97 * mean_error_px()


def test_the_grain_is_the_same_each_time_and_as_strong_on_coarse_pixels_whatever_the_film_has():
    for film in bones_alone():
        first = stretched(film)
        np.testing.assert_array_equal(first, stretched(film))
        plain = film.pixels == film.pixels.min()
        assert np.ptp(first[plain]) > 0.05
        dark = replace(film, pixels=film.pixels.max() - film.pixels, polarity=Polarity.BONE_DARK)
        np.testing.assert_allclose(first, stretched(dark), atol=1e-5)
    ground = np.zeros((800, 800), dtype=np.float32)
    ground[:, 300:340] = 1.0
    spread = []
    for step in (1, 4):
        grain = grained(ground[::step, ::step].copy(), 0.2 * step) - ground[::step, ::step]
        mean = grain.reshape(200, 4 // step, 200, 4 // step).mean(axis=(1, 3))
        spread.append(float(mean.std()))
    assert spread[0] == pytest.approx(spread[1], rel=0.05)


def test_films_with_a_body_are_left_as_they_are():
    for film in sample_case().films:
        image = film.bone_bright()
        collimated = np.full_like(image, image.min())
        collimated[:, 130:270] = image[:, 130:270]
        for shown in (image, collimated, np.zeros_like(image)):
            assert not is_of_bones_alone(shown, PIXEL_MM)
            assert grained(shown, PIXEL_MM) is shown
