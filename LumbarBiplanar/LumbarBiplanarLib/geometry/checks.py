"""Checks of the numbers that make a view; each failure names the key, the value found and the remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from ..errors import GeometryError

RIGID_TOLERANCE = 1e-6


def is_number(value: Any) -> bool:
    """Tell whether a value, such as one of a JSON file, is a finite number; text, true and false are none."""
    if not isinstance(value, Real) or isinstance(value, (bool, np.bool_)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of more than 308 digits
        return False


def positive_number(key: str, value: Any, meaning: str) -> float:
    """Return ``value`` as a float, or raise GeometryError unless it is a finite number above 0."""
    if not is_number(value) or value <= 0:
        raise GeometryError(f"{key} must be a positive number ({meaning}), found {value!r}.")
    return float(value)


def _pair(key: str, value: Any, meaning: str) -> tuple[Any, Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, np.ndarray)) or len(value) != 2:
        raise GeometryError(f"{key} must be two numbers ({meaning}), found {value!r}.")
    return value[0], value[1]


def number_pair(key: str, value: Any, meaning: str, positive: bool = False) -> tuple[float, float]:
    """Return ``value`` as two floats, or raise GeometryError unless it is two finite (positive) numbers."""
    first, second = _pair(key, value, meaning)
    if not (is_number(first) and is_number(second)) or (positive and (first <= 0 or second <= 0)):
        kind = "positive" if positive else "finite"
        raise GeometryError(f"{key} must be two {kind} numbers ({meaning}), found {value!r}.")
    return float(first), float(second)


def integer_pair(key: str, value: Any, meaning: str) -> tuple[int, int]:
    """Return ``value`` as two ints, or raise GeometryError unless it is two whole numbers of at least 1."""
    numbers = _pair(key, value, meaning)
    for number in numbers:
        if not is_number(number) or not float(number).is_integer() or number < 1:
            raise GeometryError(f"{key} must be two whole numbers of at least 1 ({meaning}), found {value!r}.")
    return int(numbers[0]), int(numbers[1])


def rigid_matrix(key: str, value: Any, mirrored: bool = False) -> np.ndarray:
    """Return ``value`` as a read-only (4, 4) float64 array, or raise GeometryError unless it is a rigid transform.

    ``mirrored`` says whether it must exchange left and right (determinant -1) or must not (1).
    """
    try:
        matrix = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise GeometryError(f"{key} must be four rows of four numbers, found {value!r}.") from None
    if matrix.shape != (4, 4):
        raise GeometryError(f"{key} must be four rows of four numbers, found an array of shape {matrix.shape}.")
    if not isinstance(value, np.ndarray):  # numpy takes text and true for numbers
        strange = [item for row in value for item in row if not is_number(item)]
        if strange and np.isfinite(matrix).all():
            raise GeometryError(f"{key} holds {strange[0]!r}; write a number there, without quotes.")
    if not np.all(np.isfinite(matrix)):
        raise GeometryError(f"{key} holds NaN or infinity: {matrix.tolist()}.")
    if not np.allclose(matrix[3], (0, 0, 0, 1), rtol=0, atol=1e-12):
        raise GeometryError(f"The last row of {key} must be 0 0 0 1, found {matrix[3].tolist()}.")
    rotation = matrix[:3, :3]
    error = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if error > RIGID_TOLERANCE:
        raise GeometryError(
            f"{key} is not rigid: R R^T differs from the identity by {error:.3g}. It must rotate and translate only; "
            "put scale into spacing_mm and write the rotation with at least 8 digits."
        )
    if not mirrored and np.linalg.det(rotation) < 0:
        raise GeometryError(
            f"{key} mirrors the patient (determinant -1). Correct the sign of one of its rows, or state "
            '"mirrored": true if the film is stored turned over, as seen from the detector.'
        )
    if mirrored and np.linalg.det(rotation) > 0:
        raise GeometryError(
            f"{key} does not mirror the patient (determinant 1), but the view is stated to be mirrored, stored as seen "
            'from the detector. Reverse the first row, or state "mirrored": false.'
        )
    matrix.setflags(write=False)
    return matrix


def uncertainties(given: Any, largest: Mapping[str, float]) -> dict[str, float]:
    """Return standard deviations {key: value}, or raise GeometryError for a key that ``largest`` lacks or above it."""
    if not isinstance(given, Mapping):
        raise GeometryError(f"uncertainty must be an object with keys {', '.join(largest)}; found {given!r}.")
    strange = sorted(set(map(str, given)) - set(largest))
    if strange:
        raise GeometryError(f"uncertainty has unknown key {', '.join(strange)}; use {', '.join(largest)}.")
    for key, value in given.items():
        if not is_number(value) or not 0 <= value <= largest[key]:
            raise GeometryError(f"uncertainty {key} must be a number from 0 to {largest[key]:g}, found {value!r}.")
    return {key: float(value) for key, value in given.items()}
