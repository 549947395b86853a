"""From attenuation to a film: photons, detector, and what makers of films do to the picture.

All lengths are in pixels of a film of 1.5 mm; ``px`` is how many pixels of the film one of them is.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..network.preprocess import even_contrast, gaussian_blur
from .options import FilmOptions
from .textures import normal

_BLURS_PX = (0.5, 0.5, 0.8, 1.2, 1.7)
_PHOTONS = (1e3, 3e5)
_SCATTER_PX = 25.0
_LARGEST_SCATTER = 0.5
_HISTOGRAM_POINTS = 65
# Mass attenuation of water and of cortical bone (ICRU-44) at 50, 60, 80 and 100 keV against that at 60 keV, from
# Hubbell and Seltzer, NIST Standard Reference Database 126. Low energies are lost on the way through bone: it hardens
# the beam, and thick bone looks thinner than it is.
_SOFT_BY_ENERGY = (1.102, 1.0, 0.892, 0.829)
_BONE_BY_ENERGY = (1.348, 1.0, 0.708, 0.589)


def exposed(
    attenuation: Tensor, rng: np.random.Generator, options: FilmOptions, px: float = 1.0, bone: Tensor | None = None
) -> Tensor:
    """Return the density (1, 1, h, w) of a film: beam, blur, scatter, photon noise, uneven exposure, grid lines.

    Args:
        attenuation: (1, 1, h, w) line integral at 60 keV, bone included.
        rng: source of everything random.
        options: how often each effect comes.
        px: pixels of the film per pixel of 1.5 mm.
        bone: (1, 1, h, w) the part of it that is bone or metal; None means none.
    """
    if bone is not None and rng.random() < options.beam:
        attenuation = hardened(attenuation - bone, bone, rng.dirichlet(np.ones(len(_SOFT_BY_ENERGY))))
    if rng.random() < options.blur:
        attenuation = gaussian_blur(attenuation, px * float(rng.choice(_BLURS_PX)))
    arrived = torch.exp(-(attenuation - attenuation.mean()))
    if rng.random() < options.scatter:
        arrived = arrived + rng.uniform(0.0, _LARGEST_SCATTER) * _widely_blurred(arrived, px * _SCATTER_PX)
    arrived = arrived.clamp(min=1e-4)
    if rng.random() < options.noise:
        # Photons per pixel: a finer film has fewer in each.
        photons = np.exp(rng.uniform(*np.log(_PHOTONS))) / px**2
        arrived = arrived + torch.sqrt(arrived / photons) * normal(rng, tuple(arrived.shape))
    density = -torch.log(arrived.clamp(min=1e-3))
    if rng.random() < options.falloff:
        density = density + _falloff(rng, *density.shape[2:])
    if rng.random() < options.grid:
        density = density + _grid_lines(rng, *density.shape[2:], px)
    return density


def hardened(soft: Tensor, bone: Tensor, spectrum: np.ndarray) -> Tensor:
    """Return the attenuation -ln(sum_k s_k exp(-a_k soft - b_k bone)) of a beam of several energies.

    Args:
        soft, bone: line integrals at 60 keV, same shape.
        spectrum: (4,) shares s_k of 50, 60, 80 and 100 keV in what would arrive through soft tissue alone: that part
            of the hardening changes the grey scale and nothing else.
    """
    thickness = soft.mean()
    arriving = [
        np.log(max(share, 1e-6)) - in_soft * (soft - thickness) - in_bone * bone
        for share, in_soft, in_bone in zip(spectrum, _SOFT_BY_ENERGY, _BONE_BY_ENERGY, strict=True)
    ]
    return thickness - torch.logsumexp(torch.stack(arriving), dim=0)


def _widely_blurred(image: Tensor, sigma_px: float) -> Tensor:
    """Return the image blurred far wider than four pixels, by way of a coarser one."""
    small = gaussian_blur(functional.avg_pool2d(image, 4), sigma_px / 4)
    return functional.interpolate(small, size=image.shape[2:], mode="bilinear")


def _falloff(rng: np.random.Generator, height: int, width: int) -> Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    slope, bend = rng.normal(0.0, 0.35, 2), rng.uniform(0.0, 0.5)
    return slope[0] * x + slope[1] * y + bend * x**2


def _grid_lines(rng: np.random.Generator, height: int, width: int, px: float) -> Tensor:
    phase = torch.arange(width if rng.random() < 0.7 else height) * 2 * np.pi / (px * rng.uniform(2.2, 6.0))
    lines = rng.uniform(0.01, 0.08) * torch.sin(phase + rng.uniform(0, 6.28))
    return lines[None, :].expand(height, width) if len(lines) == width else lines[:, None].expand(height, width)


def processed(density: Tensor, rng: np.random.Generator, options: FilmOptions, px: float = 1.0) -> Tensor:
    """Make a film (1, 1, h, w) of density, as makers do: compress its range, window, bend, equalise and round it."""
    if rng.random() < options.compress:
        slow = _widely_blurred(density, 4 * px * rng.uniform(4, 12))
        density = density - rng.uniform(0.0, 0.9) * slow
    if rng.random() < options.local:
        share = rng.uniform(0.3, 1.0)
        scale = density.std() + 1e-6
        density = (1 - share) * density / scale + share * even_contrast(density / scale, px * rng.uniform(10, 40))
    low, high = torch.quantile(density.flatten()[::5], torch.tensor([0.01, 0.99]))
    film = ((density - low) / (high - low + 1e-6)).clamp(0, 1.2)
    if options.gamma > 0:
        film = film ** float(np.exp(rng.normal(0.0, options.gamma)))
    if rng.random() < options.curve:
        film = torch.sigmoid(rng.uniform(3, 8) * (film - rng.uniform(0.35, 0.65)))
    if rng.random() < options.equalised:
        film = equalised(film)
    if rng.random() < options.jpeg:
        return _as_jpeg(film, int(rng.integers(20, 80)))
    return (film * 255).round() / 255 if rng.random() < options.coarse else film


def equalised(film: Tensor) -> Tensor:
    """Return the film (1, 1, h, w) with all grey values equally frequent, 0 to 1."""
    shares = torch.linspace(0, 1, _HISTOGRAM_POINTS)
    values = torch.quantile(film.flatten()[::5], shares).cpu().numpy().astype(np.float64)
    values += 1e-7 * np.arange(len(values))
    ranks = np.interp(film.cpu().numpy(), values, shares.cpu().numpy())
    return torch.as_tensor(ranks.astype(np.float32))


def _as_jpeg(film: Tensor, quality: int) -> Tensor:
    from PIL import Image

    top = max(float(film.max()), 1e-6)
    grey = (film[0, 0] / top * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(stream), dtype=np.float32)
    return torch.as_tensor(decoded / 255.0 * top)[None, None]


def collimation(rng: np.random.Generator, height: int, width: int, options: FilmOptions, px: float = 1.0) -> Tensor:
    """Return 1 where the film is exposed: (1, 1, height, width); sometimes levels are cut off."""
    if rng.random() >= options.collimation:
        return torch.ones(1, 1, height, width)
    left, right = int(max(0, px * rng.uniform(-40, 38))), int(min(width, width - px * rng.uniform(-40, 38)))
    top, bottom = int(max(0, px * rng.uniform(-60, 45))), int(min(height, height - px * rng.uniform(-60, 45)))
    if rng.random() < 0.25:
        top = int(rng.uniform(0, 130) / 304 * height)
    elif rng.random() < 0.2:
        bottom = int(rng.uniform(170, 304) / 304 * height)
    field = torch.zeros(1, 1, height, width)
    field[:, :, top:bottom, left:right] = 1
    return field
