"""Reading a film: pixels of any supported file, joined to the view they belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import FilmError
from ..files import sha256_of
from ..geometry import FilmFacts, View
from ..geometry.standard import standard_view
from .decoding import decode
from .facts import facts_of_raw
from .film import Film, Polarity, check_pixels, check_size
from .raw import RawImage
from .spacing import FilmSpacing, SpacingPlane


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
    raw = decode(path)
    return _film(path, raw, facts_of_raw(path, raw), view, polarity, other)


def read_film_alone(path: str | Path, view_name: str, polarity: Polarity | None = None) -> Film:
    """Read a film that comes without a geometry, in the usual view (``geometry.standard``); assumptions are marked.

    Args:
        path: the file, as for ``read_film``.
        view_name: "AP" or "lateral".
        polarity: as for ``read_film``.

    Raises:
        FilmError: as ``read_film``.
        GeometryError: if the file states impossible numbers.
    """
    path = Path(path)
    raw = decode(path)
    facts = facts_of_raw(path, raw)
    return _film(path, raw, facts, standard_view(view_name, facts), polarity)


def _film(
    path: Path, raw: RawImage, facts: FilmFacts, view: View, polarity: Polarity | None, other: View | None = None
) -> Film:
    """Join decoded pixels to their view; arguments and errors as in :func:`read_film`."""
    with np.errstate(over="ignore"):  # check_pixels tells of what does not fit
        pixels = raw.pixels.astype(np.float32)
    check_pixels(pixels, str(path))
    check_size(pixels.shape, view, str(path), other)
    remarks = [*raw.notes]
    if polarity is not None and raw.polarity is not None and polarity is not raw.polarity:
        remarks.append(f"The file states {raw.polarity.value}; {polarity.value} was asked for and is used.")
    chosen = polarity or raw.polarity or Polarity.BONE_BRIGHT
    return Film(pixels, view, chosen, path, sha256_of(path), raw.bits, tuple(remarks), facts)


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
