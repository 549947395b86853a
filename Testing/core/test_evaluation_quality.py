"""The benchmark of the quality flag: faults do what they say, and the calibration finds what tells failures."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, Level, opposite_side
from LumbarBiplanarLib.evaluation.quality_benchmark import written
from LumbarBiplanarLib.evaluation.quality_cases import QualityCase
from LumbarBiplanarLib.evaluation.quality_drafts import bone_images, draft
from LumbarBiplanarLib.evaluation.quality_faults import FAULTS, INVISIBLE
from LumbarBiplanarLib.evaluation.quality_fit import figures, fit_calibration, usable
from LumbarBiplanarLib.evaluation.quality_people import SimulatedSpine
from LumbarBiplanarLib.evaluation.quality_summary import FAULT_COLUMNS, FLAG_COLUMNS, fault_rows, page_tables
from LumbarBiplanarLib.registration.quality_calibration import PARTS
from registration_phantom import phantom_model, phantom_truth


@pytest.fixture(scope="module")
def spine():
    return SimulatedSpine("phantom", phantom_model(), phantom_truth(1).points_ras_mm)


@pytest.fixture(scope="module")
def films(spine):
    pair = spine.pair("pinhole", 90.0)
    return pair, bone_images(spine.surfaces, pair)


def cases(count=400, seed=0):
    """Cases of four rounds in which image_mm tells a failure and shape_sd tells nothing."""
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        failed, images = rng.random() < 0.3, number % 2 == 0
        values = {
            "image_mm": float(np.exp(rng.normal(1.6 if failed else 0.0, 0.3))),
            "shape_sd": float(np.exp(rng.normal(0.0, 0.3))),
            "no_image": 0.0 if images else 2.0,
        }
        fault = "image wrong" if failed else "none"
        error = 3.0 if failed else 0.6
        evidence = "given" if images else "landmarks"
        found.append(QualityCase("a+b", number % 4, evidence, "pinhole 90", fault, Level.L3, error, values))
    return found


def test_the_calibration_finds_the_feature_that_tells_and_is_right_out_of_sample():
    some = [case for case in cases() if case.evidence == "given"]
    calibration, probability = fit_calibration(some)
    tells, says_nothing = (
        term.weight + term.curvature if term else 0.0
        for term in (calibration.terms.get("image_mm"), calibration.terms.get("shape_sd"))
    )
    assert tells > 5 * says_nothing
    flags = ["refuse" if value >= calibration.refuse else "ok" for value in probability]
    found = figures(flags, [case.error_mm for case in some])
    assert found.precision >= 0.96 and found.recall > 0.8
    assert 0.0 < calibration.check <= calibration.refuse < 1.0


def test_figures_count_what_they_say():
    found = figures(["refuse", "refuse", "check", "ok", "check"], [3.0, 1.0, 2.5, 4.0, 0.5])
    assert (found.vertebrae, found.failures, found.refused) == (5, 3, 2)
    assert (found.precision, found.recall) == (0.5, pytest.approx(1 / 3))
    assert (found.flagged, found.sound_flagged) == (pytest.approx(2 / 3), 1.0)


def test_what_nothing_could_betray_and_what_was_refused_calibrates_nothing():
    known = cases(4)
    hidden = QualityCase("a", 0, "given", "pinhole 90", INVISIBLE, Level.L1, 30.0, {})
    refused = QualityCase("a", 0, "given", "pinhole 90", "films swapped", None, float("nan"), {}, "swapped")
    assert usable([*known, hidden, refused]) == known


def test_table_and_calibration_are_written_and_agree(tmp_path):
    refused = QualityCase("a", 0, "given", "pinhole 90", "films swapped", None, float("nan"), {}, "swapped")
    result = written([*cases(), refused], cases(60, 1), tmp_path / "quality.csv", tmp_path / "Quality.json")
    with open(tmp_path / "quality.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 461 and {row["part"] for row in rows} == {"calibration", "test"}
    assert [row["flag"] for row in rows if row["fault"] == "films swapped"] == ["rejected"]
    content = json.loads((tmp_path / "Quality.json").read_text(encoding="utf-8"))
    for part in PARTS:
        assert content[part]["refuse"] == result.calibrations[part].refuse
        assert content[part]["calibrated_on"]["vertebrae"] == 200
        assert result.figures["test", part].precision >= 0.9
    counts = {
        row[0]: dict(zip(FAULT_COLUMNS[1:], map(int, row[1:]), strict=True))
        for row in fault_rows(result.rows, "calibration")
    }
    assert [counts["films swapped"][key] for key in ("vertebrae", "failed", "cases refused")] == [0, 0, 1]
    assert counts["none"]["failed"] == 0
    wrong = counts["image wrong"]
    assert (
        wrong["vertebrae"] == wrong["failed"] == sum(wrong[key] for key in ("of these refused", "to check", "missed"))
    )
    tables = page_tables(tmp_path)
    assert tables["quality-faults"] == (FAULT_COLUMNS, fault_rows(result.rows, "calibration"))
    for columns, rows in tables.values():
        assert all(len(row) == len(columns) for row in rows)
    shown = {row[0]: dict(zip(FLAG_COLUMNS[1:], row[1:], strict=True)) for row in tables["quality-test"][1]}
    assert shown["with images"]["failed"] == str(result.figures["test", "with_images"].failures)


@pytest.mark.parametrize("fault", [name for name, change in FAULTS.items() if change is not FAULTS["none"]])
def test_every_fault_changes_what_the_registration_is_given(fault, spine, films):
    before, after = (draft("given", spine, *films, np.random.default_rng(3)) for _ in range(2))
    FAULTS[fault](after, np.random.default_rng(5))
    same_landmarks = before.landmarks == after.landmarks
    same_views = before.views == after.views
    first, second = (item.evidence(np.random.default_rng(7)) for item in (before, after))
    same_images = all(
        a.lumbar_mm.shape == b.lumbar_mm.shape and np.array_equal(a.lumbar_mm, b.lumbar_mm)
        for a, b in zip(first, second, strict=True)
    )
    assert not (same_landmarks and same_views and same_images)


def test_a_truncated_film_keeps_its_geometry(spine, films):
    whole = draft("given", spine, *films, np.random.default_rng(3))
    cut = draft("given", spine, *films, np.random.default_rng(3))
    FAULTS["film truncated"](cut, np.random.default_rng(2))
    assert min(view.size_px[1] for view in cut.views) < 600
    for film, view in enumerate(cut.views):
        assert all(image.shape == view.shape for image in cut.bone[film].values())
        for (level, name), pixel in cut.landmarks[film].items():
            point = spine.landmarks_ras_mm[level][LANDMARK_NAMES.index(name)]
            before = np.subtract(whole.landmarks[film][level, name], whole.views[film].project(point))
            assert np.allclose(np.subtract(pixel, view.project(point)), before)


def test_left_and_right_are_exchanged_and_the_middle_stays():
    assert opposite_side("pedicle_left") == "pedicle_right"
    assert opposite_side("transverse_tip_right") == "transverse_tip_left"
    assert opposite_side("spinous_tip") == "spinous_tip"
