"""The geometry of a film pair as the numbers a person can read, check and change one by one.

Lengths are mm, angles degrees, principal points pixels. The isocenter is the point nearest to both central rays.

Where a number came from is kept in ``View.provenance``. A camera pose or a pair of numbers may have parts of different
origin; a part is then written behind the rest: ``standard pair; isocenter_mm: typed by the user``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import GeometryError
from .frames import rotation_from_vector
from .limits import LIMITS, angle_doubt, nearest_to_beams
from .pair import FilmPair
from .sides import left_side, side_of_text, source_of_text, source_side, with_left_side, with_source_side
from .view import MODELS, View

TYPED = "typed by the user"
ASSUMED = "assumed"
VIEW_KEYS = (
    *("left_side", "source_side", "model", "focal_mm", "isocenter_mm", "spacing_x_mm", "spacing_y_mm"),
    *("principal_x_px", "principal_y_px", "size_px"),
)
PAIR_KEYS = ("angle_deg", "calibrated", "simultaneous")
KEYS = (*VIEW_KEYS, *PAIR_KEYS)
READ_ONLY = frozenset({"size_px"})
# What a View calls the number, and where in it the number stands.
_PLACES = {
    "left_side": "camera_from_ras",
    "source_side": "camera_from_ras",
    "model": "model",
    "focal_mm": "focal_mm",
    "isocenter_mm": "camera_from_ras",
    "angle_deg": "camera_from_ras",
    "spacing_x_mm": "spacing_mm",
    "spacing_y_mm": "spacing_mm",
    "principal_x_px": "principal_px",
    "principal_y_px": "principal_px",
    "size_px": "size_px",
}
_WHOLE = frozenset({"model", "focal_mm", "size_px"})
_NAMES = {
    "model": "projection",
    "focal_mm": "source-detector distance",
    "isocenter_mm": "source-isocenter distance",
    "spacing_x_mm": "detector pitch across",
    "spacing_y_mm": "detector pitch along",
    "principal_x_px": "principal point, column",
    "principal_y_px": "principal point, row",
    "size_px": "film size",
    "angle_deg": "angle between the beams",
    "calibrated": "calibrated",
    "simultaneous": "simultaneous",
}
# What scales a reconstruction.
_LENGTHS = ("focal_mm", "isocenter_mm", "spacing_x_mm", "spacing_y_mm")
# How exactly a number is shown; it is kept as it is.
_DECIMALS = {"spacing_x_mm": 4, "spacing_y_mm": 4, "principal_x_px": 2, "principal_y_px": 2, "angle_deg": 2}
_SIDES = {"left_side": left_side, "source_side": source_side}
_YES, _NO = ("yes", "true", "1", "y"), ("no", "false", "0", "n")


@dataclass(frozen=True)
class GeometrySettings:
    """A film pair, and how to read and change it number by number.

    Attributes:
        pair: the views.
        origin: file that the pair came from, or "" if it was put together from assumptions and headers.
        facts: where "calibrated" and "simultaneous" came from, by key.
    """

    pair: FilmPair
    origin: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_pair(cls, pair: FilmPair, origin: str = "") -> GeometrySettings:
        """Return the settings of a film pair; ``to_pair`` gives it back unchanged."""
        return cls(pair, origin)

    def to_pair(self) -> FilmPair:
        """Return the film pair."""
        return self.pair

    @property
    def is_given(self) -> bool:
        """Whether the pair came from a file, or the user typed at least one of its numbers."""
        return bool(self.origin) or any(self._stated(*item) == TYPED for item in self._all_keys())

    @property
    def isocenter_ras_mm(self) -> np.ndarray:
        """The point (3,) nearest to both central rays, RAS mm."""
        return nearest_to_beams(self.pair.views)

    def view(self, name: str) -> View:
        """Return the view named "AP" or "lateral"; raises GeometryError for another name."""
        for view in self.pair.views:
            if view.name == name:
                return view
        raise GeometryError(f"There is no {name!r} view; use 'AP' or 'lateral'.")

    def value(self, key: str, view_name: str | None = None) -> float | str | bool | tuple[int, int]:
        """Return one number.

        Args:
            key: one of ``KEYS``.
            view_name: "AP" or "lateral" for a key of ``VIEW_KEYS``; ignored for the others.

        Raises:
            GeometryError: if there is no such key or view.
        """
        if key in ("calibrated", "simultaneous"):
            return getattr(self.pair, key)
        if key == "angle_deg":
            return self.pair.angle_deg
        if key not in VIEW_KEYS:
            raise GeometryError(f"There is no {key!r} in a geometry; use one of {', '.join(KEYS)}.")
        view = self.view(view_name or "")
        if key in _SIDES:
            return _SIDES[key](view)
        if key == "isocenter_mm":
            return float(view.depth_mm(self.isocenter_ras_mm))
        if key in _WHOLE:
            return getattr(view, key)
        return getattr(view, _PLACES[key])[0 if "_x_" in key else 1]

    def text(self, key: str, view_name: str | None = None) -> str:
        """Return one number as text, without its unit; arguments and errors as in :meth:`value`."""
        value = self.value(key, view_name)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, tuple):
            return " x ".join(map(str, value))
        return value if isinstance(value, str) else f"{round(value, _DECIMALS.get(key, 1)):.10g}"

    def where_from(self, key: str, view_name: str | None = None) -> str:
        """Return in words where one number came from; arguments and errors as in :meth:`value`."""
        text = self._stated(key, view_name)
        if not self.origin or text == TYPED:
            return text
        return self.origin if text == "unknown" else f"{self.origin}: {text}"

    def is_assumed(self, key: str, view_name: str | None = None) -> bool:
        """Tell whether one number was assumed; arguments and errors as in :meth:`value`."""
        return self._stated(key, view_name).startswith(ASSUMED)

    def assumed(self) -> tuple[tuple[str, str | None], ...]:
        """Return the (key, view name or None) of every number that was assumed."""
        return tuple(item for item in self._all_keys() if self.is_assumed(*item))

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should know about these numbers."""
        found = []
        if not self.pair.calibrated:
            found.append("The geometry is not calibrated: lengths are as uncertain as the assumed distances.")
        found += self.contradictions()
        if doubt := angle_doubt(self.pair.angle_deg):
            found.append(doubt)
        return tuple(found)

    def contradictions(self) -> tuple[str, ...]:
        """Return what a pair says that cannot be: that it is calibrated, with lengths that were assumed."""
        assumed = [_NAMES[key] for key in _LENGTHS if any(self.is_assumed(key, view.name) for view in self.pair.views)]
        if not self.pair.calibrated or not assumed:
            return ()
        return (
            f"The geometry says that it is calibrated, but assumed are: {', '.join(assumed)}. Set them to what was "
            "measured, or calibrated to no: believed as they are they make lengths wrong, and nothing else tells.",
        )

    def edited(self, key: str, view_name: str | None, text: str) -> GeometrySettings:
        """Return the settings with one number replaced by what the user typed.

        Args:
            key: one of ``KEYS``.
            view_name: "AP" or "lateral" for a key of ``VIEW_KEYS``; ignored for the others.
            text: what was typed: a number, with its unit or without; "pinhole" or "slot"; "yes" or "no"; a side of the
                patient, "right", "left", "front" or "back".

        Raises:
            GeometryError: if the text is no such value or an impossible one; says what was typed and what to type.
        """
        if key not in KEYS:
            raise GeometryError(f"There is no {key!r} in a geometry; use one of {', '.join(KEYS)}.")
        if key in READ_ONLY:
            raise GeometryError("The film size is that of the film and cannot be changed. Load the right film.")
        if key in ("calibrated", "simultaneous"):
            pair = replace(self.pair, **{key: _yes_or_no(key, text)})
            return replace(self, pair=pair, facts={**self.facts, key: TYPED})
        if key == "angle_deg":
            return self._with_view(self._turned(_number(key, text)), key)
        view = self.view(view_name or "")
        if key == "left_side":
            return self._with_left(view, side_of_text(view.name, text))
        if key == "source_side":
            moved = with_source_side(view, source_of_text(view.name, text), self.isocenter_ras_mm)
            return self._with_source_moved(moved, key)
        if key == "model":
            return self._with_view(replace(view, model=_model(text)), key)
        number = _number(key, text)
        if key == "focal_mm":
            self._check_distances(view.name, number, self.value("isocenter_mm", view.name))
            return self._with_view(replace(view, focal_mm=number), key)
        if key == "isocenter_mm":
            self._check_distances(view.name, view.focal_mm, number)
            return self._with_view(_moved_along(view, number - self.value(key, view.name)), key)
        numbers = list(getattr(view, _PLACES[key]))
        numbers[0 if "_x_" in key else 1] = number
        return self._with_view(replace(view, **{_PLACES[key]: tuple(numbers)}), key)

    def _with_view(self, view: View, key: str) -> GeometrySettings:
        """Return the settings with a changed view, whose number ``key`` was typed."""
        place = _PLACES[key]
        base, parts = _parts(self.view(view.name).provenance[place])
        text = TYPED if key in _WHOLE else _joined(base, {**parts, key: TYPED})
        view = replace(view, provenance={**view.provenance, place: text})
        return replace(self, pair=replace(self.pair, **{"ap" if view.name == "AP" else "lateral": view}))

    def _with_left(self, view: View, side: str) -> GeometrySettings:
        """Return the settings with a side of the patient on the left of a film.

        A source that is only assumed moves to the side from which the film then is seen; one that is known stays, and
        the film is stored turned over, its principal point with it.
        """
        if self.is_assumed("source_side", view.name):
            return self._with_source_moved(with_left_side(view, side, self.isocenter_ras_mm), "left_side")
        return self._with_view(view if left_side(view) == side else view.turned_over(), "left_side")

    def _with_source_moved(self, view: View, key: str) -> GeometrySettings:
        """Return the settings with a view from another side of the patient; the angle stays what it was."""
        changed = self._with_view(view, key)
        if abs(changed.pair.angle_deg - self.pair.angle_deg) < 1e-9:
            return changed
        return replace(changed, pair=replace(changed.pair, lateral=changed._turned(self.pair.angle_deg)))

    def _turned(self, angle_deg: float) -> View:
        """Return the lateral view turned about the isocenter, in the plane of the beams, to another angle."""
        ap, lateral = self.pair.views
        axis = np.cross(ap.beam_ras, lateral.beam_ras)
        turn = rotation_from_vector(np.deg2rad(angle_deg - self.pair.angle_deg) * axis / np.linalg.norm(axis))
        center = self.isocenter_ras_mm
        new_from_old = np.eye(4)
        new_from_old[:3, :3], new_from_old[:3, 3] = turn, center - turn @ center
        return replace(lateral, camera_from_ras=lateral.camera_from_ras @ np.linalg.inv(new_from_old))

    def _check_distances(self, view_name: str, focal_mm: float, isocenter_mm: float) -> None:
        if isocenter_mm >= focal_mm:
            raise GeometryError(
                f"{view_name} film: the source-isocenter distance ({isocenter_mm:g} mm) must be below the "
                f"source-detector distance ({focal_mm:g} mm). Correct the other distance first."
            )

    def _all_keys(self) -> list[tuple[str, str | None]]:
        return [(key, view.name) for key in VIEW_KEYS for view in self.pair.views] + [(key, None) for key in PAIR_KEYS]

    def _stated(self, key: str, view_name: str | None) -> str:
        if key in ("calibrated", "simultaneous"):
            return self.facts.get(key, "unknown")
        if key not in _PLACES:
            raise GeometryError(f"There is no {key!r} in a geometry; use one of {', '.join(KEYS)}.")
        view = self.view("lateral" if key == "angle_deg" else view_name or "")
        base, parts = _parts(view.provenance[_PLACES[key]])
        return parts.get(key, base)


