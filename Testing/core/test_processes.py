"""Several processes compute what one would; an error, a process that dies and a caller that stops end them all."""

from __future__ import annotations

import os
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
