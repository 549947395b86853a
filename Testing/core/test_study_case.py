"""What is read as a case, and what is refused or said about it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from LumbarBiplanarLib.errors import FilmError, GeometryError, LandmarkError
from LumbarBiplanarLib.geometry import GeometrySettings, save_geometry
from LumbarBiplanarLib.imaging import read_film, write_film
from LumbarBiplanarLib.study.case import load_case
from study_sample import edited_json, sample, sample_case
from test_imaging_dicom import write_dicom

DICOM = {"BitsStored": 16, "HighBit": 15}


def files(**replaced):
    given = {"ap": sample("ap.png"), "lateral": sample("lateral.png"), "geometry": sample("geometry.json")}
    return {**given, **replaced}


def test_the_bundled_study_is_a_case_without_warnings():
    case = sample_case()
    assert case.warnings == ()
    assert [film.view.name for film in case.films] == ["AP", "lateral"]
    assert 80 < case.pair.angle_deg < 89
    assert set(case.lumbar_mm) == {"AP", "lateral"}
    assert set(case.inputs) == {"geometry", "landmarks", "lumbar AP", "lumbar lateral"}


def test_a_calibrated_geometry_with_an_assumed_distance_is_told(tmp_path):
    geometry = edited_json(
        sample("geometry.json"),
        tmp_path / "geometry.json",
        lambda c: c["views"][1]["provenance"].update(focal_mm="assumed: usual source-detector distance"),
    )
    (warning,) = load_case(**files(geometry=geometry)).warnings
    assert "says that it is calibrated, but assumed are: source-detector distance." in warning


def test_the_same_image_for_both_films_is_refused(tmp_path):
    geometry = edited_json(
        sample("geometry.json"),
        tmp_path / "geometry.json",
        lambda c: c["views"][1].update(size_px=c["views"][0]["size_px"]),
    )
    with pytest.raises(FilmError, match="same image"):
        load_case(**files(lateral=sample("ap.png"), geometry=geometry))


def stored(path, change):
    """Write the AP film again, its pixels changed."""
    pixels = read_film(sample("ap.png"), sample_case().pair.ap).pixels
    write_film(path, change(pixels))
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: np.round(pixels / 2.0),
        lambda pixels: pixels.max() - pixels,
        lambda pixels: np.round(255.0 * (pixels - pixels.min()) / (pixels.max() - pixels.min())),
    ],
)
def test_one_film_stored_twice_is_refused_although_the_files_differ(tmp_path, change):
    geometry = edited_json(
        sample("geometry.json"),
        tmp_path / "geometry.json",
        lambda c: c["views"][1].update(size_px=c["views"][0]["size_px"]),
    )
    with pytest.raises(FilmError, match=r"ap\.png and .*again\.png are the same image"):
        load_case(**files(lateral=stored(tmp_path / "again.png", change), geometry=geometry))


def test_one_film_given_twice_is_refused_as_such_although_one_has_the_wrong_size():
    with pytest.raises(FilmError, match="same image"):
        load_case(**files(lateral=sample("ap.png")))


def test_films_in_each_other_s_place_do_not_match_the_size_that_the_geometry_says(tmp_path):
    with pytest.raises(GeometryError, match=r"lateral\.png: the films are probably exchanged.*pixels"):
        load_case(**files(ap=sample("lateral.png"), lateral=sample("ap.png")))
    with pytest.raises(GeometryError, match=r"ap2\.png: the films are probably exchanged"):
        load_case(**files(lateral=stored(tmp_path / "ap2.png", np.flipud)))


def test_landmarks_that_name_the_other_film_s_hash_are_refused_as_swapped(tmp_path):
    def swap(content):
        films = content["films"]
        films["AP"]["sha256"], films["lateral"]["sha256"] = films["lateral"]["sha256"], films["AP"]["sha256"]

    landmarks = edited_json(sample("truth", "landmarks.json"), tmp_path / "landmarks.json", swap)
    with pytest.raises(LandmarkError, match="swapped"):
        load_case(**files(landmarks=landmarks))


def test_landmarks_of_a_film_of_another_size_are_refused(tmp_path):
    landmarks = edited_json(
        sample("truth", "landmarks.json"),
        tmp_path / "landmarks.json",
        lambda c: c["films"]["AP"].update(size_px=[10, 10]),
    )
    with pytest.raises(LandmarkError, match="10 x 10"):
        load_case(**files(landmarks=landmarks))


def test_landmarks_of_another_film_or_outside_the_film_are_said(tmp_path):
    def change(content):
        film = content["films"]["AP"]
        film["sha256"] = "00" * 32
        next(item for item in film["landmarks"] if item["visible"])["position_px"] = [-50.0, 10.0]

    landmarks = edited_json(sample("truth", "landmarks.json"), tmp_path / "landmarks.json", change)
    said = " ".join(load_case(**files(landmarks=landmarks)).warnings)
    assert "another AP film" in said
    assert "outside the film" in said


@pytest.mark.parametrize("place", [[1900.0, 100.0], [100.0, -300.0]])
def test_a_landmark_far_outside_its_film_is_refused_by_name(tmp_path, place):
    def change(content):
        item = next(item for item in content["films"]["AP"]["landmarks"] if item["visible"])
        item.update(position_px=place, level="L1", name="spinous_tip")
        others = content["films"]["AP"]["landmarks"]
        content["films"]["AP"]["landmarks"] = [item] + [
            other for other in others if (other["level"], other["name"]) != ("L1", "spinous_tip")
        ]

    landmarks = edited_json(sample("truth", "landmarks.json"), tmp_path / "landmarks.json", change)
    where = re.escape(f"({place[0]:g}, {place[1]:g})")
    with pytest.raises(LandmarkError, match=rf"AP landmark L1 spinous_tip is at {where}, far outside .*400 x 374"):
        load_case(**files(landmarks=landmarks))


def test_films_whose_files_state_two_patients_are_told(tmp_path):
    pytest.importorskip("pydicom")
    films = {
        name: write_dicom(tmp_path / f"{name}.dcm", sample_film.pixels.astype(np.uint16), PatientID=name, **DICOM)
        for name, sample_film in zip(("ap", "lateral"), sample_case().films, strict=True)
    }
    said = [text for text in load_case(**files(**films)).warnings if "different patients" in text]
    assert len(said) == 1 and said[0].startswith("ap.dcm and lateral.dcm state")


def test_beams_that_are_nearly_parallel_are_said(tmp_path):
    nearly = GeometrySettings.from_pair(sample_case().pair).edited("angle_deg", None, "30").to_pair()
    save_geometry(nearly, tmp_path / "g.json")
    said = load_case(**files(geometry=tmp_path / "g.json")).warnings
    assert len(said) == 1 and "The beams are 30 degrees apart" in said[0]


def test_an_uncalibrated_pair_is_said(tmp_path):
    geometry = edited_json(
        sample("geometry.json"), tmp_path / "g.json", lambda c: c.update(calibrated=False, simultaneous=False)
    )
    said = " ".join(load_case(**files(geometry=geometry)).warnings)
    assert "not calibrated" in said
    assert "not taken at the same time" in said


def test_a_lumbar_only_image_of_whole_numbers_is_used_up_to_a_gain_and_that_is_said(tmp_path):
    width, height = json.loads(sample("geometry.json").read_text())["views"][0]["size_px"]
    values = np.zeros((height, width))
    values[100:200, 100:200] = 1000
    write_film(tmp_path / "lumbar.png", values)
    case = load_case(**files(lumbar_ap=tmp_path / "lumbar.png"))
    assert case.lumbar_mm["AP"].max() == pytest.approx(80.0)
    assert "up to a gain" in case.warnings[0]
