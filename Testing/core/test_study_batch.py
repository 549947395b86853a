"""A folder of studies: each written as it is done, bad ones noted, a table of all."""

from __future__ import annotations

import csv
import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

import known_network
from LumbarBiplanarLib.errors import OutputError, StudyError
from LumbarBiplanarLib.files import sha256_of
from LumbarBiplanarLib.study.batch import find_studies, open_study, run_studies
from study_sample import sample


@pytest.fixture
def script(repository):
    """The batch script, as a module."""
    path = repository / "LumbarBiplanar" / "Scripts" / "run_batch.py"
    spec = importlib.util.spec_from_file_location("run_batch", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_scripts_are_ascii(repository):
    """Slicer opens a `--python-script` without naming an encoding, which is not UTF-8 on Windows."""
    scripts = sorted((repository / "LumbarBiplanar" / "Scripts").glob("*.py"))
    assert scripts and all(script.read_bytes().isascii() for script in scripts)


def study(folder, *, without=()):
    """A study in ``folder``: links to the bundled one, but for the files left out."""
    folder.mkdir(parents=True)
    for name in ("ap.png", "lateral.png", "geometry.json"):
        if name not in without:
            shutil.copy(sample(name), folder / name)
    return folder


def table(output):
    with open(output / "summary.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(_study, target):
    """Write what the table needs of a result."""
    flags = {"L1": "ok", "L2": "refuse", "L3": "check", "L4": None, "L5": "check"}
    record = {
        "residuals": {"landmark_mm": {"AP": 1.25, "lateral": 0.5}},
        "levels": {name: {"quality": {"flag": flag}} if flag else {} for name, flag in flags.items()},
        "quality": "refuse",
        "device": "cpu",
        "seconds": {"total": 3.0, "writing": 0.5},
        "warnings": ["The film is small."],
    }
    target.mkdir(parents=True, exist_ok=True)
    (target / "reconstruction.json").write_text(json.dumps(record), encoding="utf-8")
    (target / "measurements.csv").write_text("key,value\nslip,1.0\nlordosis_l1_l5,41.254\n", encoding="utf-8")


def test_studies_are_the_folders_that_hold_films(tmp_path):
    for name in ("b", "a"):
        study(tmp_path / name)
    (tmp_path / "notes").mkdir()
    assert [path.name for path in find_studies(tmp_path)] == ["a", "b"]
    assert find_studies(tmp_path / "a") == [tmp_path / "a"]


@pytest.mark.parametrize("folder", ["nothing_here", "missing"])
def test_a_folder_without_studies_is_an_error_that_says_what_a_study_is(tmp_path, folder):
    (tmp_path / "nothing_here").mkdir()
    with pytest.raises(StudyError, match=r"ap\.\*|no such folder"):
        find_studies(tmp_path / folder)


def test_the_films_of_a_study_are_found_in_any_case_and_without_suffix(tmp_path):
    folder = study(tmp_path / "one", without=("ap.png", "lateral.png"))
    shutil.copy(sample("ap.png"), folder / "AP.PNG")
    shutil.copy(sample("lateral.png"), folder / "Lateral")
    found = open_study(folder)
    assert (found.ap.name, found.lateral.name) == ("AP.PNG", "Lateral")


def test_two_films_of_one_name_are_not_chosen_between(tmp_path):
    folder = study(tmp_path / "one")
    shutil.copy(sample("ap.png"), folder / "ap.tif")
    with pytest.raises(StudyError, match=r"2 films called ap"):
        open_study(folder)


def test_a_bad_study_is_noted_and_the_next_one_begun(tmp_path):
    for name in ("a", "b", "c"):
        study(tmp_path / name, without=("geometry.json",) if name == "b" else ())
    seen, lines = [], []

    def process(found, target):
        seen.append(found.name)
        if found.name == "a":
            raise ZeroDivisionError("oh")
        write(found, target)

    outcomes = list(run_studies(find_studies(tmp_path), tmp_path / "out", process, log=lines.append))
    assert seen == ["a", "c"]
    assert [item.status for item in outcomes] == ["failed", "failed", "done"]
    assert "ZeroDivisionError: oh" in outcomes[0].message and "geometry.json is missing" in outcomes[1].message
    assert any("[2/3] b" in line for line in lines)
    rows = table(tmp_path / "out")
    assert [row["status"] for row in rows] == ["failed", "failed", "done"]
    assert rows[2]["landmark_residual_ap_mm"] == "1.25" and rows[2]["lordosis_deg"] == "41.25"
    assert rows[2]["message"] == "The film is small."
    assert [rows[2][key] for key in ("quality", "levels_to_check", "levels_to_refuse")] == ["refuse", "L3 L5", "L2"]
    assert rows[0]["quality"] == ""


def test_the_table_is_there_after_every_study(tmp_path):
    folders = [study(tmp_path / name) for name in ("a", "b")]
    run = run_studies(folders, tmp_path / "out", write, log=lambda text: None)
    next(run)
    assert [row["study"] for row in table(tmp_path / "out")] == ["a"]


def test_a_study_whose_result_is_there_is_passed_over_unless_forced(tmp_path):
    folder = study(tmp_path / "in" / "a")
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "reconstruction.json").write_text("{}", encoding="utf-8")
    calls = []

    def process(found, target):
        calls.append(found.name)
        write(found, target)

    (first,) = run_studies([folder], tmp_path / "out", process, log=lambda text: None)
    (second,) = run_studies([folder], tmp_path / "out", process, force=True, log=lambda text: None)
    assert (first.status, second.status, calls) == ("present", "done", ["a"])


def test_two_studies_of_one_name_are_refused_before_anything_is_done(tmp_path):
    folders = [study(tmp_path / parent / "case1") for parent in ("one", "two")]
    for force in (False, True):
        run = run_studies(folders, tmp_path / "out", lambda *_: pytest.fail("the work must not begin"), force=force)
        with pytest.raises(StudyError, match="same name") as told:
            next(run)
        assert all(str(folder) in str(told.value) for folder in folders)
    assert not (tmp_path / "out").exists()


def test_a_study_that_is_named_twice_is_computed_once(tmp_path, monkeypatch):
    study(tmp_path / "case1")
    monkeypatch.chdir(tmp_path / "case1")
    folders = [*find_studies("."), *find_studies(tmp_path), *find_studies("../case1"), *find_studies("../case1/..")]
    assert {folder.name for folder in folders} == {"case1"}
    (outcome,) = run_studies(folders, tmp_path / "out", write, log=lambda text: None)
    assert (outcome.study, outcome.status) == ("case1", "done")


def test_a_link_to_a_study_has_the_name_of_the_link(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "case1").symlink_to(study(tmp_path / "store" / "7f3a"), target_is_directory=True)
    assert [path.name for path in find_studies(tmp_path / "in")] == ["case1"]
    assert [path.name for path in find_studies(tmp_path / "in" / "case1")] == ["case1"]


def test_the_result_of_other_films_is_not_taken_for_that_of_a_study_of_the_same_name(tmp_path):
    folder = study(tmp_path / "two" / "case1")
    (tmp_path / "out" / "case1").mkdir(parents=True)
    record = tmp_path / "out" / "case1" / "reconstruction.json"
    for lateral, status in ((sha256_of(sample("lateral.png")), "present"), ("0" * 64, "failed")):
        films = {"AP": {"sha256": sha256_of(sample("ap.png"))}, "lateral": {"sha256": lateral}}
        record.write_text(json.dumps({"inputs": {"films": films}}), encoding="utf-8")
        (outcome,) = run_studies([folder], tmp_path / "out", write, log=lambda text: None)
        assert outcome.status == status
    assert "other films" in outcome.message and "--force" in outcome.message


def test_the_result_of_a_geometry_that_was_corrected_since_is_not_taken_for_the_study(tmp_path):
    folder, out = study(tmp_path / "case1"), tmp_path / "out"
    kept(out, "case1")
    films = {name: {"sha256": sha256_of(folder / f"{name.lower()}.png")} for name in ("AP", "lateral")}
    inputs = {"films": films, "geometry": {"file": "geometry.json", "sha256": sha256_of(folder / "geometry.json")}}
    (out / "case1" / "reconstruction.json").write_text(json.dumps({"inputs": inputs}), encoding="utf-8")
    (outcome,) = run_studies([folder], out, write, log=lambda text: None)
    assert outcome.status == "present"
    (folder / "geometry.json").write_text("{}", encoding="utf-8")
    (outcome,) = run_studies([folder], out, write, log=lambda text: None)
    assert outcome.status == "failed"
    assert str(folder / "geometry.json") in outcome.message and "--force" in outcome.message
    (outcome,) = run_studies([folder], out, write, force=True, log=lambda text: None)
    assert outcome.status == "done"


def test_a_second_batch_keeps_the_figures_of_other_results_in_the_same_output(tmp_path):
    first, second = study(tmp_path / "one" / "a"), study(tmp_path / "two" / "b")
    gone, out = study(tmp_path / "one" / "gone"), tmp_path / "out"
    list(run_studies([first, gone], out, write, log=lambda text: None))
    shutil.rmtree(out / "gone")
    before = table(out)[0]
    list(run_studies([second], out, write, log=lambda text: None))
    assert [row["study"] for row in table(out)] == ["b", "a"]  # the folder of "gone" is gone
    assert table(out)[1] == before
    assert len(list(run_studies([second], out, write, log=lambda text: None))) == 1


def kept(output, *names):
    """Marks of finished results in ``output``."""
    for name in names:
        (output / name).mkdir(parents=True, exist_ok=True)
        (output / name / "reconstruction.json").write_text("{}", encoding="utf-8")


def test_a_batch_that_is_started_again_keeps_the_figures_of_what_is_there(tmp_path):
    folders = [study(tmp_path / name) for name in ("a", "b", "c")]
    out = tmp_path / "out"
    list(run_studies(folders, out, write, log=lambda text: None))
    kept(out, "a", "b")
    shutil.rmtree(out / "c")
    before = {row["study"]: row for row in table(out)}
    run = run_studies(folders, out, write, log=lambda text: None)
    next(run)
    run.close()  # stopped again, before it came to b and c
    assert [(row["study"], row["status"]) for row in table(out)] == [("a", "present"), ("b", "done"), ("c", "done")]
    outcomes = list(run_studies(folders, out, write, log=lambda text: None))
    assert [outcome.status for outcome in outcomes] == ["present", "present", "done"]
    for row in table(out)[:2]:
        assert {**row, "status": "done"} == before[row["study"]]


def test_the_row_of_a_result_that_was_computed_again_since_is_that_of_the_result(tmp_path):
    from LumbarBiplanarLib.study import write_result
    from study_sample import sample_result

    folders, out = [study(tmp_path / name) for name in ("a", "b")], tmp_path / "out"
    list(run_studies(folders, out, write, log=lambda text: None))
    assert {row["lordosis_deg"] for row in table(out)} == {"41.25"}
    (out / "b" / "reconstruction.json").unlink()
    real = sample_result()
    write_result(real, out / "a")
    kept_by = list(run_studies(folders[:1], out, lambda *_: pytest.fail("it is there"), log=lambda text: None))
    (row,) = table(out)
    assert row["study"] == "a" and kept_by[0].status == row["status"] == "present"
    assert float(row["lordosis_deg"]) == round(real.measurements.find("lordosis_l1_l5").value, 2)
    assert row["levels"] == "L1 L2 L3 L4 L5" and row["device"] == "cpu" and row["quality"] == "ok"
    for key, name in (("landmark_residual_ap_mm", "AP"), ("landmark_residual_lateral_mm", "lateral")):
        assert float(row[key]) == round(real.reconstruction.landmark_residual_mm[name], 3)
    assert row["message"] == " ".join(real.warnings) and row["levels_to_check"] == ""


def test_the_row_of_a_result_is_the_same_when_it_is_read_again_later(tmp_path):
    from LumbarBiplanarLib.study import write_result
    from study_sample import sample_result

    def process(_study, target):
        target.mkdir()
        write_result(sample_result(), target)
        return sample_result()

    folder, out = study(tmp_path / "a"), tmp_path / "out"
    (done,) = run_studies([folder], out, process, log=lambda text: None)
    (later,) = run_studies([folder], out, process, log=lambda text: None)
    assert (done.status, later.status) == ("done", "present")
    assert replace(done, status=later.status) == later


def test_a_failure_of_an_earlier_batch_is_no_figure_of_the_result_that_is_there(tmp_path):
    folder, out = study(tmp_path / "a"), tmp_path / "out"

    def fail(*_):
        raise StudyError("oh")

    list(run_studies([folder], out, fail, log=lambda text: None))
    kept(out, "a")
    (outcome,) = run_studies([folder], out, fail, log=lambda text: None)
    assert (outcome.status, outcome.message) == ("present", "its result is there already")


@pytest.mark.parametrize("content", [b"study,status\na,done\n", b"\xff\xfe\x00", b""])
def test_an_old_table_that_cannot_be_read_is_said_and_does_no_harm(tmp_path, content):
    folder, out, lines = study(tmp_path / "a"), tmp_path / "out", []
    kept(out, "a")
    (out / "summary.csv").write_bytes(content)
    (outcome,) = run_studies([folder], out, write, log=lines.append)
    assert outcome.status == "present" and [row["study"] for row in table(out)] == ["a"]
    assert not content or any("left out of the table" in line for line in lines)


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="out cannot be made .*choose another output folder"):
        list(run_studies([], tmp_path / "out", write))


