"""Whether the source of the AP film is where its geometry has it, by what both films show: AP film or PA film.

A landmark stands higher on a film than its own height by the magnification at its depth. Front and back of a vertebra
change places in that if the source is at the other side: between the films, the difference of a landmark's height t
then has the other sign in t times its depth. Of the lateral film this says nothing: left and right of a vertebra look
alike but for what is magnified, and so the network names them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import GeometryError
from .limits import nearest_to_beams
from .sides import FRONT, SOURCE_SIDE_NUMBER, other_source, source_side
from .triangulation import triangulate
from .view import View

_LEAST_LANDMARKS = 20
# Logarithm of the odds above which another side is told.
_SURE = 4.0
_LEAST_SIGMA_MM = 0.3
_ROUNDS = 10
_TURN = 1.5  # residual, in standard deviations, at which the loss turns linear


def source_doubt(views: Sequence[View], pixels: np.ndarray, sigma_px: np.ndarray) -> str | None:
    """Return a sentence if both films speak clearly for an AP film taken from the other side, or None.

    Args:
        views, pixels, sigma_px: as for ``source_side_evidence``; (2, n, 2) and (2, n).
    """
    found = source_side_evidence(views, pixels, sigma_px)
    # The odds of two normal distributions about 1 and -1. What fits neither is another mistake.
    if found is None or 2.0 * found[0] / found[1] ** 2 > -_SURE or abs(found[0] + 1.0) > 3.0 * found[1]:
        return None
    here = source_side(views[0])
    return (
        f"The frontal film looks like {'a PA' if here == FRONT else 'an AP'} film: what both films show fits a source "
        f"at the patient's {other_source(views[0])}, not at the {here}, as the geometry has it. If so, correct "
        f"it for the AP film ({SOURCE_SIDE_NUMBER}); sizes are some percent off otherwise."
    )


def source_side_evidence(views: Sequence[View], pixels: np.ndarray, sigma_px: np.ndarray) -> tuple[float, float] | None:
    """Return how much the heights of landmarks follow the magnification that the AP view gives them.

    Args:
        views: AP and lateral, both "pinhole"; a slot scan does not magnify heights and tells nothing.
        pixels: (2, n, 2) the same landmarks on both films, each read without the other film.
        sigma_px: (2, n) standard deviations of their coordinates.

    Returns:
        By which factor they do, 1 if the source is where the view has it and -1 if it is as far at the other side, and
        its standard deviation; or None if the films cannot tell.
    """
    if any(view.model != "pinhole" for view in views) or pixels.shape[1] < _LEAST_LANDMARKS:
        return None
    try:
        points = triangulate(views, pixels)[0]
        center = nearest_to_beams(views)
    except GeometryError:
        return None
    heights, depths, sigmas = [], [], []
    for view, at, sigma in zip(views, pixels, sigma_px, strict=True):
        middle = float(view.depth_mm(center))
        pixel_mm = view.spacing_mm[1] * middle / view.focal_mm
        heights.append((at[:, 1] - view.principal_px[1]) * pixel_mm)
        sigmas.append(np.maximum(sigma * pixel_mm, _LEAST_SIGMA_MM))
        depths.append((view.depth_mm(points) - middle) / middle)
    height = np.mean(heights, axis=0)
    # Besides, the films may be shifted and scaled against each other, and their beams tilted.
    causes = np.stack(
        [-height * depths[0], height * depths[1], np.ones_like(height), height - height.mean(), *depths], axis=1
    )
    return _first_factor(causes, heights[0] - heights[1], 1.0 / np.hypot(*sigmas))


def _first_factor(causes: np.ndarray, effect: np.ndarray, weights: np.ndarray) -> tuple[float, float] | None:
    """Return the factor of the first cause and its standard deviation, by iterated weighting (pseudo-Huber loss)."""
    robust = weights
    for _ in range(_ROUNDS):
        factors, _, rank, _ = np.linalg.lstsq(causes * robust[:, None], effect * robust, rcond=None)
        if rank < causes.shape[1]:
            return None
        off = (effect - causes @ factors) * weights
        spread = max(1.0, 1.4826 * float(np.median(np.abs(off))))
        robust = weights * (1.0 + (off / spread / _TURN) ** 2) ** -0.25
    variance = max(1.0, float(np.mean((off * robust / weights) ** 2)))
    covariance = np.linalg.inv((causes * robust[:, None]).T @ (causes * robust[:, None])) * variance
    return float(factors[0]), float(np.sqrt(covariance[0, 0]))