def _moved_along(view: View, distance_mm: float) -> View:
    """Return the view with source and detector moved back along the beam: every point is that much farther away."""
    camera = view.camera_from_ras.copy()
    camera[2, 3] += distance_mm
    return replace(view, camera_from_ras=camera)


def _parts(text: str) -> tuple[str, dict[str, str]]:
    """Split a provenance into that of the whole and that of single numbers."""
    base, *others = text.split("; ")
    parts = {}
    for other in others:
        key, _colon, where = other.partition(": ")
        if key in KEYS:
            parts[key] = where
        else:
            base = f"{base}; {other}"
    return base, parts


def _joined(base: str, parts: Mapping[str, str]) -> str:
    return "; ".join([base, *(f"{key}: {text}" for key, text in parts.items())])


def _number(key: str, text: str) -> float:
    low, high, unit = LIMITS[key]
    found = re.fullmatch(r"\s*([-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?)\s*(mm|px|pixels?|°|deg\w*)?\s*", text)
    if found is None:
        raise GeometryError(f"{_NAMES[key].capitalize()}: {text!r} is not a number; type one in {unit}.")
    number = float(found.group(1).replace(",", "."))
    if not low <= number <= high:
        raise GeometryError(
            f"{_NAMES[key].capitalize()}: {number:g} is impossible; it must lie between {low:g} and {high:g} {unit}."
        )
    return number


def _model(text: str) -> str:
    if text.strip().lower() not in MODELS:
        raise GeometryError(f"Projection: {text!r} is unknown; type pinhole (cone beam) or slot (slot scanner).")
    return text.strip().lower()


def _yes_or_no(key: str, text: str) -> bool:
    word = text.strip().lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise GeometryError(f"{_NAMES[key].capitalize()}: {text!r} is neither yes nor no; type yes or no.")
