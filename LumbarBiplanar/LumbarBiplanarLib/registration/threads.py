"""How many processor threads a solve may use."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads within the ``with`` statement.

    The solve is a chain of small operations. Where other work holds the cores, threads that wait for each other at the
    end of every one of them make it tens of times slower than a single thread.
    """
    before = torch.get_num_threads()
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


def lower_inverse(root: np.ndarray) -> np.ndarray:
    """Return the inverse (n, n) of a lower triangular matrix (n, n), float64, with torch as ``product`` is."""
    identity = torch.eye(len(root), dtype=torch.float64)
    return torch.linalg.solve_triangular(torch.from_numpy(root), identity, upper=False).numpy()


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``a @ b`` with torch, which ``limited_threads`` governs; numpy's own threads it does not.

    Args:
        a: (m, k) float64.
        b: (k,) or (k, n) float64.

    Returns:
        (m,) or (m, n) float64.
    """
    return (torch.from_numpy(np.ascontiguousarray(a)) @ torch.from_numpy(np.ascontiguousarray(b))).numpy()


def solution(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return x (n,) with symmetric ``matrix`` (n, n) x = ``right`` (n,), float64, with torch for the same reason.

    Raises:
        numpy.linalg.LinAlgError: if the matrix is singular.
    """
    given = torch.from_numpy(matrix)
    root, info = torch.linalg.cholesky_ex(given)
    if not int(info):
        return torch.cholesky_solve(torch.from_numpy(right)[:, None], root)[:, 0].numpy()
    # Not positive definite: rounding, in equations that hardly determine an unknown.
    found, info = torch.linalg.solve_ex(given, torch.from_numpy(right))
    if int(info):
        raise np.linalg.LinAlgError("Singular matrix")
    return found.numpy()
