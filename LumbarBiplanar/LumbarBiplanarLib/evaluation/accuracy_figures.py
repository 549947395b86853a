"""Figures of groups of rows of the benchmark of accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import read_table
from .accuracy_conditions import BASE
from .accuracy_rows import (
    ABSOLUTE,
    CASES_FILE,
    DONE,
    FRACTURED,
    REGIONS_FILE,
    RIGID,
    WHOLE,
    CaseRow,
    RegionRow,
)

SHIFTS = ("right_mm", "anterior_mm", "superior_mm")
TURNS = ("about_right_deg", "about_anterior_deg", "about_superior_deg")
_BODY = "body"
Key = tuple[str, str, int, str]


@dataclass(frozen=True)
class Errors:
    """Distances of some vertebrae, mm.

    Attributes:
        vertebrae: how many.
        mean, rms, p95: means over them.
        posterior: mean over their regions but the body.
        worst: largest mean of a vertebra, and of which.
        floor: the shape model's own, mean.
        rigid: mean after rigid alignment of each vertebra.
    """

    vertebrae: int
    mean: float
    rms: float
    p95: float
    posterior: float
    worst: float
    worst_of: str
    floor: float
    rigid: float

    @property
    def cells(self) -> list[str]:
        """The row of a table, see ``ERROR_COLUMNS``."""
        values = (self.mean, self.rms, self.p95, self.posterior)
        worst = f"{self.worst:.2f} ({self.worst_of})"
        return [str(self.vertebrae), *map(millimetres, values), worst, millimetres(self.rigid), millimetres(self.floor)]


ERROR_COLUMNS = ("vertebrae", "mean", "RMS", "p95", "posterior", "worst vertebra", "aligned mean", "model's floor")


def millimetres(value: float) -> str:
    """Return a distance with two digits, or nothing where there is none."""
    return f"{value:.2f}" if np.isfinite(value) else ""


def key_of(row: RegionRow | CaseRow) -> Key:
    """Return what the rows of one vertebra of one case have in common."""
    return row.condition, row.subject, row.seed, row.level


@dataclass(frozen=True, eq=False)
class Tables:
    """The two tables, as read."""

    regions: list[RegionRow]
    cases: list[CaseRow]

    @classmethod
    def read(cls, folder: str | Path) -> Tables:
        """Read both from a folder; raises StudyError if one is missing or no such table."""
        folder = Path(folder)
        return cls(read_table(folder / REGIONS_FILE, RegionRow), read_table(folder / CASES_FILE, CaseRow))

    def some(self, wanted: Callable[[RegionRow | CaseRow], bool]) -> Tables:
        """Return the rows of both tables that ``wanted`` takes."""
        return Tables([row for row in self.regions if wanted(row)], [row for row in self.cases if wanted(row)])

    def of(self, *names: str, fractured: bool = False) -> Tables:
        """Return the rows of conditions or groups, of sound vertebrae or of fractured ones."""

        def wanted(row) -> bool:
            plain = row.condition.removeprefix(FRACTURED)
            return (plain in names or plain.split(":")[0] in names) and row.condition.startswith(FRACTURED) == fractured

        return self.some(wanted)

    def base(self) -> Tables:
        """Return what variants are compared with: the first case of each person, right in everything."""
        return self.of(BASE).some(lambda row: row.seed == 0)

    def named_right(self) -> Tables:
        """Return the vertebrae that lie nearest to the true one of their name."""
        right = {key_of(row) for row in self.cases if row.named_right}
        return self.some(lambda row: key_of(row) in right)

    def conditions(self) -> list[str]:
        """Return the names of the conditions, in their order."""
        return list(dict.fromkeys(row.condition for row in self.cases))

    def per_case(self) -> list[CaseRow]:
        """Return one row of each case that ended with a result."""
        return list({key_of(row)[:3]: row for row in self.cases if row.outcome == DONE}.values())

    def errors(self, region: str = WHOLE) -> Errors | None:
        """Return the figures of all vertebrae here, or of one region of them; None without any."""
        own = [row for row in self.regions if row.region == region]
        rows = [row for row in own if row.alignment == ABSOLUTE]
        if not rows:
            return None
        worst = max(rows, key=lambda row: row.mean_mm)
        arch = [row for row in self.regions if row.region not in (WHOLE, _BODY) and row.alignment == ABSOLUTE]
        return Errors(
            len(rows),
            *(_mean(rows, name) for name in ("mean_mm", "rms_mm", "p95_mm")),
            _mean(arch, "mean_mm"),
            worst.mean_mm,
            f"{worst.subject} {worst.level}",
            _mean(rows, "floor_mm"),
            _mean([row for row in own if row.alignment == RIGID], "mean_mm"),
        )

    def mean_absolute(self, name: str) -> float:
        """Return the mean size of a number of the cases' rows, of those that have it."""
        values = [abs(getattr(row, name)) for row in self.cases if getattr(row, name) is not None]
        return float(np.mean(values)) if values else float("nan")

    def percentile_absolute(self, name: str, percent: float) -> float:
        """Return a percentile of the size of a number of the cases' rows, of those that have it."""
        values = [abs(getattr(row, name)) for row in self.cases if getattr(row, name) is not None]
        return float(np.percentile(values, percent)) if values else float("nan")

    def covered(self) -> tuple[float, float, int]:
        """Return the share of the true surface and of the measurements within 90 % intervals, and how many of these."""
        inside = [row.inside for row in self.cases if row.inside is not None]
        once = self.per_case()
        count = sum(row.intervals for row in once)
        held = sum(row.intervals_inside for row in once)
        return _average(inside), held / count if count else float("nan"), count

    def costs(self) -> tuple[float, float, float]:
        """Return the medians of processor seconds, wall seconds and peak memory in MB over the cases."""
        once = self.per_case()
        seconds, wall = [row.seconds for row in once], [row.wall_s for row in once]
        peaks = [row.peak_mb for row in once if row.peak_mb is not None]
        nothing = float("nan")
        if not once:
            return nothing, nothing, nothing
        return float(np.median(seconds)), float(np.median(wall)), float(np.median(peaks)) if peaks else nothing


def ratio(some: Tables, base: Tables) -> float:
    """Return the mean error of ``some`` over that of ``base``, on the vertebrae that both have."""
    ours, theirs = _whole_means(some), _whole_means(base)
    both = set(ours) & set(theirs)
    if not both:
        return float("nan")
    return sum(ours[key] for key in both) / sum(theirs[key] for key in both)


def _whole_means(tables: Tables) -> dict[tuple[str, int, str], float]:
    found: dict[tuple[str, int, str], list[float]] = {}
    for row in tables.regions:
        if row.region == WHOLE and row.alignment == ABSOLUTE:
            found.setdefault((row.subject, row.seed, row.level), []).append(row.mean_mm)
    return {key: float(np.mean(values)) for key, values in found.items()}


def _mean(rows: Sequence[RegionRow], name: str) -> float:
    return _average(getattr(row, name) for row in rows)


def _average(values: Iterable[float]) -> float:
    values = list(values)
    return float(np.mean(values)) if values else float("nan")
