"""overlay_ap.png, overlay_lateral.png: a film with the outlines of the reconstruction and the landmarks on it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..anatomy import FilmLandmarks, Level
from ..files import atomic_path
from ..imaging import Film
from .appearance import LEVEL_COLORS

_HEIGHT_INCHES, _DPI = 10.0, 140
_SLOW_MM = 25.0
_FLATTENED = 0.75
_SCALE_BAR_MM = 50.0
_GROUND = (0.07, 0.07, 0.08)


def write_overlay(
    path: str | Path,
    film: Film,
    silhouettes_px: Mapping[Level, np.ndarray],
    landmarks: FilmLandmarks,
    center_ras_mm: np.ndarray,
    subtitle: str = "",
) -> None:
    """Draw a film with colored outlines and names per level, the landmarks used, and a scale bar.

    Args:
        path: the .png to write.
        film: the film; slow changes of brightness are flattened for display.
        silhouettes_px: {level: (n, 2)} closed outlines in pixels of the film.
        landmarks: drawn as crosses if visible; those set by a person as circles.
        center_ras_mm: (3,) point in whose plane the scale bar holds, RAS mm.
        subtitle: a line below the title.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = film.view.size_px
    aspect = width * film.view.spacing_mm[0] / (height * film.view.spacing_mm[1])
    margin = 0.085
    figure = Figure(figsize=(_HEIGHT_INCHES * (1 - margin) * aspect, _HEIGHT_INCHES), dpi=_DPI, facecolor=_GROUND)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0 - margin))
    axes.imshow(
        displayed(film, silhouettes_px), cmap="gray", vmin=0, vmax=1, interpolation="bicubic", aspect="auto",
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
    )  # fmt: skip
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.set_axis_off()
    for level, outline in silhouettes_px.items():
        _draw_outline(axes, outline, LEVEL_COLORS[level])
    _draw_landmarks(axes, landmarks)
    for level, outline in silhouettes_px.items():
        _draw_name(axes, level, outline, landmarks, film)
    _draw_scale(axes, film, center_ras_mm)
    _draw_sides(axes, film)
    _draw_title(figure, film, subtitle)
    with atomic_path(path) as temporary:
        canvas.print_png(temporary)


def displayed(film: Film, outlines_px: Mapping[Level, np.ndarray]) -> np.ndarray:
    """Return (H, W) film with bone bright, slow changes mostly taken away, 0 to 1 for what lies about the outlines."""
    from scipy.ndimage import gaussian_filter

    image = film.bone_bright().astype(np.float64)
    width = [_SLOW_MM / pitch for pitch in film.view.spacing_mm[::-1]]
    image = image - _FLATTENED * gaussian_filter(image, width, mode="nearest")
    window = image
    if outlines_px:
        points = np.concatenate(list(outlines_px.values()))
        low = np.clip(np.floor(points.min(axis=0)).astype(int), 0, None)
        high = np.ceil(points.max(axis=0)).astype(int) + 1
        window = image[low[1] : high[1], low[0] : high[0]]
        window = window if window.size else image
    dark, bright = np.percentile(window, (0.5, 99.7))
    return np.clip((image - dark) / max(bright - dark, 1e-9), 0.0, 1.0)


def _draw_outline(axes, outline: np.ndarray, color) -> None:
    from matplotlib.patheffects import Normal, Stroke

    closed = np.concatenate([outline, outline[:1]])
    (line,) = axes.plot(closed[:, 0], closed[:, 1], color=color, linewidth=1.5, solid_joinstyle="round")
    line.set_path_effects([Stroke(linewidth=2.8, foreground=(0, 0, 0, 0.55)), Normal()])


