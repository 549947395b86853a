"""landmarks.json: the landmarks of a film pair on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, FilmLandmarks, LandmarkObservation, Level, parse_level
from ..errors import LandmarkError, LumbarBiplanarError
from ..files import read_json, write_json

FORMAT = "LumbarBiplanar landmarks"
VERSION = 1
VIEW_NAMES = ("AP", "lateral")
_PIXELS = "pixels of the film: x right, y down, (0, 0) is the centre of the top-left pixel; sides are the patient's"

_KEYS = ("format", "version", "units", "films", "positions_ras_mm")
_FILM_KEYS = ("file", "sha256", "size_px", "landmarks")
_LANDMARK_KEYS = ("level", "name", "position_px", "confidence", "sigma_mm", "visible", "corrected", "residual_mm")

Residuals = Mapping[tuple[Level, str], float]
Positions = Mapping[Level, Mapping[str, tuple[float, float, float]]]


@dataclass(frozen=True)
class FilmEntry:
    """The landmarks of one film as a landmark file holds them.

    Attributes:
        landmarks: the landmarks, in pixels of the film.
        size_px: (width, height) of the film they were placed on.
        file: name of that film, for people.
        sha256: its hash, or None.
        residual_mm: distance of the reconstruction's landmark from the one on the film, in the object plane.
    """

    landmarks: FilmLandmarks
    size_px: tuple[int, int]
    file: str | None = None
    sha256: str | None = None
    residual_mm: Residuals | None = None


def write_landmarks(
    path: Path | str, films: Mapping[str, FilmEntry], positions_ras_mm: Positions | None = None
) -> None:
    """Write a landmark file.

    Args:
        path: the file to write, atomically.
        films: one entry per view name ("AP", "lateral").
        positions_ras_mm: positions in space per level and landmark name, in RAS mm; for people and for evaluation,
            not read back by :func:`read_landmarks`.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "units": {"position_px": _PIXELS, "sigma_mm": "mm in the object plane", "position_ras_mm": "RAS, mm"},
        "films": {name: _film_to_dict(entry) for name, entry in films.items()},
    }
    if positions_ras_mm is not None:
        content["positions_ras_mm"] = {
            level.name: {name: [round(float(value), 4) for value in point] for name, point in points.items()}
            for level, points in positions_ras_mm.items()
        }
    write_json(path, content)


def _film_to_dict(entry: FilmEntry) -> dict[str, Any]:
    residuals = entry.residual_mm or {}
    items = []
    for key, item in entry.landmarks.items():
        residual = residuals.get(key)
        items.append(
            {
                "level": item.level.name,
                "name": item.name,
                "position_px": [round(float(value), 3) for value in item.position_px],
                "confidence": round(float(item.confidence), 4),
                "sigma_mm": None if item.sigma_mm is None else round(float(item.sigma_mm), 3),
                "visible": bool(item.visible),
                "corrected": bool(item.corrected),
                "residual_mm": None if residual is None else round(float(residual), 3),
            }
        )
    return {"file": entry.file, "sha256": entry.sha256, "size_px": list(entry.size_px), "landmarks": items}


def read_landmarks(path: Path | str) -> dict[str, FilmEntry]:
    """Read a landmark file written by :func:`write_landmarks` or by hand.

    Returns:
        One entry per view name; both "AP" and "lateral" are there.

    Raises:
        LandmarkError: if the file is missing or malformed or has an unknown key, or a landmark has an unknown name or
            level, is given twice or is not a finite position.
    """
    path = Path(path)
    content = read_json(path, "landmark file", LandmarkError)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise LandmarkError(f'{path} is not a landmark file: it needs "format": "{FORMAT}". See docs/file-formats.md.')
    if content.get("version") != VERSION:
        raise LandmarkError(
            f"{path} has version {content.get('version')!r}; this program reads version {VERSION}. "
            "Update LumbarBiplanar, or write the file again."
        )
    _check_keys(content, _KEYS, str(path))
    films = content.get("films")
    missing = [name for name in VIEW_NAMES if not isinstance(films, dict) or name not in films]
    if missing:
        raise LandmarkError(f'{path} has no landmarks of the film {" and ".join(missing)} under "films".')
    _check_keys(films, VIEW_NAMES, f'{path}, "films"')
    return {name: _film_from_dict(films[name], f"{path}, film {name}") for name in VIEW_NAMES}


