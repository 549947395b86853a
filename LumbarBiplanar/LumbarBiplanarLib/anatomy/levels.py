"""Vertebral levels, from cranial to caudal."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from ..errors import LumbarBiplanarError


class Level(enum.Enum):
    """A vertebral level; the value is its VerSe label."""

    L1 = 20
    L2 = 21
    L3 = 22
    L4 = 23
    L5 = 24
    S1 = 26

    @property
    def index(self) -> int:
        """Position in arrays over levels: L1 is 0."""
        return _POSITIONS[self.value]


_POSITIONS = {level.value: position for position, level in enumerate(Level)}
LUMBAR_LEVELS: tuple[Level, ...] = (Level.L1, Level.L2, Level.L3, Level.L4, Level.L5)


def parse_level(name: str, among: Sequence[Level] = tuple(Level)) -> Level:
    """Return the level called ``name`` ("L1" ... "L5", "S1", in any case).

    Raises:
        LumbarBiplanarError: if there is no such level, or it is not ``among`` those allowed.
    """
    found = Level.__members__.get(name.strip().upper()) if isinstance(name, str) else None
    if found not in among:
        known = ", ".join(level.name for level in among)
        raise LumbarBiplanarError(f"Unknown vertebral level {name!r}; use one of {known}.")
    return found
