"""The benchmark of speed counts what it says, and its table can be read again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from LumbarBiplanarLib.cli import BAD_INPUT, main
from LumbarBiplanarLib.evaluation import speed_benchmark
from LumbarBiplanarLib.evaluation.speed_benchmark import SpeedRow, benchmark_speed, summarize
from LumbarBiplanarLib.files import read_table


def state(stage, iteration):
    return SimpleNamespace(state=SimpleNamespace(stage=stage, iteration=iteration))


class Clock:
    """Stands in for the module's clock: a second passes with every look at it."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        self.now += 1.0
        return self.now

    process_time = perf_counter


@pytest.fixture
def three_states(monkeypatch):
    """Stages of known states, on a clock that is looked at once for each."""
    steps = [SimpleNamespace(state=None), state("landmarks", 3), state("coarse", 1), state("coarse", 2)]
    steps += [state("fine", 1), state("fine", 1)]
    monkeypatch.setattr(speed_benchmark._Study, "stages", lambda self: [("fit", lambda: iter(steps))])
    monkeypatch.setattr(speed_benchmark, "time", Clock())


def test_iterations_are_those_with_images_and_each_is_counted_once(three_states, tmp_path):
    rows = benchmark_speed(tmp_path / "speed.csv", device="cpu", repeats=2)
    assert [(row.stage, row.repeat, row.iterations, row.iteration_ms) for row in rows] == [
        ("fit", 1, 3, 1000.0),
        ("fit", 2, 3, 1000.0),
    ]
    # Wall and processor clock are read before and after, and the wall clock at every state with images.
    assert all(row.seconds == 6.0 and row.device == "cpu" for row in rows)
    assert read_table(tmp_path / "speed.csv", SpeedRow)[1].iterations == 3
    assert summarize(rows) == [("fit", "cpu", 6.0, 6.0, 1000.0)]


def test_a_registration_with_given_images_is_timed():
    study = speed_benchmark._Study("cpu")
    row = speed_benchmark._timed("given", "cpu", 1, lambda: study._registered(study._given, {}))
    assert row.iterations >= 3 and 0.0 < row.iteration_ms < 1000.0 * row.seconds and row.gpu_peak_mb is None


def test_no_repeats_are_refused(tmp_path, capsys):
    assert main(["benchmark", "speed", "--csv", str(tmp_path / "speed.csv"), "--repeats", "0"]) == BAD_INPUT
    assert "--repeats" in capsys.readouterr().err and not (tmp_path / "speed.csv").exists()