def read_positions(path: Path | str) -> dict[Level, dict[str, tuple[float, float, float]]]:
    """Return the positions in space that a landmark file states, RAS mm, by level and landmark name; maybe none.

    Raises:
        LandmarkError: if the file is missing or malformed.
    """
    content = read_json(path, "landmark file", LandmarkError)
    try:
        return {
            parse_level(level): {name: _point(values) for name, values in points.items()}
            for level, points in (content.get("positions_ras_mm") or {}).items()
        }
    except (AttributeError, TypeError, ValueError):
        raise LandmarkError(f'{path}: "positions_ras_mm" must hold [x, y, z] by level and landmark name.') from None


def _point(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _check_keys(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    strange = [repr(key) for key in given if key not in known]
    if strange:
        raise LandmarkError(f"{where}: unknown key {', '.join(strange)}; remove or correct it ({', '.join(known)}).")


def _film_from_dict(content: Any, where: str) -> FilmEntry:
    try:
        width, height = (int(value) for value in content["size_px"])
        items = list(content["landmarks"])
    except (KeyError, TypeError, ValueError):
        raise LandmarkError(f'{where}: it needs "size_px": [width, height] and a list "landmarks".') from None
    _check_keys(content, _FILM_KEYS, where)
    observations = [_observation(item, f"{where}, landmark {number}") for number, item in enumerate(items, start=1)]
    try:
        landmarks = FilmLandmarks(observations)
    except LandmarkError as error:
        raise LandmarkError(f"{where}: {error}") from None
    return FilmEntry(landmarks, (width, height), content.get("file"), content.get("sha256"))


def _observation(item: Any, where: str) -> LandmarkObservation:
    try:
        level, name = parse_level(item["level"], LUMBAR_LEVELS), item["name"]
        x, y = (float(value) for value in item["position_px"])
        confidence = float(item.get("confidence", 1.0))
        sigma_mm = None if item.get("sigma_mm") is None else float(item["sigma_mm"])
        visible, corrected = item.get("visible", True), item.get("corrected", False)
    except LumbarBiplanarError as error:
        raise LandmarkError(f"{where}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        text = json.dumps(item)[:120]
        raise LandmarkError(f'{where}: it needs "level", "name" and "position_px": [x, y]; found {text}.') from None
    if name not in LANDMARK_NAMES:
        raise LandmarkError(f"{where}: unknown landmark {name!r}; use one of {', '.join(LANDMARK_NAMES)}.")
    label = f"{where} ({level.name} {name})"
    _check_keys(item, _LANDMARK_KEYS, label)
    for key, value in (("visible", visible), ("corrected", corrected)):
        if not isinstance(value, bool):
            raise LandmarkError(f"{label}: {key} must be true or false, without quotes; found {json.dumps(value)}.")
    _check_numbers(label, (x, y), confidence, sigma_mm)
    return LandmarkObservation(level, name, (x, y), confidence, sigma_mm, visible, corrected)


def _check_numbers(label: str, position: tuple[float, float], confidence: float, sigma: float | None) -> None:
    if not all(map(math.isfinite, position)):
        raise LandmarkError(f"{label}: position_px is {list(position)}; give finite pixels, or leave the landmark out.")
    if not 0.0 <= confidence <= 1.0:
        raise LandmarkError(f"{label}: confidence is {confidence}; it must be from 0 to 1.")
    if sigma is not None and not (math.isfinite(sigma) and sigma > 0.0):
        raise LandmarkError(f"{label}: sigma_mm is {sigma}; it must be a positive number of mm, or null.")
