"""How sure the surfaces and poses of a result are, where the registration can tell, and how well each level fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import Level
from ..errors import RegistrationError

if TYPE_CHECKING:
    from .steps import CaseResult


def surface_sd_mm(result: CaseResult) -> dict[Level, np.ndarray]:
    """Return per level the standard deviations (V,) in mm of the surface along its normal, or {} where unknown.

    They are unknown if the result was loaded with a scene, or the films do not determine every vertebra.
    """
    posterior = _posterior(result)
    if posterior is None:
        return {}
    return {level: posterior.vertex_sd_mm(level) for level in result.reconstruction.levels}


def pose_sd(result: CaseResult) -> dict[Level, dict[str, np.ndarray]]:
    """Return per level the standard deviations (3,) of "rotation_deg" and "translation_mm", or {} where unknown."""
    posterior = _posterior(result)
    if posterior is None:
        return {}
    found = {level: posterior.pose_sd(level) for level in result.reconstruction.levels}
    return {level: {"rotation_deg": turn, "translation_mm": shift} for level, (turn, shift) in found.items()}


def level_landmark_residual_mm(result: CaseResult, level: Level) -> dict[str, float]:
    """Return per film the root mean square distance of a level's landmarks in the object plane, mm.

    A film that shows no landmark of the level is absent.
    """
    found = {}
    for name, entries in result.reconstruction.final_state.landmark_residuals.items():
        own = [distance_mm for (at, _), (distance_mm, _) in entries.items() if at is level]
        if own:
            found[name] = float(np.sqrt(np.mean(np.square(own))))
    return found


def _posterior(result: CaseResult):
    try:
        return result.reconstruction.final_state.posterior
    except RegistrationError:
        return None
