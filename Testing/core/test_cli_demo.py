"""The demo: raw films of the bundled study to figures against the truth."""

from __future__ import annotations

import json

import pytest

from LumbarBiplanarLib.cli import main

STAGES = {"detection", "registration", "measurement", "total"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "demo-output"
    assert main(["demo", "--output", str(folder), "--device", "cpu"]) == 0
    return folder


@pytest.fixture(scope="module")
def summary(demo):
    return json.loads((demo / "summary.json").read_text(encoding="utf-8"))


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


def test_a_folder_with_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert main(["demo", "--output", str(tmp_path)]) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
