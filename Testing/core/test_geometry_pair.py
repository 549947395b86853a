"""Film pairs: standard pairs, geometry.json, triangulation, epipolar lines."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from LumbarBiplanarLib.errors import GeometryError, StudyError
from LumbarBiplanarLib.geometry import (
    FilmPair,
    epipolar_line,
    load_geometry,
    save_geometry,
    standard_pair,
    triangulate,
)

MODELS = ("pinhole", "slot")
CENTER = (12.0, -30.0, 45.0)


@pytest.mark.parametrize("model", MODELS)
def test_the_standard_pair_shows_the_patient_as_films_are_read(model):
    pair = standard_pair(CENTER, model=model)
    right, left = np.add(CENTER, (50, 0, 0)), np.add(CENTER, (-50, 0, 0))
    front, head = np.add(CENTER, (0, 50, 0)), np.add(CENTER, (0, 0, 50))
    middle = (999 / 2, 1199 / 2)
    for view in pair.views:
        assert np.allclose(view.project(CENTER), middle)
        assert view.depth_mm(CENTER) == pytest.approx(900.0)
        assert view.project(head)[1] < middle[1]
    assert pair.ap.project(right)[0] < middle[0] < pair.ap.project(left)[0]
    assert pair.ap.depth_mm(front) < 900.0
    assert pair.lateral.project(front)[0] < middle[0]
    assert pair.lateral.depth_mm(left) < 900.0
    assert np.allclose(pair.ap.source_ras_mm, np.add(CENTER, (0, 900, 0)))
    assert np.allclose(pair.lateral.source_ras_mm, np.add(CENTER, (-900, 0, 0)))


def test_a_pa_film_is_seen_from_behind():
    pair, usual = standard_pair(CENTER, posteroanterior=True), standard_pair(CENTER)
    right, left, front = np.add(CENTER, (50, 0, 0)), np.add(CENTER, (-50, 0, 0)), np.add(CENTER, (0, 50, 0))
    assert pair.ap.project(left)[0] < 999 / 2 < pair.ap.project(right)[0]
    assert pair.ap.depth_mm(front) > 900.0
    assert np.allclose(pair.ap.source_ras_mm, np.add(CENTER, (0, -900, 0)))
    assert pair.lateral == usual.lateral
    assert pair.angle_deg == pytest.approx(90.0)


@pytest.mark.parametrize("angle", (60.0, 75.0, 90.0, 112.5))
def test_the_beams_are_as_far_apart_as_asked(angle):
    pair = standard_pair(CENTER, angle_deg=angle, offset_px=((30.0, -20.0), (5.0, 8.0)))
    assert pair.angle_deg == pytest.approx(angle)
    assert np.allclose(pair.ap.project(CENTER), (999 / 2 + 30, 1199 / 2 - 20))


@pytest.mark.parametrize("models", list(itertools.product(MODELS, MODELS)))
@pytest.mark.parametrize("angle", (60.0, 75.0, 90.0))
def test_triangulation_finds_points_back_at_any_angle_and_mix_of_models(models, angle):
    views = [standard_pair(CENTER, angle_deg=angle, model=model).views[i] for i, model in enumerate(models)]
    points = np.random.default_rng(0).uniform(-100, 100, (4, 25, 3)) + CENTER
    found, gap = triangulate(views, np.stack([view.project(points) for view in views]))
    assert found.shape == (4, 25, 3) and gap.shape == (4, 25)
    assert np.abs(found - points).max() < 1e-8
    assert gap.max() < 1e-8


def test_three_views_average_an_error_that_two_cannot_see():
    views = [*standard_pair(angle_deg=60).views, standard_pair(angle_deg=120).lateral]
    points = np.random.default_rng(1).uniform(-50, 50, (30, 3))
    found, gap = triangulate(views, np.stack([view.project(points) for view in views]))
    assert np.abs(found - points).max() < 1e-9 and gap.max() < 1e-9


def test_the_gap_of_two_rays_is_the_distance_between_them():
    pair = standard_pair(model="slot")
    point = np.array([10.0, 5.0, 20.0])
    pixels = np.stack([view.project(point) for view in pair.views])
    pixels[1, 1] += 3.0 / pair.lateral.spacing_mm[1]
    found, gap = triangulate(pair.views, pixels)
    assert gap == pytest.approx(3.0)
    assert np.allclose(found, point - (0, 0, 1.5))


def test_triangulation_refuses_what_has_no_answer():
    pair = standard_pair()
    pixels = np.zeros((2, 5, 2))
    with pytest.raises(GeometryError, match="at least two views"):
        triangulate([pair.ap], pixels[:1])
    with pytest.raises(GeometryError, match="shape"):
        triangulate(pair.views, pixels[..., :1])
    with pytest.raises(GeometryError, match="NaN"):
        triangulate(pair.views, np.full_like(pixels, np.nan))
    with pytest.raises(GeometryError, match="less than 1 degree"):
        triangulate([pair.ap, pair.ap], pixels)


@pytest.mark.parametrize("models", list(itertools.product(MODELS, MODELS)))
def test_the_other_films_pixel_lies_on_the_epipolar_line(models):
    views = [standard_pair(angle_deg=75, model=model).views[i] for i, model in enumerate(models)]
    point = np.array([30.0, -20.0, 90.0])
    line = epipolar_line(views[0], views[0].project(point), views[1], (800.0, 1000.0), count=401)
    assert line.shape == (401, 2)
    assert np.linalg.norm(line - views[1].project(point), axis=1).min() < 1.5
    depth = float(views[0].depth_mm(point))
    nearest = epipolar_line(views[0], views[0].project(point), views[1], (depth, depth + 1), count=2)[0]
    assert np.allclose(nearest, views[1].project(point), atol=1e-8)


def test_an_epipolar_line_refuses_a_bad_pixel_or_depth():
    pair = standard_pair()
    with pytest.raises(GeometryError, match="finite pixel"):
        epipolar_line(pair.ap, (np.nan, 3.0), pair.lateral)
    with pytest.raises(GeometryError, match="near < far"):
        epipolar_line(pair.ap, (3.0, 3.0), pair.lateral, (500.0, 400.0))


def test_geometry_json_gives_back_exactly_the_same_pair(tmp_path):
    pair = standard_pair((0.1, 1 / 3, np.pi), angle_deg=76.543, spacing_mm=0.123456789, model="slot")
    pair = FilmPair(pair.ap, pair.lateral, calibrated=False, simultaneous=False)
    save_geometry(pair, tmp_path / "geometry.json")
    assert load_geometry(tmp_path / "geometry.json") == pair
    assert json.loads((tmp_path / "geometry.json").read_text())["version"] == 1


def edited(**changes):
    values = standard_pair().to_dict()
    values.update(changes)
    return values


def edited_matrix(corner):
    """The matrix of the lateral view with something else in its last corner, which is 1."""
    rows = standard_pair().lateral.camera_from_ras.tolist()
    return [*rows[:3], [*rows[3][:3], corner]]


def edited_view(**changes):
    values = standard_pair().to_dict()
    values["views"][1].update(changes)
    return values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        (json.dumps([1]), "JSON object"),
        (json.dumps(edited(format="other")), "format must be"),
        (json.dumps(edited(version=2)), "version must be 1, found 2"),
        (json.dumps(edited(frame="LPS mm")), "RAS mm.*LPS mm"),
        (json.dumps(edited(calibrated="yes")), "calibrated must be true or false"),
        (json.dumps(edited(spacing=3)), "unknown key spacing"),
        (json.dumps(edited(views=[])), r"list of two views, .* found 0 of them\."),
        (json.dumps(edited_view(name="AP")), "'AP' twice"),
        (json.dumps(edited_view(name="LAT")), "'lateral', found"),
        (json.dumps(edited_view(focal_mm=-3)), "View 'lateral': focal_mm.*-3"),
        (json.dumps(edited_view(focal_mm=None)), "focal_mm.*None"),
        (json.dumps(edited_view(camera_from_ras=np.diag([1.0, 2, 1, 1]).tolist())), "not rigid"),
        (json.dumps(edited_view(camera_from_ras=edited_matrix("1.0"))), "camera_from_ras holds '1.0'; write a number"),
        (json.dumps(edited_view(camera_from_ras=edited_matrix(True))), "camera_from_ras holds True; write a number"),
        (json.dumps(edited_view(camera_from_ras=edited_matrix(10**400))), "camera_from_ras must be four rows"),
        (json.dumps(edited_view(focal_mm=10**400)), "focal_mm must be a positive number"),
        (json.dumps(edited_view(size_px=[10**400, 100])), "size_px must be two whole numbers"),
        (json.dumps(edited_view(camera_from_ras=standard_pair().ap.camera_from_ras.tolist())), "0.00 degrees apart"),
        (json.dumps(edited_view(focal_mm=1234.5)).replace("1234.5", "NaN"), "NaN"),
        (json.dumps(edited_view(spacing_mm=[7, 0.7])), "'lateral': spacing_mm holds 7; .* 0.02 and 5 mm per column"),
        (json.dumps(edited_view(spacing_mm=[0.7, 0.0007])), "spacing_mm holds 0.0007; .* mm per row.*in mm"),
        (json.dumps(edited_view(focal_mm=1.1)), "focal_mm holds 1.1; .* 300 and 5000 mm"),
        (json.dumps(edited_view(principal_px=[1e6, 3])), r"principal_px holds 1e\+06; .* pixels"),
        (json.dumps(edited_view(focal_mm=800)), "'lateral': the central rays meet 900 mm .* at 800 mm"),
        (json.dumps(edited_view(spacing_mm=[2, 2])), "1000 x 1200 pixels .* of 2000 x 2400 mm; .* 2000 mm. Correct"),
    ],
)
def test_a_bad_geometry_file_is_refused_with_its_path_and_what_to_correct(tmp_path, content, message):
    path = tmp_path / "geometry.json"
    path.write_text(content)
    with pytest.raises(GeometryError, match=message) as caught:
        load_geometry(path)
    assert str(path) in str(caught.value)


def test_a_missing_geometry_file_or_folder_is_said(tmp_path):
    with pytest.raises(GeometryError, match="no such geometry file"):
        load_geometry(tmp_path / "geometry.json")
    with pytest.raises(StudyError):
        save_geometry(standard_pair(), tmp_path / "absent" / "geometry.json")


def test_swapped_views_and_impossible_distances_are_refused():
    pair = standard_pair()
    with pytest.raises(GeometryError, match="must be named 'AP', found 'lateral'"):
        FilmPair(pair.lateral, pair.ap)
    with pytest.raises(GeometryError, match="below sdd_mm"):
        standard_pair(sdd_mm=900, source_isocenter_mm=900)


def test_the_example_of_the_documentation_loads(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "geometry.md").read_text(encoding="utf-8")
    (tmp_path / "geometry.json").write_text(text.split("```json")[1].split("```")[0])
    pair = load_geometry(tmp_path / "geometry.json")
    assert pair.ap.provenance["focal_mm"] == "DICOM (0018,1110)"
    for view, standard in zip(pair.views, standard_pair().views, strict=True):
        assert view.to_dict() == {**standard.to_dict(), "provenance": dict(view.provenance)}
