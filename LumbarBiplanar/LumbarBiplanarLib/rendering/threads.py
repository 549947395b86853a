"""How many processor threads torch may use."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads within the ``with`` statement.

    The solve is a chain of small operations. Where other work holds the cores, threads that wait for each other at the
    end of every one of them make it tens of times slower than a single thread.
    """
    before = torch.get_num_threads()
    if before == count:
        # Setting it again would also set it for threads that are yet to come.
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def limited_steps(steps: Generator[Any, None, Any], count: int) -> Generator[Any, None, Any]:
    """Pass on what ``steps`` yields and returns; it alone, not its caller, is limited to ``count`` threads."""
    try:
        while True:
            with limited_threads(count):
                try:
                    step = next(steps)
                except StopIteration as end:
                    return end.value
            yield step
    finally:
        steps.close()


@contextmanager
def side_by_side(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield ``count`` workers, each with one of torch's threads: none waits for another but at its end.

    What has not begun when the ``with`` statement is left is dropped, what has is not waited for.
    """
    before = torch.get_num_threads()
    workers = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield workers
    finally:
        workers.shutdown(wait=False, cancel_futures=True)
        torch.set_num_threads(before)  # with which threads that are yet to come begin, too
