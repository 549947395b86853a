"""landmarks.json: the landmarks of a film pair on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, FilmLandmarks, LandmarkObservation, Level, parse_level
from ..errors import GeometryError, LandmarkError, LumbarBiplanarError
from ..files import read_json, write_json
from ..geometry.checks import integer_pair, is_number

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
    stated = content.get("positions_ras_mm") if isinstance(content, dict) else None
    if not isinstance(stated or {}, dict) or not all(isinstance(points, dict) for points in (stated or {}).values()):
        raise LandmarkError(f'{path}: "positions_ras_mm" must hold [x, y, z] by level and landmark name.')
    found: dict[Level, dict[str, tuple[float, float, float]]] = {}
    for name, points in (stated or {}).items():
        try:
            level = parse_level(name)
        except LumbarBiplanarError as error:
            raise LandmarkError(f"{path}, positions_ras_mm: {error}") from None
        found[level] = {
            key: _point(values, f"{path}, positions_ras_mm, {name} {key}") for key, values in points.items()
        }
    return found


def _point(values: Any, where: str) -> tuple[float, float, float]:
    if not isinstance(values, list) or len(values) != 3 or not all(map(is_number, values)):
        raise LandmarkError(f"{where} is {_shown(values)}; give three finite numbers [x, y, z] in mm, without quotes.")
    x, y, z = map(float, values)
    return x, y, z


def _check_keys(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    strange = [repr(key) for key in given if key not in known]
    if strange:
        raise LandmarkError(f"{where}: unknown key {', '.join(strange)}; remove or correct it ({', '.join(known)}).")


def _film_from_dict(content: Any, where: str) -> FilmEntry:
    if not isinstance(content, dict) or "size_px" not in content or not isinstance(content.get("landmarks"), list):
        raise LandmarkError(f'{where}: it needs "size_px": [width, height] and a list "landmarks".')
    _check_keys(content, _FILM_KEYS, where)
    items, (width, height) = content["landmarks"], _size(content["size_px"], where)
    for key in ("file", "sha256"):
        if not isinstance(content.get(key), (str, type(None))):
            raise LandmarkError(f"{where}: {key} is {_shown(content[key])}; write a text, or null.")
    observations = [_observation(item, f"{where}, landmark {number}") for number, item in enumerate(items, start=1)]
    try:
        landmarks = FilmLandmarks(observations)
    except LandmarkError as error:
        raise LandmarkError(f"{where}: {error}") from None
    return FilmEntry(landmarks, (width, height), content.get("file"), content.get("sha256"))


def _size(value: Any, where: str) -> tuple[int, int]:
    try:
        return integer_pair("size_px", value, "width and height of the film in pixels")
    except GeometryError as error:
        raise LandmarkError(f"{where}: {error}") from None


def _observation(item: Any, where: str) -> LandmarkObservation:
    if not isinstance(item, dict) or not {"level", "name", "position_px"} <= set(item):
        raise LandmarkError(f'{where}: it needs "level", "name" and "position_px": [x, y]; found {_shown(item)}.')
    try:
        level, name = parse_level(item["level"], LUMBAR_LEVELS), item["name"]
    except LumbarBiplanarError as error:
        raise LandmarkError(f"{where}: {error}") from None
    if name not in LANDMARK_NAMES:
        raise LandmarkError(f"{where}: unknown landmark {name!r}; use one of {', '.join(LANDMARK_NAMES)}.")
    label = f"{where} ({level.name} {name})"
    _check_keys(item, _LANDMARK_KEYS, label)
    visible, corrected = item.get("visible", True), item.get("corrected", False)
    for key, value in (("visible", visible), ("corrected", corrected)):
        if not isinstance(value, bool):
            raise LandmarkError(f"{label}: {key} must be true or false, without quotes; found {_shown(value)}.")
    position, confidence, sigma = item["position_px"], item.get("confidence", 1.0), item.get("sigma_mm")
    _check_numbers(label, position, confidence, sigma)
    x, y = map(float, position)
    sigma = None if sigma is None else float(sigma)
    return LandmarkObservation(level, name, (x, y), float(confidence), sigma, visible, corrected)


def _check_numbers(label: str, position: Any, confidence: Any, sigma: Any) -> None:
    if not isinstance(position, list) or len(position) != 2 or not all(map(is_number, position)):
        raise LandmarkError(
            f"{label}: position_px is {_shown(position)}; give two finite numbers [x, y] in pixels, without quotes, or "
            "leave the landmark out."
        )
    if not is_number(confidence) or not 0.0 <= confidence <= 1.0:
        raise LandmarkError(f"{label}: confidence is {_shown(confidence)}; it must be a number from 0 to 1.")
    if sigma is not None and not (is_number(sigma) and sigma > 0.0):
        raise LandmarkError(f"{label}: sigma_mm is {_shown(sigma)}; it must be a positive number of mm, or null.")


def _shown(value: Any) -> str:
    """Return a value as the file has it, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:120]}..."
