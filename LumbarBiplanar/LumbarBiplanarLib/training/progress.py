"""Where a training stands."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        step: steps done.
        seconds: time spent training, earlier runs included.
        share: of the planned training, 0 to 1.
        landmark_loss, image_loss_mm: of the last step.
        curve: one entry per 50 steps.
    """

    step: int = 0
    seconds: float = 0.0
    share: float = 0.0
    landmark_loss: float = math.nan
    image_loss_mm: float = math.nan
    curve: list[dict[str, float]] = field(default_factory=list)

    def to_dict(self) -> dict:
        """Return plain lists and numbers for a checkpoint."""
        return asdict(self)
