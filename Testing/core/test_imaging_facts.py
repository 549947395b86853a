"""What a film file says about how it was taken, and films read without a geometry."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.errors import FilmError
from LumbarBiplanarLib.geometry import FilmFacts
from LumbarBiplanarLib.imaging import film_facts, notes_on_pair, read_film_alone, write_film
from test_imaging_dicom import VALUES, write_dicom

pytest.importorskip("pydicom")


def test_a_png_states_its_size_only(tmp_path):
    write_film(tmp_path / "film.png", VALUES)
    facts = film_facts(tmp_path / "film.png")
    assert facts.size_px == (24, 32) and facts.file == "film.png"
    assert (facts.spacing_mm, facts.focal_mm, facts.model, facts.acquired) == (None, None, None, None)


@pytest.mark.parametrize(
    ("tags", "distance", "source"),
    [
        ({"DistanceSourceToDetector": 1100, "EstimatedRadiographicMagnificationFactor": 1.25}, 880.0, "0018,1114"),
        ({"EstimatedRadiographicMagnificationFactor": 1.25}, None, ""),
        ({"DistanceSourceToDetector": 1100, "EstimatedRadiographicMagnificationFactor": 1.0}, None, ""),
        ({"DistanceSourceToPatient": 900}, None, ""),
        ({"DistanceSourceToPatient": 900, "Modality": "XA"}, 900.0, "0018,1111"),
    ],
)
def test_the_place_of_the_patient_is_taken_from_tags_that_mean_it(tmp_path, tags, distance, source):
    facts = film_facts(write_dicom(tmp_path / "film.dcm", **tags))
    assert facts.isocenter_mm == (None if distance is None else pytest.approx(distance))
    assert source in facts.isocenter_source


def test_a_slot_scanner_is_known_by_its_maker(tmp_path):
    assert film_facts(write_dicom(tmp_path / "a.dcm", Manufacturer="EOS imaging")).model == "slot"
    assert film_facts(write_dicom(tmp_path / "b.dcm", Manufacturer="Theosoft")).model is None


def test_distance_spacing_position_and_time_are_read(tmp_path):
    facts = film_facts(
        write_dicom(
            tmp_path / "film.dcm",
            DistanceSourceToDetector=1500,
            ImagerPixelSpacing=[0.3, 0.2],
            ViewPosition="PA",
            PatientOrientation=["R", "F"],
            AcquisitionDate="20260102",
            AcquisitionTime="101500",
        )
    )
    assert (facts.focal_mm, facts.focal_source) == (1500, "Distance Source to Detector (0018,1110)")
    assert (facts.spacing_mm, facts.spacing_plane) == ((0.2, 0.3), "detector")
    assert (facts.projection, facts.direction, facts.acquired) == ("PA", ("R", "F"), "20260102 101500")


def test_the_file_is_opened_once(tmp_path, monkeypatch):
    import pydicom

    path, opened, read = write_dicom(tmp_path / "film.dcm"), [], pydicom.dcmread
    monkeypatch.setattr(pydicom, "dcmread", lambda *given, **how: opened.append(given) or read(*given, **how))
    film_facts(path)
    assert len(opened) == 1


def test_a_film_alone_is_read_in_the_usual_view_of_its_header(tmp_path):
    path = write_dicom(
        tmp_path / "film.dcm",
        PhotometricInterpretation="MONOCHROME1",
        DistanceSourceToDetector=1500,
        ImagerPixelSpacing=[0.3, 0.2],
    )
    film = read_film_alone(path, "lateral")
    assert np.array_equal(film.pixels, VALUES)
    assert (film.view.name, film.view.focal_mm, film.view.spacing_mm) == ("lateral", 1500, (0.2, 0.3))
    assert film.polarity.value == "bone dark" and film.path == path and film.notes == ()


def test_a_lateral_film_given_as_ap_film_says_that_the_films_may_be_swapped(tmp_path):
    film = read_film_alone(write_dicom(tmp_path / "film.dcm", ViewPosition="LL"), "AP")
    assert "may be swapped" in " ".join(film.notes)


def test_a_film_stored_turned_over_is_read_so_and_says_so(tmp_path):
    film = read_film_alone(write_dicom(tmp_path / "film.dcm", ViewPosition="PA"), "AP")
    assert film.view.mirrored and "stored turned over" in " ".join(film.notes)


def test_what_is_no_film_is_refused(tmp_path):
    (tmp_path / "film.txt").write_text("hello")
    with pytest.raises(FilmError, match=r"film\.txt"):
        film_facts(tmp_path / "film.txt")


def test_two_patients_are_told_apart_and_neither_is_named(tmp_path):
    first, same, second, unknown = (
        film_facts(write_dicom(tmp_path / f"{number}.dcm", **tags))
        for number, tags in enumerate([{"PatientID": "4711"}, {"PatientID": "4711 "}, {"PatientID": "4712"}, {}])
    )
    assert "4711" not in first.patient and len(first.patient) < 8
    assert notes_on_pair(first, same, True) == notes_on_pair(first, unknown, True) == ()
    (note,) = notes_on_pair(first, second, True)
    assert note.startswith("0.dcm and 2.dcm state different patients") and "4711" not in note


@pytest.mark.parametrize(
    ("other", "simultaneous", "said"),
    [
        ("20260102 101500", True, ""),
        ("20260102 101530.5", True, ""),
        ("20260102 102000", True, "taken at 10:15:00 and 10:20:00"),
        ("20260102 102000", False, ""),
        ("20260105 101500", False, "on different days (2026-01-02 and 2026-01-05"),
        ("2026 soon", True, ""),
        (None, True, ""),
    ],
)
def test_films_of_two_visits_or_minutes_apart_are_told(other, simultaneous, said):
    ap, lateral = FilmFacts((4, 4), acquired="20260102 101500"), FilmFacts((4, 4), acquired=other)
    notes = notes_on_pair(ap, lateral, simultaneous)
    assert len(notes) == (said != "")
    assert said in "".join(notes)
