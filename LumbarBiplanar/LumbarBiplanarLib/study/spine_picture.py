"""spine_3d.png: the reconstructed vertebrae from the front, from the side and obliquely; needs no graphics card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..anatomy import Level
from ..shape import Surface
from .appearance import LEVEL_COLORS, legend, level_label
from .canvas import Canvas
from .shading import Eye, looking_along, shade

# Title, direction of sight in RAS, letters of the patient's side at the left and right border.
_SIGHTS = (
    ("From the front", (0.0, -1.0, 0.0), ("R", "L")),
    ("From the left", (1.0, 0.0, 0.0), ("A", "P")),
    ("From behind, oblique", (-0.62, 0.70, -0.25), ("", "")),
)
_HEIGHT_PX, _TITLE_PX = 1000, 84
_MARGIN_MM = 12.0
_SCALE_BAR_MM = 50.0
_GROUND = (0.965, 0.968, 0.975)


def write_spine_picture(
    path: str | Path, surfaces: Mapping[Level, Surface], title: str = "", flags: Mapping[Level, str] | None = None
) -> None:
    """Draw the surfaces, RAS mm, colored by level, from three sides at one scale; refused levels half transparent.

    Args:
        path: the .png to write.
        surfaces: {level: surface}.
        title: the line on top.
        flags: quality flag per level ("ok", "check", "refuse"), where it is known.
    """
    flags = flags or {}
    points = np.concatenate([surface.points_ras_mm for surface in surfaces.values()])
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    rotations = [looking_along(direction) for _, direction, _ in _SIGHTS]
    reach = [np.abs((points - center) @ rotation.T).max(axis=0) for rotation in rotations]
    mm_per_px = 2 * (max(item[1] for item in reach) + _MARGIN_MM) / _HEIGHT_PX
    widths = [int(2 * (item[0] + _MARGIN_MM) / mm_per_px) for item in reach]
    canvas = Canvas((sum(widths), _HEIGHT_PX + _TITLE_PX), _GROUND)
    left = 0
    for (name, _, sides), rotation, width in zip(_SIGHTS, rotations, widths, strict=True):
        eye = Eye(rotation, center, (width, _HEIGHT_PX), mm_per_px)
        canvas.fill(_shaded(surfaces, flags, eye), (left, _TITLE_PX))
        _label(canvas, left, surfaces, eye, name, sides, flags)
        left += width
    _scale_bar(canvas, mm_per_px)
    canvas.text((14, 12), title, 24, (0.1, 0.1, 0.1), anchor="la", bold=True)
    note = f"{legend(flags, '(!), half transparent: do not use.')} Not for clinical use.".lstrip()
    canvas.text((canvas.size_px[0] - canvas.text_width(note, 20) - 14, 14), note, 20, (0.1, 0.1, 0.1), anchor="la")
    canvas.write(path)


def _shaded(surfaces: Mapping[Level, Surface], flags: Mapping[Level, str], eye: Eye) -> np.ndarray:
    """Return the picture (h, w, 4) of all surfaces; through those of refused levels one sees the others."""

    def drawn(levels: list[Level]) -> np.ndarray:
        return shade([surfaces[level] for level in levels], [LEVEL_COLORS[level] for level in levels], eye)

    everything = drawn(list(surfaces))
    sound = [level for level in surfaces if flags.get(level) != "refuse"]
    if len(sound) == len(surfaces):
        return everything
    others = drawn(sound) if sound else np.zeros_like(everything)
    covered = everything[..., 3:] + others[..., 3:]
    color = everything[..., :3] * everything[..., 3:] + others[..., :3] * others[..., 3:]
    return np.concatenate([color / np.maximum(covered, 1e-9), covered / 2.0], axis=-1)


def _label(
    canvas: Canvas,
    left: int,
    surfaces: Mapping[Level, Surface],
    eye: Eye,
    name: str,
    sides: tuple[str, str],
    flags: Mapping[Level, str],
) -> None:
    width, height = eye.size_px
    canvas.text((left + width / 2, _TITLE_PX - 8), name, 23, (0.25, 0.25, 0.25), anchor="md")
    for x, letter, anchor in ((10, sides[0], "lm"), (width - 10, sides[1], "rm")):
        canvas.text((left + x, _TITLE_PX + 22), letter, 27, (0.35, 0.35, 0.35), anchor=anchor, bold=True)
    for level, surface in surfaces.items():
        camera = (surface.points_ras_mm - eye.center_ras_mm) @ eye.camera_from_ras.T / eye.mm_per_px
        edge = camera[np.argsort(camera[:, 0])[: max(1, len(camera) // 40)]]
        x, y = camera[:, 0].min() + (width - 1) / 2, edge[:, 1].mean() + (height - 1) / 2
        color = tuple(0.62 * channel for channel in LEVEL_COLORS[level])
        text = level_label(level, flags.get(level, ""))
        right = max(x - 10, 8 + canvas.text_width(text, 25))
        canvas.text((left + right, y + _TITLE_PX), text, 25, color, anchor="rm", bold=True)


def _scale_bar(canvas: Canvas, mm_per_px: float) -> None:
    length = _SCALE_BAR_MM / mm_per_px
    x, y = canvas.size_px[0] - 20, canvas.size_px[1] - 24
    canvas.line(np.array([(x - length, y), (x, y)]), (0.2, 0.2, 0.2), 4)
    canvas.text((x - length / 2, y - 9), f"{_SCALE_BAR_MM:.0f} mm", 20, (0.2, 0.2, 0.2), anchor="md")
