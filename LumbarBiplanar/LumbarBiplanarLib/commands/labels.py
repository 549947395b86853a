"""The option --labels: which label of a mask is which vertebra."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..anatomy import Level

# Conventions that have a name: VerSe's, and TotalSegmentator's in its task "total".
_VERSE, _TOTALSEG = "verse", "totalseg"


def add_labels(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --labels; ``what`` begins its help and ends with the default in brackets."""
    parser.add_argument(
        "--labels",
        nargs="+",
        default=[],
        metavar="LABELS",
        help=f"{what}: '{_VERSE}' (L1=20 ... L5=24), '{_TOTALSEG}' (L1=31 ... L5=27), or each as L1=1 L2=2 ...",
    )


def labels_of(given: list[str]) -> dict[Level, int] | None:
    """Return {level: label} of what --labels was given, None for nothing; raises ShapeModelError if it is not clear."""
    from ..anatomy import LUMBAR_LEVELS, parse_level
    from ..errors import ShapeModelError
    from ..shape.label_masks import TOTALSEG_LABELS, VERSE_LABELS

    if not given:
        return None
    if given == [_VERSE]:
        return dict(VERSE_LABELS)
    if given == [_TOTALSEG]:
        return dict(TOTALSEG_LABELS)
    found = {}
    for text in given:
        match = re.fullmatch(r"(L[1-5])=(\d+)", text, re.IGNORECASE)
        if match is None:
            raise ShapeModelError(
                f"--labels {text}: write LEVEL=VALUE, for example L1=20, or '{_VERSE}' or '{_TOTALSEG}' alone."
            )
        level, value = parse_level(match[1].upper()), int(match[2])
        if not value:
            raise ShapeModelError(f"--labels {text}: 0 is what lies outside of all labels; give the vertebra's own.")
        if level in found or value in found.values():
            raise ShapeModelError(f"--labels {text}: every level has one label of its own; one is there twice.")
        found[level] = value
    missing = [level.name for level in LUMBAR_LEVELS if level not in found]
    if missing:
        raise ShapeModelError(
            f"--labels does not say which label is {', '.join(missing)}; name all of L1 to L5, a level that the mask "
            "lacks with a number that it does not hold."
        )
    return found
