"""The quality of a result in words, for terminal, tables, report and panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..anatomy import Level
from ..measurement.results import MARKS, Measurement
from ..registration.quality import worst_flag

if TYPE_CHECKING:
    from ..registration import Quality

_ADVICE = {"check": "check before use", "refuse": "do not use"}


def quality_line(quality: Mapping[Level, Quality]) -> str:
    """Return the flags in one line, such as "L1, L2, L3 ok; L5 check; L4 refuse"; empty if they are not known."""
    by_flag: dict[str, list[str]] = {"ok": [], "check": [], "refuse": []}
    for level, item in quality.items():
        by_flag[item.flag].append(level.name)
    return "; ".join(f"{', '.join(levels)} {flag}" for flag, levels in by_flag.items() if levels)


def quality_sentences(quality: Mapping[Level, Quality]) -> list[str]:
    """Return one text for each level that is not ok: the worst flag first, then from the head down."""
    flagged = [(level, item) for level, item in quality.items() if item.flag != "ok"]
    flagged.sort(key=lambda entry: entry[1].flag != "refuse")
    return [
        f"{level.name}: {_ADVICE[item.flag]} ({probability_text(item)} likely to be more than 2 mm off). "
        f"{' '.join(item.reasons)}".strip()
        for level, item in flagged
    ]


def flag_of(item: Measurement, quality: Mapping[Level, Quality]) -> str:
    """Return the worst flag of the levels that a measurement is about; empty if it is not known."""
    found = [quality[level] for level in item.levels if level in quality]
    return worst_flag(found) if found else ""


def mark_of(item: Measurement, quality: Mapping[Level, Quality]) -> str:
    """Return "(?)" for a value to check, "(!)" for one not to use, else an empty text; see ``measurement.results``."""
    return MARKS.get(flag_of(item, quality), "")


def probability_text(item: Quality) -> str:
    """Return the probability of failure as people read it, never more certain than the simulations can tell."""
    percent = round(100.0 * item.probability)
    if percent >= 99:
        return "over 98 %"
    return "under 2 %" if percent < 2 else f"{percent} %"
