"""Bones of a film bent a little at random, each by itself: shapes that no shape model has."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .textures import smooth_noise

# Distances over which the bending changes, mm of the patient: details of a process to the whole of a body.
_OVER_MM = (6.0, 30.0)
_THICKNESS = 0.6  # deviation of the logarithm of the path length, as a share of that of the bending
_INVERSIONS = 4
_COARSE_PX = 3.0  # what is smooth over 6 mm and more is drawn at this pitch and interpolated


class Bending:
    """Random smooth displacements of the pixels of several bones' images on one film.

    A residual of a shape model is as random as the bones it was learned from are many; real bones have other ones. The
    displacement's deviation is ``share`` of the distance over which it changes, so that nothing folds over.

    Args:
        rng: source of randomness.
        bones: how many images.
        size_px: (height, width) of the film.
        share: standard deviation of the displacement, as a share of the distance over which it changes.
        pixel_mm: of a pixel, where the patient stands.
    """

    def __init__(
        self, rng: np.random.Generator, bones: int, size_px: tuple[int, int], share: float, pixel_mm: float
    ) -> None:
        over_px = float(np.exp(rng.uniform(*np.log(_OVER_MM)))) / pixel_mm
        coarse = [max(2, round(size / _COARSE_PX)) for size in size_px]
        fields = [smooth_noise(rng, *coarse, over_px / _COARSE_PX) for _ in range(3 * bones)]
        noise = share * torch.cat(fields).reshape(bones, 3, *coarse)
        noise = torch.cat([over_px * noise[:, :2], torch.exp(_THICKNESS * noise[:, 2:])], dim=1)
        # One image of many channels would take five times as long.
        fine = functional.interpolate(noise.flatten(0, 1)[:, None], size=size_px, mode="bilinear", align_corners=False)
        fine = fine.reshape(bones, 3, *size_px)
        self.shift_px = fine[:, :2]  # (bones, 2, h, w): x, y from the bent to the unbent image
        self.thickness = fine[:, 2]  # (bones, h, w)

    def sampled(self, images: Tensor, grid: Tensor) -> Tensor:
        """Return bent images (1, bones, h, w) of images of the same shape, seen through a grid.

        ``grid`` (1, h, w, 2) is one of ``torch.nn.functional.grid_sample``, from pixels of the bent film.
        """
        height, width = images.shape[2:]
        unit = self.shift_px.permute(0, 2, 3, 1) * torch.tensor([2.0 / width, 2.0 / height])
        bent = functional.grid_sample(images[0][:, None], grid + unit, align_corners=False, padding_mode="zeros")
        return (bent[:, 0] * self.thickness)[None]

    def moved(self, landmarks_px: Tensor, old_from_new: Tensor, offset: Tensor) -> Tensor:
        """Return where landmarks (b, n, 2) of the first bones are on the bent film, pixels.

        All bones go at once: a GPU takes as long for one, and is waited for each time.

        Args:
            landmarks_px: on the film that is neither placed nor bent.
            old_from_new: (2, 2) and
            offset: (2,) of the affine that takes a pixel of the placed film to the film before.
        """
        inverse = torch.linalg.inv(old_from_new.cpu()).to(old_from_new.device)
        placed = (landmarks_px - offset) @ inverse.T
        at = placed
        for _ in range(_INVERSIONS):
            at = placed - self._shift_at(at) @ inverse.T
        return at

    def _shift_at(self, pixels: Tensor) -> Tensor:
        height, width = self.shift_px.shape[2:]
        unit = torch.stack([(2.0 * pixels[..., 0] + 1.0) / width, (2.0 * pixels[..., 1] + 1.0) / height], dim=-1) - 1.0
        fields = self.shift_px[: len(pixels)]
        found = functional.grid_sample(fields, unit[:, None], align_corners=False, padding_mode="border")
        return found[:, :, 0].mT
