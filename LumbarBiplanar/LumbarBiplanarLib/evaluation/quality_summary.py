"""What the rows of the benchmark of the quality flag come to: the tables of docs/quality.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files import read_table
from ..registration.quality import CHECK, OK, REFUSE
from ..registration.quality_calibration import WITH_IMAGES, WITHOUT_IMAGES, part_of
from .quality_faults import INVISIBLE
from .quality_fit import FAILURE_MM, FlagFigures, figures
from .quality_rows import CALIBRATION, TEST, QualityRow

QUALITY_FILE = "quality.csv"
_EVIDENCE = {WITH_IMAGES: "with images", WITHOUT_IMAGES: "landmarks alone"}
FLAG_COLUMNS = (
    "evidence", "vertebrae", "failed", "refused", "of these failed", "failures refused", "failures refused or to check",
    "sound ones flagged",
)  # fmt: skip
FAULT_COLUMNS = (
    "fault", "vertebrae", "failed", "of these refused", "to check", "missed", "sound ones flagged", "cases refused"
)  # fmt: skip


def part_figures(rows: Sequence[Any], part: str, kind: str) -> FlagFigures:
    """Return what the flags of a part ("calibration", "test") are worth on one of the kinds of evidence, ``PARTS``."""
    judged = [
        row
        for row in rows
        if row.part == part and row.level and row.fault != INVISIBLE and part_of({"no_image": row.no_image}) == kind
    ]
    return figures([row.flag for row in judged], [row.error_mm for row in judged])


def flag_rows(rows: Sequence[Any], part: str) -> list[list[str]]:
    """Return texts, as ``FLAG_COLUMNS`` has them, for each kind of evidence of a part."""
    found = [(name, part_figures(rows, part, kind)) for kind, name in _EVIDENCE.items()]
    return [
        [
            name,
            str(item.vertebrae),
            str(item.failures),
            str(item.refused),
            f"{round(item.precision * item.refused)} ({_percent(item.precision)})" if item.refused else "",
            *map(_percent, (item.recall, item.flagged, item.sound_flagged)),
        ]
        for name, item in found
        if item.vertebrae
    ]


def fault_rows(rows: Sequence[Any], part: str) -> list[list[str]]:
    """Return texts, as ``FAULT_COLUMNS`` has them, for each fault of a part; a case refused has no vertebrae."""
    own = [row for row in rows if row.part == part]
    return [
        [fault, *_fault([row for row in own if row.fault == fault])] for fault in dict.fromkeys(r.fault for r in own)
    ]


def _fault(rows: Sequence[Any]) -> list[str]:
    judged = [row for row in rows if row.level]
    failed = [row for row in judged if row.error_mm > FAILURE_MM]
    sound = [row for row in judged if row.error_mm <= FAILURE_MM]
    counts = (
        len(judged),
        len(failed),
        *(sum(row.flag == flag for row in failed) for flag in (REFUSE, CHECK, OK)),
        sum(row.flag != OK for row in sound),
        len(rows) - len(judged),
    )
    return [str(count) for count in counts]


def page_tables(folder: str | Path) -> dict[str, tuple[tuple[str, ...], list[list[str]]]]:
    """Return columns and rows of the tables of docs/quality.md, by name; raises StudyError if the table is missing."""
    rows = read_table(Path(folder) / QUALITY_FILE, QualityRow)
    return {
        "quality-calibration": (FLAG_COLUMNS, flag_rows(rows, CALIBRATION)),
        "quality-test": (FLAG_COLUMNS, flag_rows(rows, TEST)),
        "quality-faults": (FAULT_COLUMNS, fault_rows(rows, CALIBRATION)),
        "quality-test-faults": (FAULT_COLUMNS, fault_rows(rows, TEST)),
    }


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
