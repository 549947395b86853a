"""Comparing the folder of a reconstruction with a folder of truth."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation_phantom import moved, spine
from LumbarBiplanarLib.anatomy import FilmLandmarks, LandmarkObservation, Level, Region
from LumbarBiplanarLib.cli import main
from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.evaluation.comparison import compare_folders
from LumbarBiplanarLib.files import write_json
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.shape.surfaces import write_surface
from LumbarBiplanarLib.study import FilmEntry, write_landmarks
from study_sample import edited_json

SHIFT_MM = 1.5
NAMES = ("pedicle_left", "pedicle_right", "superior_endplate_centre")


def write_spine(folder, surfaces, suffix=".vtp", shift_mm=0.0, labels=True):
    folder.mkdir(parents=True, exist_ok=True)
    matrix = np.eye(4)
    matrix[1, 3] = shift_mm
    for level, surface in surfaces.items():
        front = surface.points_ras_mm[:, 1] > surface.points_ras_mm[:, 1].mean()
        region = np.where(front, int(Region.BODY), int(Region.LAMINA)).astype(np.uint8)
        data = {"region": region} if labels and suffix == ".vtp" else None
        write_surface(folder / f"{level.name}{suffix}", moved(surface, matrix), point_data=data)


@pytest.fixture(scope="module")
def surfaces():
    return spine()


@pytest.fixture
def folders(tmp_path, surfaces):
    write_spine(tmp_path / "result", surfaces, shift_mm=SHIFT_MM)
    write_spine(tmp_path / "drawn" / "truth", surfaces)
    return tmp_path / "result", tmp_path / "drawn"


def test_a_shifted_spine_is_off_as_it_stands_and_right_once_aligned(folders):
    content = compare_folders(*folders).to_dict()
    absolute, spine_, each = (content["alignments"][name] for name in ("absolute", "aligned_spine", "aligned_vertebra"))
    assert 0.4 < absolute["all"]["mean"] < SHIFT_MM
    assert absolute["all"]["max"] <= SHIFT_MM + 1e-3
    assert spine_["all"]["mean"] < 0.05 and each["all"]["mean"] < 0.05
    assert absolute["all"]["mean"] <= absolute["all"]["rms"] <= absolute["all"]["p95"] <= absolute["all"]["max"]


def test_the_file_has_every_level_direction_and_region(folders, tmp_path):
    content = compare_folders(*folders).to_dict()
    write_json(tmp_path / "errors.json", content)
    assert json.loads((tmp_path / "errors.json").read_text()) == content
    for alignment in content["alignments"].values():
        assert list(alignment["levels"]) == ["L1", "L2", "L3", "L4", "L5"]
        for level in alignment["levels"].values():
            assert set(level) == {"all", "reconstruction_to_truth", "truth_to_reconstruction", "regions"}
            assert set(level["regions"]) == {"body", "lamina"}
            assert set(level["all"]) == {"mean", "rms", "p95", "max"}
    assert content["misnamed_levels"] == {} and content["missing_levels"] == []


def test_truth_may_be_given_as_stl_and_without_regions_none_are_reported(tmp_path, surfaces):
    write_spine(tmp_path / "result", surfaces, suffix=".stl")
    write_spine(tmp_path / "truth", surfaces, suffix=".stl")
    content = compare_folders(tmp_path / "result", tmp_path / "truth").to_dict()["alignments"]["absolute"]
    assert content["all"]["mean"] < 1e-3
    assert content["regions"] == {} and content["posterior_mean"] is None


def write_plain(folder, surfaces, suffix="obj", *, lps=False, unit_mm=1.0):
    """Write OBJ files, which state no frame, in LPS and another unit if asked for."""
    folder.mkdir(parents=True)
    for level, surface in surfaces.items():
        points = surface.points_ras_mm * ([-1.0, -1.0, 1.0] if lps else [1.0, 1.0, 1.0]) / unit_mm
        vertices = (" ".join(map(str, point)) for point in points)
        faces = (f"{a} {b} {c}" for a, b, c in surface.faces + 1)
        text = "\n".join([*(f"v {item}" for item in vertices), *(f"f {item}" for item in faces)])
        (folder / f"{level.name}.{suffix}").write_text(text)


def test_a_truth_of_another_frame_is_told_and_taken_with_lps(tmp_path, surfaces):
    forward = np.eye(4)
    forward[1, 3] = 150.0
    surfaces = {level: moved(surface, forward) for level, surface in surfaces.items()}
    write_spine(tmp_path / "result", surfaces)
    write_plain(tmp_path / "truth", surfaces, lps=True)
    told = compare_folders(tmp_path / "result", tmp_path / "truth").warnings
    assert len(told) == 1 and "another frame" in told[0] and "give --lps" in told[0]
    right = compare_folders(tmp_path / "result", tmp_path / "truth", lps=True)
    assert right.warnings == () and right.to_dict()["alignments"]["absolute"]["all"]["mean"] < 1e-3
    write_plain(tmp_path / "ct", {level: moved(surface, forward) for level, surface in surfaces.items()})
    told = compare_folders(tmp_path / "result", tmp_path / "ct").warnings
    assert "lies 150 mm from" in told[0] and "register-ct" in told[0]


def test_a_truth_in_metres_is_refused(tmp_path, surfaces):
    write_spine(tmp_path / "result", surfaces)
    write_plain(tmp_path / "truth", surfaces, unit_mm=1000.0)
    with pytest.raises(StudyError, match=r"L1 of .*truth measures 0\.\d+ mm .*not in the same unit"):
        compare_folders(tmp_path / "result", tmp_path / "truth")


def test_files_in_capitals_are_found_and_levels_that_the_truth_lacks_are_told(tmp_path, surfaces):
    write_spine(tmp_path / "result", surfaces)
    write_plain(tmp_path / "case" / "truth", {level: surfaces[level] for level in (Level.L2, Level.L3)}, suffix="OBJ")
    found = compare_folders(tmp_path / "result", tmp_path / "case")
    assert list(found.distances["absolute"]) == [Level.L2, Level.L3]
    assert any("truth has no L1, L4, L5: " in text for text in found.warnings)


def test_a_level_that_was_not_reconstructed_is_named(folders):
    (folders[0] / "L1.vtp").unlink()
    comparison = compare_folders(*folders)
    assert comparison.missing == (Level.L1,)
    assert list(comparison.to_dict()["alignments"]["absolute"]["levels"]) == ["L2", "L3", "L4", "L5"]


def test_vertebrae_named_one_level_too_low_are_named(tmp_path, surfaces):
    lower = dict(zip(list(surfaces)[1:], list(surfaces.values())[:-1]))
    write_spine(tmp_path / "result", lower)
    write_spine(tmp_path / "truth", surfaces)
    content = compare_folders(tmp_path / "result", tmp_path / "truth").to_dict()
    assert content["misnamed_levels"] == {"L2": "L1", "L3": "L2", "L4": "L3", "L5": "L4"}


@pytest.mark.parametrize("which", ["result", "truth"])
def test_a_folder_without_surfaces_is_refused_by_name(tmp_path, surfaces, which):
    for name in ("result", "truth"):
        (tmp_path / name).mkdir()
        if name != which:
            write_spine(tmp_path / name, surfaces)
    with pytest.raises(StudyError, match=rf"{which}.*holds no surface"):
        compare_folders(tmp_path / "result", tmp_path / "truth")


def test_the_folder_truth_goes_before_a_result_that_was_written_beside_it(folders, surfaces):
    result, case = folders
    write_spine(case, surfaces, shift_mm=SHIFT_MM)
    assert compare_folders(result, case).to_dict()["alignments"]["absolute"]["all"]["mean"] > 0.4


@pytest.mark.parametrize("content", ['{"format": "LumbarBiplanar landmarks"}', "[1]", "not JSON"])
def test_figures_replace_earlier_figures_but_no_other_file_unless_forced(folders, tmp_path, content, capsys):
    file = tmp_path / "errors.json"
    arguments = ["evaluate", "--reconstruction", str(folders[0]), "--truth", str(folders[1]), "--json", str(file)]
    assert main(arguments) == main(arguments) == 0
    file.write_text(content)
    assert main(arguments) == 4
    assert file.read_text() == content
    said = capsys.readouterr().err
    assert str(file) in said and "--force" in said
    assert main([*arguments, "--force"]) == 0
    assert json.loads(file.read_text())["format"] == "LumbarBiplanar evaluation"


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path, surfaces):
    write_spine(tmp_path / "truth", surfaces)
    with pytest.raises(StudyError, match=r"nowhere.*is no folder"):
        compare_folders(tmp_path / "nowhere", tmp_path / "truth")


def test_two_folders_without_a_common_level_are_refused(tmp_path, surfaces):
    write_spine(tmp_path / "result", {Level.L1: surfaces[Level.L1]})
    write_spine(tmp_path / "truth", {Level.L4: surfaces[Level.L4]})
    with pytest.raises(StudyError, match="no level in common"):
        compare_folders(tmp_path / "result", tmp_path / "truth")


def write_marks(path, pair, positions, offset_px=(0.0, 0.0), shift_mm=0.0, hidden=()):
    films = {}
    for view in pair.views:
        items = [
            LandmarkObservation(
                Level.L3, name, tuple(view.project(np.array(point)) + offset_px), visible=name not in hidden
            )
            for name, point in positions.items()
        ]
        films[view.name] = FilmEntry(FilmLandmarks(items), view.size_px)
    shifted = {Level.L3: {name: tuple(np.array(point) + (shift_mm, 0, 0)) for name, point in positions.items()}}
    write_landmarks(path, films, shifted)


def test_landmark_errors_are_in_mm_of_the_object_plane(folders):
    result, truth = folders
    pair = standard_pair((6.0, 0.0, -80.0), spacing_mm=0.5)
    positions = dict(zip(NAMES, [(-10.0, -20.0, -80.0), (10.0, -20.0, -80.0), (6.0, 0.0, -65.0)]))
    write_json(result / "reconstruction.json", {"geometry": pair.to_dict()})
    write_marks(result / "landmarks.json", pair, positions, offset_px=(3.0, 4.0), shift_mm=2.0)
    write_marks(truth / "truth" / "landmarks.json", pair, positions)
    comparison = compare_folders(result, truth)
    for view in pair.views:
        # Square pixels: the five pixels are as long as five pixel sizes at each landmark's depth.
        expected = np.mean([5.0 * view.pixel_size_at(np.array(point))[0] for point in positions.values()])
        assert comparison.landmark_error_mm[view.name.lower()] == pytest.approx(expected, abs=2e-3)
    assert comparison.landmark_error_3d_mm == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize("record", ["ct_registration.json", "reconstruction.json"])
def test_landmarks_that_a_registered_truth_used_are_not_taken_for_true_ones(folders, record):
    result, truth = folders[0], folders[1] / "truth"
    pair = standard_pair((6.0, 0.0, -80.0), spacing_mm=0.5)
    positions = dict(zip(NAMES, [(-10.0, -20.0, -80.0), (10.0, -20.0, -80.0), (6.0, 0.0, -65.0)]))
    write_json(result / "reconstruction.json", {"geometry": pair.to_dict()})
    write_json(truth / record, {"geometry": pair.to_dict(), "geometry_corrections": {}})
    for folder in (result, truth):  # both used what the network found, five pixels off
        write_marks(folder / "landmarks.json", pair, positions, offset_px=(3.0, 4.0))
    found = compare_folders(result, truth).landmark_error_mm
    expected = np.mean([5.0 * pair.ap.pixel_size_at(np.array(point))[0] for point in positions.values()])
    assert found["ap"] == pytest.approx(expected, abs=2e-3)
    (cu, cv), lateral = pair.lateral.principal_px, pair.lateral.to_dict()
    corrected = {"corrected_views": [pair.ap.to_dict(), {**lateral, "principal_px": (cu + 3.0, cv + 4.0)}]}
    write_json(truth / record, {"geometry": pair.to_dict(), "geometry_corrections": corrected})
    again = compare_folders(result, truth).landmark_error_mm
    assert again == {"ap": pytest.approx(found["ap"]), "lateral": pytest.approx(0.0, abs=2e-3)}


@pytest.fixture
def marked(folders):
    """A result and its truth with landmarks on both films, and their pair and positions."""
    result, truth = folders[0], folders[1] / "truth"
    pair = standard_pair((6.0, 0.0, -80.0), spacing_mm=0.5)
    positions = dict(zip(NAMES, [(-10.0, -20.0, -80.0), (10.0, -20.0, -80.0), (6.0, 0.0, -65.0)]))
    write_json(result / "reconstruction.json", {"geometry": pair.to_dict()})
    for folder in (result, truth):
        write_marks(folder / "landmarks.json", pair, positions)
    return result, truth, pair, positions


def test_a_film_of_another_size_than_that_of_the_truth_is_left_out_with_a_warning(marked, tmp_path, capsys):
    result, truth, pair, positions = marked
    assert set(compare_folders(result, truth).landmark_error_mm) == {"ap", "lateral"}
    cropped = replace(pair, lateral=pair.lateral.cropped(0, 0, 700, 1100))
    write_marks(result / "landmarks.json", cropped, positions)
    arguments = ["evaluate", "--reconstruction", str(result), "--truth", str(truth)]
    assert main([*arguments, "--json", str(tmp_path / "errors.json")]) == 0
    content, said = json.loads((tmp_path / "errors.json").read_text()), capsys.readouterr().err
    assert set(content["landmark_error_mm"]) == {"ap"}
    for told in (said, *content["warnings"]):
        assert "lateral" in told and "700 x 1100" in told and "1000 x 1200" in told
        assert str(result / "landmarks.json") in told and "Reconstruct from the film of the truth" in told


def test_landmarks_without_a_record_or_positions_in_space_are_left_out_with_a_warning(marked):
    result, truth, _, _ = marked
    (result / "reconstruction.json").rename(result / "ct_registration.json")
    assert set(compare_folders(result, truth).landmark_error_mm) == {"ap", "lateral"}
    (result / "ct_registration.json").unlink()
    found = compare_folders(result, truth)
    assert found.landmark_error_mm == {} and "reconstruction.json" in found.warnings[0]
    write_json(result / "reconstruction.json", {"geometry": marked[2].to_dict()})
    edited_json(truth / "landmarks.json", truth / "landmarks.json", lambda content: content.pop("positions_ras_mm"))
    found = compare_folders(result, truth)
    assert found.landmark_error_mm == {} and "positions_ras_mm" in found.warnings[0]


@pytest.mark.parametrize("content", [[], {}, {"geometry": None}, {"geometry": {"views": [{"name": "AP"}]}}])
@pytest.mark.parametrize("which", ["result", "truth"])
def test_a_damaged_record_is_named(marked, which, content):
    folder = marked[0] if which == "result" else marked[1]
    write_json(folder / "reconstruction.json", content)
    with pytest.raises(StudyError, match=r"reconstruction\.json: its geometry cannot be read") as caught:
        compare_folders(*marked[:2])
    assert str(folder) in str(caught.value)


def test_a_landmark_that_was_not_seen_does_not_count(folders):
    result, truth = folders
    pair = standard_pair((6.0, 0.0, -80.0))
    positions = dict(zip(NAMES, [(-10.0, -20.0, -80.0), (10.0, -20.0, -80.0), (6.0, 0.0, -65.0)]))
    write_json(result / "reconstruction.json", {"geometry": pair.to_dict()})
    write_marks(result / "landmarks.json", pair, positions, offset_px=(30.0, 0.0), hidden=NAMES)
    write_marks(truth / "truth" / "landmarks.json", pair, positions)
    assert compare_folders(result, truth).landmark_error_mm == {}
