"""Decoding an image file of any supported kind into raw pixels and what the file says about them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from ..errors import FilmError
from .film import Polarity
from .raw import RawImage
from .spacing import FilmSpacing, SpacingPlane
from .whole_files import damage_of

ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".nii.gz")
_SUPPORTED = "PNG, TIFF, DICOM, NRRD, MetaImage or NIfTI"


def decode(path: Path) -> RawImage:
    """Decode a film file; its kind is told by its first bytes, or by its name for NRRD, MetaImage and NIfTI.

    Raises:
        FilmError: if the file is missing, empty, truncated, of another kind, or holds more than one image.
    """
    path = Path(path)
    head = _first_bytes(path)
    if head[128:132] == b"DICM":
        from .dicom import decode_dicom

        return decode_dicom(path)
    if head.startswith((b"\x89PNG", b"II*\x00", b"MM\x00*", b"\xff\xd8\xff", b"BM")):
        return _decode_pillow(path)
    if path.name.lower().endswith(ITK_SUFFIXES):
        return _decode_itk(path)
    # The first entries of a data set belong to group 2 or 8.
    if head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00":
        raise FilmError(
            f"{path}: this seems to be DICOM, but not a file of it: the 132 bytes that such a file begins with are "
            "missing. Export it again, or import it into 3D Slicer's DICOM database."
        )
    raise FilmError(f"{path}: not a film that can be read; export it as {_SUPPORTED}.")


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise FilmError(f"{path}: this is a folder; choose the one file of the film in it.")
    if path.exists() and not path.is_file():
        raise FilmError(f"{path}: this is a pipe or a device; a film is read from a file.")
    try:
        with open(path, "rb") as stream:
            head = stream.read(132)
    except FileNotFoundError:
        raise FilmError(f"{path}: there is no such film; check the path.") from None
    except OSError as error:
        raise FilmError(f"{path}: the film cannot be read ({error.strerror}).") from error
    if not head:
        raise FilmError(f"{path}: the file is empty (0 bytes); export the film again.")
    return head


def _decode_pillow(path: Path) -> RawImage:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # films may be large
            with Image.open(path) as image:
                frames = getattr(image, "n_frames", 1)
                if frames > 1:
                    raise FilmError(f"{path}: the file holds {frames} images; export the one film to use.")
                image.load()
                return _from_pillow(image)
    except FilmError:
        raise
    except Image.DecompressionBombError as error:
        raise FilmError(f"{path}: no film is that large ({error}); export it with fewer pixels.") from error
    # Pillow reports damage as OSError, SyntaxError, ValueError or EOFError, depending on the format.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise FilmError(f"{path}: the film is damaged or truncated ({error}); export it again.") from error


def _from_pillow(image) -> RawImage:
    notes: list[str] = []
    polarity = None
    if image.format == "JPEG":
        notes.append("JPEG is lossy and has 8 bits; use PNG, TIFF or DICOM if you can.")
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F", "L"):
        pixels = np.asarray(image)
        white_is_zero = image.format == "TIFF" and image.tag_v2.get(262) == 0
        # Pillow inverts 8-bit TIFFs that store white as zero, but not deeper ones.
        if white_is_zero and image.mode != "L":
            polarity = Polarity.BONE_DARK
            notes.append("The TIFF stores white as zero: bone has the small values.")
    else:
        pixels = _gray(image, notes)
    bits = 32 if pixels.dtype.itemsize == 4 and image.mode == "F" else 16 if image.mode.startswith("I") else 8
    return RawImage(pixels, bits, polarity, _pillow_spacing(image), tuple(notes))


def _gray(image, notes: list[str]) -> np.ndarray:
    channels = np.asarray(image.convert("RGB"), dtype=np.float32)
    if np.all(channels == channels[..., :1]):
        if image.mode == "1":
            notes.append("The film has black and white only (1 bit), no gray; export it with 8 or 16 bits.")
        else:
            kind = {"P": "palette", "PA": "palette", "LA": "gray"}.get(image.mode, "color")
            notes.append(f"Gray taken from a {kind} image ({image.mode}) with equal channels.")
        return channels[..., 0].astype(np.uint8)
    notes.append(
        f"Color ({image.mode}) turned to gray with the weights 0.299, 0.587, 0.114; "
        "colored marks on the film are now part of it."
    )
    return (channels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)).astype(np.float32)


def _pillow_spacing(image) -> FilmSpacing:
    dpi = image.info.get("dpi")
    if not dpi or not all(np.isfinite(float(number)) and float(number) > 0 for number in dpi):
        return FilmSpacing()
    dpi_x, dpi_y = (float(number) for number in dpi)
    # Programs write these when they know nothing; they are screens, not films.
    if any(abs(dpi_x - screen) < 0.6 and abs(dpi_y - screen) < 0.6 for screen in (1.0, 72.0, 96.0)):
        return FilmSpacing()
    return FilmSpacing((25.4 / dpi_x, 25.4 / dpi_y), SpacingPlane.UNKNOWN, f"resolution of the {image.format} file")


def _decode_itk(path: Path) -> RawImage:
    import SimpleITK

    damage = damage_of(path)
    if damage:
        raise FilmError(f"{path}: the film is damaged or cut off ({damage}); copy or export it again.")
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise FilmError(f"{path}: the film is damaged or not what its name says ({reason}); export it again.") from None
    pixels, notes = SimpleITK.GetArrayFromImage(image), []
    if image.GetNumberOfComponentsPerPixel() > 1:
        if image.GetNumberOfComponentsPerPixel() not in (3, 4):
            raise FilmError(f"{path}: {image.GetNumberOfComponentsPerPixel()} values per pixel; export a gray film.")
        pixels = pixels[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        notes.append("Color turned to gray with the weights 0.299, 0.587, 0.114.")
    long_axes = [axis for axis, size in enumerate(image.GetSize()) if size > 1]
    if len(long_axes) != 2:
        raise FilmError(
            f"{path}: a film has two axes, this file has {' x '.join(map(str, image.GetSize()))} voxels; "
            "export one film or slice."
        )
    pixels = pixels.reshape(image.GetSize()[long_axes[1]], image.GetSize()[long_axes[0]])
    spacing_mm = tuple(image.GetSpacing()[axis] for axis in long_axes)
    stated = FilmSpacing(spacing_mm, SpacingPlane.UNKNOWN, "spacing of the image header")
    # ITK fills in 1 where a header has no spacing, so exactly 1 x 1 says nothing.
    spacing = FilmSpacing() if spacing_mm == (1.0, 1.0) else stated
    return RawImage(pixels, 8 * pixels.dtype.itemsize, None, spacing, tuple(notes))
