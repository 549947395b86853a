"""A film: its pixels, its view, and whether bone is bright or dark in it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import FilmError, GeometryError
from ..geometry import FilmFacts, View
from .contradictions import notes_on_view
from .resampling import resample_image


class Polarity(enum.Enum):
    """What a large pixel value means."""

    BONE_BRIGHT = "bone bright"
    BONE_DARK = "bone dark"


@dataclass(frozen=True, eq=False)
class Film:
    """One radiograph with its projection.

    Attributes:
        pixels: (H, W) float32, read-only, the values stored in the file (after a DICOM rescale), not windowed.
        view: projection of the film; ``view.size_px`` is (W, H).
        polarity: whether bone has large or small values in ``pixels``.
        path: file it was read from, or None.
        sha256: hash of that file, or None.
        bits: bits that the file stores per pixel, or None.
        remarks: what a reader should know about how the pixels came about.
        facts: what the file states of how it was taken, for ``notes``; None if nothing is known, or if these are other
            pixels than the file's.

    Raises:
        FilmError: if the pixels are not a finite, non-constant (H, W) array.
        GeometryError: if their size is not that of the view.
    """

    pixels: np.ndarray
    view: View
    polarity: Polarity = Polarity.BONE_BRIGHT
    path: Path | None = None
    sha256: str | None = None
    bits: int | None = None
    remarks: tuple[str, ...] = ()
    facts: FilmFacts | None = None

    def __post_init__(self) -> None:
        """Check the pixels against each other and against the view, and freeze them."""
        what = str(self.path) if self.path is not None else f"The {self.view.name} film"
        pixels = np.array(self.pixels, dtype=np.float32)
        check_pixels(pixels, what)
        check_size(pixels.shape, self.view, what)
        if not isinstance(self.polarity, Polarity):
            raise FilmError(f"{what}: polarity must be a Polarity, found {self.polarity!r}.")
        pixels.setflags(write=False)
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "remarks", tuple(self.remarks))

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks, and in what the file contradicts the view."""
        return self.remarks if self.facts is None else (*self.remarks, *notes_on_view(self.facts, self.view))

    def bone_bright(self) -> np.ndarray:
        """Return (H, W) float32 with bone bright: the pixels, or the pixels mirrored within their own range."""
        if self.polarity is Polarity.BONE_BRIGHT:
            return self.pixels.copy()
        return (self.pixels.max() + self.pixels.min()) - self.pixels

    def cropped(self, x0: int, y0: int, width: int, height: int) -> Film:
        """Return the window whose first pixel is (x0, y0), with its view; raises FilmError if it leaves the film."""
        full_width, full_height = self.view.size_px
        if x0 < 0 or y0 < 0 or width < 1 or height < 1 or x0 + width > full_width or y0 + height > full_height:
            raise FilmError(
                f"The window of {width} x {height} pixels at ({x0}, {y0}) leaves the {self.view.name} film of "
                f"{full_width} x {full_height} pixels."
            )
        return replace(
            self,
            pixels=self.pixels[y0 : y0 + height, x0 : x0 + width],
            view=self.view.cropped(x0, y0, width, height),
        )

    def turned_over(self) -> Film:
        """Return the film with its columns in reverse order."""
        return replace(self, pixels=self.pixels[:, ::-1], view=self.view.turned_over(), facts=None)

    def of_mirrored_patient(self) -> Film:
        """Return this very film as one of the mirrored patient (``View``)."""
        return replace(self, view=self.view.of_mirrored_patient(), facts=None)

    def resampled(self, spacing_mm: float | tuple[float, float]) -> Film:
        """Return the film at another detector pitch, averaged over the larger pixel so that nothing aliases."""
        view = self.view.resampled(spacing_mm)
        return replace(self, pixels=resample_image(self.pixels, self.view, view), view=view, facts=None)


def check_pixels(pixels: np.ndarray, what: str) -> None:
    """Raise FilmError, beginning with ``what``, unless the pixels are a finite, non-constant (H, W) array."""
    if pixels.ndim != 2:
        raise FilmError(f"{what}: a film has rows and columns only, found an array of shape {pixels.shape}.")
    if pixels.size == 0:
        raise FilmError(f"{what}: the film is empty ({pixels.shape[1]} x {pixels.shape[0]} pixels); export it again.")
    bad = pixels.size - int(np.isfinite(pixels).sum())
    if bad:
        raise FilmError(
            f"{what}: {bad} of {pixels.size} pixels are NaN, infinite or above 3.4e38; export the film again."
        )
    if pixels.max() == pixels.min():
        raise FilmError(
            f"{what}: every pixel is {pixels.flat[0]:g}; the film shows nothing. Choose the file with the image."
        )


def check_size(shape: tuple[int, int], view: View, what: str, other: View | None = None) -> None:
    """Raise GeometryError, beginning with ``what``, unless an array of this (H, W) shape fits the view.

    If it fits the ``other`` view of the pair, the message says that the films are probably exchanged.
    """
    if tuple(shape) == view.shape:
        return
    if other is not None and tuple(shape) == other.shape:
        raise GeometryError(
            f"{what}: the films are probably exchanged. This one, given as the {view.name} film, has {shape[1]} x "
            f"{shape[0]} pixels, as the {other.name} view of the geometry has; its {view.name} view has "
            f"{view.size_px[0]} x {view.size_px[1]}. Give each film as what it is, or correct the geometry."
        )
    turned = " It is turned by a quarter." if tuple(shape) == view.size_px else ""
    raise GeometryError(
        f"{what}: the film has {shape[1]} x {shape[0]} pixels, but the {view.name} view of the geometry has "
        f"{view.size_px[0]} x {view.size_px[1]}.{turned} Use the film that the geometry was made for, uncropped and "
        "not resized, or correct size_px, principal_px and spacing_mm of the geometry."
    )
