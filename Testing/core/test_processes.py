"""Several processes compute what one would; an error, a process that dies and a caller that stops end them all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial

import pytest

from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.processes import computed_in_processes


def test_every_item_comes_with_its_result_and_each_process_has_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert dict(computed_in_processes(partial, (pow, 2), [1, 2, 3, 4, 5], 2)) == {1: 2, 2: 4, 3: 8, 4: 16, 5: 32}
    (found,) = computed_in_processes(partial, (os.getenv,), ["OMP_NUM_THREADS"], 1)
    assert found == ("OMP_NUM_THREADS", "1") and os.environ["OMP_NUM_THREADS"] == "7"


def test_an_error_of_an_item_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        list(computed_in_processes(partial, (divmod, 1), [0, 1, 2], 2))


def test_a_caller_that_stops_does_not_wait_for_what_has_not_begun():
    begun = time.monotonic()
    results = computed_in_processes(partial, (time.sleep,), [0.1] * 1000, 2)
    next(results)
    results.close()
    assert time.monotonic() - begun < 50.0


def test_a_process_that_dies_is_told_with_its_remedy():
    with pytest.raises(StudyError, match="fewer processes"):
        list(computed_in_processes(os._exit, (1,), [1, 2], 2))


def test_nothing_to_do_starts_nothing_and_no_process_can_do_nothing():
    assert list(computed_in_processes(os._exit, (1,), [], 2)) == []
    with pytest.raises(StudyError, match="0 processes"):
        list(computed_in_processes(partial, (pow, 2), [1], 0))


_SLOW = """
import multiprocessing, time
from functools import partial
from LumbarBiplanarLib.processes import computed_in_processes
if __name__ == "__main__":
    for _ in computed_in_processes(partial, (time.sleep,), [0.1] * 2 + [1.0] * 1000, 2):
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="tells by /proc which processes there are")
def test_processes_end_when_their_caller_is_killed(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(_SLOW, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as running:
        children = running.stdout.readline().split()
        assert len(children) == 2 and all(os.path.exists(f"/proc/{child}") for child in children)
        running.kill()
    ends = time.monotonic() + 20.0
    while any(_runs(child) for child in children) and time.monotonic() < ends:
        time.sleep(0.1)
    assert not any(_runs(child) for child in children)


def _runs(process: str) -> bool:
    """Return whether a process is there and no zombie, which nobody may be left to bury."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
