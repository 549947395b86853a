"""Entries of a DICOM header, as vendors write them: absent, empty, several, or not what they should be."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FilmError


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Silence what pydicom has to say of a header: nothing that a user can act on. Entries in use are checked here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pydicom")
        yield


def open_dicom(path: Path) -> Any:
    """Return the content of a DICOM file with one frame, entries of enhanced images at the top level.

    Raises:
        FilmError: if it is damaged.
    """
    import pydicom

    try:
        dataset = pydicom.dcmread(path)
        _lift_groups(dataset)
    except Exception as error:  # pydicom raises many kinds for a damaged file; all mean the same to the user
        raise FilmError(f"{path}: the DICOM file is damaged ({error}); export it again.") from error
    for keyword in _USED:
        try:
            dataset.get(keyword)
        except Exception as error:  # it looks at an entry only when it is asked for it
            raise FilmError(f"{path}: {keyword} of the DICOM file is damaged ({error}); export it again.") from error
    return dataset


def number(dataset: Any, keyword: str | tuple[int, int], default: float) -> float:
    """Return a finite number, or ``default`` if the header states none; tags go for what has no keyword."""
    try:
        value = float(dataset.get(keyword) if isinstance(keyword, str) else dataset[keyword].value)
    except Exception:  # there is none, it is none, or damaged
        return default
    return value if math.isfinite(value) else default


def text(dataset: Any, keyword: str) -> str:
    """Return the first value as text without blanks around it, "" if the header states none."""
    try:
        value = dataset.get(keyword)
    except Exception:  # damaged, in an item of a sequence
        return ""
    if value is not None and not isinstance(value, (str, bytes)) and hasattr(value, "__len__"):
        value = value[0] if len(value) else None
    return "" if value is None else str(value).strip(" \0")


# View Position as it should be, for what else is written there and for the names of views in View Code Sequence.
_POSITIONS = {
    **dict.fromkeys(("LATERAL", "LATERAL VIEW"), "LAT"),
    **dict.fromkeys(("LLAT", "L LAT", "LT LAT", "LEFT LATERAL", "LEFT LAT"), "LL"),
    **dict.fromkeys(("RLAT", "R LAT", "RT LAT", "RIGHT LATERAL", "RIGHT LAT"), "RL"),
    **dict.fromkeys(("ANTEROPOSTERIOR", "ANTERO POSTERIOR", "A P"), "AP"),
    **dict.fromkeys(("POSTEROANTERIOR", "POSTERO ANTERIOR", "P A"), "PA"),
}


def view_position(dataset: Any) -> str | None:
    """Return View Position in capitals, else what View Code Sequence means, else None."""
    stated = text(dataset, "ViewPosition")
    if not stated and dataset.get("ViewCodeSequence"):
        stated = text(dataset.ViewCodeSequence[0], "CodeMeaning")
    stated = stated.upper()
    plain = " ".join(stated.replace("-", " ").replace("_", " ").replace("/", " ").replace(".", " ").split())
    return _POSITIONS.get(plain, stated) or None


# What films keep at the top level and enhanced XA and XRF images in groups, per frame or shared by all frames.
_GROUPED = (
    *("ImagerPixelSpacing", "PixelIntensityRelationshipSign", "RescaleSlope", "RescaleIntercept", "PatientOrientation"),
    *("DistanceSourceToDetector", "DistanceSourceToIsocenter", "EstimatedRadiographicMagnificationFactor"),
)
# What else is read from a header. Lookup tables, which are not applied, may be damaged.
_USED = (
    *("TransferSyntaxUID", "Modality", "Manufacturer", "ImageType", "NumberOfFrames", "AcquisitionDate"),
    *("AcquisitionTime", "PixelData", "PhotometricInterpretation", "SamplesPerPixel", "BitsStored", "HighBit"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "PresentationLUTShape", "PixelSpacing"),
    *("PixelSpacingCalibrationType", "NominalScannedPixelSpacing", "PixelAspectRatio"),
    *("Rows", "Columns", "BitsAllocated", "PixelRepresentation", "PlanarConfiguration", "SOPClassUID"),
    *("SOPInstanceUID", "PatientID", "DistanceSourceToPatient", "ViewPosition", "ViewCodeSequence", *_GROUPED),
)


def _lift_groups(dataset: Any) -> None:
    """Copy entries of the first frame's functional groups to the top level, where it does not have them itself."""
    for kind in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for group in (dataset.get(kind) or [])[:1]:
            for element in group:
                if element.VR == "SQ" and element.value:
                    _lift(dataset, element.value[0])


def _lift(dataset: Any, item: Any) -> None:
    for keyword in _GROUPED:
        if keyword in item and keyword not in dataset:
            dataset[keyword] = item[keyword]


def descends(dataset: Any, keyword: str) -> bool:
    """Tell whether the first lookup table of a sequence, such as VOILUTSequence, turns large values into small ones."""
    try:
        table = dataset.get(keyword)[0]
        entries, values = int(table.LUTDescriptor[0]) or 65536, table.LUTData
        if isinstance(values, bytes):
            values = np.frombuffer(values, dtype=np.uint8 if len(values) <= entries + 1 else "<u2")
        values = np.asarray(values, dtype=float).ravel()
    except Exception:  # there is none, or it is damaged
        return False
    half = len(values) // 2
    return half > 0 and bool(values[-half:].mean() < values[:half].mean())
