"""Anatomical regions of a vertebra and the weight each has in a registration."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class Region(enum.IntEnum):
    """Region of a vertebra; the value is the label stored per vertex in the shape model."""

    BODY = 0
    PEDICLE = 1
    TRANSVERSE = 2
    SPINOUS = 3
    ARTICULAR = 4
    LAMINA = 5


# Relative weight in the image and landmark terms. Yu et al. 2025 (arXiv 2503.14573) raise the transverse and spinous
# processes; their figures are not published, these are ours.
REGION_WEIGHTS: Mapping[Region, float] = MappingProxyType(
    {
        Region.BODY: 1.0,
        Region.PEDICLE: 1.0,
        Region.TRANSVERSE: 2.0,
        Region.SPINOUS: 2.0,
        Region.ARTICULAR: 1.0,
        Region.LAMINA: 1.0,
    }
)
