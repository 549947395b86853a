"""Writing the result of a case: surfaces, landmarks, measurements, the record, the pictures and the report."""

from __future__ import annotations

import csv
import datetime
import platform
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..anatomy import LANDMARK_NAMES, Level
from ..files import atomic_path, write_json
from ..measurement import COLUMNS, rows
from ..registration.quality import worst_flag
from ..shape.surfaces import write_surface
from .certainty import deviations_of, level_landmark_residual_mm
from .landmarks_file import FilmEntry, write_landmarks
from .pictures import PICTURES, surfaces_of, write_pictures
from .quality_text import flag_of
from .report import write_report
from .steps import CaseResult

FORMAT = "LumbarBiplanar reconstruction"
VERSION = 1
SURFACE_FILES = ("L[1-5].vtp", "L[1-5].stl")
# What a result folder holds, of 'reconstruct' or of 'register-ct'. --force replaces these, so that surfaces and record
# are never of two results, and leaves other files alone.
FILES = (
    *SURFACE_FILES,
    *("landmarks.json", "measurements.csv", "reconstruction.json", "ct_registration.json", "report.html"),
    *PICTURES,
)
MEASUREMENT_COLUMNS = (*COLUMNS, "quality")
_PACKAGES = ("numpy", "scipy", "torch", "vtk", "SimpleITK", "pydicom", "pillow")


def write_result(result: CaseResult, folder: str | Path) -> dict[str, float]:
    """Write all files of a result into an existing folder.

    Returns:
        Seconds per stage, those of the result and "writing".

    Raises:
        StudyError: if a file cannot be written.
    """
    folder, started = Path(folder), time.perf_counter()
    result = replace(result, deviations=deviations_of(result))  # surfaces, report and record state them
    write_surfaces(result, folder)
    write_used_landmarks(result, folder / "landmarks.json")
    write_measurements(result, folder / "measurements.csv")
    write_pictures(result, folder)
    write_report(result, folder / "report.html", pictures=folder)
    seconds = dict(result.seconds)
    seconds["writing"] = time.perf_counter() - started
    write_json(folder / "reconstruction.json", record(result, seconds))
    return seconds


def write_surfaces(result: CaseResult, folder: str | Path) -> None:
    """Write L1.vtp, L1.stl ... into an existing folder, RAS mm."""
    labels = {"region": result.model.region_labels, "endplate": result.model.endplate_labels}
    deviations = deviations_of(result)
    for level, surface in surfaces_of(result).items():
        arrays = labels
        if level in deviations:
            arrays = {**labels, "sd_mm": deviations[level].surface_mm.astype(np.float32)}
        remarks = {"QUALITY": result.quality[level].flag} if level in result.quality else {}
        for suffix, given in ((".vtp", arrays), (".stl", None)):
            write_surface(Path(folder) / f"{level.name}{suffix}", surface, point_data=given, remarks=remarks)


def write_used_landmarks(result: CaseResult, path: str | Path) -> None:
    """Write the landmarks used on each film, with confidence and residual, and where they came out in space."""
    state, entries = result.reconstruction.final_state, {}
    for film, evidence in zip(result.case.films, result.evidence, strict=True):
        residuals = {key: value[0] for key, value in state.landmark_residuals.get(film.view.name, {}).items()}
        name = None if film.path is None else film.path.name
        entries[film.view.name] = FilmEntry(evidence.landmarks, film.view.size_px, name, film.sha256, residuals)
    positions = {
        level: {name: tuple(point) for name, point in zip(LANDMARK_NAMES, points, strict=True)}
        for level, points in result.reconstruction.landmarks_ras_mm.items()
    }
    write_landmarks(path, entries, positions)


def write_measurements(result: CaseResult, path: str | Path) -> None:
    """Write measurements.csv, one quantity per line, with the worst flag of the levels that it rests on."""
    lines = [
        {**row, "quality": flag_of(item, result.quality)}
        for row, item in zip(rows(result.measurements), result.measurements, strict=True)
    ]
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, MEASUREMENT_COLUMNS)
        writer.writeheader()
        writer.writerows(lines)


