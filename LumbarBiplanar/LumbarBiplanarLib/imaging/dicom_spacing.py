"""The pixel size and the distances that a DICOM header states; what cannot be true is left out and told."""

from __future__ import annotations

import math
from typing import Any

from ..geometry.limits import LARGEST_FILM_MM, LIMITS
from .dicom_tags import number, text
from .spacing import FilmSpacing, SpacingPlane

_IMAGER, _SCANNED = "Imager Pixel Spacing (0018,1164)", "Nominal Scanned Pixel Spacing (0018,2010)"
_PIXEL = "Pixel Spacing (0028,0030)"
# EOS imaging was called Biospace med before.
_SLOT_MAKERS = {"EOS", "BIOSPACE"}


def is_slot(dataset: Any) -> bool:
    """Tell whether a header is that of a slot scanner, known by its manufacturer."""
    return bool(_SLOT_MAKERS & set(text(dataset, "Manufacturer").upper().split()))


def stated_spacing(dataset: Any, notes: list[str]) -> FilmSpacing:
    """Return the pixel size and source distance that a header states; ``notes`` gets what is not believed."""
    imager = _size(dataset, "ImagerPixelSpacing", _IMAGER, notes)
    scanned = _size(dataset, "NominalScannedPixelSpacing", _SCANNED, notes)
    pixel = _size(dataset, "PixelSpacing", _PIXEL, notes)
    focal_mm = _focal_mm(dataset, notes)
    slot = is_slot(dataset)
    if slot and imager is not None and pixel is not None:
        if imager == pixel:
            notes.append(
                f"{_IMAGER} and {_PIXEL} are the same, though a slot scanner magnifies widths: one of them does not "
                "hold where it says. Check the pixel spacing across in the geometry."
            )
        # Rows are as far apart in the patient as the scanner travels; only columns are nearer than at the detector.
        return FilmSpacing((imager[0], pixel[1]), SpacingPlane.DETECTOR, f"{_IMAGER} across, {_PIXEL} along", focal_mm)
    if imager is not None:
        if pixel is not None and max(pixel[0] / imager[0], pixel[1] / imager[1]) > 1.01:
            notes.append(
                f"{_PIXEL} is larger than {_IMAGER}, though pixels are smaller in the patient than at the detector: "
                "one of them is wrong. The latter is believed; look that the geometry has the right pixel spacing."
            )
        return FilmSpacing(imager, SpacingPlane.DETECTOR, _IMAGER, focal_mm)
    if scanned is not None:
        return FilmSpacing(scanned, SpacingPlane.DETECTOR, _SCANNED, focal_mm)
    if pixel is None:
        _tell_aspect(dataset, notes)
        return FilmSpacing(focal_mm=focal_mm)
    calibrated = text(dataset, "PixelSpacingCalibrationType")
    # Slot scanners state the size of pixels at the isocenter.
    plane = SpacingPlane.OBJECT if calibrated or slot else SpacingPlane.UNKNOWN
    how = f", calibrated by {calibrated}" if calibrated else " of a slot scanner" if slot else ""
    return FilmSpacing(pixel, plane, f"{_PIXEL}{how}", focal_mm)


def _size(dataset: Any, keyword: str, name: str, notes: list[str]) -> tuple[float, float] | None:
    """Return (across, along) in mm, or None if the header states none that a film can have."""
    try:
        value = dataset.get(keyword)
    except ValueError:
        value = "not a number"
    if value is None or len(str(value).strip(" []'")) == 0:
        return None
    low, high, _ = LIMITS["spacing_x_mm"]
    try:
        # DICOM writes the distance between rows first.
        along, across = (float(part) for part in value)
    except (TypeError, ValueError):
        along, across = math.nan, math.nan
    if not (low <= across <= high and low <= along <= high):
        notes.append(
            f"{name} is {_shown(value)}: not two numbers of mm between {low:g} and {high:g}, so it is not used. Look "
            "that the geometry has the right pixel spacing."
        )
        return None
    width, height = across * number(dataset, "Columns", 0.0), along * number(dataset, "Rows", 0.0)
    if max(width, height) > LARGEST_FILM_MM:
        notes.append(
            f"{name} is {_shown(value)} mm, with which the film would measure {width:.0f} x {height:.0f} mm, so it is "
            "not used. Look that the geometry has the right pixel spacing."
        )
        return None
    if across == along == 1.0:
        notes.append(
            f"{name} is 1 x 1 mm, which programs write that know none, so it is not used. Look that "
            "the geometry has the right pixel spacing."
        )
        return None
    return across, along


def _focal_mm(dataset: Any, notes: list[str]) -> float | None:
    focal_mm, stated = number(dataset, "DistanceSourceToDetector", math.nan), text(dataset, "DistanceSourceToDetector")
    # Nothing and zero is how unknown is written.
    if not stated or focal_mm == 0.0:
        return None
    low, high, unit = LIMITS["focal_mm"]
    if low <= focal_mm <= high:
        return focal_mm
    notes.append(
        f"Distance Source to Detector (0018,1110) is {stated}: not a number of {unit} between {low:g} and {high:g}, so "
        "it is not used. Look that the geometry has the right distance."
    )
    return None


def _tell_aspect(dataset: Any, notes: list[str]) -> None:
    value = dataset.get("PixelAspectRatio")
    if value is not None and not isinstance(value, str) and len(value) == 2 and value[0] != value[1]:
        notes.append(
            f"Pixel Aspect Ratio (0028,0034) is {_shown(value)}, so pixels are not square, but the file states no "
            "size of them. Look that the geometry has the right pixel spacing across and along."
        )


def _shown(value: Any) -> str:
    several = not isinstance(value, (str, bytes)) and hasattr(value, "__len__")
    return "\\".join(str(part) for part in value) if several else str(value)
