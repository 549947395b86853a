"""How many threads torch uses, and that it is what it was afterwards."""

from __future__ import annotations

import threading

import pytest

torch = pytest.importorskip("torch")
from LumbarBiplanarLib.rendering.threads import limited_threads, side_by_side


@pytest.fixture(autouse=True)
def _three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def seen_by_a_new_thread() -> int:
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_a_limit_ends_with_its_block():
    with limited_threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_workers_that_end_after_they_were_left_change_nothing_for_those_who_come():
    begun, let_go = threading.Event(), threading.Event()

    def work() -> int:
        with limited_threads(1):
            begun.set()
            assert let_go.wait(30)
            return torch.get_num_threads()

    with side_by_side(2) as workers:
        job = workers.submit(work)
        assert begun.wait(30)
    let_go.set()
    assert job.result(30) == 1
    assert torch.get_num_threads() == 3
    assert seen_by_a_new_thread() == 3
