"""Landmarks that were given are held against what the network sees: their names and their place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, FilmLandmarks
from LumbarBiplanarLib.network import Detection
from LumbarBiplanarLib.study.given_landmarks import given_doubts
from LumbarBiplanarLib.study.run import reconstruct_case
from study_sample import sample_case


def seen_by_network(film, shift=0):
    """A detection with the true landmarks, levels named ``shift`` lower."""
    case, name = sample_case(), film.view.name
    found = Detection(film.view, case.lumbar_mm[name], film.view, case.landmarks[name].landmarks)
    return found.renamed(shift)


def given(change):
    """The bundled study whose given landmarks are changed one by one; those that become None are left out."""
    case = sample_case()
    entries = {}
    for name, entry in case.landmarks.items():
        items = [change(name, item) for item in entry.landmarks.visible().values()]
        entries[name] = replace(entry, landmarks=FilmLandmarks([item for item in items if item is not None]))
    return replace(case, landmarks=entries, lumbar_mm={})


def detections():
    return {film.view.name: seen_by_network(film) for film in sample_case().films}


def renamed(by, only=("AP", "lateral")):
    def change(name, item):
        row = LUMBAR_LEVELS.index(item.level) + (by if name in only else 0)
        return replace(item, level=LUMBAR_LEVELS[row]) if 0 <= row < len(LUMBAR_LEVELS) else None

    return change


def moved(x_px):
    return lambda name, item: replace(item, position_px=(item.position_px[0] + x_px, item.position_px[1]))


@pytest.mark.parametrize("x_px", [0.0, 8.0])
def test_landmarks_where_the_network_sees_them_are_no_reason_for_doubt(x_px):
    assert given_doubts(given(moved(x_px)), detections()) == []


@pytest.mark.parametrize(("by", "said"), [(1, "call L2 it calls L1"), (-1, "call L1 it calls L2")])
def test_names_that_are_one_off_are_told(by, said):
    doubts = given_doubts(given(renamed(by)), detections())
    assert [doubt.split()[0] for doubt in doubts] == ["AP", "lateral"]
    assert all(said in doubt and "Count the vertebrae" in doubt for doubt in doubts)


def test_names_that_are_one_off_on_one_film_are_told_of_that_one():
    (doubt,) = given_doubts(given(renamed(1, only=("lateral",))), detections())
    assert doubt.startswith("lateral film")


def test_landmarks_of_another_place_are_told_with_how_far_they_lie():
    doubts = given_doubts(given(moved(100.0)), detections())
    assert len(doubts) == 2 and all("lie 57 mm (median) from where the network sees them" in item for item in doubts)


def test_nothing_is_held_against_landmarks_that_the_network_found_itself():
    assert given_doubts(replace(sample_case(), landmarks=None), detections()) == []


def test_a_result_from_landmarks_named_one_off_says_so():
    result = reconstruct_case(given(renamed(1)), device="cpu", detector=lambda film, **how: seen_by_network(film))
    assert sum("it calls L1" in warning for warning in result.warnings) == 2
