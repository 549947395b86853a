"""Entries of a DICOM header, as vendors write them: absent, empty, several, or not what they should be."""

from __future__ import annotations

import math
from typing import Any


def number(dataset: Any, keyword: str, default: float) -> float:
    """Return a finite number, or ``default`` if the header states none."""
    try:
        value = float(dataset.get(keyword))
    except (TypeError, ValueError):
        return default
    return value if math.isfinite(value) else default


def text(dataset: Any, keyword: str) -> str:
    """Return the first value as text without blanks around it, "" if the header states none."""
    try:
        value = dataset.get(keyword)
    except ValueError:
        return ""
    if value is not None and not isinstance(value, (str, bytes)) and hasattr(value, "__len__"):
        value = value[0] if len(value) else None
    return "" if value is None else str(value).strip(" \0")
