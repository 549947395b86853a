"""What makes a vertebra one to look at that its misfits do not tell: no film shows it, or the network doubts it.

The quality flag was calibrated on misfits. A vertebra beyond the edge of both films leaves none, and the landmarks that
the network doubts are weighed less, so that they leave few.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import Level
from ..registration.quality import CHECK, OK

if TYPE_CHECKING:
    from ..registration import FilmEvidence, Quality, RegistrationState

# Share of the surface beyond the edge of the film that shows most of it.
_UNSEEN = 0.5
# Of levels whose landmarks are right the network is less sure in one of a hundred (``network.self_check``).
_UNSURE = 0.5


def doubted(quality: Mapping[Level, Quality], state: RegistrationState) -> dict[Level, Quality]:
    """Return the quality of every level, with those that are ok but unseen or doubted by the network to be checked.

    Args:
        quality: as ``registration.assess`` gives it; the probabilities stay.
        state: the last state of the registration.
    """
    views = state.corrected_views
    found = dict(quality)
    for level, item in quality.items():
        points = state.points_ras_mm[level]
        outside = min(float(np.mean(~view.contains(view.project(points)))) for view in views)
        reasons = []
        if outside >= _UNSEEN:
            reasons.append(
                f"{outside:.0%} of it lies beyond the edge of both films, where it is guessed from its neighbors. Use "
                "films that show the whole vertebra."
            )
        for film in state.evidence:
            sure = _confidence(film, level)
            if sure is not None and sure < _UNSURE:
                where = f"Its landmarks on the {film.view.name} film are not sure (confidence {sure:.2f})"
                reasons.append(f"{where}. See by its outline there which vertebra it is.")
        if reasons:
            flag = CHECK if item.flag == OK else item.flag
            found[level] = replace(item, flag=flag, reasons=(*item.reasons, *reasons))
    return found


def _confidence(film: FilmEvidence, level: Level) -> float | None:
    """Return the mean confidence of a level's landmarks on a film, those set by hand being sure; None without any."""
    shown = [item for item in film.landmarks.visible().values() if item.level is level]
    return float(np.mean([1.0 if item.corrected else item.confidence for item in shown])) if shown else None
