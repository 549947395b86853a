"""The rows of the benchmark of the quality flag."""

from __future__ import annotations

from dataclasses import field, make_dataclass
from typing import Any

from ..registration.quality_calibration import CASE_FEATURES, LEVEL_FEATURES

# A case that ends with an error has no flag and no error in mm: the user gets no surface.
REJECTED = "rejected"
# What a row serves: finding the calibration, or judging it.
CALIBRATION, TEST = "calibration", "test"
_COMMON = (
    ("part", str), ("people", str), ("seed", int), ("evidence", str), ("geometry", str), ("fault", str),
    ("level", str), ("flag", str), ("probability", "float | None"), ("error_mm", "float | None"),
)  # fmt: skip
QualityRow: Any = make_dataclass(
    "QualityRow",
    [*_COMMON, *((name, "float | None", field(default=None)) for name in (*LEVEL_FEATURES, *CASE_FEATURES))],
    frozen=True,
)
QualityRow.__doc__ = """One vertebra of a simulated case: what was wrong, its flag, its true error and its features.

``part`` is "calibration" (flag and probability out of sample: its spine left out) or "test" (people that neither the
model nor the calibration knows). A case that was refused with an error has one row without level, flag "rejected".
"""
