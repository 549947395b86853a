"""The AP and the lateral film's views together, and their file ``geometry.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import GeometryError
from ..files import read_json, write_json
from . import checks
from .frames import rigid
from .limits import check_plausible
from .sides import LEFT, with_left_side
from .view import View

FORMAT = "LumbarBiplanar geometry"
VERSION = 1
_KEYS = ("format", "version", "frame", "calibrated", "simultaneous", "views")
# What the key "uncertainty" of geometry.json may hold: standard deviations, and the largest that make sense.
UNCERTAINTIES = {
    "angle_deg": 15.0,
    "rotation_deg": 15.0,
    "translation_mm": 50.0,
    "distance_mm": 300.0,
    "motion_deg": 15.0,
    "motion_mm": 50.0,
    "level_motion_deg": 10.0,
    "level_motion_mm": 20.0,
}


@dataclass(frozen=True)
class FilmPair:
    """The views of the two films of one patient, in one common frame.

    Attributes:
        ap, lateral: the views; their names are "AP" and "lateral".
        calibrated: False if source positions were assumed rather than measured; absolute scale is then uncertain.
        simultaneous: False if the patient may have moved between the films.
        uncertainty: standard deviations, where they are known, of the errors of this geometry, by the keys of
            ``UNCERTAINTIES`` (docs/geometry.md); 0 means exact.
    """

    ap: View
    lateral: View
    calibrated: bool = True
    simultaneous: bool = True
    uncertainty: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check the names, so that a swapped pair is noticed here and not in a reconstruction."""
        for key, name in (("ap", "AP"), ("lateral", "lateral")):
            view = getattr(self, key)
            if not isinstance(view, View) or view.name != name:
                found = view.name if isinstance(view, View) else view
                raise GeometryError(f"The {key} view of a film pair must be named {name!r}, found {found!r}.")
        for key in ("calibrated", "simultaneous"):
            if not isinstance(getattr(self, key), bool):
                raise GeometryError(f"{key} must be true or false, found {getattr(self, key)!r}.")
        object.__setattr__(self, "uncertainty", checks.uncertainties(self.uncertainty, UNCERTAINTIES))

    @property
    def views(self) -> tuple[View, View]:
        """The views, (AP, lateral)."""
        return self.ap, self.lateral

    @property
    def angle_deg(self) -> float:
        """Angle between the two central rays, 0 to 180 degrees; 90 for an ideal pair, but never assumed."""
        cross = np.linalg.norm(np.cross(self.ap.beam_ras, self.lateral.beam_ras))
        return float(np.degrees(np.arctan2(cross, self.ap.beam_ras @ self.lateral.beam_ras)))

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as JSON-ready values, the content of ``geometry.json``."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "frame": "RAS mm",
            "calibrated": self.calibrated,
            "simultaneous": self.simultaneous,
            "views": [view.to_dict() for view in self.views],
            **({"uncertainty": dict(self.uncertainty)} if self.uncertainty else {}),
        }

    @classmethod
    def from_dict(cls, values: Any) -> FilmPair:
        """Build a pair from what ``to_dict`` gives; raises GeometryError for a missing, unknown or bad key."""
        _check_header(values)
        views: dict[str, View] = {}
        for entry in values["views"]:
            view = View.from_dict(entry)
            if view.name in views:
                raise GeometryError(f"views names {view.name!r} twice; one must be 'AP', the other 'lateral'.")
            views[view.name] = view
        if set(views) != {"AP", "lateral"}:
            raise GeometryError(f"views must hold one view named 'AP' and one named 'lateral', found {sorted(views)}.")
        uncertainty = values.get("uncertainty", {})
        pair = cls(views["AP"], views["lateral"], values["calibrated"], values["simultaneous"], uncertainty)
        if min(pair.angle_deg, 180.0 - pair.angle_deg) < 1.0:
            raise GeometryError(
                f"The two beams are {pair.angle_deg:.2f} degrees apart; depth cannot be found. "
                "Check camera_from_ras of both views."
            )
        return pair


