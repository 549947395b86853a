"""How sure the surfaces and poses of a result are, where the registration can tell."""

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


def _posterior(result: CaseResult):
    try:
        return result.reconstruction.final_state.posterior
    except RegistrationError:
        return None