def _draw_landmarks(axes, landmarks: FilmLandmarks) -> None:
    for item in landmarks.visible().values():
        color = LEVEL_COLORS[item.level]
        x, y = item.position_px
        if item.corrected:
            axes.plot(x, y, "o", markersize=5.5, markerfacecolor="none", markeredgecolor="black", markeredgewidth=2.4)
            axes.plot(x, y, "o", markersize=5.5, markerfacecolor="none", markeredgecolor=color, markeredgewidth=1.2)
            continue
        alpha = 0.35 + 0.65 * min(1.0, max(0.0, item.confidence))
        axes.plot(x, y, "+", markersize=6.5, markeredgecolor=(0, 0, 0, alpha), markeredgewidth=2.4)
        axes.plot(x, y, "+", markersize=6.0, markeredgecolor=(*color, alpha), markeredgewidth=1.1)


def _draw_name(axes, level: Level, outline: np.ndarray, landmarks: FilmLandmarks, film: Film) -> None:
    """Write the level's name beside its outline, on the side where the body is (lateral) or on the left (AP)."""
    width, height = film.view.size_px
    low, high = outline.min(axis=0), outline.max(axis=0)
    x = float(low[0]) - 0.02 * width
    side = "right"
    if x < 0.06 * width:
        x, side = float(high[0]) + 0.02 * width, "left"
    # At the height of the outline's leftmost part, which is the transverse process or the body's anterior wall.
    edge = outline[:, 0] < low[0] + 0.2 * (high[0] - low[0])
    y = float(np.clip(outline[edge, 1].mean(), 0.03 * height, 0.97 * height))
    axes.text(
        x, y, level.name, color=LEVEL_COLORS[level], fontsize=15, fontweight="bold", ha=side, va="center",
        bbox={"boxstyle": "round,pad=0.18", "facecolor": (0, 0, 0, 0.6), "edgecolor": "none"},
    )  # fmt: skip


def _draw_scale(axes, film: Film, center_ras_mm: np.ndarray) -> None:
    width, height = film.view.size_px
    length = _SCALE_BAR_MM / float(film.view.pixel_size_at(center_ras_mm)[0])
    x, y = 0.97 * width, 0.97 * height
    axes.plot([x - length, x], [y, y], color="black", linewidth=5, solid_capstyle="butt")
    axes.plot([x - length, x], [y, y], color="white", linewidth=2.5, solid_capstyle="butt")
    axes.text(
        x - length / 2, y - 0.012 * height, f"{_SCALE_BAR_MM:.0f} mm at the spine", color="white", fontsize=10,
        ha="center", va="bottom", bbox={"boxstyle": "round,pad=0.15", "facecolor": (0, 0, 0, 0.5), "edgecolor": "none"},
    )  # fmt: skip


def _draw_sides(axes, film: Film) -> None:
    """Write which side of the patient the left and the right border of the film are."""
    width, height = film.view.size_px
    axis = film.view.camera_from_ras[0, :3]
    largest = int(np.argmax(np.abs(axis)))
    letters = ("R", "A")[largest], ("L", "P")[largest]
    right, left = letters if axis[largest] > 0 else letters[::-1]
    for x, letter, side in ((0.02 * width, left, "left"), (0.98 * width, right, "right")):
        axes.text(
            x, 0.03 * height, letter, color="white", fontsize=17, fontweight="bold", ha=side, va="center",
            bbox={"boxstyle": "round,pad=0.2", "facecolor": (0, 0, 0, 0.55), "edgecolor": "none"},
        )  # fmt: skip


def _draw_title(figure, film: Film, subtitle: str) -> None:
    title = "AP" if film.view.name == "AP" else film.view.name.capitalize()
    title += f" film: {film.path.name}" if film.path is not None else " film"
    figure.text(0.02, 0.985, title, color="white", fontsize=14, fontweight="bold", va="top")
    # A letter of this size is about 0.075 inches wide.
    text = "\n".join(textwrap.wrap(subtitle, max(20, int(0.96 * figure.get_figwidth() / 0.075))))
    figure.text(0.02, 0.953, text, color=(0.8, 0.8, 0.8), fontsize=9.5, va="top", linespacing=1.3)
