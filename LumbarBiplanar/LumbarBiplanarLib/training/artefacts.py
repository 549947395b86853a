"""What films show beside a body: implants, clips, letters, gas, contrast medium, a calcified aorta.

All lengths are in pixels of a film of 1.5 mm; ``px`` is how many pixels of the film one of them is.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from ..anatomy import LANDMARK_NAMES
from .textures import smooth_noise

_INDEX = {name: i for i, name in enumerate(LANDMARK_NAMES)}
_LETTERS = ("L", "R", "LEFT", "PA", "AP", "LAT", "STANDING", "1", "JM", "D")


def bar(shape: tuple[int, int], start, end, thickness: float) -> Tensor:
    """Return (h, w), 1 within half a ``thickness`` of the line from ``start`` to ``end`` (x, y), its edge smooth."""
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    image = torch.zeros(shape)
    low = np.floor(np.minimum(start, end) - thickness).astype(int)
    high = np.ceil(np.maximum(start, end) + thickness).astype(int) + 1
    (x0, y0), (x1, y1) = np.maximum(low, 0), np.minimum(high, shape[::-1])
    if x1 <= x0 or y1 <= y0:
        return image
    y, x = torch.meshgrid(torch.arange(y0, y1), torch.arange(x0, x1), indexing="ij")
    along = end - start
    share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / max(float(along @ along), 1e-9)
    share = share.clamp(0, 1)
    distance = torch.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1])
    image[y0:y1, x0:x1] = (0.5 + thickness / 2 - distance).clamp(0, 1).float()
    return image


def clips(rng: np.random.Generator, shape: tuple[int, int], mean_number: float, px: float = 1.0) -> Tensor:
    """Return the attenuation (h, w) of none to a few bars: clips, wires, instruments."""
    image = torch.zeros(shape)
    for _ in range(rng.poisson(mean_number)):
        at, angle = rng.uniform(0, 1, 2) * shape[::-1], rng.uniform(0, np.pi)
        half = 0.5 * px * rng.uniform(2, 45) * np.array([np.cos(angle), np.sin(angle)])
        image = image + rng.uniform(0.3, 3) * bar(shape, at - half, at + half, px * rng.uniform(0.7, 4))
    return image


def implants(
    rng: np.random.Generator, landmarks_px: Tensor, shape: tuple[int, int], view_name: str, px: float = 1.0
) -> Tensor:
    """Return the attenuation (h, w) of screws through the pedicles of one to four levels, rods and cages.

    Args:
        rng: source of randomness.
        landmarks_px: (5, 20, 2).
        shape: of the film.
        view_name: "AP" or "lateral".
        px: see the module.
    """
    marks = landmarks_px.double().numpy()
    first = int(rng.integers(0, 5))
    levels = range(first, min(5, first + int(rng.integers(1, 5))))
    image = torch.zeros(shape)
    screws = rng.random() < 0.8
    if screws:
        heads: dict[str, list[np.ndarray]] = {"left": [], "right": []}
        thickness = px * rng.uniform(2.5, 4.5)
        for k in levels:
            for side in heads:
                head, tip = _screw(marks[k], side, view_name, rng)
                image = torch.maximum(image, bar(shape, head, tip, thickness))
                image = torch.maximum(image, bar(shape, head, head, 2.2 * thickness))
                heads[side].append(head)
        if rng.random() < 0.8:
            for points in heads.values():
                for a, b in itertools.pairwise(points):
                    image = torch.maximum(image, bar(shape, a, b, 1.1 * thickness))
    if not screws or rng.random() < 0.4:
        for k in levels:
            if k < 4 and (not screws or rng.random() < 0.7):
                image = torch.maximum(image, _cage(marks[k], marks[k + 1], view_name, shape, px, rng))
    return rng.uniform(1.5, 6.0) * image


def _screw(marks: np.ndarray, side: str, view_name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return head and tip (2,) of a pedicle screw."""
    pedicle = marks[_INDEX[f"pedicle_{side}"]]
    ends = ("superior_endplate", "inferior_endplate")
    middle = np.mean([marks[_INDEX[f"{end}_centre"]] for end in ends], axis=0)
    if view_name == "AP":
        inward = middle - pedicle
        return pedicle - rng.uniform(0.0, 0.4) * inward, pedicle + rng.uniform(0.2, 0.7) * inward
    front, back = (np.mean([marks[_INDEX[f"{end}_{at}"]] for end in ends], axis=0) for at in ("anterior", "posterior"))
    return pedicle - rng.uniform(0.2, 0.5) * (front - back), pedicle + rng.uniform(0.5, 0.9) * (front - back)


