"""Work divided among processes."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from .errors import StudyError

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_work: Callable[[Any], Any] | None = None  # what this process does with each item, if it is one of several
Item = TypeVar("Item")


def computed_in_processes(
    make: Callable[..., Callable[[Item], Any]], arguments: tuple, items: Sequence[Item], jobs: int
) -> Iterator[tuple[Item, Any]]:
    """Compute items in several processes, of one thread each.

    An error, and closing the iterator, drops the items that have not begun and waits for those that have.

    Args:
        make: called once in each process; what it returns is called with each item there.
        arguments: of ``make``; sent once to each process. They, items and results must be picklable.
        items: what to compute.
        jobs: how many processes, at most.

    Yields:
        (item, result), in the order in which they are done.

    Raises:
        StudyError: if ``jobs`` is less than 1, or a process was ended from outside.
        Exception: whatever an item raises in its process.
    """
    if not items:
        return
    if jobs < 1:
        raise StudyError(f"{jobs} processes cannot compute anything; give 1 or more.")
    # Only its environment can tell a process its number of threads before its libraries are loaded.
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    pool = ProcessPoolExecutor(min(jobs, len(items)), multiprocessing.get_context("spawn"), _begin, (make, arguments))
    try:
        left, running = list(reversed(items)), {}
        while left or running:
            # Few at a time, so that an error or Ctrl-C does not wait for hundreds.
            while left and len(running) < jobs + 1:
                item = left.pop()
                running[pool.submit(_compute, item)] = item
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    except BrokenProcessPool as error:
        raise StudyError(
            f"One of {jobs} processes ended before its work was done, mostly for want of memory; give fewer processes."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _begin(make: Callable[..., Callable[[Any], Any]], arguments: tuple) -> None:
    global _work
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    _work = make(*arguments)


def _end_with_the_caller() -> None:
    # Its queue stays open as long as there is a process like this one: where the caller is killed, all would wait on.
    multiprocessing.parent_process().join()
    os._exit(1)


def _compute(item: Any) -> Any:
    return _work(item)
