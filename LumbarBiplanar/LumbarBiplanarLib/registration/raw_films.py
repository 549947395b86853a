"""Films without a lumbar-only image: the film itself as an image of bone, with everything else in it.

A film's density is, up to an unknown factor, path length of bone plus a background of soft tissue that varies over a
centimetre and more, plus whatever else is there. So it can serve as an image of bone if its factor is found from the
vertebrae as the landmarks have placed them, its background may vary over short distances, and pixels count where the
vertebrae have edges: ribs, bowel gas and the sacrum change brightness over areas, and no background can follow an edge.
"""

from __future__ import annotations

import numpy as np
import torch

from ..errors import RegistrationError
from .pyramid import hat_functions

# Background: nodes and standard deviation, mm and mm of bone. The film's soft tissue is worth some 60 mm of bone.
GRID_MM, BACKGROUND_SD_MM = 12.0, 40.0
# Share of a pixel's weight that it has without an edge of bone.
_FLAT_SHARE = 0.15
_EDGE_QUANTILE = 0.9
# Half a pixel of a coarse level to one: poses from landmarks are off by this much, and so are the edges.
_EDGE_REACH_MM = 2.0
_RIDGE = 1e-6
# Least correlation between film and bone, background taken away, for the film to be used.
LEAST_CORRELATION = 0.1


class NoBoneError(RegistrationError):
    """A film itself does not show bone where the vertebrae are."""

    def __init__(self, view_name: str, correlation: float) -> None:
        """Keep which film it is."""
        self.view_name = view_name
        super().__init__(
            f"The {view_name} film shows no bone where its landmarks put the vertebrae (correlation {correlation:.2f})"
        )


def in_bone_mm(
    image: torch.Tensor, path_mm: torch.Tensor, mask: torch.Tensor, node_px: tuple[float, float]
) -> tuple[torch.Tensor, float]:
    """Scale a film's density to mm of bone by the bone that the present vertebrae put there.

    Least squares of ``image = factor * path_mm + hats`` on the pixels of the mask.

    Args:
        image: (h, w) density, bone bright, any unit.
        path_mm: (h, w) path length through the present vertebrae.
        mask: (h, w) bool, pixels near them.
        node_px: (x, y) distance of the background's nodes in pixels.

    Returns:
        The (h, w) image over the factor, and the correlation of film and bone that the background leaves over. The
        image is 0 everywhere where that is not positive.
    """
    height, width = image.shape
    pixels = torch.nonzero(mask.reshape(-1))[:, 0]
    hats = hat_functions(pixels, width, height, node_px).double()
    bone, seen = path_mm.reshape(-1)[pixels].double(), image.reshape(-1)[pixels].double()
    normal = hats.T @ hats
    normal.diagonal().add_(_RIDGE * float(normal.diagonal().max()))
    root = torch.linalg.cholesky(normal)
    # What the background cannot explain, of both: the factor is their slope (Frisch and Waugh 1933).
    both = torch.stack([bone, seen], dim=1)
    both = both - hats @ torch.cholesky_solve(hats.T @ both, root)
    product, power = float(both[:, 0] @ both[:, 1]), both.square().sum(dim=0)
    correlation = product / max(float(power[0] * power[1]) ** 0.5, 1e-12)
    if correlation <= 0:
        return torch.zeros_like(image), correlation
    factor = product / float(power[0])
    # The mean is background; without it the solver starts nearer to its end.
    return (image - seen.mean().to(image)) / factor, correlation


def edge_weights(path_mm: torch.Tensor, pixel_mm: np.ndarray) -> torch.Tensor:
    """Return (h, w) weights from 0.15 to 1: large where the bone that the vertebrae put there has edges.

    Args:
        path_mm: (h, w) path length through the present vertebrae.
        pixel_mm: (x, y) pixel in the object plane.
    """
    down, across = torch.gradient(path_mm)
    slope = torch.sqrt(down.square() + across.square())
    reach = [max(0, round(_EDGE_REACH_MM / float(size))) for size in pixel_mm]
    size = (2 * reach[1] + 1, 2 * reach[0] + 1)
    slope = torch.nn.functional.max_pool2d(slope[None, None], size, stride=1, padding=(reach[1], reach[0]))[0, 0]
    positive = slope[slope > 0]
    if not len(positive):
        return torch.full_like(path_mm, _FLAT_SHARE)
    strong = torch.quantile(positive[:: max(1, len(positive) // 100_000)], _EDGE_QUANTILE)
    return (slope / strong).clamp(_FLAT_SHARE, 1.0)