def record(result: CaseResult, seconds: Mapping[str, float]) -> dict[str, Any]:
    """Return the content of reconstruction.json."""
    found, case = result.reconstruction, result.case
    return {
        "format": FORMAT,
        "version": VERSION,
        "frame": "RAS mm",
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "inputs": {"films": {film.view.name: _film(film) for film in case.films}, **case.inputs},
        "geometry": case.pair.to_dict(),
        "geometry_corrections": _corrections(found),
        "shape_model": {"file": result.model.file, "sha256": found.model_sha256, "version": found.model_version},
        "network": {
            name: {"weights": item.weights, "levels": [level.name for level in item.levels]}
            for name, item in result.detections.items()
        },
        "options": _options(result.options),
        "device": result.device,
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "iterations": dict(found.iterations),
        "levels": _levels(result),
        "residuals": {
            "landmark_mm": _rounded(found.landmark_residual_mm),
            "image_mm_of_bone": _rounded(found.image_residual_mm),
            "gain": _rounded(found.gain),
        },
        "costs": _rounded(found.costs),
        "quality": worst_flag(result.quality.values()) if result.quality else None,
        "warnings": list(result.warnings),
        "versions": _versions(),
    }


def _film(film) -> dict[str, Any]:
    return {
        "file": None if film.path is None else film.path.name,
        "sha256": film.sha256,
        "size_px": list(film.view.size_px),
        "bits": film.bits,
        "polarity": film.polarity.value,
        "notes": list(film.notes),
    }


def _options(options) -> dict[str, Any]:
    values = {item.name: getattr(options, item.name) for item in fields(options)}
    values["region_weights"] = {region.name.lower(): weight for region, weight in options.region_weights.items()}
    values["shell"] = None if options.shell is None else str(options.shell)
    return values


def _corrections(found) -> dict[str, Any]:
    """Return what the registration changed in the geometry, and how surely; empty if it took it as stated."""
    if not len(found.corrections):
        return {}
    values, sd = found.corrections.reported(), found.correction_sd
    entries = {
        item.name: {
            "value": round(values[item.name], 4),
            "sd": round(sd[item.name], 4) if item.name in sd else None,
            "prior_sd": round(item.reported(item.prior_sd), 4),
            "unit": item.unit,
        }
        for item in found.corrections.unknowns
    }
    views = [view.to_dict() for view in found.final_state.corrected_views]
    return {"unknowns": entries, "corrected_views": views}


def _levels(result: CaseResult) -> dict[str, Any]:
    levels = {level.name: _level(result, level) for level in result.reconstruction.levels}
    for level, sd in deviations_of(result).items():
        levels[level.name]["pose_sd"] = {
            "rotation_deg": np.round(sd.rotation_deg, 4),
            "translation_mm": np.round(sd.translation_mm, 4),
        }
    for level, quality in result.quality.items():
        levels[level.name]["quality"] = {
            "flag": quality.flag,
            "probability_over_2_mm": round(quality.probability, 4),
            "reasons": list(quality.reasons),
        }
    return levels


def _level(result: CaseResult, level: Level) -> dict[str, Any]:
    found = result.reconstruction
    image = {name: values[level] for name, values in found.level_image_residual_mm.items() if level in values}
    return {
        "ras_from_vertebra": np.asarray(found.ras_from_vertebra[level]),
        "coefficients": np.round(found.coefficients[level], 6),
        "landmark_residual_mm": _rounded(level_landmark_residual_mm(result, level)),
        "image_residual_mm_of_bone": _rounded(image),
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in values.items()}


def _versions() -> dict[str, str]:
    versions = {"LumbarBiplanar": __version__, "python": platform.python_version(), "system": platform.platform()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
