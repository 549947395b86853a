"""The demo: raw films of the bundled study to figures against the truth."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from LumbarBiplanarLib.cli import main
from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.files import sha256_of, write_json

STAGES = {"detection", "registration", "measurement", "total"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder of a demo, and what it said."""
    folder = tmp_path_factory.mktemp("demo") / "demo-output"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(["demo", "--output", str(folder), "--device", "cpu"]) == 0
    return folder, said.getvalue()


@pytest.fixture(scope="module")
def demo(ran):
    return ran[0]


@pytest.fixture(scope="module")
def summary(demo):
    return json.loads((demo / "summary.json").read_text(encoding="utf-8"))


def test_the_measurements_begin_with_the_lordosis_and_end_with_what_is_not_assessed(ran):
    lines = [line.strip() for line in ran[1].splitlines()]
    names = ("Lordosis L1-L5", "Segmental angle", "Slip", "L5-S1 is not reconstructed")
    first = [next(number for number, line in enumerate(lines) if line.startswith(name)) for name in names]
    assert first == sorted(first)


def test_the_summary_holds_the_promised_keys(summary):
    error = summary["surface_error_mm"]
    assert set(error) == {"mean", "rms", "p95", "posterior_mean", "levels"}
    assert set(error["levels"]) == {"L1", "L2", "L3", "L4", "L5"}
    assert set(summary["landmark_error_mm"]) == {"ap", "lateral"}
    assert set(summary["timing_s"]) == STAGES
    assert summary["device"] == "cpu"
    assert "background" in summary["about"]


def test_every_key_of_the_summary_is_documented(summary, repository):
    for page in ("file-formats.md", "command-line.md"):
        text = (repository / "docs" / page).read_text(encoding="utf-8")
        section = text.split("## What `demo` writes" if page == "file-formats.md" else "## demo")[1].split("\n## ")[0]
        assert [key for key in summary if key not in section] == [], page


def test_the_figures_are_those_of_the_files_beside_them(demo, summary):
    absolute = json.loads((demo / "evaluation.json").read_text())["alignments"]["absolute"]
    assert summary["surface_error_mm"]["mean"] == absolute["all"]["mean"]
    record = json.loads((demo / "reconstruction.json").read_text())
    assert set(record["network"]) == {"AP", "lateral"}
    assert "landmarks" not in record["inputs"]
    assert not [key for key in record["inputs"] if key.startswith("lumbar")]


def test_all_five_levels_are_found_and_named_right(summary):
    assert summary["levels_right"] is True


def test_the_demo_needs_no_more_than_3_gb(summary):
    if summary["peak_memory_gb"] is None:
        pytest.skip("this system does not say how much memory a process has held")
    assert summary["peak_memory_gb"] <= 3.0


@pytest.fixture
def earlier(tmp_path):
    """What an earlier demo has left: its summary and one of its files, and a note of the user."""
    (tmp_path / "landmarks.json").write_text("found", encoding="utf-8")
    written = {"landmarks.json": sha256_of(tmp_path / "landmarks.json"), "L1.vtp": "0" * 64}
    write_json(tmp_path / "summary.json", {"format": "LumbarBiplanar demo", "version": 1, "files": written})
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def no_run(monkeypatch):
    """Let a demo that begins its work end there."""

    def stop(*_):
        raise StudyError("begun")

    monkeypatch.setattr("LumbarBiplanarLib.commands.demo.run_with_progress", stop)


def test_a_demo_lists_what_it_has_written(demo, summary):
    assert summary["files"] == {path.name: sha256_of(path) for path in demo.iterdir() if path.name != "summary.json"}


def test_an_earlier_demo_is_replaced(earlier, no_run, capsys):
    before = contents(earlier)
    assert main(["demo", "--output", str(earlier)]) == 3
    assert "begun" in capsys.readouterr().err
    assert contents(earlier) == before


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("landmarks.json", "corrected by hand", "landmarks.json would be replaced"),
        ("reconstruction.json", "of another case", "reconstruction.json would be replaced"),
        ("summary.json", '{"cases": 3}', "something other than an earlier demo"),
        ("summary.json", "[]", "something other than an earlier demo"),
        ("summary.json", "not JSON", "something other than an earlier demo"),
    ],
)
def test_what_the_earlier_demo_has_not_written_is_not_replaced(earlier, no_run, name, text, said, capsys):
    (earlier / name).write_text(text, encoding="utf-8")
    before = contents(earlier)
    assert main(["demo", "--output", str(earlier)]) == 4
    told = capsys.readouterr().err
    assert said in told and str(earlier) in told and "--output" in told
    assert contents(earlier) == before


def test_a_folder_with_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert main(["demo", "--output", str(tmp_path)]) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
