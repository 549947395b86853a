"""Vertebrae that no film shows, or whose landmarks the network doubts, are to be checked however well they fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from LumbarBiplanarLib.anatomy import FilmLandmarks, Level
from LumbarBiplanarLib.network import Detection
from LumbarBiplanarLib.registration import Quality
from LumbarBiplanarLib.study.doubts import doubted
from LumbarBiplanarLib.study.run import reconstruct_case
from study_sample import sample_case, sample_result

FINE = {level: Quality("ok", (), 0.01) for level in (Level.L3, Level.L4, Level.L5)}


def state_with(*changed):
    """The final state of the bundled study with each film's evidence changed by its function, AP and lateral."""
    state = sample_result().reconstruction.final_state
    return replace(state, evidence=tuple(change(item) for change, item in zip(changed, state.evidence, strict=True)))


def as_it_is(item):
    return item


def cut_below_l4(item):
    width, _ = item.view.size_px
    return replace(item, view=item.view.cropped(0, 0, width, 272))


def with_l4(**changes):
    def change(item):
        landmarks = [replace(mark, **changes) if mark.level is Level.L4 else mark for mark in item.landmarks.values()]
        return replace(item, landmarks=FilmLandmarks(landmarks))

    return change


def test_a_vertebra_that_neither_film_shows_is_to_be_checked():
    found = doubted(FINE, state_with(cut_below_l4, cut_below_l4))
    assert {level: item.flag for level, item in found.items()} == {Level.L3: "ok", Level.L4: "ok", Level.L5: "check"}
    assert "of it lies beyond the edge of both films" in found[Level.L5].reasons[0]
    assert found[Level.L5].probability == FINE[Level.L5].probability


def test_a_vertebra_that_one_film_shows_is_left_to_its_misfits():
    assert doubted(FINE, state_with(cut_below_l4, as_it_is)) == FINE


def test_landmarks_that_the_network_doubts_are_to_be_checked_on_the_film_named():
    found = doubted(FINE, state_with(as_it_is, with_l4(confidence=0.28)))
    assert [level for level, item in found.items() if item.flag == "check"] == [Level.L4]
    assert "landmarks on the lateral film are not sure (confidence 0.28)" in found[Level.L4].reasons[0]


def test_landmarks_that_a_person_has_set_are_sure():
    assert doubted(FINE, state_with(as_it_is, with_l4(confidence=0.28, corrected=True))) == FINE


def test_a_worse_flag_stays_and_gets_one_more_reason():
    bad = {**FINE, Level.L4: Quality("refuse", ("It is off.",), 0.97)}
    found = doubted(bad, state_with(with_l4(confidence=0.1), as_it_is))[Level.L4]
    assert (found.flag, found.reasons[0], len(found.reasons)) == ("refuse", "It is off.", 2)


@pytest.mark.parametrize(("confidence", "flag"), [(0.9, "ok"), (0.3, "check")])
def test_a_result_carries_the_doubts_of_the_network(confidence, flag):
    given = sample_case()

    def detector(film, **options):
        name = film.view.name
        marks = given.landmarks[name].landmarks.visible().values()
        marks = [replace(mark, confidence=confidence if mark.level is Level.L3 else 0.9) for mark in marks]
        return Detection(film.view, given.lumbar_mm[name], film.view, FilmLandmarks(marks))

    result = reconstruct_case(replace(given, landmarks=None, lumbar_mm={}), device="cpu", detector=detector)
    assert result.quality[Level.L3].flag == flag
