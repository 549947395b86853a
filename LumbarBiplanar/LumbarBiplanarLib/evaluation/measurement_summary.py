"""What the measurements of the benchmark of accuracy come to, quantity by quantity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..files import read_table
from .accuracy_rows import CASES_FILE, FRACTURED, MEASUREMENTS_FILE, CaseRow, MeasurementRow

COLUMNS = ("quantity", "unit", "measured", "error: median", "mean", "95 %", "bias", "interval, ±", "holds the truth, %")
_GRADE = "grade"


def measurement_tables(folder: str | Path, kinds: Iterable[str]) -> dict[str, tuple[tuple[str, ...], list[list[str]]]]:
    """Return {"measurements-KIND": (columns, rows of texts)} of each kind of conditions that has rows.

    Only vertebrae count that lie nearest to the true one of their name; a name that is off by one level is counted
    elsewhere. Without the table there is none.

    Raises:
        StudyError: if a table is no such table.
    """
    folder = Path(folder)
    if not (folder / MEASUREMENTS_FILE).exists():
        return {}
    right = {
        (row.condition.removeprefix(FRACTURED), row.subject, row.seed, row.level)
        for row in read_table(folder / CASES_FILE, CaseRow)
        if row.named_right
    }
    rows = [
        row
        for row in read_table(folder / MEASUREMENTS_FILE, MeasurementRow)
        if all((row.condition, row.subject, row.seed, level) in right for level in row.level.split("-"))
    ]
    found = {}
    for kind in kinds:
        own = [row for row in rows if row.condition.split(":")[0] == kind]
        if own:
            found[f"measurements-{kind.replace(', ', '-').lower()}"] = COLUMNS, summarize_measurements(own)
    return found


def summarize_measurements(rows: Sequence[MeasurementRow]) -> list[list[str]]:
    """Return a row of texts, as ``COLUMNS`` has them, for every quantity, in the order of the rows."""
    groups: dict[str, list[MeasurementRow]] = {}
    for row in rows:
        groups.setdefault(row.key, []).append(row)
    return [_summary(key, group) for key, group in groups.items()]


def _summary(key: str, rows: Sequence[MeasurementRow]) -> list[str]:
    errors = np.array([row.value - row.true_value for row in rows])
    unit = rows[0].unit
    if unit == _GRADE:
        return [key, unit, str(len(rows)), f"{100 * np.mean(errors == 0):.0f} % right", "", "", "", "", ""]
    known = [row for row in rows if row.inside is not None]
    interval = [
        f"{np.median([0.5 * (row.high_90 - row.low_90) for row in known]):.1f}",
        f"{100 * np.mean([row.inside for row in known]):.0f} ({len(known)})",
    ]
    size = np.abs(errors)
    figures = np.median(size), size.mean(), np.percentile(size, 95)
    cells = [*(f"{value:.1f}" for value in figures), f"{errors.mean():+.1f}", *(interval if known else ("", ""))]
    return [key, unit, str(len(rows)), *cells]
