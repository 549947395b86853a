"""The logic's landmarks: loading, moving, removing, resetting and saving them."""

from __future__ import annotations

import json

import pytest

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.errors import LandmarkError, LumbarBiplanarError, StudyError
from LumbarBiplanarLib.study import read_landmarks

KEY = (Level.L3, "superior_endplate_anterior")


@pytest.fixture
def logic(app, sample_study):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    made = CaseLogic()
    made.loadSampleStudy()
    return made


@pytest.fixture
def placed(logic, sample_study):
    logic.loadLandmarks(sample_study / "truth" / "landmarks.json")
    return logic


def test_landmarks_of_a_file_are_those_of_the_scene(placed, sample_study):
    stated = read_landmarks(sample_study / "truth" / "landmarks.json")
    for name in ("AP", "lateral"):
        found = placed.landmarks(name)
        assert set(found.visible()) == set(stated[name].landmarks.visible())
        for key, item in found.visible().items():
            assert item.position_px == pytest.approx(stated[name].landmarks[key].position_px, abs=1e-6)


def test_a_moved_landmark_is_corrected_and_the_others_stay(placed):
    before = placed.landmarks("lateral")
    placed.moveLandmark("lateral", "L3", KEY[1], (200.0, 300.0))
    after = placed.landmarks("lateral")
    assert after[KEY].position_px == pytest.approx((200.0, 300.0))
    assert after[KEY].corrected and after[KEY].confidence == 1.0
    assert {key: item for key, item in after.items() if key != KEY} == {
        key: item for key, item in before.items() if key != KEY
    }


def test_landmarks_can_be_placed_on_a_film_that_has_none(logic):
    logic.moveLandmark("AP", Level.L1, "spinous_tip", (100.0, 120.0))
    assert list(logic.landmarks("AP").visible()) == [(Level.L1, "spinous_tip")]


@pytest.mark.parametrize(
    ("level", "name", "pixel", "said"),
    [
        ("L3", "nose", (10.0, 10.0), "nose"),
        ("C7", "spinous_tip", (10.0, 10.0), "C7"),
        ("L3", "spinous_tip", (-30.0, 10.0), "outside"),
        ("L3", "spinous_tip", (float("nan"), 10.0), "outside"),
    ],
)
def test_a_landmark_that_cannot_be_is_refused_in_words(placed, level, name, pixel, said):
    before = placed.landmarks("AP")
    with pytest.raises(LumbarBiplanarError, match=said):
        placed.moveLandmark("AP", level, name, pixel)
    assert dict(placed.landmarks("AP")) == dict(before)


def test_an_unset_landmark_carries_no_weight(placed):
    placed.unsetLandmark("AP", "L2", "pedicle_left")
    assert (Level.L2, "pedicle_left") not in placed.landmarks("AP").visible()


def test_reset_brings_one_landmark_or_all_back(logic, app):
    import known_network

    case = logic.case()
    logic._keep_landmarks("AP", known_network.detect(case.films[0]).landmarks)
    logic._keep_landmarks("lateral", known_network.detect(case.films[1]).landmarks)
    found = logic.landmarks("AP")
    keys = list(found.visible())[:2]
    for level, name in keys:
        logic.moveLandmark("AP", level, name, (50.0, 60.0))
    logic.resetLandmarks("AP", *keys[0])
    assert logic.landmarks("AP")[keys[0]] == found[keys[0]]
    assert logic.landmarks("AP")[keys[1]].corrected
    logic.resetLandmarks()
    assert dict(logic.landmarks("AP")) == dict(found)


def test_saved_landmarks_are_the_same_when_they_are_loaded(placed, tmp_path):
    placed.moveLandmark("AP", "L4", "spinous_tip", (222.0, 333.0))
    placed.saveLandmarks(tmp_path / "landmarks.json")
    before = dict(placed.landmarks("AP").visible())
    placed.moveLandmark("AP", "L4", "spinous_tip", (1.0, 1.0))
    assert placed.loadLandmarks(tmp_path / "landmarks.json") == []
    after = placed.landmarks("AP").visible()
    for key, item in before.items():
        assert after[key].position_px == pytest.approx(item.position_px, abs=1e-3)
        assert after[key].corrected == item.corrected


def test_landmarks_of_other_films_are_refused(placed, sample_study, tmp_path):
    content = json.loads((sample_study / "truth" / "landmarks.json").read_text(encoding="utf-8"))
    content["films"]["AP"]["size_px"] = [5, 5]
    (tmp_path / "other.json").write_text(json.dumps(content), encoding="utf-8")
    before = dict(placed.landmarks("AP"))
    with pytest.raises(LandmarkError, match=r"other\.json.*5 x 5"):
        placed.loadLandmarks(tmp_path / "other.json")
    assert dict(placed.landmarks("AP")) == before


def test_without_landmarks_there_is_nothing_to_save_or_reset(logic, tmp_path):
    with pytest.raises(LandmarkError, match="no landmarks yet"):
        logic.saveLandmarks(tmp_path / "none.json")
    with pytest.raises(LandmarkError, match="no landmarks yet"):
        logic.resetLandmarks()
    assert not (tmp_path / "none.json").exists()


def test_a_landmark_needs_a_film(app):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    with pytest.raises(StudyError, match="no films"):
        CaseLogic().moveLandmark("AP", "L1", "spinous_tip", (1.0, 1.0))
