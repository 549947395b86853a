"""spine_3d.png: the reconstructed vertebrae from the front, from the side and obliquely; needs no graphics card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..anatomy import Level
from ..files import atomic_path
from ..shape import Surface
from .appearance import LEVEL_COLORS
from .shading import Eye, looking_along, shade

# Title, direction of sight in RAS, letters of the patient's side at the left and right border.
_SIGHTS = (
    ("From the front", (0.0, -1.0, 0.0), ("R", "L")),
    ("From the left", (1.0, 0.0, 0.0), ("A", "P")),
    ("From behind, oblique", (-0.62, 0.70, -0.25), ("", "")),
)
_HEIGHT_PX = 1000
_MARGIN_MM = 12.0
_SCALE_BAR_MM = 50.0
_GROUND = (0.965, 0.968, 0.975)


def write_spine_picture(path: str | Path, surfaces: Mapping[Level, Surface], title: str = "") -> None:
    """Draw the surfaces, RAS mm, colored by level, from three sides at one scale.

    Args:
        path: the .png to write.
        surfaces: {level: surface}.
        title: the line on top.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = np.concatenate([surface.points_ras_mm for surface in surfaces.values()])
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    rotations = [looking_along(direction) for _, direction, _ in _SIGHTS]
    reach = [np.abs((points - center) @ rotation.T).max(axis=0) for rotation in rotations]
    mm_per_px = 2 * (max(item[1] for item in reach) + _MARGIN_MM) / _HEIGHT_PX
    widths = [int(2 * (item[0] + _MARGIN_MM) / mm_per_px) for item in reach]
    top = 84
    size = (sum(widths), _HEIGHT_PX + top)
    figure = Figure(figsize=(size[0] / 100, size[1] / 100), dpi=100, facecolor=_GROUND)
    canvas = FigureCanvasAgg(figure)
    left = 0
    for (name, _, sides), rotation, width in zip(_SIGHTS, rotations, widths, strict=True):
        eye = Eye(rotation, center, (width, _HEIGHT_PX), mm_per_px)
        axes = figure.add_axes((left / size[0], 0.0, width / size[0], _HEIGHT_PX / size[1]))
        axes.imshow(shade(list(surfaces.values()), [LEVEL_COLORS[level] for level in surfaces], eye), aspect="auto")
        axes.set_axis_off()
        _label(axes, surfaces, eye, name, sides)
        left += width
    _scale_bar(axes, eye)
    figure.text(12 / size[0], 1 - 10 / size[1], title, fontsize=15, color="0.1", va="top", fontweight="bold")
    with atomic_path(path) as temporary:
        canvas.print_png(temporary)


def _label(axes, surfaces: Mapping[Level, Surface], eye: Eye, name: str, sides: tuple[str, str]) -> None:
    width, height = eye.size_px
    axes.text(width / 2, -8, name, fontsize=14, color="0.25", ha="center", va="bottom")
    for x, letter, align in ((10, sides[0], "left"), (width - 10, sides[1], "right")):
        axes.text(x, 22, letter, fontsize=16, color="0.35", ha=align, va="center", fontweight="bold")
    for level, surface in surfaces.items():
        camera = (surface.points_ras_mm - eye.center_ras_mm) @ eye.camera_from_ras.T / eye.mm_per_px
        edge = camera[np.argsort(camera[:, 0])[: max(1, len(camera) // 40)]]
        x, y = camera[:, 0].min() + (width - 1) / 2, edge[:, 1].mean() + (height - 1) / 2
        color = tuple(0.62 * channel for channel in LEVEL_COLORS[level])
        axes.text(max(x - 10, 34), y, level.name, fontsize=15, fontweight="bold", color=color, ha="right", va="center")


def _scale_bar(axes, eye: Eye) -> None:
    length = _SCALE_BAR_MM / eye.mm_per_px
    x, y = eye.size_px[0] - 20, eye.size_px[1] - 24
    axes.plot([x - length, x], [y, y], color="0.2", linewidth=3, solid_capstyle="butt")
    axes.text(x - length / 2, y - 8, f"{_SCALE_BAR_MM:.0f} mm", fontsize=12, color="0.2", ha="center", va="bottom")