def test_the_script_runs_in_plain_python_and_says_by_its_status_how_it_went(script, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from LumbarBiplanarLib import study as library

    known_network.quicken(monkeypatch)
    with_truth = functools.partial(library.reconstruct_case, detector=known_network.detect)
    monkeypatch.setattr(library, "reconstruct_case", with_truth)
    study(tmp_path / "in" / "good")
    assert script.main(["--", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--device", "cpu"]) == 0
    assert [row["status"] for row in table(tmp_path / "out")] == ["done"]
    record = json.loads((tmp_path / "out" / "good" / "reconstruction.json").read_text(encoding="utf-8"))
    assert set(record["levels"]) == {"L1", "L2", "L3", "L4", "L5"}
    study(tmp_path / "in" / "worse", without=("lateral.png",))
    assert script.main([str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--device", "cpu"]) == 1
    assert [row["status"] for row in table(tmp_path / "out")] == ["present", "failed"]
    assert "no film called lateral" in (tmp_path / "out" / "batch.log").read_text(encoding="utf-8")


def test_the_script_alone_finds_the_library_and_refuses_an_empty_folder(repository, tmp_path):
    path = repository / "LumbarBiplanar" / "Scripts" / "run_batch.py"
    command = [sys.executable, str(path), "--", str(tmp_path), "--output", str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert ended.returncode == 2, ended.stderr
    assert "no study was found" in ended.stderr


def test_a_console_of_ascii_is_told_of_studies_with_any_name(repository, tmp_path):
    study(tmp_path / "in" / "M\u00fcller", without=("geometry.json",))
    path = repository / "LumbarBiplanar" / "Scripts" / "run_batch.py"
    command = [sys.executable, str(path), str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert r"[1/1] M\xfcller" in ended.stdout
    assert "[1/1] M\u00fcller" in (tmp_path / "out" / "batch.log").read_text(encoding="utf-8")


def test_scenes_are_for_slicer_only(script, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer", None)
    assert script.main([str(tmp_path), "--output", str(tmp_path / "out"), "--scenes"]) == 2
    assert "needs Slicer" in capsys.readouterr().err
