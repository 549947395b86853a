"""Dense linear algebra with torch, whose threads can be limited (``rendering.threads``); numpy's own cannot."""

from __future__ import annotations

import numpy as np
import torch


def lower_inverse(root: np.ndarray) -> np.ndarray:
    """Return the inverse (n, n) of a lower triangular matrix (n, n), float64."""
    identity = torch.eye(len(root), dtype=torch.float64)
    return torch.linalg.solve_triangular(torch.from_numpy(root), identity, upper=False).numpy()


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``a @ b`` for arrays of numpy.

    Args:
        a: (m, k) float64.
        b: (k,) or (k, n) float64.

    Returns:
        (m,) or (m, n) float64.
    """
    return (torch.from_numpy(np.ascontiguousarray(a)) @ torch.from_numpy(np.ascontiguousarray(b))).numpy()


def solution(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return x (n,) with symmetric ``matrix`` (n, n) x = ``right`` (n,), float64.

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
