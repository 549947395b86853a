"""What measurements mean in words, as far as their intervals leave no doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .curves import COBB
from .results import Measurement
from .slip import slip_notes


def with_doubt(items: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Return measurements with the notes that their intervals allow; without an interval a value counts as certain.

    Of a coronal curve that may be none or bent to the other side neither side nor apex nor end is stated; of a slip and
    its grade what :func:`slip_notes` says.
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
    return tuple(replace(item, note=notes.get((item.key, item.level), item.note)) for item in items)
