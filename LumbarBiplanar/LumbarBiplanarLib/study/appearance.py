"""The look of a result: one color per level, the same in every picture and panel."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..anatomy import Level
from ..measurement.results import MARKS

# After Okabe and Ito (2008), told apart with any color vision and bright enough on a film.
LEVEL_COLORS: Mapping[Level, tuple[float, float, float]] = MappingProxyType(
    {
        Level.L1: (0.34, 0.71, 0.91),
        Level.L2: (0.20, 0.78, 0.55),
        Level.L3: (0.96, 0.86, 0.30),
        Level.L4: (0.95, 0.58, 0.15),
        Level.L5: (0.86, 0.46, 0.68),
        Level.S1: (0.75, 0.75, 0.75),
    }
)


def legend(flags: Mapping[Level, str], refused: str) -> str:
    """Return what the marks of a picture mean, as far as there are any; ``refused`` says how refused levels look."""
    found = set(flags.values())
    return " ".join(text for flag, text in (("refuse", refused), ("check", "(?): check.")) if flag in found)


def level_label(level: Level, flag: str = "") -> str:
    """Return a level's name in a picture, with the mark of its quality flag ("ok", "check", "refuse" or unknown)."""
    return f"{level.name} {MARKS.get(flag, '')}".rstrip()
