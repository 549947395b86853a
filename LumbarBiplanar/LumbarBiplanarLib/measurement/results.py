"""Measured quantities and how they are listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..anatomy import Level
from ..registration.quality import FLAGS
from .planes import Plane

COLUMNS: tuple[str, ...] = ("key", "title", "level", "value", "low_90", "high_90", "unit", "definition")
# How values of doubtful vertebrae are marked, by the flag of the registration's quality, and what the marks mean.
MARKS: Mapping[str, str] = {"check": "(?)", "refuse": "(!)"}
MARKS_IN_WORDS = (
    "(?) marks a value that rests on a vertebra to check: look at its outline first. (!) marks one that rests on a "
    "refused vertebra: do not use it."
)


@dataclass(frozen=True, eq=False)
class MeasuredGeometry:
    """Where a quantity was measured, in RAS mm, for drawing.

    Attributes:
        points_ras_mm: {name: (3,)}.
        planes: {name: Plane}.
        lines: pairs of names of points to join.
    """

    points_ras_mm: Mapping[str, np.ndarray] = field(default_factory=dict)
    planes: Mapping[str, Plane] = field(default_factory=dict)
    lines: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and dictionaries, for JSON."""
        return {
            "points_ras_mm": {name: np.asarray(p).tolist() for name, p in self.points_ras_mm.items()},
            "planes": {
                name: {"origin_ras_mm": plane.origin_ras_mm.tolist(), "normal": plane.normal.tolist()}
                for name, plane in self.planes.items()
            },
            "lines": [list(pair) for pair in self.lines],
        }


@dataclass(frozen=True, eq=False)
class Measurement:
    """One quantity.

    Attributes:
        key: what it is, the same for all levels; key and level together are unique.
        title: what a clinician reads.
        value: in ``unit``; the signs are those of docs/measurements.md.
        unit: "deg", "mm", "%" or "grade".
        levels: the levels it is about, cranial first.
        definition: how it is measured, in one or two sentences.
        frame: the frame that a projection or a direction refers to; empty for a plain distance or 3D angle.
        note: what the value means in words, such as "convex left"; may be empty.
        geometry: the points and planes it was taken from.
        interval: (low, high) between which the true value lies with a probability of 90 %, or None where unknown; the
            value need not be in its middle.
        components: of a quantity without a sign, the two signed parts whose length is the value; else empty.
    """

    key: str
    title: str
    value: float
    unit: str
    levels: tuple[Level, ...]
    definition: str
    frame: str = ""
    note: str = ""
    geometry: MeasuredGeometry = field(default_factory=MeasuredGeometry)
    interval: tuple[float, float] | None = None
    components: tuple[float, ...] = ()

    @property
    def level(self) -> str:
        """The levels as text, such as "L4-L5"."""
        return level_text(self.levels)

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        return {
            "key": self.key,
            "title": self.title,
            "value": self.value,
            "unit": self.unit,
            "levels": [level.name for level in self.levels],
            "definition": self.definition,
            "frame": self.frame,
            "note": self.note,
            "geometry": self.geometry.to_dict(),
            "interval_90": None if self.interval is None else list(self.interval),
        }


@dataclass(frozen=True, eq=False)
class Measurements(Sequence[Measurement]):
    """All quantities that could be measured; what could not be is absent.

    Attributes:
        items: the quantities.
        frame: the patient frame that projections refer to, in words.
        flags: {level: "ok", "check" or "refuse"}, how far each can be trusted; empty where it is not known.
    """

    items: tuple[Measurement, ...]
    frame: str
    flags: Mapping[Level, str] = field(default_factory=dict)

    def __getitem__(self, index: Any) -> Any:
        """Return the quantity at a position."""
        return self.items[index]

    def __len__(self) -> int:
        """Return the number of quantities."""
        return len(self.items)

    def __iter__(self) -> Iterator[Measurement]:
        """Iterate over the quantities."""
        return iter(self.items)

    def find(self, key: str, level: str | None = None) -> Measurement | None:
        """Return the quantity with this key (and level, such as "L4-L5", if given), or None if it was not measured."""
        for item in self.items:
            if item.key == key and (level is None or item.level == level):
                return item
        return None

    def flag_of(self, item: Measurement) -> str:
        """Return the worst flag of the levels that a quantity is about; empty if it is not known."""
        found = {self.flags.get(level, "") for level in item.levels}
        return next((flag for flag in reversed(FLAGS) if flag in found), "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        listed = [{**item.to_dict(), "quality": self.flag_of(item)} for item in self.items]
        return {"frame": self.frame, "measurements": listed}

    def table(self) -> str:
        """Return the quantities as text, one line each, in aligned columns; those of doubtful vertebrae are marked."""
        marks = [MARKS.get(self.flag_of(item), "") for item in self.items]
        body = [
            (item.level, title_text(item), value_text(item), spread_text(item), f"{item.unit} {mark}")
            for item, mark in zip(self.items, marks, strict=True)
        ]
        lines = [("level", "quantity", "value", "90 %" if any(line[3] for line in body) else "", "unit"), *body]
        widths = [max(len(line[column]) for line in lines) for column in range(5)]
        text = []
        for a, b, c, spread, unit in lines:
            middle = f"{spread:<{widths[3]}}  " if widths[3] else ""
            text.append(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {middle}{unit}".rstrip())
        text += [MARKS_IN_WORDS] if any(marks) else []
        return "\n".join([*text, f"Projections: {self.frame}."])


def level_text(levels: Sequence[Level]) -> str:
    """Return levels as text, such as "L4-L5"."""
    return "-".join(level.name for level in levels)


def rows(measurements: Measurements) -> list[dict[str, str]]:
    """Return one {column: text} per quantity, with the columns ``COLUMNS``, for measurements.csv.

    The title carries the note, the definition the frame; values have three decimals.
    Unknown intervals are empty.
    """
    return [
        {
            "key": item.key,
            "title": title_text(item),
            "level": item.level,
            "value": value_text(item, 3),
            "low_90": "" if item.interval is None else f"{item.interval[0] + 0.0:.3f}",
            "high_90": "" if item.interval is None else f"{item.interval[1] + 0.0:.3f}",
            "unit": item.unit,
            "definition": definition_text(item),
        }
        for item in measurements
    ]


def title_text(item: Measurement) -> str:
    """Return the title with the note, such as "Slip: anterolisthesis"."""
    return f"{item.title}: {item.note}" if item.note else item.title


def definition_text(item: Measurement) -> str:
    """Return how a quantity is measured, with the frame that it refers to, if any."""
    return f"{item.definition} Frame: {item.frame}." if item.frame else item.definition


def value_text(item: Measurement, decimals: int = 1) -> str:
    """Return the value as text with a decimal point; a grade has no decimals and nothing is minus zero."""
    decimals = 0 if item.unit == "grade" else decimals
    return f"{round(item.value, decimals) + 0.0:.{decimals}f}"  # the sum makes -0.0 a plain zero


def spread_text(item: Measurement, decimals: int = 1) -> str:
    """Return half the width of the 90 % interval as text, such as "± 1.2"; empty where there is none.

    An interval about another middle than the value, that of an angle near zero, is written out: "(0.0 to 4.2)".
    """
    if item.interval is None:
        return ""
    low, high = item.interval
    if abs((high - item.value) - (item.value - low)) > 10.0**-decimals / 2:
        return f"({low + 0.0:.{decimals}f} to {high + 0.0:.{decimals}f})"
    return f"± {(high - low) / 2:.{decimals}f}"
