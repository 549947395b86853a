"""landmarks.json is read back as it was written, and every mistake in it is named."""

from __future__ import annotations

import pytest

from LumbarBiplanarLib.anatomy import FilmLandmarks, LandmarkObservation, Level
from LumbarBiplanarLib.errors import LandmarkError
from LumbarBiplanarLib.study.landmarks_file import FilmEntry, read_landmarks, read_positions, write_landmarks
from study_sample import edited_json

SEEN = LandmarkObservation(Level.L3, "spinous_tip", (10.5, 20.25), 0.75, 2.5, True, False)
SET = LandmarkObservation(Level.L1, "pedicle_left", (1.0, 2.0), 1.0, None, True, True)


@pytest.fixture
def file(tmp_path):
    entries = {
        "AP": FilmEntry(FilmLandmarks([SEEN, SET]), (100, 200), "ap.png", "ab" * 32, {(Level.L3, "spinous_tip"): 1.5}),
        "lateral": FilmEntry(FilmLandmarks([SEEN]), (90, 200)),
    }
    write_landmarks(tmp_path / "landmarks.json", entries, {Level.L3: {"spinous_tip": (1.0, -2.0, 3.0)}})
    return tmp_path / "landmarks.json"


def test_what_was_written_is_read_back(file):
    entries = read_landmarks(file)
    assert dict(entries["AP"].landmarks) == {(Level.L1, "pedicle_left"): SET, (Level.L3, "spinous_tip"): SEEN}
    assert entries["AP"].size_px == (100, 200)
    assert entries["AP"].sha256 == "ab" * 32
    assert entries["lateral"].file is None
    assert read_positions(file) == {Level.L3: {"spinous_tip": (1.0, -2.0, 3.0)}}


def first(content):
    return content["films"]["AP"]["landmarks"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(format="other"), "not a landmark file"),
        (lambda c: c.update(version=9), "version 9"),
        (lambda c: c["films"].pop("lateral"), "no landmarks of the film lateral"),
        (lambda c: c["films"]["AP"].pop("size_px"), "size_px"),
        (lambda c: c["films"]["AP"].update(size_px=["100", "200"]), r"size_px must be two whole numbers.*'100'"),
        (lambda c: c["films"]["AP"].update(size_px=[100.5, 200]), r"size_px must be two whole numbers.*100\.5"),
        (lambda c: c["films"]["AP"].update(sha256=["ab"]), r'film AP: sha256 is \["ab"\]; write a text'),
        (lambda c: c["films"].update(AP=[]), "film AP: it needs"),
        (lambda c: c["films"]["AP"].update(landmarks="none"), 'a list "landmarks"'),
        (lambda c: c["films"]["AP"].update(landmarks=["L1"]), 'landmark 1: it needs "level".*found "L1"'),
        (
            lambda c: first(c).update(position_px=["12.5", 3.0]),
            r'L1 pedicle_left.*position_px is \["12.5", 3.0\]; give',
        ),
        (lambda c: first(c).update(position_px="12"), r'position_px is "12"; give two finite numbers'),
        (lambda c: first(c).update(position_px=[True, 3.0]), r"position_px is \[true, 3.0\]; give two finite numbers"),
        (lambda c: first(c).update(position_px=[10**400, 3.0]), r"position_px is \[10+\.\.\.; give two finite numbers"),
        (lambda c: first(c).update(confidence="0.9"), r'L1 pedicle_left.*confidence is "0.9"; it must be a number'),
        (lambda c: first(c).update(confidence=True), r"confidence is true; it must be a number"),
        (lambda c: first(c).update(sigma_mm="2"), r'sigma_mm is "2"; it must be a positive number of mm'),
        (lambda c: first(c).update(name="elbow"), "elbow"),
        (lambda c: first(c).update(level="L9"), "L9"),
        (lambda c: first(c).update(level="S1"), "'S1'; use one of L1, L2, L3, L4, L5.$"),
        (lambda c: first(c).update(position_px=[1.0]), "position_px"),
        (lambda c: first(c).update(position_px=[float("nan"), 1.0]), "NaN"),
        (lambda c: first(c).update(confidence=2.0), "from 0 to 1"),
        (lambda c: first(c).update(sigma_mm=-1.0), "positive number of mm"),
        (lambda c: c["films"]["AP"]["landmarks"].append(first(c)), "given twice"),
        (lambda c: first(c).update(visible="false"), r'L1 pedicle_left.*visible must be true or false.*found "false"'),
        (lambda c: first(c).update(corrected=1), r"L1 pedicle_left.*corrected must be true or false.*found 1"),
        (lambda c: first(c).update(visble=False), r"L1 pedicle_left.*unknown key 'visble'; remove or correct.*visible"),
        (lambda c: c["films"]["AP"].update(size=3), "film AP: unknown key 'size'"),
        (lambda c: c["films"].update(Lateral={}), "unknown key 'Lateral'"),
        (lambda c: c.update(position_ras_mm={}), "unknown key 'position_ras_mm'"),
    ],
)
def test_a_mistake_is_refused_with_the_file_and_the_value(file, change, said):
    edited_json(file, file, change)
    with pytest.raises(LandmarkError, match=said) as caught:
        read_landmarks(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ([1.0], "must hold"),
        ({"L3": [1.0, 2.0, 3.0]}, "must hold"),
        ({"L9": {}}, "L9"),
        ({"L3": {"spinous_tip": ["1", 2.0, 3.0]}}, r'L3 spinous_tip is \["1", 2.0, 3.0\]; give three finite numbers'),
        ({"L3": {"spinous_tip": [1.0, 2.0]}}, "give three finite numbers"),
    ],
)
def test_a_mistake_in_the_positions_in_space_is_refused(file, stated, said):
    edited_json(file, file, lambda content: content.update(positions_ras_mm=stated))
    with pytest.raises(LandmarkError, match=said) as caught:
        read_positions(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LandmarkError, match="no such landmark file"):
        read_landmarks(tmp_path / "landmarks.json")
