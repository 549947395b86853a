"""Lateral films on which the patient faces right: read turned over, with the AP film, and turned back."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, opposite_side
from LumbarBiplanarLib.geometry import FilmPair
from LumbarBiplanarLib.network import detect, detect_pair, join
from LumbarBiplanarLib.study.case import case_of_films
from LumbarBiplanarLib.study.registering import register_case
from study_sample import sample_case

TURNED = np.array([-1.0, 1.0, 1.0])
OTHER = [LANDMARK_NAMES.index(opposite_side(name)) for name in LANDMARK_NAMES]


@pytest.fixture(scope="module")
def films():
    """The films of the sample study, and those of its patient mirrored, who faces right on the lateral one."""
    as_they_are = sample_case().films
    return as_they_are, tuple(film.of_mirrored_patient() for film in as_they_are)


@pytest.fixture(scope="module")
def found(films):
    return tuple(detect_pair(pair, "cpu") for pair in films)


def test_a_turned_view_projects_the_mirrored_patient_to_the_turned_film(films):
    points = np.random.default_rng(0).normal(0.0, 60.0, (20, 3))
    for film, turned in zip(*films, strict=True):
        expected = film.view.project(points) * [-1.0, 1.0] + [film.view.size_px[0] - 1, 0.0]
        np.testing.assert_allclose(turned.view.project(points * TURNED), expected, atol=1e-9)
        assert np.linalg.det(turned.view.camera_from_ras[:3, :3]) == pytest.approx(1.0)
        again = turned.of_mirrored_patient()
        assert np.array_equal(again.pixels, film.pixels)
        assert np.array_equal(again.view.camera_from_ras, film.view.camera_from_ras)
        assert again.view.principal_px == pytest.approx(film.view.principal_px)


def same(detection, expected) -> None:
    expected = expected.of_mirrored_patient()
    np.testing.assert_allclose(detection.view.camera_from_ras, expected.view.camera_from_ras, atol=1e-12)
    assert detection.landmarks.keys() == expected.landmarks.keys()
    np.testing.assert_allclose(detection.lumbar_mm, expected.lumbar_mm, atol=1e-3)
    for key, item in detection.landmarks.items():
        np.testing.assert_allclose(item.position_px, expected.landmarks[key].position_px, atol=1e-2)
        assert item.visible == expected.landmarks[key].visible


def test_a_patient_who_faces_right_is_found_as_the_mirrored_one(films, found):
    for detection, expected, film in zip(found[1], found[0], films[1], strict=True):
        same(detection, expected)
        assert detection.view == film.view
    # The same films read one by one and then joined, as the panel does: the AP film is read again.
    for detection, expected in zip(join(tuple(detect(film, "cpu") for film in films[1])), found[0], strict=True):
        same(detection, expected)


def test_a_case_with_a_lateral_film_that_faces_right_comes_out_as_the_mirrored_one(films, found):
    points = []
    for pair, detections in zip(films, found, strict=True):
        case = case_of_films(pair, FilmPair(*(film.view for film in pair)))
        steps = register_case(case, {item.view.name: item for item in detections}, device="cpu", intervals=False)
        result = list(steps)[-1].result
        assert all(item.model_in_view for item in result.evidence)
        points.append({level: result.model.landmarks(at) for level, at in result.reconstruction.points_ras_mm.items()})
    for level in LUMBAR_LEVELS:
        apart = np.linalg.norm(points[0][level] - points[1][level][OTHER] * TURNED, axis=1)
        # The model of the vertebrae is not quite symmetric.
        assert apart.mean() < 0.6