def _check_header(values: Any) -> None:
    if not isinstance(values, Mapping):
        raise GeometryError(f"The file must hold a JSON object with keys {', '.join(_KEYS)}.")
    if values.get("format") != FORMAT:
        raise GeometryError(f"format must be {FORMAT!r}, found {values.get('format')!r}; is this a geometry.json?")
    if values.get("version") != VERSION or isinstance(values.get("version"), bool):
        raise GeometryError(
            f"version must be {VERSION}, found {values.get('version')!r}; update LumbarBiplanar or convert the file."
        )
    missing, strange = [k for k in _KEYS if k not in values], sorted(set(values) - {*_KEYS, "uncertainty"})
    if missing:
        raise GeometryError(f"missing {', '.join(missing)}; add them.")
    if strange:
        raise GeometryError(f"unknown key {', '.join(strange)}; remove or correct it.")
    if values["frame"] != "RAS mm":
        raise GeometryError(f"frame must be 'RAS mm', found {values['frame']!r}; convert the matrices to RAS and mm.")
    views = values["views"]
    if not isinstance(views, list) or len(views) != 2:
        found = f"{len(views)} of them" if isinstance(views, list) else repr(views)
        raise GeometryError(f"views must be a list of two views, one named 'AP' and one 'lateral', found {found}.")


def load_geometry(path: str | Path) -> FilmPair:
    """Read a film pair from ``geometry.json`` (docs/geometry.md).

    Raises:
        GeometryError: if the file cannot be read, a key is missing, unknown or bad, or a number is one that no
            radiography room has; names file, key and value.
    """
    values = read_json(path, "geometry file", GeometryError)
    try:
        pair = FilmPair.from_dict(values)
        check_plausible(pair.views)
    except GeometryError as error:
        raise GeometryError(f"{path}: {error}") from None
    return pair


def save_geometry(pair: FilmPair, path: str | Path) -> None:
    """Write a film pair as ``geometry.json``; ``load_geometry`` gives back exactly the same numbers."""
    write_json(path, pair.to_dict())


def standard_pair(
    center_ras_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    *,
    sdd_mm: float = 1100.0,
    source_isocenter_mm: float = 900.0,
    angle_deg: float = 90.0,
    size_px: tuple[tuple[int, int], tuple[int, int]] = ((1000, 1200), (1000, 1200)),
    spacing_mm: float = 0.4,
    model: str = "pinhole",
    offset_px: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0)),
    posteroanterior: bool = False,
) -> FilmPair:
    """Return an AP and a lateral view about one point, beams horizontal in an upright patient.

    The AP beam runs from anterior to posterior, patient's right on the left of the screen. The lateral view is the AP
    view turned about the patient's vertical through ``center_ras_mm`` until the beams are ``angle_deg`` apart; at 90
    degrees its source is at the patient's left and anterior is on the left of the screen.

    Args:
        center_ras_mm: the point both central rays meet, RAS mm.
        sdd_mm: source to detector, mm.
        source_isocenter_mm: source to ``center_ras_mm``, mm.
        angle_deg: angle between the beams.
        size_px: (width, height) of the AP and of the lateral film.
        spacing_mm: detector pitch, both axes (for slot, the row pitch is mm of travel).
        model: "pinhole" or "slot".
        offset_px: (column, row) by which the principal point of the AP and of the lateral film lies off its middle.
        posteroanterior: whether the frontal film, still called AP, is a PA film: its beam runs from posterior to
            anterior, patient's left on the left of the screen.

    Raises:
        GeometryError: if a number is impossible, or the point would lie behind the detector.
    """
    checks.positive_number("source_isocenter_mm", source_isocenter_mm, "mm")
    if source_isocenter_mm >= checks.positive_number("sdd_mm", sdd_mm, "mm"):
        raise GeometryError(f"source_isocenter_mm {source_isocenter_mm} must be below sdd_mm {sdd_mm}.")
    views = []
    for name, turn_deg, size, offset in zip(("AP", "lateral"), (0.0, angle_deg), size_px, offset_px, strict=True):
        width, height = checks.integer_pair("size_px", size, "width, height")
        cos, sin = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
        if turn_deg % 90.0 == 0.0:
            cos, sin = np.round(cos), np.round(sin)
        rotation = np.array([[-cos, -sin, 0.0], [0.0, 0.0, -1.0], [sin, -cos, 0.0]])
        translation = (0.0, 0.0, source_isocenter_mm) - rotation @ np.asarray(center_ras_mm, dtype=np.float64)
        views.append(
            View(
                name,
                model,
                rigid(rotation, translation),
                sdd_mm,
                ((width - 1) / 2 + offset[0], (height - 1) / 2 + offset[1]),
                (width, height),
                (spacing_mm, spacing_mm),
                dict.fromkeys(
                    ("model", "camera_from_ras", "focal_mm", "principal_px", "size_px", "spacing_mm"), "standard pair"
                ),
            )
        )
    ap, lateral = views
    if posteroanterior:
        ap = with_left_side(ap, LEFT, np.asarray(center_ras_mm, dtype=np.float64))
    return FilmPair(ap, lateral)
