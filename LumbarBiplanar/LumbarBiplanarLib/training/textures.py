"""Random fields: smooth noise, and the line integrals of a body of random shape."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    """Return standard normal numbers, float32, on the device that is torch's default where this is called.

    On the CPU they are those of ``rng``; elsewhere of a generator there that ``rng`` gives its seed.
    """
    device = torch.empty(0).device
    if device.type == "cpu":
        return torch.tensor(rng.standard_normal(shape), dtype=torch.float32)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    return torch.randn(shape, generator=generator)


def smooth_noise(rng: np.random.Generator, height: int, width: int, cell_px: float) -> Tensor:
    """Return (1, 1, height, width) noise of about unit deviation that varies over ``cell_px`` pixels."""
    shape = (1, 1, max(2, int(height / cell_px)) + 2, max(2, int(width / cell_px)) + 2)
    return functional.interpolate(normal(rng, shape), size=(height, width), mode="bicubic", align_corners=False)


# Cells of the grain of spongy bone, pixels of a film of 1.5 mm (1.2 mm where the patient stands): 1 to 8 mm.
_GRAIN_PX = (0.8, 1.6, 3.2, 6.5)


def trabecular_noise(rng: np.random.Generator, height: int, width: int, px: float = 1.0) -> Tensor:
    """Return (1, 1, height, width) noise of about unit deviation like the projected density of spongy bone.

    In the CT of VerSe 006 and 007 (spongy bone 3 mm inside the surface, mean density along the ray) it correlates by
    0.6, 0.45 and 0.2 over 1, 2 and 4 mm and not over 8 mm, with deviations of 17 to 35 % of the mean: a sum of grains
    of several sizes, here in random shares, now and then with larger patches.
    """
    shares = rng.dirichlet(np.ones(len(_GRAIN_PX)))
    grain = sum(
        float(np.sqrt(share)) * smooth_noise(rng, height, width, max(1.0, px * cell))
        for share, cell in zip(shares, _GRAIN_PX, strict=True)
    )
    if rng.random() < 0.4:
        grain = 0.7 * (grain + smooth_noise(rng, height, width, px * rng.uniform(6, 14)))
    return grain


def random_body(rng: np.random.Generator, height: int, width: int, px: float = 1.0) -> Tensor:
    """Return the line integral of the attenuation of a random body: (1, 1, height, width), no unit.

    An upright trunk, lumpy at three scales, with gas that takes away (bowel, lung) and organs that add. ``px`` is how
    many pixels one of a film of 1.5 mm is.
    """
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    half_width, middle = rng.uniform(0.9, 1.6), rng.normal(0.0, 0.15)
    trunk = torch.sqrt((1 - ((x - middle) / half_width) ** 2).clamp(min=0)) * rng.uniform(2.5, 5.5)
    body = (trunk * (1 + 0.2 * y * rng.normal()))[None, None]
    for amplitude, cell_px in ((0.25, 70), (0.12, 25), (0.05, 9)):
        body = body + amplitude * smooth_noise(rng, height, width, px * cell_px)
    for _ in range(rng.integers(0, 9)):
        gas = _ellipse(rng, x, y, (0.04, 0.3), (2.0, 8.0))
        body = body - rng.uniform(0.1, 0.7) * gas
    for _ in range(rng.integers(0, 4)):
        organ = _ellipse(rng, x, y, (0.1, 0.6), (3.0, 15.0))
        body = body + rng.uniform(0.05, 0.4) * organ
    return body


def _ellipse(rng, x: Tensor, y: Tensor, radii: tuple[float, float], sharpness: tuple[float, float]) -> Tensor:
    cx, cy = rng.uniform(-1, 1, 2)
    a, b = rng.uniform(*radii, 2)
    return torch.sigmoid((1 - ((x - cx) / a) ** 2 - ((y - cy) / b) ** 2) * rng.uniform(*sharpness))
