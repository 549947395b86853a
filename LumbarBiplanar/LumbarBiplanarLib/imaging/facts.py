"""What a film file says about how it was taken."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..geometry.limits import LIMITS
from ..geometry.standard import FilmFacts
from .decoding import decode
from .dicom_spacing import is_slot
from .dicom_tags import number, text
from .raw import RawImage

# Too few to find the ID by trying them all: many have the same.
_PATIENT_DIGITS = 5


def film_facts(path: str | Path) -> FilmFacts:
    """Return what a film file says about how it was taken.

    From DICOM, besides what ``film_spacing`` reads: Distance Source to Detector (0018,1110); the place of the patient
    from Distance Source to Isocenter (0018,9402), from Estimated Radiographic Magnification Factor (0018,1114) and from
    Distance Source to Patient (0018,1111) of C-arms; slot scanners by their manufacturer, EOS (once Biospace); view
    position, patient orientation, time of exposure and whether two films are of one patient.

    Raises:
        FilmError: if the file cannot be read as a film.
    """
    path = Path(path)
    return facts_of_raw(path, decode(path))


def facts_of_raw(path: Path, raw: RawImage) -> FilmFacts:
    """Return what decoded pixels and header say about how a film was taken."""
    facts = FilmFacts(
        (raw.pixels.shape[1], raw.pixels.shape[0]),
        raw.spacing.spacing_mm,
        raw.spacing.plane.value,
        raw.spacing.source,
        raw.spacing.focal_mm,
        "Distance Source to Detector (0018,1110)" if raw.spacing.focal_mm else "",
        projection=raw.projection,
        direction=raw.direction,
        file=path.name,
    )
    return facts if raw.header is None else _with_dicom(raw.header, facts)


def _with_dicom(header: Any, facts: FilmFacts) -> FilmFacts:
    distance, source = _patient_distance(header, facts.focal_mm)
    slot = is_slot(header)
    date, time = (text(header, f"Acquisition{part}") for part in ("Date", "Time"))
    return replace(
        facts,
        isocenter_mm=distance,
        isocenter_source=source,
        model="slot" if slot else None,
        model_source="Manufacturer (0008,0070)" if slot else "",
        acquired=f"{date} {time}" if date and time else None,
        patient=_patient(header),
    )


def _patient(header: Any) -> str | None:
    """Return digits that are other ones for another patient; who it is stays out of scenes and results."""
    stated = text(header, "PatientID")
    return hashlib.sha256(stated.encode()).hexdigest()[:_PATIENT_DIGITS] if stated else None


def _patient_distance(header: Any, focal_mm: float | None) -> tuple[float | None, str]:
    """Return the distance from the source to the middle of the patient and where it is stated, or None."""
    low, high, _ = LIMITS["isocenter_mm"]
    isocenter_mm = number(header, "DistanceSourceToIsocenter", 0.0)
    if low <= isocenter_mm <= high:
        return isocenter_mm, "Distance Source to Isocenter (0018,9402)"
    magnification = number(header, "EstimatedRadiographicMagnificationFactor", 0.0)
    if magnification > 1.0 and focal_mm and focal_mm / magnification >= low:
        return focal_mm / magnification, "Estimated Radiographic Magnification Factor (0018,1114)"
    # In radiography rooms this distance ends at the table, not in the patient (PS3.3 C.8.11.5).
    if header.get("Modality") in ("XA", "RF"):
        distance = number(header, "DistanceSourceToPatient", 0.0)
        if distance > 0:
            return distance, "Distance Source to Patient (0018,1111)"
    return None, ""
