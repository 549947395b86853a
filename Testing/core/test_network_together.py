"""Both films of a case are read once each, then made to agree; where they cannot, each keeps its own."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS
from LumbarBiplanarLib.errors import DetectionError
from LumbarBiplanarLib.geometry import FilmPair
from LumbarBiplanarLib.network import detect_pair, inference, join
from LumbarBiplanarLib.network.naming import median_gap_mm
from LumbarBiplanarLib.study.case import case_of_films
from LumbarBiplanarLib.study.detecting import detect_case, detection_warnings
from network_phantom import phantom_film, phantom_view

APART = "do not show one spine in one place"


@pytest.fixture(scope="module")
def films():
    return tuple(phantom_film(phantom_view(name), seed=3).film for name in ("AP", "lateral"))


@pytest.fixture(scope="module")
def alone(films):
    return tuple(inference.detect(film, "cpu") for film in films)


def positions(detection):
    return np.array([item.position_px for item in detection.landmarks.values()])


def shifted(detection, by_mm: float):
    """What would have been found had the patient been elsewhere when that film was taken: its view is not true."""
    film = detection.reading.film
    across, along = film.view.principal_px
    view = replace(film.view, principal_px=(across, along + by_mm / 0.82 / film.view.spacing_mm[1]))
    return replace(detection, view=view, reading=replace(detection.reading, film=replace(film, view=view)))


def test_a_case_is_read_once_per_film_and_ends_with_what_both_films_show(films, monkeypatch):
    read = []
    real = inference.read
    monkeypatch.setattr(
        inference,
        "read",
        lambda networks, film, *rest, **how: read.append(film.view.name) or real(networks, film, *rest, **how),
    )
    case = case_of_films(films, FilmPair(*(film.view for film in films)))
    steps = list(detect_case(case, device="cpu"))
    assert sorted(read) == ["AP", "lateral"]
    assert [step.message for step in steps if step.detections] == [
        "AP film: done",
        "lateral film: done",
        "both films together",
        "done",
    ]
    shares = [step.fraction for step in steps]
    assert shares == sorted(shares) and shares[-1] == 1.0
    expected = detect_pair(films, "cpu")
    for detection in expected:
        np.testing.assert_allclose(positions(steps[-1].detections[detection.view.name]), positions(detection))
    assert not np.allclose(positions(steps[-1].detections["AP"]), positions(steps[-2].detections["AP"]))


def test_both_films_are_read_side_by_side_while_the_caller_goes_on(films, alone, monkeypatch):
    both, real = threading.Barrier(2, timeout=30.0), inference.read

    def read(networks, film):
        both.wait()  # neither goes on before the other has begun
        assert torch.get_num_threads() == 1
        time.sleep(0.3)
        return real(networks, film)

    monkeypatch.setattr(inference, "read", read)
    case, before = case_of_films(films, FilmPair(*(film.view for film in films))), torch.get_num_threads()
    steps = detect_case(case, device="cpu")
    waiting = [step for step in steps if step.message == "AP film: landmarks and lumbar-only image"]
    assert len(waiting) > 3 and torch.get_num_threads() == before
    found = next(step for step in detect_case(case, device="cpu") if len(step.detections) == 2).detections
    for detection in alone:
        np.testing.assert_array_equal(positions(found[detection.view.name]), positions(detection))
        np.testing.assert_array_equal(found[detection.view.name].lumbar_mm, detection.lumbar_mm)


def test_a_detection_that_is_closed_does_not_wait_for_the_films(films, monkeypatch):
    held = threading.Event()

    def read(networks, film):
        held.wait(30.0)
        raise DetectionError("nobody wants to know")

    monkeypatch.setattr(inference, "read", read)
    steps = detect_case(case_of_films(films, FilmPair(*(film.view for film in films))), device="cpu")
    for _ in range(3):
        assert not next(steps).detections
    steps.close()  # would wait for half a minute
    assert not held.is_set()
    held.set()


def test_a_patient_in_one_place_is_fitted_and_one_who_moved_is_not(alone):
    still = join(alone)
    assert not any(APART in note for detection in still for note in detection.notes)
    assert all(detection.reading is None for detection in still)
    for by_mm in (8.0, -14.0, 27.0):
        moved = join((alone[0], shifted(alone[1], by_mm)))
        for detection, before in zip(moved, alone, strict=True):
            assert sum(APART in note for note in detection.notes) == 1
            assert not any("renamed" in note for note in detection.notes)
            np.testing.assert_allclose(positions(detection), positions(before))
    case = case_of_films(
        tuple(d.reading.film for d in alone), FilmPair(*(detection.reading.film.view for detection in alone))
    )
    told = detection_warnings(case, {detection.view.name: detection for detection in moved})
    assert any(APART in text and "patient moved" in text for text in told)


def test_the_gap_of_the_rays_is_how_far_the_patient_moved(alone):
    pair = (alone[0], shifted(alone[1], 10.0))
    bodies = [d.reading.close.landmarks_px[:, [0, 5]].mean(axis=1) for d in pair]
    gap = median_gap_mm(tuple(d.view for d in pair), *bodies)
    assert gap == pytest.approx(10.0, abs=1.5)


def test_what_was_joined_or_does_not_come_from_the_network_stays_as_it_is(alone):
    joined = join(alone)
    assert join(joined) is joined
    foreign = (replace(alone[0], reading=None), alone[1])
    assert join(foreign) is foreign


@pytest.mark.parametrize("by", [1, -1])
def test_levels_that_a_person_renames_are_read_again_under_their_new_names(alone, by):
    found, renamed = join(alone), join(alone, level_shift=by)
    for before, after in zip(found, renamed, strict=True):
        assert any("All levels were renamed one" in note and "as you asked" in note for note in after.notes)
        # The first stage's images do not speak against names that a person has given.
        assert not any("stand where" in note for note in after.notes)
        old, new = before.landmarks.visible(), after.landmarks.visible()
        for row in (1, 2, 3):  # of these there is one before and after
            level, was = LUMBAR_LEVELS[row], LUMBAR_LEVELS[row - by]
            for name in ("superior_endplate_centre", "inferior_endplate_centre"):
                off = np.subtract(new[level, name].position_px, old[was, name].position_px)
                assert np.linalg.norm(off * before.view.pixel_size_at(np.zeros(3))) < 3.0
        bone = [item.lumbar_level_mm[2 - by * (item is before)] for item in (before, after)]
        assert np.corrcoef(bone[0].ravel(), bone[1].ravel())[0, 1] > 0.8


def test_a_detection_of_another_network_is_renamed_as_it_is(alone):
    foreign = tuple(replace(item, reading=None) for item in alone)
    for before, after in zip(foreign, join(foreign, level_shift=1), strict=True):
        for key, item in before.landmarks.items():
            row = LUMBAR_LEVELS.index(item.level) + 1
            if row < 5:
                assert after.landmarks[LUMBAR_LEVELS[row], key[1]].position_px == item.position_px
        assert LUMBAR_LEVELS[0] not in after.levels
        np.testing.assert_array_equal(after.lumbar_level_mm[1:], before.lumbar_level_mm[:-1])
        np.testing.assert_allclose(after.lumbar_mm, before.lumbar_mm - before.lumbar_level_mm[-1], atol=1e-4)
    with pytest.raises(ValueError, match="-2 to 2"):
        join(foreign, level_shift=3)


def test_a_case_is_detected_with_the_names_that_were_asked_for(films, alone):
    case = case_of_films(films, FilmPair(*(film.view for film in films)))
    *_, step = detect_case(case, device="cpu", level_shift=-1)
    for name, expected in zip(("AP", "lateral"), join(alone, level_shift=-1), strict=True):
        np.testing.assert_allclose(positions(step.detections[name]), positions(expected))
