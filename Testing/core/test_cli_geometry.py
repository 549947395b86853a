"""``lumbar-biplanar geometry``: what film files state becomes a geometry.json, with every number's origin."""

from __future__ import annotations

import pytest

from LumbarBiplanarLib.cli import main
from LumbarBiplanarLib.geometry import GeometrySettings, load_geometry
from study_sample import sample
from test_imaging_dicom import write_dicom

TAGS = {"ImagerPixelSpacing": [0.15, 0.14], "DistanceSourceToDetector": 1200, "ViewPosition": "PA"}


@pytest.fixture
def films(tmp_path):
    ap = write_dicom(tmp_path / "ap.dcm", **TAGS, PatientOrientation=["R", "F"])
    return ["--ap", str(ap), "--lateral", str(sample("lateral.png"))]


def run(*arguments) -> int:
    return main(["geometry", *map(str, arguments)])


def test_what_the_files_state_is_written_with_its_origin(films, tmp_path, capsys):
    path = tmp_path / "geometry.json"
    assert run(*films, "--output", path) == 0
    settings = GeometrySettings.from_pair(load_geometry(path))
    assert settings.value("focal_mm", "AP") == 1200
    assert (settings.value("spacing_x_mm", "AP"), settings.value("spacing_y_mm", "AP")) == (0.14, 0.15)
    assert settings.value("left_side", "AP") == "left"
    assert settings.where_from("left_side", "AP").startswith("Patient Orientation")
    assert settings.is_assumed("focal_mm", "lateral") and not settings.pair.calibrated
    said = capsys.readouterr()
    assert "AP: Distance Source to Detector (0018,1110); lateral: assumed" in said.out.replace("\n", " ")
    assert f"Written to {path}" in said.out
    assert "not calibrated" in said.err


def test_numbers_are_set_for_one_film_or_both(films, tmp_path):
    path = tmp_path / "geometry.json"
    numbers = ("focal_mm=1150", "lateral.left_side=back", "ap.model=slot", "angle_deg=75", "calibrated=yes")
    assert run(*films, "--set", *numbers, "--output", path) == 0
    assert run("--geometry", path, "--set", "AP.focal_mm=1300", "--output", path) == 0
    settings = GeometrySettings.from_pair(load_geometry(path))
    assert [settings.value("focal_mm", name) for name in ("AP", "lateral")] == [1300, 1150]
    assert [settings.value("model", name) for name in ("AP", "lateral")] == ["slot", "pinhole"]
    assert settings.value("left_side", "lateral") == "back"
    assert settings.pair.angle_deg == pytest.approx(75.0)
    assert settings.pair.calibrated
    assert settings.where_from("focal_mm", "lateral") == "typed by the user"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("angl=3", "not a number of a geometry"),
        ("focal_mm", "not a number of a geometry"),
        ("AP.angle_deg=80", "are of both films"),
        ("oblique.focal_mm=1000", "AP.KEY=VALUE or lateral.KEY=VALUE"),
        ("focal_mm=1.2", "between 300 and 5000 mm"),
        ("size_px=3 x 3", "cannot be changed"),
    ],
)
def test_a_number_that_cannot_be_is_refused_and_nothing_is_written(films, tmp_path, capsys, number, message):
    path = tmp_path / "geometry.json"
    assert run(*films, "--set", number, "--output", path) == 3
    assert message in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.parametrize("numbers", [("isocenter_mm=1200", "focal_mm=1500"), ("focal_mm=800", "isocenter_mm=700")])
def test_numbers_that_go_only_together_are_set_in_any_order(tmp_path, numbers):
    path = tmp_path / "geometry.json"
    for ordered in (numbers, numbers[::-1]):
        assert run("--geometry", sample("geometry.json"), "--set", *ordered, "--output", path) == 0
        settings = GeometrySettings.from_pair(load_geometry(path))
        for key, _, value in (number.partition("=") for number in numbers):
            assert settings.value(key, "lateral") == pytest.approx(float(value))


def test_a_principal_point_is_set_for_the_film_as_it_is_stored(tmp_path):
    path, numbers = tmp_path / "geometry.json", ("AP.principal_x_px=120", "AP.left_side=left")
    for ordered in (numbers, numbers[::-1]):
        assert run("--geometry", sample("geometry.json"), "--set", *ordered, "--output", path) == 0
        view = load_geometry(path).ap
        assert view.mirrored and view.principal_px[0] == 120


def test_films_or_a_geometry_are_needed_and_not_both(films, capsys):
    for arguments in ([], films[:2], [*films, "--geometry", sample("geometry.json")]):
        assert run(*arguments) == 3
        assert "Give both films" in capsys.readouterr().err


def test_a_file_that_holds_no_geometry_is_not_replaced(films, tmp_path, capsys):
    path = tmp_path / "notes.json"
    path.write_text("[1, 2]")
    assert run(*films, "--output", path) == 4
    assert "holds no geometry" in capsys.readouterr().err
    assert path.read_text() == "[1, 2]"
    assert run(*films, "--output", path, "--force") == 0
    load_geometry(path)


def test_a_film_stored_turned_over_is_told(films, tmp_path, capsys):
    ap = write_dicom(tmp_path / "ap.dcm", **TAGS, PatientOrientation=["L", "F"])
    assert run("--ap", ap, *films[2:]) == 0
    said = capsys.readouterr().err
    assert "warning: ap.dcm: View Position is PA" in said and "stored turned over" in said


def test_numbers_that_contradict_the_files_are_told(films, capsys):
    assert run(*films) == 0
    assert "the geometry has" not in capsys.readouterr().err
    assert run(*films, "--set", "focal_mm=1150") == 0
    said = capsys.readouterr().err
    assert "ap.dcm: The file states a source-detector distance of 1200 mm, the geometry has 1150 mm" in said
