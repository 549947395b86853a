"""From ingredients to a training film: placed, given density, soft tissue, noise, a film's processing and collimation.

Every number is drawn anew for every film, wider than films really differ, so that the network learns the spine and
not the process (domain randomisation). Lengths in pixels are those of a pitch of 1.5 mm; ``px`` is how many pixels of
the film one of them is.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..network.preprocess import gaussian_blur
from . import artefacts
from .bending import Bending
from .exposure import collimation, exposed, processed
from .ingredients import Ingredients
from .options import PITCH_MM, FilmOptions
from .textures import random_body, smooth_noise, trabecular_noise

_SHIFT_SD_PX = (14.0, 22.0)
_BONE_PER_MM, _BONE_LOG_SD = 0.0055, 0.45
_SPONGY = (0.02, 0.6)
_GRAIN = 0.3  # largest deviation of the density, as a share
_OBJECT_PIXEL_MM = 1.23  # of a training film, where the patient stands
_MASK_VALUES = (0.0, 0.0, 1.0, 0.5)


@dataclass(frozen=True, eq=False)
class TrainingFilm:
    """A film and what is true about it.

    Attributes:
        image: (h, w) float32, bone bright, about 0 to 1.2.
        level_mm: (5, h, w) float32 path length through L1 to L5 where the film shows them.
        bone_mm: (5, h, w) the same everywhere, exposed or not.
        landmarks_px: (5, 20, 2) float32, on the CPU.
        visible: (5, 20) bool: on the exposed part of the film; on the CPU.
    """

    image: Tensor
    level_mm: Tensor
    bone_mm: Tensor
    landmarks_px: Tensor
    visible: Tensor


@dataclass(frozen=True, eq=False)
class _Layers:
    """Ingredients on the canvas of the film, (1, c, h, w)."""

    levels: Tensor
    other: Tensor
    tissue: Tensor | None
    valid: Tensor
    landmarks: Tensor


def form_film(
    ingredients: Ingredients,
    rng: np.random.Generator,
    *,
    placed: bool = True,
    options: FilmOptions | None = None,
    device: str | torch.device = "cpu",
) -> TrainingFilm:
    """Make one film of ingredients.

    Args:
        ingredients: of the film.
        rng: source of everything random.
        placed: whether the film is also scaled, turned and shifted at random, and now and then shows no spine at all.
        options: what it is made with; None means the training's.
        device: where it is formed, and where its images are then; its landmarks are on the CPU.
    """
    # On the CPU, where tensors are made anyway, the context would only cost a seventh of the time.
    with nullcontext() if torch.device(device).type == "cpu" else torch.device(device):
        return _formed(ingredients, rng, placed, options or FilmOptions())


def _formed(ingredients: Ingredients, rng: np.random.Generator, placed: bool, options: FilmOptions) -> TrainingFilm:
    px = PITCH_MM / ingredients.pitch_mm
    layers = _placed(ingredients, rng, options, px) if placed else _as_drawn(ingredients)
    if placed and rng.random() < options.empty:
        layers = _without_spine(layers)
    bones = _bone_attenuation(layers, rng, options, px)
    attenuation, valid = _with_tissue(layers, bones, rng, options, px)
    extra = _artefacts(rng, layers.landmarks, ingredients, options, px)
    density = exposed(attenuation + extra, rng, options, px, bone=bones + extra.clamp(min=0))
    film = processed(density, rng, options, px)
    open_field = collimation(rng, *film.shape[2:], options, px) * valid
    film = film * open_field + (1 - open_field) * float(rng.choice(_MASK_VALUES))
    visible = _on_film(layers.landmarks, (open_field[0, 0] > 0).cpu())
    return TrainingFilm(film[0, 0], (layers.levels * open_field)[0], layers.levels[0], layers.landmarks, visible)


def _artefacts(rng, landmarks: Tensor, ingredients: Ingredients, options: FilmOptions, px: float) -> Tensor:
    """Return the attenuation (h, w) of what is neither bone nor body."""
    shape, name = ingredients.other_mm.shape, ingredients.view_name
    extra = artefacts.clips(rng, shape, options.clips, px)
    if rng.random() < options.implants:
        extra = extra + artefacts.implants(rng, landmarks, shape, name, px)
    if rng.random() < options.gas:
        extra = extra - artefacts.gas(rng, shape, px)
    if rng.random() < options.aorta:
        extra = extra + artefacts.aorta(rng, landmarks, shape, name, px)
    if rng.random() < options.contrast:
        extra = extra + artefacts.contrast_medium(rng, shape, px)
    if rng.random() < options.letters:
        extra = extra + artefacts.letters(rng, shape, px)
    return extra


def cropped(film: TrainingFilm, rng: np.random.Generator, size_px: tuple[int, int]) -> TrainingFilm:
    """Return a random window of (width, height) pixels of a film; landmarks outside it are no longer visible."""
    height, width = film.image.shape
    y0 = int(rng.integers(0, height - size_px[1] + 1))
    x0 = int(rng.integers(0, width - size_px[0] + 1))
    rows, columns = slice(y0, y0 + size_px[1]), slice(x0, x0 + size_px[0])
    landmarks = film.landmarks_px - torch.tensor([x0, y0], dtype=torch.float32)
    inside = ((landmarks >= 0) & (landmarks <= torch.tensor(size_px) - 1)).all(dim=-1)
    return TrainingFilm(
        film.image[rows, columns].contiguous(),
        film.level_mm[:, rows, columns].contiguous(),
        film.bone_mm[:, rows, columns].contiguous(),
        landmarks,
        film.visible & inside,
    )


def _stack(ingredients: Ingredients) -> tuple[Tensor, Tensor | None]:
    levels = torch.as_tensor(ingredients.level_mm)[None]
    other = torch.as_tensor(ingredients.other_mm)[None, None]
    tissue = None if ingredients.tissue is None else torch.as_tensor(ingredients.tissue)[None, None]
    valid = torch.ones_like(other)
    if tissue is not None:
        # Rows above and below which the CT ends are outside the film.
        covered = (tissue[0, 0] > 0.3).float().mean(dim=1)
        rows = torch.nonzero(covered > 0.45 * covered.max())[:, 0]
        valid[:, :, : rows[0] + 2] = 0
        valid[:, :, rows[-1] - 1 :] = 0
    return torch.cat([levels, other, valid], dim=1), tissue


def _as_drawn(ingredients: Ingredients) -> _Layers:
    stack, tissue = _stack(ingredients)
    landmarks = torch.from_numpy(np.array(ingredients.landmarks_px, dtype=np.float32))  # stay on the CPU
    return _Layers(stack[:, :5], stack[:, 5:6], tissue, stack[:, 6:7], landmarks)


def _placed(ingredients: Ingredients, rng: np.random.Generator, options: FilmOptions, px: float) -> _Layers:
    """Scale, turn and shift everything, and bend the bones."""
    drawn = _as_drawn(ingredients)
    height, width = ingredients.other_mm.shape
    scale, turn = np.exp(rng.normal(0.0, options.scale_sd)), np.deg2rad(rng.normal(0.0, options.turn_sd_deg))
    shift = px * rng.normal(0.0, _SHIFT_SD_PX)
    cos, sin = np.cos(turn) / scale, np.sin(turn) / scale
    old_from_new = np.array([[cos, -sin], [sin, cos]])
    offset = -old_from_new @ shift
    # affine_grid's coordinates run from -1 to 1 over width and height.
    theta = [
        [cos, -sin * height / width, offset[0] * 2 / width],
        [sin * width / height, cos, offset[1] * 2 / height],
    ]
    grid = functional.affine_grid(torch.tensor(theta, dtype=torch.float32)[None], (1, 1, height, width), False)
    parts = [drawn.valid] + ([] if drawn.tissue is None else [drawn.tissue])
    moved = functional.grid_sample(torch.cat(parts, dim=1), grid, align_corners=False, padding_mode="zeros")
    bones = torch.cat([drawn.levels, drawn.other], dim=1)
    bending = Bending(rng, bones.shape[1], (height, width), options.bending, _OBJECT_PIXEL_MM / px)
    bones = bending.sampled(bones, grid)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    linear = torch.tensor(old_from_new, dtype=torch.float32)
    constant = torch.tensor(middle + offset - old_from_new @ middle, dtype=torch.float32)
    landmarks = bending.moved(drawn.landmarks.to(linear.device), linear, constant).cpu()
    tissue = None if drawn.tissue is None else moved[:, 1:2]
    return _Layers(bones[:, :5], bones[:, 5:6], tissue, (moved[:, :1] > 0.99).float(), landmarks)


def _without_spine(layers: _Layers) -> _Layers:
    """Return the layers without any bone, so that the network learns to find nothing where nothing is."""
    zero = torch.zeros_like(layers.levels), torch.zeros_like(layers.other)
    return replace(layers, levels=zero[0], other=zero[1], landmarks=layers.landmarks - 1e4)


def _bone_attenuation(layers: _Layers, rng: np.random.Generator, options: FilmOptions, px: float) -> Tensor:
    """Give the bones density: patchy, a little different in every level, most of them denser at the rim (cortex)."""
    height, width = layers.other.shape[2:]
    per_mm = np.exp(rng.normal(np.log(_BONE_PER_MM), _BONE_LOG_SD))
    solid = torch.cat([layers.levels, layers.other], dim=1)
    dense = solid
    if rng.random() < options.cortex:
        rim_px, inside = max(1, round(px * int(rng.integers(1, 3)))), rng.uniform(*_SPONGY)
        per_mm *= rng.uniform(1.2, 2.6)
        dense = _with_cortex(solid, rim_px, inside, _OBJECT_PIXEL_MM / px)
    bones = dense[:, :5].sum(dim=1, keepdim=True) * per_mm
    textured = rng.random() < options.texture
    if textured:
        grain = trabecular_noise(rng, height, width, px)
        bones = bones * (1 + _GRAIN * rng.random() * grain).clamp(min=0.2)
    for k in range(5):
        bones = bones + dense[:, k : k + 1] * per_mm * rng.normal(0.0, 0.12)
    bones = bones + dense[:, 5:] * per_mm * np.exp(rng.normal(0.0, 0.2))
    if not textured:
        return bones
    everything, sharper = solid.sum(dim=1, keepdim=True), rng.uniform(0.0, 1.2)
    return bones + sharper * per_mm * (everything - gaussian_blur(everything, px * rng.uniform(1.2, 3.5)))


def _with_cortex(path_mm: Tensor, rim_px: int, inside: float, pixel_mm: float = _OBJECT_PIXEL_MM) -> Tensor:
    """Return path lengths (1, c, h, w) with the share of spongy bone, inside a rim, reduced to ``inside`` of it.

    The inner surface is that of the image eroded by the rim, less a rim at the ray's entry and one at its exit.
    """
    eroded = _least_around(_least_around(path_mm, rim_px, 3), rim_px, 2)
    spongy = (eroded - 2 * pixel_mm * rim_px).clamp(min=0)
    return path_mm - (1 - inside) * spongy


def _least_around(image: Tensor, reach_px: int, axis: int) -> Tensor:
    """Return the least value of an image (1, c, h, w) up to so many pixels away along an axis.

    That of a square is the one along rows of those along columns; so it takes an eighth of ``max_pool2d``'s time.
    """
    least = image.clone()
    for by in range(1, reach_px + 1):
        kept = image.shape[axis] - by
        before, after = image.narrow(axis, 0, kept), image.narrow(axis, by, kept)
        torch.minimum(least.narrow(axis, by, kept), before, out=least.narrow(axis, by, kept))
        torch.minimum(least.narrow(axis, 0, kept), after, out=least.narrow(axis, 0, kept))
    return least


def _with_tissue(
    layers: _Layers, bones: Tensor, rng: np.random.Generator, options: FilmOptions, px: float
) -> tuple[Tensor, Tensor]:
    """Return bones within a body, its own or a random one, and where there is a film."""
    height, width = bones.shape[2:]
    if layers.tissue is None or rng.random() >= options.tissue:
        # A random body fills the film; where a CT ended its bones end too, so the film does.
        valid = torch.ones_like(layers.valid) if layers.tissue is None else layers.valid
        return random_body(rng, height, width, px) + bones, valid
    body = layers.tissue * np.exp(rng.normal(0.0, 0.2))
    body = body + 0.12 * rng.random() * smooth_noise(rng, height, width, 40 * px)
    return body + 0.05 * rng.random() * smooth_noise(rng, height, width, 12 * px) + bones, layers.valid


def _on_film(landmarks_px: Tensor, exposed: Tensor) -> Tensor:
    """Return (5, 20) bool: whether landmarks (5, 20, 2) fall on the exposed pixels (h, w)."""
    height, width = exposed.shape
    pixel = landmarks_px.round().long()
    inside = (pixel[..., 0] >= 0) & (pixel[..., 0] < width) & (pixel[..., 1] >= 0) & (pixel[..., 1] < height)
    visible = inside.clone()
    visible[inside] = exposed[pixel[inside][:, 1], pixel[inside][:, 0]]
    return visible
