"""From files to files with one command: the result, the truth it is compared with, interruptions, full disks."""

from __future__ import annotations

import json
import signal
from dataclasses import replace

import pytest

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.cli import main
from LumbarBiplanarLib.measurement import spread_text
from LumbarBiplanarLib.registration import Quality
from LumbarBiplanarLib.study import results
from small_disk import small_disk
from study_sample import given_arguments, sample, sample_steps


@pytest.fixture
def known_result(monkeypatch):
    """Let ``reconstruct`` run its course on steps that were computed before."""
    steps = sample_steps()  # before run_case is replaced: they come from it
    monkeypatch.setattr("LumbarBiplanarLib.study.run.run_case", lambda case, **options: iter(steps))


@pytest.fixture
def no_pictures(monkeypatch):
    """Leave the pictures out, which take most of the time of writing."""
    monkeypatch.setattr(results, "write_pictures", lambda result, folder: None)
    monkeypatch.setattr(results, "write_report", lambda result, path, pictures: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "result"
    assert main([*given_arguments(), "--output", str(folder)]) == 0
    return folder


def test_the_bundled_study_is_reconstructed_within_a_millimetre_from_true_landmarks_and_images(
    folder, tmp_path, capsys
):
    assert (
        main(
            ["evaluate", "--reconstruction", str(folder), "--truth", str(sample()), "--json", str(tmp_path / "e.json")]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "L5" in said
    absolute = json.loads((tmp_path / "e.json").read_text())["alignments"]["absolute"]
    assert absolute["all"]["mean"] < 1.0
    assert set(absolute["levels"]) == {"L1", "L2", "L3", "L4", "L5"}
    assert max(level["all"]["mean"] for level in absolute["levels"].values()) < 1.3


def test_what_was_corrected_is_in_the_files_and_on_the_terminal_with_its_uncertainty(tmp_path, capsys):
    wanted = ["--calibrate", "angle", "--density", "--output", str(tmp_path / "corrected")]
    assert main([*given_arguments(), *wanted]) == 0
    said = capsys.readouterr().err
    result = json.loads((tmp_path / "corrected" / "reconstruction.json").read_text())
    found = result["geometry_corrections"]["unknowns"]
    assert set(found) == {"angle", *(f"density_L{number}" for number in range(1, 6))}
    angle = found["angle"]
    assert angle["unit"] == "deg" and angle["prior_sd"] == 3.0
    assert 0 < angle["sd"] < 3.0
    assert abs(angle["value"]) < 3 * angle["sd"]  # the sample study states its angle exactly
    assert f"angle between the beams {angle['value']:+.2f} ± {angle['sd']:.2f} degrees" in said
    views = result["geometry_corrections"]["corrected_views"]
    assert [view["name"] for view in views] == ["AP", "lateral"]
    assert views[0] == result["geometry"]["views"][0]
    assert views[1]["camera_from_ras"] != result["geometry"]["views"][1]["camera_from_ras"]
    report = (tmp_path / "corrected" / "report.html").read_text(encoding="utf-8")
    for text in ("Thought possible", "Angle between the beams", f"{angle['value']:+.2f}°", "Density of L3"):
        assert text in report


def test_without_being_asked_a_calibrated_geometry_is_not_corrected(folder):
    assert json.loads((folder / "reconstruction.json").read_text())["geometry_corrections"] == {}


def test_a_second_run_needs_force_and_then_replaces_the_result(folder, known_result, no_pictures, capsys):
    before = (folder / "reconstruction.json").read_text()
    assert main([*given_arguments(), "--output", str(folder)]) == 4
    assert (folder / "reconstruction.json").read_text() == before
    assert main([*given_arguments(), "--output", str(folder), "--force"]) == 0
    assert (folder / "reconstruction.json").is_file()


def test_progress_is_drawn_only_on_a_terminal(known_result, no_pictures, tmp_path, capsys):
    assert main([*given_arguments(), "--output", str(tmp_path / "result")]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "written to" in said.out


def test_the_terminal_says_how_sure_a_value_is_and_which_must_not_be_used(monkeypatch, no_pictures, tmp_path, capsys):
    result = sample_steps()[-1].result
    quality = {**result.quality, Level.L5: Quality("refuse", ("Why.",), 0.97)}
    last = replace(sample_steps()[-1], result=replace(result, quality=quality))
    monkeypatch.setattr("LumbarBiplanarLib.study.run.run_case", lambda case, **options: iter([last]))
    assert main([*given_arguments(), "--output", str(tmp_path / "result")]) == 0
    said = capsys.readouterr().out
    lordosis = next(line for line in said.splitlines() if line.startswith("Lordosis L1-L5: "))
    spread = spread_text(result.measurements.find("lordosis_l1_l5"))
    assert spread and f" {spread}°" in lordosis and lordosis.endswith("(!)")
    assert any("Cobb" in line and "±" in line for line in said.splitlines())
    assert "90 %" in said and "do not use it" in said
    assert "L5-S1 is not reconstructed" in said


def test_an_interruption_while_writing_is_exit_code_130_and_leaves_nothing(known_result, tmp_path, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(results, "write_report", interrupted)
    assert main([*given_arguments(), "--output", str(tmp_path / "deep" / "result")]) == 130
    assert list(tmp_path.iterdir()) == []
    assert "nothing half-written" in capsys.readouterr().err


def test_a_request_to_terminate_cleans_up_like_an_interruption(tmp_path, monkeypatch):
    def terminated(*arguments):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("LumbarBiplanarLib.study.case.load_geometry", terminated)
    assert main([*given_arguments(), "--output", str(tmp_path / "result")]) == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [2_000, 300_000])
def test_a_disk_that_fills_up_at_any_file_is_exit_code_4_and_leaves_nothing(known_result, tmp_path, limit, capsys):
    with small_disk(limit):
        code = main([*given_arguments(), "--output", str(tmp_path / "result")])
    assert code == 4
    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().err
    assert "annot" in said
