"""The files of a result: complete, readable back, and telling where they come from."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib import __version__
from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level
from LumbarBiplanarLib.errors import OutputError
from LumbarBiplanarLib.files import sha256_of
from LumbarBiplanarLib.geometry import FilmPair
from LumbarBiplanarLib.measurement import COLUMNS
from LumbarBiplanarLib.registration import Quality, worst_flag
from LumbarBiplanarLib.resources import resource_path
from LumbarBiplanarLib.shape import load_shape_model
from LumbarBiplanarLib.shape.surfaces import is_closed, read_surface
from LumbarBiplanarLib.study import pictures, results
from LumbarBiplanarLib.study.case import load_case
from LumbarBiplanarLib.study.landmarks_file import read_landmarks, read_positions
from LumbarBiplanarLib.study.quality_text import quality_line, quality_sentences
from LumbarBiplanarLib.study.report_sections import how_it_was_made
from LumbarBiplanarLib.study.results import FILES, write_measurements, write_result, write_surfaces
from study_sample import sample, sample_result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("result")
    write_result(sample_result(), folder)
    return folder


@pytest.fixture(scope="module")
def record(folder):
    return json.loads((folder / "reconstruction.json").read_text(encoding="utf-8"))


def test_the_folder_holds_exactly_the_files_that_are_promised(folder):
    names = {path.name for path in folder.iterdir()}
    surfaces = {f"{level.name}{suffix}" for level in LUMBAR_LEVELS for suffix in (".vtp", ".stl")}
    pictures = {"overlay_ap.png", "overlay_lateral.png", "spine_3d.png"}
    assert names == surfaces | pictures | {"landmarks.json", "measurements.csv", "reconstruction.json", "report.html"}
    assert all(any((folder / name).match(pattern) for pattern in FILES) for name in names)


def test_the_surfaces_are_closed_agree_in_both_formats_and_state_their_frame(folder):
    for level in LUMBAR_LEVELS:
        surface = read_surface(folder / f"{level.name}.vtp")
        assert is_closed(surface.faces)
        expected = sample_result().reconstruction.points_ras_mm[level]
        assert np.abs(surface.points_ras_mm - expected).max() < 1e-6
        corners = surface.points_ras_mm[surface.faces].reshape(-1, 3)
        stl = read_surface(folder / f"{level.name}.stl")
        assert np.abs(stl.points_ras_mm[stl.faces].reshape(-1, 3).mean(axis=0) - corners.mean(axis=0)).max() < 1e-3
        assert b"RAS" in (folder / f"{level.name}.stl").read_bytes()[:80]
        assert b"SPACE" in (folder / f"{level.name}.vtp").read_bytes()


def test_the_surfaces_and_the_record_say_how_sure_they_are(folder, record):
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    posterior = sample_result().reconstruction.final_state.posterior
    for level in LUMBAR_LEVELS:
        reader = vtk.vtkXMLPolyDataReader()
        reader.SetFileName(str(folder / f"{level.name}.vtp"))
        reader.Update()
        sd = vtk_to_numpy(reader.GetOutput().GetPointData().GetArray("sd_mm"))
        assert np.allclose(sd, posterior.vertex_sd_mm(level), atol=1e-5)
        stated = record["levels"][level.name]["pose_sd"]
        turn, shift = posterior.pose_sd(level)
        assert np.allclose(stated["rotation_deg"], turn, atol=1e-3)
        assert np.allclose(stated["translation_mm"], shift, atol=1e-3)


def test_a_result_whose_uncertainty_is_not_known_says_nothing_about_it(tmp_path):
    import vtk

    result = sample_result()
    state = replace(result.reconstruction.final_state, find_posterior=None)
    unsure = replace(result, reconstruction=replace(result.reconstruction, final_state=state))
    write_surfaces(unsure, tmp_path)
    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "L3.vtp"))
    reader.Update()
    assert not reader.GetOutput().GetPointData().HasArray("sd_mm")
    assert "pose_sd" not in results.record(unsure, {})["levels"]["L3"]


def test_the_quality_is_in_the_record_and_a_refused_surface_is_written_but_marked(folder, record, tmp_path):
    result = sample_result()
    assert record["quality"] == worst_flag(result.quality.values())
    for level in LUMBAR_LEVELS:
        stated = record["levels"][level.name]["quality"]
        assert stated["flag"] == result.quality[level].flag
        assert stated["probability_over_2_mm"] == pytest.approx(result.quality[level].probability, abs=1e-3)
        assert stated["reasons"] == list(result.quality[level].reasons)
    doubtful = replace(result, quality={**result.quality, Level.L2: Quality("refuse", ("Why.",), 0.97)})
    write_surfaces(doubtful, tmp_path)
    assert b"QUALITY=refuse" in (tmp_path / "L2.stl").read_bytes()[:80]
    assert b"QUALITY=ok" in (tmp_path / "L3.stl").read_bytes()[:80]
    assert is_closed(read_surface(tmp_path / "L2.vtp").faces)
    assert results.record(doubtful, {})["quality"] == "refuse"
    assert results.record(replace(result, quality={}), {})["quality"] is None


def test_flags_are_told_in_words_the_worst_first():
    quality = {
        Level.L1: Quality("check", ("It is odd. Look at it.",), 0.3),
        Level.L2: Quality("ok", (), 0.001),
        Level.L4: Quality("refuse", ("It is off. Move it.",), 0.999),
    }
    assert quality_line(quality) == "L2 ok; L1 check; L4 refuse"
    assert quality_sentences(quality) == [
        "L4: do not use (over 98 % likely to be more than 2 mm off). It is off. Move it.",
        "L1: check before use (30 % likely to be more than 2 mm off). It is odd. Look at it.",
    ]
    assert quality_line({}) == "" and quality_sentences({}) == []


def test_the_poses_and_coefficients_in_the_record_make_the_surfaces(record):
    model = load_shape_model()
    for level in LUMBAR_LEVELS:
        entry = record["levels"][level.name]
        matrix = np.array(entry["ras_from_vertebra"])
        points = model.instance(level, np.array(entry["coefficients"])) @ matrix[:3, :3].T + matrix[:3, 3]
        assert np.abs(points - sample_result().reconstruction.points_ras_mm[level]).max() < 1e-3


def test_the_record_names_inputs_versions_device_and_times(record):
    assert record["format"] == "LumbarBiplanar reconstruction"
    assert record["version"] == 1
    assert record["frame"] == "RAS mm"
    assert record["inputs"]["films"]["AP"]["sha256"] == sha256_of(sample("ap.png"))
    assert record["inputs"]["landmarks"]["sha256"] == sha256_of(sample("truth", "landmarks.json"))
    assert record["shape_model"]["sha256"] == load_shape_model().sha256
    assert record["versions"]["LumbarBiplanar"] == __version__
    assert record["device"] == "cpu"
    assert record["options"]["landmark_weight"] == 1.0
    assert set(record["seconds"]) == {"detection", "registration", "measurement", "total", "writing"}
    assert FilmPair.from_dict(record["geometry"]).to_dict() == sample_result().case.pair.to_dict()


def test_the_record_names_the_file_of_a_shape_model_of_ones_own(record, tmp_path):
    assert record["shape_model"]["file"] is None
    shutil.copy(resource_path("ShapeModel", "lumbar.npz"), tmp_path / "mine.npz")
    own = replace(sample_result(), model=load_shape_model(tmp_path / "mine.npz"))
    assert results.record(own, {})["shape_model"]["file"] == "mine.npz"
    assert "mine.npz" in str(how_it_was_made(own)) and "mine.npz" not in str(how_it_was_made(sample_result()))


def test_the_landmarks_are_those_used_with_residuals_and_serve_as_input_again(folder):
    entries = read_landmarks(folder / "landmarks.json")
    for film in sample_result().evidence:
        for key, item in film.landmarks.items():
            again = entries[film.view.name].landmarks[key]
            assert np.allclose(again.position_px, item.position_px, atol=1e-3)
            assert again.visible == item.visible
    content = json.loads((folder / "landmarks.json").read_text())
    shown = [item for item in content["films"]["AP"]["landmarks"] if item["visible"]]
    assert all(item["residual_mm"] >= 0 for item in shown)
    assert set(read_positions(folder / "landmarks.json")) == set(LUMBAR_LEVELS)
    assert set(read_positions(folder / "landmarks.json")[LUMBAR_LEVELS[0]]) == set(LANDMARK_NAMES)
    again = load_case(
        sample("ap.png"), sample("lateral.png"), sample("geometry.json"), landmarks=folder / "landmarks.json"
    )
    assert again.warnings == ()


def test_the_measurements_are_a_table_with_one_quantity_per_line(folder):
    with open(folder / "measurements.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == (*COLUMNS, "quality")
    assert len(rows) == len(sample_result().measurements)
    assert all(np.isfinite(float(row["value"])) for row in rows)


def test_the_measurements_know_the_flags_of_the_result():
    result = sample_result()
    assert result.measurements.flags == {level: item.flag for level, item in result.quality.items()}
    assert set(result.measurements.flags) == set(LUMBAR_LEVELS)


def test_the_table_of_measurements_says_which_values_must_not_be_used(tmp_path):
    result = sample_result()
    quality = {level: Quality("ok", (), 0.01) for level in LUMBAR_LEVELS if level is not Level.L1}
    quality |= {Level.L3: Quality("check", ("Why.",), 0.3), Level.L4: Quality("refuse", ("Why.",), 0.97)}
    flags = {}
    for known in (quality, {}):
        write_measurements(replace(result, quality=known), tmp_path / "m.csv")
        with open(tmp_path / "m.csv", newline="", encoding="utf-8") as file:
            flags.update({(bool(known), row["key"], row["level"]): row["quality"] for row in csv.DictReader(file)})
    slips = [flags[True, "slip", level] for level in ("L1-L2", "L2-L3", "L3-L4", "L4-L5")]
    assert slips == ["ok", "check", "refuse", "refuse"]
    assert flags[True, "lordosis_l1_l5", "L1-L5"] == "ok"  # it rests on L1 and L5 alone
    assert flags[True, "axial_rotation", "L1"] == ""
    assert not any(flag for (known, *_), flag in flags.items() if not known)


def test_how_sure_the_surfaces_are_is_worked_out_once_for_all_files(tmp_path, monkeypatch):
    asked = []
    posterior = sample_result().reconstruction.final_state.posterior
    worked_out = type(posterior).vertex_sd_mm
    monkeypatch.setattr(
        type(posterior), "vertex_sd_mm", lambda self, level: asked.append(level) or worked_out(self, level)
    )
    monkeypatch.setattr(results, "write_pictures", lambda result, folder: None)
    monkeypatch.setattr(results, "write_report", lambda result, path, pictures: how_it_was_made(result))
    write_result(sample_result(), tmp_path)
    assert asked == list(LUMBAR_LEVELS)


def test_the_spine_is_drawn_beside_the_films(tmp_path, monkeypatch):
    both, drawn = threading.Barrier(2), []

    def draw(path, *_):
        if path.name != "overlay_lateral.png":
            both.wait(timeout=20)  # breaks if the other is not being drawn
        drawn.append(path.name)

    monkeypatch.setattr(pictures, "write_overlay", draw)
    monkeypatch.setattr(pictures, "write_spine_picture", draw)
    pictures.write_pictures(sample_result(), tmp_path)
    assert sorted(drawn) == sorted(pictures.PICTURES)


def test_a_picture_that_cannot_be_drawn_is_told_after_the_others_have_ended(tmp_path, monkeypatch):
    def fail(*_):
        raise OutputError("the disk is full")

    monkeypatch.setattr(pictures, "write_spine_picture", fail)
    with pytest.raises(OutputError, match="disk is full"):
        pictures.write_pictures(sample_result(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["overlay_ap.png", "overlay_lateral.png"]


def test_the_pictures_are_legible_in_size_and_show_every_level_s_color(folder):
    from PIL import Image

    from LumbarBiplanarLib.study.appearance import LEVEL_COLORS

    for name in ("overlay_ap.png", "overlay_lateral.png", "spine_3d.png"):
        image = Image.open(folder / name).convert("RGB")
        assert min(image.size) > 800
        pixels = np.asarray(image, dtype=np.float32)[::2, ::2] / 255.0
        bright = pixels[pixels.max(axis=-1) > 0.4]
        hue = bright / bright.max(axis=-1, keepdims=True)
        for level in LUMBAR_LEVELS:
            color = np.array(LEVEL_COLORS[level])
            near = np.abs(hue - color / color.max()).max(axis=-1) < 0.08
            assert near.sum() > 50, (name, level)
