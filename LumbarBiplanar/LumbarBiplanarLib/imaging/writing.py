"""Writing films and lumbar-only images, and reading the latter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import FilmError, GeometryError
from ..files import atomic_path
from ..geometry import View
from .decoding import decode
from .film import check_pixels

# Longest path through the lumbar spine on an adult's AP or lateral film; films drawn from a CT give 57 to 81 mm.
USUAL_LONGEST_PATH_MM = 80.0
# What mistakes the unit is far above: micrometres, or gray values.
_LONGEST_PATH_MM = 400.0
LUMBAR_IMAGE_SUFFIXES = (".nrrd", ".mha")


def write_film(path: str | Path, pixels: np.ndarray) -> None:
    """Write a film as a 16-bit gray PNG.

    Args:
        path: file to write, ending in .png.
        pixels: (H, W) whole values 0 to 65535 (floats are rounded).

    Raises:
        FilmError: if the pixels are empty, constant, not finite or outside 0 to 65535, or the name is not .png.
        StudyError: if the file cannot be written.
    """
    from PIL import Image

    pixels = np.asarray(pixels)
    if Path(path).suffix.lower() != ".png":
        raise FilmError(f"{path}: films are written as 16-bit PNG; name the file .png.")
    check_pixels(pixels, str(path))
    if pixels.min() < 0 or pixels.max() > 65535:
        raise FilmError(f"{path}: values {pixels.min():g} to {pixels.max():g} do not fit 16 bits; scale them first.")
    with atomic_path(path) as temporary:
        Image.fromarray(np.round(pixels).astype(np.uint16)).save(temporary, format="PNG")


def write_lumbar_image(path: str | Path, lumbar_mm: np.ndarray) -> None:
    """Write a lumbar-only image, (H, W) mm of bone along each ray, as float32 .nrrd or .mha.

    Raises:
        FilmError: if the values are not a finite (H, W) array of numbers >= 0, or the name has another suffix.
        StudyError: if the file cannot be written.
    """
    import SimpleITK

    if Path(path).suffix.lower() not in LUMBAR_IMAGE_SUFFIXES:
        raise FilmError(f"{path}: lumbar-only images are written as float32; name the file .nrrd or .mha.")
    values = np.asarray(lumbar_mm, dtype=np.float32)
    _check_lumbar(values, str(path))
    write_with_itk(SimpleITK.GetImageFromArray(values), path)


def read_lumbar_image(path: str | Path, view: View) -> np.ndarray:
    """Read a lumbar-only image: mm of bone along the ray of each pixel of the film.

    Floating-point files are taken as mm. Files of whole numbers (PNG, TIFF) cannot hold mm: they are known up to a gain
    only, which the registration fits, and are scaled to a usual longest path of 80 mm; ``is_relative`` tells.

    Args:
        path: .nrrd, .mha or another format of ``read_film``.
        view: view of the film it belongs to.

    Returns:
        (H, W) float32.

    Raises:
        FilmError: if the file cannot be read, or holds NaN, negative values or no bone.
        GeometryError: if its size is not that of the view.
    """
    values, relative = read_lumbar_values(path)
    if values.shape != view.shape:
        raise GeometryError(
            f"{path}: the lumbar-only image has {values.shape[1]} x {values.shape[0]} pixels, but the {view.name} film "
            f"has {view.size_px[0]} x {view.size_px[1]}. Give the image of this film, pixel by pixel."
        )
    if not relative and values.max() > _LONGEST_PATH_MM:
        raise FilmError(
            f"{path}: the longest path through bone would be {values.max():.0f} mm, and no spine has more than "
            f"{_LONGEST_PATH_MM:.0f}. Give the lumbar-only image in mm of bone, or as whole numbers if only its "
            "relative values are known."
        )
    return values * (USUAL_LONGEST_PATH_MM / values.max()) if relative else values


def is_relative(path: str | Path) -> bool:
    """Tell whether a lumbar-only image holds whole numbers and so is known up to a gain only."""
    return read_lumbar_values(path)[1]


def read_lumbar_values(path: str | Path) -> tuple[np.ndarray, bool]:
    """Return the (H, W) float32 values of a lumbar-only image as stored, and whether they are whole numbers."""
    raw = decode(Path(path))
    values = raw.pixels.astype(np.float32)
    _check_lumbar(values, str(path))
    return values, raw.pixels.dtype.kind in "iub"


def write_with_itk(image, path: str | Path) -> None:
    """Write a SimpleITK image, compressed, whole or not at all; raises StudyError if it cannot be written."""
    import SimpleITK

    with atomic_path(path) as temporary:
        try:
            SimpleITK.WriteImage(image, str(temporary), useCompression=True)
            # ITK writes NIfTI to a full disk without a word.
            if SimpleITK.Hash(SimpleITK.ReadImage(str(temporary))) != SimpleITK.Hash(image):
                raise RuntimeError("what was written does not read back; is the disk full?")
        except RuntimeError as error:
            raise OSError(None, str(error).strip().splitlines()[-1], str(temporary)) from error


def _check_lumbar(values: np.ndarray, what: str) -> None:
    if values.ndim == 2 and values.size and np.all(np.isfinite(values)) and values.max() <= 0:
        raise FilmError(f"{what}: the lumbar-only image holds no bone (largest value {values.max():g} mm).")
    check_pixels(values, what)
    if values.min() < 0:
        raise FilmError(f"{what}: a path length cannot be negative, found {values.min():g} mm.")
