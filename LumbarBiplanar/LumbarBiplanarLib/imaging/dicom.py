"""Decoding one projection radiograph from DICOM.

Values are those stored, after Rescale Slope and Intercept; window, VOI LUT and presentation LUT change only the
display and are left alone. Whether bone is bright follows from the file:

* Pixel Intensity Relationship Sign (0028,1041), if present, speaks of the stored values themselves: +1 means that small
  values are little X-ray, so bone is dark; -1 means that bone is bright (PS3.3 C.8.11.3).
* else Photometric Interpretation (0028,0004) with the usage that films are shown with bone bright: MONOCHROME2 shows
  large values bright, so bone is bright; MONOCHROME1 shows small values bright, so bone is dark in the values. A
  modality or VOI LUT that descends turns this over.
* else, for fluoroscopy (modality XA or RF), whose MONOCHROME2 images show bone dark: bone is dark, with a note.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FilmError
from .dicom_pixels import stored_pixels
from .dicom_spacing import stated_spacing
from .dicom_tags import descends, number, open_dicom, text, view_position, without_warnings
from .film import Polarity
from .raw import RawImage

# What these machines make is no projection, whatever it looks like.
_NO_PROJECTION = {"CT": "a CT slice", "MR": "an MR slice", "US": "an ultrasound image", "SEG": "a segmentation"}
_NO_PROJECTION |= {"PT": "a PET slice", "NM": "a scintigram", "RTDOSE": "a dose distribution"}


def decode_dicom(path: Path) -> RawImage:
    """Decode a DICOM file with one frame.

    Raises:
        FilmError: if the file is damaged, is no film, has no pixels or several frames, or is compressed in an unknown
            way.
    """
    with without_warnings():
        return _decoded(path, open_dicom(path))


def _decoded(path: Path, dataset: Any) -> RawImage:
    notes: list[str] = []
    _check_kind(path, dataset, notes)
    stored = stored_pixels(path, dataset, notes)
    pixels = _rescaled(path, dataset, _gray(path, dataset, stored, notes))
    polarity = _polarity(dataset, notes)
    pixels = _without_padding(dataset, stored, pixels, polarity, notes)
    spacing = stated_spacing(dataset, notes)
    bits = int(number(dataset, "BitsStored", 8 * stored.dtype.itemsize))
    del dataset.PixelData
    return RawImage(
        pixels,
        bits,
        polarity,
        spacing,
        tuple(notes),
        _direction(dataset),
        view_position(dataset),
        dataset,
    )


def _check_kind(path: Path, dataset: Any, notes: list[str]) -> None:
    """Raise FilmError unless a DICOM file is one film."""
    if "DirectoryRecordSequence" in dataset:
        raise FilmError(f"{path}: this is a DICOMDIR, the list of what is on a disc; choose the file of the film.")
    modality = text(dataset, "Modality")
    if "PixelData" not in dataset:
        raise FilmError(
            f"{path}: the DICOM file holds no image ({modality or 'no modality'}); choose the file of the film, or "
            "export it again if this is it."
        )
    frames = number(dataset, "NumberOfFrames", 1.0)
    if frames > 1:
        raise FilmError(f"{path}: the DICOM file holds {frames:g} frames; export the one film to use.")
    if modality == "CT" and "LOCALIZER" in (dataset.get("ImageType") or ()):
        notes.append("This is the overview image of a CT scan; check its geometry, which is none of an X-ray film.")
    elif modality in _NO_PROJECTION:
        raise FilmError(
            f"{path}: this is {_NO_PROJECTION[modality]} (Modality {modality}), no X-ray film; choose the file of the "
            "film."
        )


def _gray(path: Path, dataset: Any, stored: np.ndarray, notes: list[str]) -> np.ndarray:
    if stored.ndim == 2:
        return stored
    if stored.ndim == 3 and stored.shape[-1] == 3 and dataset.get("PhotometricInterpretation") == "RGB":
        notes.append("Color turned to gray with the weights 0.299, 0.587, 0.114.")
        return stored.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    raise FilmError(
        f"{path}: {dataset.get('PhotometricInterpretation')} pixels of shape {stored.shape} are not a gray film; "
        "export it as MONOCHROME2."
    )


def _rescaled(path: Path, dataset: Any, pixels: np.ndarray) -> np.ndarray:
    slope, intercept = number(dataset, "RescaleSlope", 1.0), number(dataset, "RescaleIntercept", 0.0)
    if slope == 0.0:
        raise FilmError(f"{path}: Rescale Slope (0028,1053) is 0, which wipes the film out; export the film again.")
    if slope == 1.0 and intercept == 0.0:
        return pixels
    return (pixels.astype(np.float64) * slope + intercept).astype(np.float32)


def _polarity(dataset: Any, notes: list[str]) -> Polarity:
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    # Lookup tables are not applied; one that descends shows large values dark.
    turned = descends(dataset, "ModalityLUTSequence") != descends(dataset, "VOILUTSequence")
    shown = Polarity.BONE_BRIGHT if (photometric == "MONOCHROME1") == turned else Polarity.BONE_DARK
    sign = number(dataset, "PixelIntensityRelationshipSign", 0.0)
    if sign == 0.0:
        shape = text(dataset, "PresentationLUTShape")
        if (photometric, shape) in (("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")):
            notes.append(
                f"{photometric} contradicts Presentation LUT Shape {shape} (2050,0020); the first is believed. Look "
                "whether bone is bright, and state the polarity if not."
            )
        if dataset.get("Modality") not in ("XA", "RF"):
            return shown
        if photometric == "MONOCHROME2":
            shown = Polarity.BONE_BRIGHT if turned else Polarity.BONE_DARK
        bone = shown.value.split()[-1]
        notes.append(f"Fluoroscopy without a stated relationship: bone is taken as {bone}. State the polarity if not.")
        return shown
    # The sign speaks of stored values; a negative slope turns them over.
    bright = sign * number(dataset, "RescaleSlope", 1.0) < 0
    stated = Polarity.BONE_BRIGHT if bright else Polarity.BONE_DARK
    if stated is not shown:
        notes.append(f"The file's intensity sign says {stated.value}, though {photometric} would show it otherwise.")
    return stated


def _without_padding(
    dataset: Any, stored: np.ndarray, pixels: np.ndarray, polarity: Polarity, notes: list[str]
) -> np.ndarray:
    first = number(dataset, "PixelPaddingValue", math.nan)
    if math.isnan(first) or stored.ndim != 2:
        return pixels
    limit = number(dataset, "PixelPaddingRangeLimit", first)
    low, high = sorted(_as_stored(dataset, stored, value) for value in (first, limit))
    padding = (stored >= low) & (stored <= high)
    if not padding.any() or padding.all():
        return pixels
    # Padding is no measurement: give it the value of least bone, so that it stretches no contrast.
    real = pixels[~padding]
    pixels = pixels.copy()
    pixels[padding] = real.min() if polarity is Polarity.BONE_BRIGHT else real.max()
    notes.append(f"{int(padding.sum())} padding pixels (value {first:g}) set to the value of least bone.")
    return pixels


def _as_stored(dataset: Any, stored: np.ndarray, value: float) -> int:
    """Return a value as the bits of a pixel hold it; vendors write -1 for 65535 and the other way round."""
    bits = int(number(dataset, "BitsStored", 8 * stored.dtype.itemsize))
    wrapped = int(value) & ((1 << bits) - 1)
    return wrapped - (1 << bits) if stored.dtype.kind == "i" and wrapped >> (bits - 1) else wrapped


def _direction(dataset: Any) -> tuple[str, str] | None:
    value = dataset.get("PatientOrientation")
    if value is None or isinstance(value, str) or len(value) != 2 or not all(str(item).strip() for item in value):
        return None
    return str(value[0]).strip().upper(), str(value[1]).strip().upper()
