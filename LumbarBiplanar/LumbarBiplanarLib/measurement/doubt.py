"""What measurements mean in words, as far as their intervals leave no doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..anatomy import Level
from .curves import COBB, apex_text
from .results import Measurement
from .slip import slip_notes


def with_doubt(items: Sequence[Measurement], apexes: Sequence[Level] | None = None) -> tuple[Measurement, ...]:
    """Return measurements with the notes that their intervals allow; without an interval a value counts as certain.

    Of a coronal curve that may be none or bent to the other side neither side nor apex nor end is stated; of a slip and
    its grade what :func:`slip_notes` says.

    Args:
        items: the measurements, with their intervals.
        apexes: levels that may be the apex of the coronal curve, cranial first; None leaves the apex as it is stated.
    """
    found = {(item.key, item.level): item for item in items}
    notes: dict[tuple[str, str], str] = {}
    for (key, level), item in found.items():
        share = found.get(("slip_percent", level))
        if key == "slip" and share is not None:
            note, words = slip_notes(item.value, share.value, item.interval, share.interval)
            notes.update({("slip", level): note, ("slip_percent", level): note, ("meyerding_grade", level): words})
        elif key == COBB and item.interval is not None and item.interval[0] <= 0 <= item.interval[1]:
            notes[key, level] = ""
        elif key == COBB and apexes is not None:
            said = [apex_text(apexes) if part.startswith("apex L") else part for part in item.note.split(", ")]
            notes[key, level] = ", ".join(part for part in said if part)
    return tuple(replace(item, note=notes.get((item.key, item.level), item.note)) for item in items)
