"""overlay_ap.png, overlay_lateral.png: a film with the outlines of the reconstruction and the landmarks on it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anatomy import FilmLandmarks, Level
from ..imaging import Film
from .appearance import LEVEL_COLORS, level_label
from .canvas import Canvas, resized

_HEIGHT_PX, _TITLE_PX = 1300, 110
_SLOW_MM = 25.0
_FLATTENED = 0.75
_BLURRED_PX = 20.0  # of a Gaussian, whose blocks of pixels then are not seen
_SCALE_BAR_MM = 50.0
_AROUND = 0.4  # of the height of all outlines, what is drawn around them
_MUCH = 0.6  # a part that is more of the film than this is not worth cutting out
_GROUND = (0.07, 0.07, 0.08)
_BOX = (0.0, 0.0, 0.0, 0.6)
_DASH_PX = 12.0
_HALO = (0.0, 0.0, 0.0, 0.55)
_WHITE = (1.0, 1.0, 1.0)


def write_overlay(
    path: str | Path,
    film: Film,
    silhouettes_px: Mapping[Level, np.ndarray],
    landmarks: FilmLandmarks,
    center_ras_mm: np.ndarray,
    subtitle: str = "",
    flags: Mapping[Level, str] | None = None,
) -> None:
    """Draw a film with colored outlines and names per level, the landmarks used, and a scale bar.

    Outlines end where the film does. That of a refused level is dashed, and its name says not to use it. Of a film
    that shows much more than the lumbar spine, the part around the outlines is drawn.

    Args:
        path: the .png to write.
        film: the film; slow changes of brightness are flattened for display.
        silhouettes_px: {level: (n, 2)} closed outlines in pixels of the film.
        landmarks: drawn as crosses if visible; those set by a person as circles.
        center_ras_mm: (3,) point in whose plane the scale bar holds, RAS mm.
        subtitle: a line below the title.
        flags: quality flag per level ("ok", "check", "refuse"), where it is known.
    """
    flags = flags or {}
    whole, (x0, y0, width, height) = film, _window(film, silhouettes_px)
    film = whole.cropped(x0, y0, width, height)
    silhouettes_px = {level: np.asarray(outline) - (x0, y0) for level, outline in silhouettes_px.items()}
    aspect = width * film.view.spacing_mm[0] / (height * film.view.spacing_mm[1])
    size = (round(_HEIGHT_PX * aspect), _HEIGHT_PX)
    canvas = Canvas((size[0], size[1] + _TITLE_PX), _GROUND)
    canvas.fill(resized(displayed(film, silhouettes_px), size), (0, _TITLE_PX))
    place = _Place((size[0] / width, size[1] / height), size)
    outlines = {level: place(outline) for level, outline in silhouettes_px.items()}
    for color, line_width in ((lambda level: _HALO, 5.5), (LEVEL_COLORS.__getitem__, 3.0)):
        for level, outline in outlines.items():
            dash = _DASH_PX if flags.get(level) == "refuse" else None
            canvas.line(outline, color(level), line_width, closed=True, dash=dash)
    _draw_landmarks(canvas, landmarks, place, film, (x0, y0))
    canvas.erase((0, 0, size[0], _TITLE_PX))
    for level, outline in outlines.items():
        _draw_name(canvas, level, outline, size, flags.get(level, ""))
    _draw_scale(canvas, place, float(film.view.pixel_size_at(center_ras_mm)[0]))
    _draw_sides(canvas, film, size)
    _draw_title(canvas, film, subtitle, part=film.view.size_px != whole.view.size_px)
    canvas.write(path)


def _window(film: Film, outlines_px: Mapping[Level, np.ndarray]) -> tuple[int, int, int, int]:
    """Return (x, y, width, height) of the part of the film to draw."""
    size = np.array(film.view.size_px)
    if not outlines_px:
        return 0, 0, *film.view.size_px
    points = np.concatenate([np.asarray(outline) for outline in outlines_px.values()])
    low, high = points.min(axis=0), points.max(axis=0)
    pitch = np.array(film.view.spacing_mm)
    margin = _AROUND * (high[1] - low[1]) * pitch[1] / pitch
    first = np.clip(np.floor(low - margin).astype(int), 0, size - 2)
    last = np.clip(np.ceil(high + margin).astype(int), first + 1, size - 1)
    x0, y0 = (int(value) for value in first)
    width, height = (int(value) for value in last - first + 1)
    much_more = width * height < _MUCH * size.prod()
    return (x0, y0, width, height) if much_more else (0, 0, *film.view.size_px)


@dataclass(frozen=True)
class _Place:
    """Takes pixels of the film to pixels of the picture; a pixel's position is that of its centre."""

    scale: tuple[float, float]
    size: tuple[int, int]

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return positions (..., 2) in the picture."""
        return (np.asarray(pixels, dtype=np.float64) + 0.5) * self.scale + (0.0, _TITLE_PX)


def displayed(film: Film, outlines_px: Mapping[Level, np.ndarray]) -> np.ndarray:
    """Return (H, W) film with bone bright, slow changes mostly taken away, 0 to 1 for what lies about the outlines."""
    image = film.bone_bright().astype(np.float64)
    image = image - _FLATTENED * _slow(image, [_SLOW_MM / pitch for pitch in film.view.spacing_mm[::-1]])
    window = image
    if outlines_px:
        points = np.concatenate(list(outlines_px.values()))
        low = np.clip(np.floor(points.min(axis=0)).astype(int), 0, None)
        high = np.ceil(points.max(axis=0)).astype(int) + 1
        window = image[low[1] : high[1], low[0] : high[0]]
        window = window if window.size else image
    dark, bright = np.percentile(window, (0.5, 99.7))
    return np.clip((image - dark) / max(bright - dark, 1e-9), 0.0, 1.0)


def _slow(image: np.ndarray, width_px: list[float]) -> np.ndarray:
    """Return what is slow in an image (H, W): a Gaussian of ``width_px`` (down, across).

    Of a fine film it is taken on means of blocks of pixels and interpolated: on 20 million pixels it took a minute.
    """
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    size = image.shape
    blocks = [max(1, round(n / max(1, int(width / _BLURRED_PX)))) for n, width in zip(size, width_px, strict=True)]
    plain = Image.fromarray(image.astype(np.float32))
    means = np.asarray(plain.resize(blocks[::-1], Image.Resampling.BOX), dtype=np.float64)
    scaled = [width * few / n for width, few, n in zip(width_px, blocks, size, strict=True)]
    blurred = Image.fromarray(gaussian_filter(means, scaled, mode="nearest").astype(np.float32))
    return np.asarray(blurred.resize(size[::-1], Image.Resampling.BILINEAR), dtype=np.float64)


def _draw_landmarks(
    canvas: Canvas, landmarks: FilmLandmarks, place: _Place, film: Film, corner: tuple[int, int]
) -> None:
    for item in landmarks.visible().values():
        position = np.subtract(item.position_px, corner)
        if not film.view.contains(position):
            continue
        color, at = LEVEL_COLORS[item.level], place(position)
        if item.corrected:
            canvas.circle(at, 5.5, (0, 0, 0), 4.5)
            canvas.circle(at, 5.5, color, 2.3)
            continue
        opacity = 0.35 + 0.65 * min(1.0, max(0.0, item.confidence))
        canvas.cross(at, 6.5, (0, 0, 0, opacity), 4.5)
        canvas.cross(at, 6.0, (*color, opacity), 2.2)


def _draw_name(canvas: Canvas, level: Level, outline: np.ndarray, size: tuple[int, int], flag: str) -> None:
    """Write the level's name beside its outline, on the side where the body is (lateral) or on the left (AP)."""
    width, height = size
    low, high = outline.min(axis=0), outline.max(axis=0)
    name = f"{level_label(level, flag)} do not use" if flag == "refuse" else level_label(level, flag)
    room = canvas.text_width(name, 30) + 0.025 * width
    x, anchor = float(low[0]) - 0.025 * width, "rm"
    if x < max(room, 0.07 * width):
        x, anchor = min(float(high[0]) + 0.025 * width, width - room), "lm"
    x = min(x, 0.975 * width)
    # At the height of the outline's leftmost part, which is the transverse process or the body's anterior wall.
    edge = outline[:, 0] < low[0] + 0.2 * (high[0] - low[0])
    y = float(np.clip(outline[edge, 1].mean() - _TITLE_PX, 0.03 * height, 0.97 * height)) + _TITLE_PX
    canvas.text((x, y), name, 30, LEVEL_COLORS[level], anchor=anchor, bold=True, box=_BOX)


