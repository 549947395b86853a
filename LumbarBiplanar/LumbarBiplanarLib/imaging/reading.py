"""Reading a film: pixels of any supported file, joined to the view they belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import FilmError
from ..files import sha256_of
from ..geometry import View
from ..geometry.sides import SOURCE_OF_VIEW_POSITION, SOURCES, source_side
from .decoding import decode
from .film import Film, Polarity, check_pixels, check_size
from .raw import RawImage
from .spacing import FilmSpacing, SpacingPlane

_FRONTAL, _LATERAL = {"AP", "PA"}, {"LL", "RL", "LAT"}
_OBLIQUE = {"LLO", "RLO", "LAO", "RAO", "LPO", "RPO"}
_STRAIGHT = 0.36  # tangent of 20 degrees


def read_film(path: str | Path, view: View, polarity: Polarity | None = None, other: View | None = None) -> Film:
    """Read a film: PNG or TIFF of 8 or 16 bits, DICOM, or a 2D NRRD, MetaImage or NIfTI.

    The first stored row is the top of the film and the first stored column its left; axis directions in a header are
    not applied. Pixel values are not windowed. Where the file contradicts the geometry (pixel spacing by more than
    1 %, source distance, patient orientation, projection), the geometry is used and the film carries a note.

    Args:
        path: the file.
        view: its projection, from the geometry.
        polarity: whether bone is bright or dark in the stored values. None takes what the file states (DICOM, and TIFF
            that stores white as zero) and otherwise BONE_BRIGHT, the usual look of an exported radiograph.
        other: the other view of the pair, to tell when the films are exchanged.

    Returns:
        The film, with notes.

    Raises:
        FilmError: if the file is missing, unreadable, empty, truncated, of another kind, constant, holds NaN or
            several images.
        GeometryError: if its size is not that of the view.
    """
    path = Path(path)
    return film_of_raw(path, decode(path), view, polarity, other)


def film_of_raw(path: Path, raw: RawImage, view: View, polarity: Polarity | None, other: View | None = None) -> Film:
    """Join decoded pixels to their view; arguments and errors as in :func:`read_film`."""
    with np.errstate(over="ignore"):  # check_pixels tells of what does not fit
        pixels = raw.pixels.astype(np.float32)
    check_pixels(pixels, str(path))
    check_size(pixels.shape, view, str(path), other)
    notes = [*raw.notes]
    if polarity is not None and raw.polarity is not None and polarity is not raw.polarity:
        notes.append(f"The file states {raw.polarity.value}; {polarity.value} was asked for and is used.")
    notes += [note for note in (raw.spacing.disagreement(view), _orientation_note(raw, view)) if note]
    chosen = polarity or raw.polarity or Polarity.BONE_BRIGHT
    return Film(pixels, view, chosen, path, sha256_of(path), raw.bits, tuple(notes))


def film_spacing(path: str | Path) -> FilmSpacing:
    """Read what a film file says about its pixel size.

    DICOM: Imager Pixel Spacing (0018,1164) holds at the detector. Pixel Spacing (0028,0030) is a size in the patient
    if it differs from it, a Pixel Spacing Calibration Type (0028,0A02) is given or a slot scanner wrote it, and unknown
    if it stands alone. Of a slot scanner that states both, the first holds across and the second along.
    Nominal Scanned Pixel Spacing (0018,2010) of a digitized film holds at the film, that is the detector. Resolutions
    of PNG and TIFF files and spacings of NRRD, MetaImage and NIfTI headers hold in an unknown plane; 72 and 96 dpi,
    and exactly 1 x 1 in a header, are what programs write that know nothing and count as nothing; so do sizes in DICOM
    that no film has.

    Raises:
        FilmError: if the file cannot be read as a film.
    """
    return decode(Path(path)).spacing


def detector_spacing(path: str | Path) -> tuple[float, float]:
    """Return the detector pitch (across, along) in mm that a film file states.

    Raises:
        FilmError: if the file states none, or states one that does not hold at the detector; it is never guessed.
    """
    stated = film_spacing(path)
    if stated.plane is SpacingPlane.DETECTOR and stated.spacing_mm is not None:
        return stated.spacing_mm
    if stated.spacing_mm is None:
        raise FilmError(f"{path}: the file states no pixel spacing; give the detector pitch in mm in the geometry.")
    across, along = stated.spacing_mm
    raise FilmError(
        f"{path}: the file states {across:.4g} x {along:.4g} mm per pixel ({stated.source}), but in the "
        f"{stated.plane.value} plane, not at the detector; give the detector pitch in mm in the geometry."
    )


def _orientation_note(raw: RawImage, view: View) -> str | None:
    frontal = abs(view.beam_ras[1]) > abs(view.beam_ras[0])
    if raw.projection in (_LATERAL if frontal else _FRONTAL):
        return (
            f"The file's View Position is {raw.projection}, but it is used as the {view.name} film; "
            "the two films may be swapped."
        )
    x, y = sorted(abs(part) for part in view.beam_ras[:2])
    if raw.projection in _OBLIQUE and x < _STRAIGHT * y:
        return (
            f"The file's View Position is {raw.projection}, an oblique one, but it is used as the {view.name} film. "
            "Choose the straight film, or give the beam's true direction in the geometry."
        )
    source = SOURCE_OF_VIEW_POSITION.get(raw.projection or "")
    if source in SOURCES.get(view.name, ()) and source != source_side(view):
        return (
            f"The file's View Position is {raw.projection}, but the geometry has the source at the patient's "
            f"{source_side(view)}; correct source_side in the geometry if the file is right."
        )
    if raw.direction is None:
        return None
    expected = tuple(_letter(axis) for axis in view.camera_from_ras[:2, :3])
    if any(stated[0] != wanted for stated, wanted in zip(raw.direction, expected, strict=True)):
        return (
            f"The file's columns and rows run towards {raw.direction[0]} and {raw.direction[1]} of the patient, the "
            f"geometry's towards {expected[0]} and {expected[1]}; the film may be mirrored or turned."
        )
    return None


def _letter(axis_ras: np.ndarray) -> str:
    """Return the DICOM letter of the patient direction nearest to a RAS vector."""
    largest = int(np.argmax(np.abs(axis_ras)))
    return ("RAH" if axis_ras[largest] > 0 else "LPF")[largest]
