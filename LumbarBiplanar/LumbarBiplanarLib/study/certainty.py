"""How sure the surfaces and poses of a result are, where the registration can tell, and how well each level fits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..anatomy import Level
from ..errors import RegistrationError
from .steps import CaseResult, Deviations


def deviations_of(result: CaseResult) -> Mapping[Level, Deviations]:
    """Return per level the standard deviations that a result was stored with, else those of its registration.

    None are known if the films do not determine every vertebra, or the result was stored before they were found.
    """
    if result.deviations:
        return result.deviations
    try:
        posterior = result.reconstruction.final_state.posterior
    except RegistrationError:
        return {}
    if posterior is None:
        return {}
    levels = result.reconstruction.levels
    return {level: Deviations(posterior.vertex_sd_mm(level), *posterior.pose_sd(level)) for level in levels}


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
