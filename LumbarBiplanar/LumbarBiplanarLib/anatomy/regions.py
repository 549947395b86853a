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
# processes and do not publish by how much; here every factor above 1 costs more elsewhere than it gains there
# (docs/accuracy-robustness.md).
REGION_WEIGHTS: Mapping[Region, float] = MappingProxyType(dict.fromkeys(Region, 1.0))
