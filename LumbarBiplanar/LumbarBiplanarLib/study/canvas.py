"""Drawing on pictures with pillow alone: lines, marks and text with smooth edges.

Slicer brings pillow with it but not matplotlib, and the pictures must come out alike in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..files import atomic_path

# Marks are drawn this many times larger and then reduced, for pillow draws lines without smooth edges.
_OVERSAMPLING = 3
_STRIP_PX = 128  # rows that are reduced at a time
_BOLD = 0.022  # of the size of the letters, what is added around them: the font that pillow brings has no bold one
Color = Sequence[float]


class Canvas:
    """A picture that is filled first and then marked; colors are (red, green, blue[, opacity]) from 0 to 1.

    Positions are in pixels, x right, y down, (0, 0) is the upper left corner of the picture.
    """

    def __init__(self, size_px: tuple[int, int], ground: Color):
        from PIL import Image, ImageDraw

        self.size_px = (int(size_px[0]), int(size_px[1]))
        self._image = Image.new("RGB", self.size_px, _rgba(ground)[:3])
        self._layer = Image.new("RGBA", tuple(side * _OVERSAMPLING for side in self.size_px), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._layer)

    def fill(self, picture: np.ndarray, at: tuple[int, int]) -> None:
        """Put a picture, (h, w) grey, (h, w, 3) or (h, w, 4) with opacity, from 0 to 1; its corner is ``at`` (x, y)."""
        from PIL import Image

        levels = np.clip(np.round(np.asarray(picture) * 255.0), 0, 255).astype(np.uint8)
        part = Image.fromarray(levels)
        self._image.paste(part, at, part if part.mode == "RGBA" else None)

    def erase(self, box: Sequence[float]) -> None:
        """Take away all marks (not the ground) within left, top, right, bottom."""
        self._layer.paste((0, 0, 0, 0), tuple(round(value * _OVERSAMPLING) for value in box))

    def line(
        self, points: np.ndarray, color: Color, width: float, *, closed: bool = False, dash: float | None = None
    ) -> None:
        """Draw a line through points (n, 2); with ``dash``, in strokes of that many pixels with gaps between them."""
        points = np.asarray(points, dtype=np.float64)
        if closed:
            points = np.concatenate([points, points[: 1 if dash else 2]])
        if dash:
            for stroke in _strokes(points, dash):
                self.line(stroke, color, width)
            return
        path = [tuple(point) for point in points * _OVERSAMPLING]
        self._draw.line(path, fill=_rgba(color), width=max(1, round(width * _OVERSAMPLING)), joint="curve")

    def circle(self, center: Sequence[float], radius: float, color: Color, width: float) -> None:
        """Draw a ring; ``radius`` is that of the middle of its line."""
        x, y = (value * _OVERSAMPLING for value in center)
        reach = (radius + width / 2) * _OVERSAMPLING
        self._draw.ellipse(
            (x - reach, y - reach, x + reach, y + reach), outline=_rgba(color), width=round(width * _OVERSAMPLING)
        )

    def cross(self, center: Sequence[float], reach: float, color: Color, width: float) -> None:
        """Draw an upright cross whose arms are ``reach`` long."""
        x, y = center
        for ends in (((x - reach, y), (x + reach, y)), ((x, y - reach), (x, y + reach))):
            self.line(np.array(ends), color, width)

    def text(
        self,
        at: Sequence[float],
        text: str,
        size: float,
        color: Color,
        *,
        anchor: str = "lm",
        bold: bool = False,
        box: Color | None = None,
    ) -> None:
        """Write text.

        Args:
            at: (x, y) of the anchor.
            text: one or more lines.
            size: of the letters, in pixels.
            color: of the letters.
            anchor: horizontally l, m or r, vertically a (top), m or d (bottom), as pillow names them.
            bold: with thicker letters.
            box: color of a box behind the text, or None.
        """
        font = _font(size * _OVERSAMPLING)
        x, y = (value * _OVERSAMPLING for value in at)
        given = {"font": font, "spacing": 0.35 * size * _OVERSAMPLING}
        if "\n" not in text:
            given["anchor"] = anchor
        stroke = round(_BOLD * size * _OVERSAMPLING) if bold else 0
        if box is not None:
            left, top, right, bottom = self._draw.textbbox((x, y), text, stroke_width=stroke, **given)
            pad = 0.22 * size * _OVERSAMPLING
            self._draw.rounded_rectangle(
                (left - pad, top - pad, right + pad, bottom + pad), radius=pad, fill=_rgba(box)
            )
        self._draw.text((x, y), text, fill=_rgba(color), stroke_width=stroke, stroke_fill=_rgba(color), **given)

    def text_width(self, text: str, size: float) -> float:
        """Return how many pixels wide a line of text is."""
        return _font(size * _OVERSAMPLING).getlength(text) / _OVERSAMPLING

    def pixels(self) -> np.ndarray:
        """Return the finished picture, (height, width, 3) uint8."""
        from PIL import Image

        width, height = self.size_px
        finished = self._image.copy()
        # All at once would need the large layer a second time in memory.
        for top in range(0, height, _STRIP_PX):
            bottom = min(height, top + _STRIP_PX)
            layer = self._layer.crop((0, top * _OVERSAMPLING, width * _OVERSAMPLING, bottom * _OVERSAMPLING))
            marks = layer.resize((width, bottom - top), Image.Resampling.BOX)
            ground = self._image.crop((0, top, width, bottom)).convert("RGBA")
            finished.paste(Image.alpha_composite(ground, marks).convert("RGB"), (0, top))
        return np.asarray(finished)

    def write(self, path: str | Path) -> None:
        """Write the picture as a PNG file, whole or not at all."""
        from PIL import Image

        with atomic_path(path) as temporary:
            Image.fromarray(self.pixels()).save(temporary, "PNG")


def _strokes(points: np.ndarray, length: float) -> Iterator[np.ndarray]:
    """Yield the strokes (k, 2) of a dashed line; the gaps are two thirds as long."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    for start in np.arange(0.0, along[-1], length / 0.6):
        end = min(start + length, along[-1])
        at = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
        yield np.column_stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)])


def resized(image: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Return a grey image (h, w) from 0 to 1 brought to another (width, height) with smooth interpolation."""
    from PIL import Image

    picture = Image.fromarray(np.asarray(image, dtype=np.float32))
    return np.clip(np.asarray(picture.resize(size_px, Image.Resampling.BICUBIC)), 0.0, 1.0)


def _font(size: float):
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _rgba(color: Color) -> tuple[int, ...]:
    channels = (*color, 1.0) if len(color) == 3 else tuple(color)
    return tuple(round(255 * min(1.0, max(0.0, float(channel)))) for channel in channels)