def _cage(above: np.ndarray, below: np.ndarray, view_name: str, shape, px: float, rng) -> Tensor:
    """Return a cage (h, w) in the disc between two vertebrae."""
    ends = ("left", "right") if view_name == "AP" else ("anterior", "posterior")
    a, b = (
        0.5 * (above[_INDEX[f"inferior_endplate_{end}"]] + below[_INDEX[f"superior_endplate_{end}"]]) for end in ends
    )
    from_share, to_share = np.sort(rng.uniform(0.15, 0.85, 2))
    return bar(shape, a + from_share * (b - a), a + to_share * (b - a), px * rng.uniform(2.5, 6.0))


def gas(rng: np.random.Generator, shape: tuple[int, int], px: float = 1.0) -> Tensor:
    """Return what bowel gas takes away from the attenuation (h, w): bubbles in a few heaps."""
    y, x = torch.meshgrid(torch.arange(shape[0]), torch.arange(shape[1]), indexing="ij")
    image = torch.zeros(shape)
    for _ in range(rng.integers(1, 4)):
        heap = rng.uniform(0.1, 0.9, 2) * shape[::-1]
        for _ in range(rng.integers(2, 7)):
            at, radius = heap + px * rng.normal(0.0, 14.0, 2), px * rng.uniform(3, 13)
            inside = 1 - ((x - at[0]) / radius) ** 2 - ((y - at[1]) / (radius * rng.uniform(0.6, 1.5))) ** 2
            image = torch.maximum(image, rng.uniform(0.15, 0.7) * torch.sqrt(inside.clamp(min=0)))
    return image


def contrast_medium(rng: np.random.Generator, shape: tuple[int, int], px: float = 1.0) -> Tensor:
    """Return the attenuation (h, w) of contrast medium: a lumpy area with a sharp edge."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, shape[0]), torch.linspace(-1, 1, shape[1]), indexing="ij")
    at, size = rng.uniform(-0.9, 0.9, 2), rng.uniform(0.1, 0.4, 2)
    field = 1 - ((x - at[0]) / size[0]) ** 2 - ((y - at[1]) / size[1]) ** 2
    field = field + 0.8 * smooth_noise(rng, *shape, 12 * px)[0, 0]
    return rng.uniform(0.3, 1.8) * torch.sigmoid(6 * (field - 0.3))


def aorta(
    rng: np.random.Generator, landmarks_px: Tensor, shape: tuple[int, int], view_name: str, px: float = 1.0
) -> Tensor:
    """Return the attenuation (h, w) of a calcified aorta: two lines of plaques, before or (AP) on the spine."""
    marks = landmarks_px.double().numpy()
    body = marks[:, [_INDEX["superior_endplate_centre"], _INDEX["inferior_endplate_centre"]]].mean(axis=1)
    if view_name == "AP":
        side = marks[:, _INDEX["superior_endplate_left"]] - body
        path, half = body + rng.uniform(0.1, 0.8) * side, 0.5 * side * rng.uniform(0.5, 0.9)
    else:
        front = marks[:, _INDEX["superior_endplate_anterior"]] - body
        path, half = body + rng.uniform(1.4, 2.2) * front, rng.uniform(0.3, 0.6) * front
    image = torch.zeros(shape)
    for wall in (path - half, path + half):
        for a, b in itertools.pairwise(wall):
            for start in np.arange(0.0, 1.0, 0.2):
                if rng.random() < 0.5:
                    ends = (a + share * (b - a) + px * rng.normal(0, 0.7, 2) for share in (start, start + 0.17))
                    image = image + rng.uniform(0.05, 0.35) * bar(shape, *ends, px * rng.uniform(0.8, 2.0))
    return image


def letters(rng: np.random.Generator, shape: tuple[int, int], px: float = 1.0) -> Tensor:
    """Return the attenuation (h, w) of a side letter or two, or of a ruler."""
    from PIL import Image, ImageDraw

    height, width = shape
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(1, 3)):
        at = tuple(rng.uniform(0.02, 0.85, 2) * (width, height))
        draw.text(at, str(rng.choice(_LETTERS)), fill=255, font_size=float(px * rng.uniform(8, 22)))
    if rng.random() < 0.3:
        x, step = rng.uniform(0.0, 1.0) * width, px * rng.uniform(5, 9)
        for i, y in enumerate(np.arange(0, height, step)):
            draw.line((x, y, x + px * (9 if i % 5 == 0 else 5), y), fill=255, width=1)
    return rng.uniform(0.6, 3.0) * torch.as_tensor(np.asarray(image, dtype=np.float32) / 255.0)
