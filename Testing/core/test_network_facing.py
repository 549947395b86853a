"""Films that show the patient the other way: seen from behind, facing right, or stored turned over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, opposite_side
from LumbarBiplanarLib.errors import DetectionError
from LumbarBiplanarLib.geometry import FilmPair, standard_pair
from LumbarBiplanarLib.geometry.frames import rigid
from LumbarBiplanarLib.network import detect, detect_pair, join
from LumbarBiplanarLib.study.case import case_of_films
from LumbarBiplanarLib.study.registering import register_case
from network_phantom import errors_mm, phantom_film
from study_sample import sample_case

TURNED = np.array([-1.0, 1.0, 1.0])
OTHER = [LANDMARK_NAMES.index(opposite_side(name)) for name in LANDMARK_NAMES]


# What can be made of a film or of what was found on it; the patient faces right on the lateral one, or films are stored
# turned over, or both.
WAYS = {
    "facing right": lambda item: item.turned_over().of_mirrored_patient(),
    "stored turned over": lambda item: item.turned_over(),
    "facing right, stored turned over": lambda item: item.of_mirrored_patient(),
}


@pytest.fixture(scope="module")
def sample():
    films = sample_case().films
    return films, detect_pair(films, "cpu")


@pytest.fixture(scope="module", params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture(scope="module")
def films(sample):
    """The films of the sample study, and those of its patient mirrored, who faces right on the lateral one."""
    return sample[0], tuple(WAYS["facing right"](film) for film in sample[0])


@pytest.fixture(scope="module")
def found(sample, way):
    """The films shown another way, and what is found on them."""
    films = tuple(way(film) for film in sample[0])
    return films, detect_pair(films, "cpu")


def test_a_turned_view_projects_the_mirrored_patient_to_the_turned_film(films):
    points = np.random.default_rng(0).normal(0.0, 60.0, (20, 3))
    for film, turned in zip(*films, strict=True):
        expected = film.view.project(points) * [-1.0, 1.0] + [film.view.size_px[0] - 1, 0.0]
        np.testing.assert_allclose(turned.view.project(points * TURNED), expected, atol=1e-9)
        assert np.linalg.det(turned.view.camera_from_ras[:3, :3]) == pytest.approx(1.0)
        again = WAYS["facing right"](turned)
        assert np.array_equal(again.pixels, film.pixels)
        assert np.array_equal(again.view.camera_from_ras, film.view.camera_from_ras)
        assert again.view.principal_px == pytest.approx(film.view.principal_px)


def same(detection, expected) -> None:
    np.testing.assert_allclose(detection.view.camera_from_ras, expected.view.camera_from_ras, atol=1e-12)
    assert detection.landmarks.keys() == expected.landmarks.keys()
    np.testing.assert_allclose(detection.lumbar_mm, expected.lumbar_mm, atol=1e-3)
    for key, item in detection.landmarks.items():
        np.testing.assert_allclose(item.position_px, expected.landmarks[key].position_px, atol=1e-2)
        assert item.visible == expected.landmarks[key].visible


def test_films_shown_another_way_are_read_as_those_that_the_networks_know(sample, found, way):
    for detection, expected, film in zip(found[1], sample[1], found[0], strict=True):
        same(detection, way(expected))
        assert detection.view == film.view
    # The same films read one by one and then joined, as the panel does: the AP film may have to be read again.
    for detection, expected in zip(join(tuple(detect(film, "cpu") for film in found[0])), sample[1], strict=True):
        same(detection, way(expected))


def test_one_film_of_a_pair_may_be_stored_turned_over(sample):
    films, expected = sample
    for i in (0, 1):
        mixed = [WAYS["stored turned over"](item) if k == i else item for k, item in enumerate(films)]
        wanted = [WAYS["stored turned over"](item) if k == i else item for k, item in enumerate(expected)]
        for detection, other in zip(detect_pair(tuple(mixed), "cpu"), wanted, strict=True):
            same(detection, other)


def test_a_case_of_films_shown_another_way_comes_out_as_it_should(sample, found, way):
    points = []
    for pair, detections in (sample, found):
        case = case_of_films(pair, FilmPair(*(film.view for film in pair)))
        steps = register_case(case, {item.view.name: item for item in detections}, device="cpu", intervals=False)
        result = list(steps)[-1].result
        assert all(item.model_in_view for item in result.evidence)
        points.append({level: result.model.landmarks(at) for level, at in result.reconstruction.points_ras_mm.items()})
    for level in LUMBAR_LEVELS:
        same_patient = way is WAYS["stored turned over"]
        expected = points[1][level] if same_patient else points[1][level][OTHER] * TURNED
        # The model of the vertebrae is not quite symmetric, and pixels are put together from the left.
        assert np.linalg.norm(points[0][level] - expected, axis=1).mean() < 0.6


# -- AP films seen from behind -----------------------------------------------------------------------------------------


def seen_from_behind(film):
    """Return the film as it would hang the other way round, with a geometry that says so."""
    across, down, along = film.view.camera_from_ras[:3, :3]
    column, row = film.view.principal_px
    view = replace(
        film.view,
        camera_from_ras=rigid(np.stack([-across, down, -along]), film.view.camera_from_ras[:3, 3]),
        principal_px=(film.view.size_px[0] - 1 - column, row),
    )
    return replace(film, view=view, pixels=np.ascontiguousarray(film.pixels[:, ::-1]))


def test_a_film_seen_from_behind_is_read_like_the_same_from_the_front(films):
    film = films[0][0]
    found, expected = detect(seen_from_behind(film), "cpu"), detect(film, "cpu")
    assert found.landmarks.keys() == expected.landmarks.keys()
    np.testing.assert_allclose(found.lumbar_mm, expected.lumbar_mm[:, ::-1], atol=1e-3)
    for key, item in found.landmarks.items():
        x, y = expected.landmarks[key].position_px
        np.testing.assert_allclose(item.position_px, (film.view.size_px[0] - 1 - x, y), atol=1e-2)
        assert item.sigma_mm == pytest.approx(expected.landmarks[key].sigma_mm, rel=1e-3)


def test_the_patients_left_is_found_where_the_geometry_has_it(films):
    item = detect(seen_from_behind(films[0][0]), "cpu").landmarks
    for level in LUMBAR_LEVELS:
        assert item[level, "pedicle_left"].position_px[0] < item[level, "pedicle_right"].position_px[0]


def phantom_pair(posteroanterior: bool):
    pair = standard_pair(size_px=((260, 380),) * 2, spacing_mm=1.2, sdd_mm=1150.0, posteroanterior=posteroanterior)
    return tuple(phantom_film(view) for view in pair.views)


@pytest.fixture(scope="module", params=["AP", "AP, facing right", "PA", "PA, facing right"])
def phantoms(request):
    drawn = phantom_pair(request.param.startswith("PA"))
    films = tuple(item.film for item in drawn)
    if "right" in request.param:
        films = tuple(WAYS["facing right"](film) for film in films)
    return drawn, films


def test_both_films_together_are_read_from_behind_as_well(phantoms):
    drawn, films = phantoms
    detections = detect_pair(films, "cpu")
    for phantom, film, detection in zip(drawn, films, detections, strict=True):
        assert detection.levels == LUMBAR_LEVELS
        as_drawn = detection if film is phantom.film else WAYS["facing right"](detection)
        assert np.median(np.concatenate(list(errors_mm(phantom, as_drawn).values()))) < 2.5
        assert not any("not at one place" in note or "renamed" in note for note in detection.notes)


def test_a_pa_film_is_registered_with_the_image_that_a_second_look_gives(phantoms):
    _, films = phantoms
    case = case_of_films(films, FilmPair(*(film.view for film in films)))
    detections = {item.view.name: item for item in detect_pair(films, "cpu")}
    result = list(register_case(case, detections, device="cpu", intervals=False))[-1].result
    assert all(item.model_in_view for item in result.evidence)


def test_a_film_without_a_spine_is_refused_in_the_words_of_its_geometry(films):
    for film, way in (
        (films[0][0], "with the patient's right on its left"),
        (seen_from_behind(films[0][0]), "with the patient's left on its left"),
        (films[0][1], "with the patient facing left"),
        (films[1][1], "with the patient facing right"),
    ):
        ramp = np.broadcast_to(np.arange(film.pixels.shape[0], dtype=np.float32)[:, None], film.pixels.shape)
        with pytest.raises(DetectionError, match=f"no lumbar spine was found .*upright and {way},"):
            detect(replace(film, pixels=ramp), "cpu")