def _draw_scale(canvas: Canvas, place: _Place, mm_per_film_px: float) -> None:
    width, height = place.size
    length = _SCALE_BAR_MM / mm_per_film_px * place.scale[0]
    x, y = 0.97 * width, 0.97 * height + _TITLE_PX
    ends = np.array([(x - length, y), (x, y)])
    canvas.line(ends, (0, 0, 0), 10)
    canvas.line(ends + [(2.0, 0.0), (-2.0, 0.0)], _WHITE, 5)
    text = f"{_SCALE_BAR_MM:.0f} mm at the spine"
    canvas.text((x - length / 2, y - 14), text, 20, _WHITE, anchor="md", box=_BOX)


def _draw_sides(canvas: Canvas, film: Film, size: tuple[int, int]) -> None:
    """Write which side of the patient the left and the right border of the film are."""
    axis = film.view.camera_from_ras[0, :3]
    largest = int(np.argmax(np.abs(axis)))
    letters = ("R", "A")[largest], ("L", "P")[largest]
    right, left = letters if axis[largest] > 0 else letters[::-1]
    y = 0.035 * size[1] + _TITLE_PX
    for x, letter, anchor in ((0.02 * size[0], left, "lm"), (0.98 * size[0], right, "rm")):
        canvas.text((x, y), letter, 34, _WHITE, anchor=anchor, bold=True, box=_BOX)


def _draw_title(canvas: Canvas, film: Film, subtitle: str, *, part: bool) -> None:
    title = "AP film" if film.view.name == "AP" else f"{film.view.name.capitalize()} film"
    # The font of the pictures has no letters beyond ASCII.
    if film.path is not None and film.path.name.isascii():
        title += f": {film.path.name}"
    if part:
        title += " (part)"
    canvas.text((18, 14), title, 28, _WHITE, anchor="la", bold=True)
    letter = canvas.text_width(subtitle, 20) / max(1, len(subtitle))
    lines = textwrap.wrap(subtitle, max(20, int((canvas.size_px[0] - 36) / max(letter, 1.0))))
    canvas.text((18, 52), "\n".join(lines), 20, (0.8, 0.8, 0.8), anchor="la")
