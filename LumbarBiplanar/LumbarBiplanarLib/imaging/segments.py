"""The names that 3D Slicer stores with the segments of a segmentation (``.seg.nrrd``)."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from ..anatomy import LUMBAR_LEVELS, Level, parse_level

# Terminology and tags of a hundred segments take less.
_LONGEST_HEADER = 1 << 20
_FIELD = re.compile(r"^Segment(\d+)_(Name|LabelValue):=(.*?)\r?$", re.MULTILINE)
_LEVEL = re.compile(r"(?<![A-Za-z0-9])(L[1-5])(?![A-Za-z0-9])", re.IGNORECASE)


def segment_labels(path: str | Path) -> dict[Level, int] | None:
    """Return {level: label} of the lumbar vertebrae that a segmentation names, None if it names none.

    A segment is a vertebra if its name has that of one level, such as "L3", "L3 vertebra" or "vertebrae_L3".

    Args:
        path: an existing file; one that is no NRRD names nothing. Two segments of one level name none of it, since it
            cannot be told which is the vertebra.

    Raises:
        OSError: if the file cannot be read.
    """
    with open(path, "rb") as stream:
        head = stream.read(_LONGEST_HEADER)
    if not head.startswith(b"NRRD"):
        return None
    text = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0].decode("utf-8", "replace")
    fields: dict[str, dict[str, str]] = {}
    for number, key, value in _FIELD.findall(text):
        fields.setdefault(number, {})[key] = value.strip()
    found = []
    for segment in fields.values():
        levels = {name.upper() for name in _LEVEL.findall(segment.get("Name", ""))}
        if len(levels) == 1 and segment.get("LabelValue", "").isdigit():
            found.append((parse_level(levels.pop()), int(segment["LabelValue"])))
    times = Counter(level for level, _ in found)
    named = {level: label for level, label in found if times[level] == 1}
    return {level: named[level] for level in LUMBAR_LEVELS if level in named} or None
