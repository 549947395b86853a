"""The command explains itself and its exit codes can be relied on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from LumbarBiplanarLib import __version__, cli
from LumbarBiplanarLib.cli import main
from LumbarBiplanarLib.commands import COMMANDS
from LumbarBiplanarLib.errors import FilmError, OutputError
from study_sample import sample


def test_help_names_every_command_and_the_exit_codes(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)
    assert "130 interrupted" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_a_help_is_longer_than_the_terminal(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main([name, "--help"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 120] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name, capsys):
    assert main([name, "--help"]) == 0
    assert f"lumbar-biplanar {name}" in capsys.readouterr().out


def test_the_version_is_said(capsys):
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["juggle"], ["reconstruct", "--ap", "a.png"], ["evaluate", "--depth", "3"]])
def test_wrong_arguments_are_exit_code_2_and_named(arguments, capsys):
    assert main(arguments) == 2
    assert "usage:" in capsys.readouterr().err


def fails_with(error, monkeypatch):
    def run(args):
        raise error

    monkeypatch.setattr("LumbarBiplanarLib.commands.evaluate.run", run)
    return main(["evaluate", "--reconstruction", "a", "--truth", "b"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FilmError("ap.png: it is empty."), 3),
        (OutputError("The disk is full."), 4),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("division by zero"), 1),
    ],
)
def test_each_kind_of_failure_has_its_exit_code_and_no_traceback(error, code, monkeypatch, capsys):
    assert fails_with(error, monkeypatch) == code
    said = capsys.readouterr().err
    assert str(error) in said
    assert "Traceback" not in said


def test_verbose_shows_where_an_unexpected_error_came_from(monkeypatch, capsys):
    def run(args):
        raise ZeroDivisionError

    monkeypatch.setattr("LumbarBiplanarLib.commands.evaluate.run", run)
    assert main(["evaluate", "--reconstruction", "a", "--truth", "b", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_has_gone_is_no_error(monkeypatch):
    closed = []
    monkeypatch.setattr(cli.os, "dup2", lambda source, target: closed.append(target))
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)
    assert fails_with(BrokenPipeError(), monkeypatch) == 0
    assert closed == [1]


def test_help_is_quick_because_it_imports_nothing_that_computes():
    code = (
        "import sys; from LumbarBiplanarLib.cli import main; main(['reconstruct', '--help']);"
        "print([name for name in ('numpy', 'torch', 'vtkmodules', 'scipy', 'SimpleITK') if name in sys.modules])"
    )
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_console_of_any_encoding_loses_neither_result_nor_exit_code(tmp_path, encoding):
    result = tmp_path / "\u810a\u690e \u00e4.json"
    command = [sys.executable, "-m", "LumbarBiplanarLib.cli"]
    asked = ["geometry", "--geometry", str(sample("geometry.json")), "--output", str(result)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": encoding}
    done = subprocess.run([*command, *asked], capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert result.is_file()
    said = done.stdout.decode(encoding)
    assert ("\u810a" if encoding == "utf-8" else r"\u810a\u690e") in said
    shown = subprocess.run([*command, "reconstruct", "--help"], capture_output=True, env=environment)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert ("+/- 3 degrees" if encoding == "ascii" else "\u00b1 3 degrees") in shown.stdout.decode(encoding)


BUSY = """
import signal, sys, tempfile, time
from LumbarBiplanarLib import cli
from LumbarBiplanarLib.commands import evaluate
from LumbarBiplanarLib.rendering.threads import side_by_side

def run(args):
    left = tempfile.TemporaryDirectory(dir=args.truth)
    with side_by_side(1) as workers, tempfile.TemporaryDirectory(dir=args.truth):
        job = workers.submit(time.sleep, 60)
        print("reading", flush=True)
        args.left = left
        job.result()

# A process started in the background of a script has Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
evaluate.run = run
sys.argv[1:] = ["evaluate", "--reconstruction", "a", "--truth", sys.argv[1]]
sys.exit(cli.program())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_the_process_although_a_thread_is_still_reading_a_film(tmp_path):
    pytest.importorskip("torch")
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    try:
        said = process.communicate(timeout=20)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    assert said == "Interrupted; nothing half-written is left behind.\n"
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_the_arguments_are_read_is_no_traceback(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build_parser", interrupted)
    assert main([]) == 130
    assert capsys.readouterr().err.startswith("Interrupted")


@pytest.mark.parametrize(
    "arguments",
    [
        ["shape-model", "build", "--masks", "a.nii.gz", "--output"],
        ["shape-model", "evaluate", "--data", "data", "--csv"],
        ["benchmark", "speed", "--csv"],
        ["benchmark", "quality", "--data", "data", "--csv", "quality.csv", "--calibration"],
        ["evaluate", "--reconstruction", "result", "--truth", "truth", "--json"],
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_anything_is_read_or_computed(
    arguments, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "missing/file"]) == 4
    assert "there is no folder missing" in capsys.readouterr().err
