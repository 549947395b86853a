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
        waiting_seconds: part of it in which the training waited for its films.
        share: of the planned training, 0 to 1.
        start_from: name and SHA-256 of the weights that the training began with, or None.
        landmark_loss, image_loss_mm: of the last step.
        curve: one entry per 50 steps.
    """

    step: int = 0
    seconds: float = 0.0
    waiting_seconds: float = 0.0
    share: float = 0.0
    start_from: dict[str, str] | None = None
    landmark_loss: float = math.nan
    image_loss_mm: float = math.nan
    curve: list[dict[str, float]] = field(default_factory=list)

    def to_dict(self) -> dict:
        """Return plain lists and numbers for a checkpoint."""
        return asdict(self)
