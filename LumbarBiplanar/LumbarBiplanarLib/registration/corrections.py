"""What may be wrong with the two films against each other, as unknowns that all vertebrae share.

The AP film is the reference: RAS is where the patient lay, and which way the beam went, in the AP film. In the lateral
film a vertebra of RAS points x shows where a slightly moved one would:

    D x = R(w) (x - c) + c + t        c: isocentre; w, t: linear in the unknowns
    then, vertebra by vertebra, a rotation about its own origin and a translation (motion of single vertebrae)

An error of the lateral view's pose, the angle between the beams among it, and a motion of the patient between the films
are the same thing seen from two sides, so they share this one mechanism; they differ in their priors. By the chain rule
the derivative by a shared unknown is a combination of the derivatives by the pose of each vertebra, which the solver
has already. The distance from source to detector, one unknown per film, and the density of single vertebrae act on
path-length images alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..anatomy import Level
from ..geometry import View, rotation_from_vector, transform_points
from ..geometry.frames import cross_matrix, rigid
from .poses import POSE_UNKNOWNS, VertebraState

MOVED_VIEW = "lateral"
_KINDS = {"rotation": "rotation of {} about", "translation": "shift of {} along"}


@dataclass(frozen=True, eq=False)
class Correction:
    """One shared unknown.

    Attributes:
        name: what it is, for example "angle" or "distance_ap".
        unit: unit in which it is reported: "deg", "mm" or "" (a factor).
        prior_sd: standard deviation of its prior, in rad, mm or 1.
        twist: (6,) rotation vector (rad) and translation (mm) in RAS of the spine in the lateral film per unit.
        level: vertebra that it concerns; None means all.
        view: film whose source-detector distance it changes, or "".
        density: whether it is a density.
    """

    name: str
    unit: str
    prior_sd: float
    twist: np.ndarray | None = None
    level: Level | None = None
    view: str = ""
    density: bool = False

    def reported(self, value: float) -> float:
        """Return a value (rad, mm or 1) in the unit of the report."""
        return float(np.rad2deg(value)) if self.unit == "deg" else float(value)

    @property
    def title(self) -> str:
        """What it is in words, such as "source-detector distance of the AP film" or "shift of the patient along S"."""
        if self.view:
            return f"source-detector distance of the {self.view} film"
        if self.density:
            return f"density of {self.level.name}"
        if self.name == "angle":
            return "angle between the beams"
        whose, kind, axis = self.name.rsplit("_", 2)
        whose = {"lateral": "the lateral view", "motion": "the patient"}.get(whose, whose.removeprefix("motion_"))
        return f"{_KINDS[kind].format(whose)} {axis.upper()}"


@dataclass(frozen=True, eq=False)
class Corrections:
    """A point in the space of the shared unknowns; without any, the films are taken as they are stated.

    Attributes:
        unknowns: what is free.
        values: (S,) values in rad, mm or 1; all 0 is the stated geometry.
        center_ras_mm: (3,) the isocentre.
    """

    unknowns: tuple[Correction, ...] = ()
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))
    center_ras_mm: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def __len__(self) -> int:
        """Return the number of shared unknowns."""
        return len(self.unknowns)

    def stepped(self, step: np.ndarray) -> Corrections:
        """Return the corrections after a step (S,)."""
        return replace(self, values=self.values + step)

    def reported(self) -> dict[str, float]:
        """Return {name: value} in degrees, mm or factors."""
        return {item.name: item.reported(value) for item, value in zip(self.unknowns, self.values, strict=True)}

    # -- prior -----------------------------------------------------------------------------------------------------

    @property
    def precision(self) -> np.ndarray:
        """(S,) inverse variances of the prior."""
        return np.array([item.prior_sd**-2.0 for item in self.unknowns])

    # -- where things are in a film --------------------------------------------------------------------------------

    def moves(self, view_name: str) -> bool:
        """Return whether vertebrae of the film are moved at all."""
        return view_name == MOVED_VIEW and any(item.twist is not None for item in self.unknowns)

    def _twists(self, level: Level | None) -> np.ndarray:
        """Return (6, S): the twist per unit of the unknowns that concern ``level``; None means those of all."""
        matrix = np.zeros((6, len(self)))
        for column, item in enumerate(self.unknowns):
            if item.twist is not None and item.level is level:
                matrix[:, column] = item.twist
        return matrix

    @property
    def lateral_from_ap(self) -> np.ndarray:
        """(4, 4) rigid transform D, RAS mm: where points of the AP film's time and frame are in the lateral film."""
        twist = self._twists(None) @ self.values
        rotation = rotation_from_vector(twist[:3])
        return rigid(rotation, self.center_ras_mm + twist[3:] - rotation @ self.center_ras_mm)

    def in_view(self, view_name: str, vertebra: VertebraState) -> VertebraState:
        """Return the vertebra as it lies in the stated frame of a film."""
        if not self.moves(view_name):
            return vertebra
        common = self.lateral_from_ap
        own = self._twists(vertebra.level) @ self.values
        return replace(
            vertebra,
            rotation=rotation_from_vector(own[:3]) @ common[:3, :3] @ vertebra.rotation,
            translation_mm=transform_points(common, vertebra.translation_mm) + own[3:],
        )

    def derivatives(self, view_name: str, vertebra: VertebraState, modes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return how the unknowns of ``in_view`` change with those of the vertebra, and with the shared ones.

        Args:
            view_name: the film.
            vertebra: the vertebra, not yet moved.
            modes: mode coefficients that are free, M.

        Returns:
            (P, P) and (P, S), P = 7 + M; rotations are those of ``VertebraState.stepped``.
        """
        by_own, by_shared = np.eye(POSE_UNKNOWNS + modes), np.zeros((POSE_UNKNOWNS + modes, len(self)))
        if not self.moves(view_name):
            return by_own, by_shared
        all_twists, own_twists = self._twists(None), self._twists(vertebra.level)
        common, own = all_twists @ self.values, own_twists @ self.values
        turned, tilted = rotation_from_vector(common[:3]), rotation_from_vector(own[:3])
        by_own[:3, :3], by_own[3:6, 3:6] = tilted @ turned, turned
        turn = _left_jacobian(common[:3]) @ all_twists[:3]
        arm = turned @ (vertebra.translation_mm - self.center_ras_mm)
        by_shared[:3] = tilted @ turn + _left_jacobian(own[:3]) @ own_twists[:3]
        by_shared[3:6] = all_twists[3:] - cross_matrix(arm) @ turn + own_twists[3:]
        return by_own, by_shared

    def view(self, view: View) -> View:
        """Return a film's view, or one of a part of it, with the corrected source-detector distance."""
        change = sum(self.values[column] for column in self.distances(view.name))
        return replace(view, focal_mm=view.focal_mm + change) if change else view

    def distances(self, view_name: str) -> list[int]:
        """Return which unknowns are the source-detector distance of a film."""
        return [column for column, item in enumerate(self.unknowns) if item.view == view_name]

    def corrected_view(self, view: View) -> View:
        """Return the view in which unmoved vertebrae show where they do on the film, motions of single ones apart."""
        view = self.view(view)
        if not self.moves(view.name):
            return view
        matrix = view.camera_from_ras @ self.lateral_from_ap
        left, _, right = np.linalg.svd(matrix[:3, :3])
        return replace(view, camera_from_ras=rigid(left @ right, matrix[:3, 3]))

    # -- density ---------------------------------------------------------------------------------------------------

    def densities(self, levels: Sequence[Level]) -> np.ndarray | None:
        """Return (L,) densities of vertebrae against the usual bone, or None if none is free."""
        columns = [self.density_column(level) for level in levels]
        if all(column is None for column in columns):
            return None
        return np.array([1.0 if column is None else 1.0 + self.values[column] for column in columns])

    def density_column(self, level: Level) -> int | None:
        """Return which unknown is the density of a vertebra, or None."""
        found = [i for i, item in enumerate(self.unknowns) if item.density and item.level is level]
        return found[0] if found else None

    # -- another set of unknowns, and JSON -------------------------------------------------------------------------

    def going_on_from(self, known: Corrections) -> Corrections:
        """Return these unknowns with the values that an earlier registration of the same views has found."""
        before = {item.name: (item, value) for item, value in zip(known.unknowns, known.values, strict=True)}
        unknowns, values = list(self.unknowns), self.values.copy()
        for column, item in enumerate(self.unknowns):
            if item.name in before:
                # The middle of the spine, about which a motion turns, has moved a little since.
                earlier, values[column] = before[item.name]
                unknowns[column] = replace(item, twist=earlier.twist)
        return replace(self, unknowns=tuple(unknowns), values=values)

    def to_dict(self) -> dict[str, Any]:
        """Return the corrections as JSON-ready values; ``from_dict`` gives them back."""
        unknowns = [
            {
                "name": item.name,
                "unit": item.unit,
                "prior_sd": item.prior_sd,
                "twist": None if item.twist is None else list(map(float, item.twist)),
                "level": None if item.level is None else item.level.name,
                "view": item.view,
                "density": item.density,
                "value": float(value),
            }
            for item, value in zip(self.unknowns, self.values, strict=True)
        ]
        return {"center_ras_mm": list(map(float, self.center_ras_mm)), "unknowns": unknowns}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Corrections:
        """Return the corrections that ``to_dict`` describes; raises KeyError, TypeError or ValueError for others."""
        unknowns, values = [], []
        for entry in content["unknowns"]:
            given = dict(entry)
            values.append(float(given.pop("value")))
            given["twist"] = None if given["twist"] is None else np.array(given["twist"], dtype=np.float64)
            given["level"] = None if given["level"] is None else Level[given["level"]]
            unknowns.append(Correction(**given))
        return cls(tuple(unknowns), np.array(values), np.array(content["center_ras_mm"], dtype=np.float64))


NO_CORRECTIONS = Corrections()


def _left_jacobian(vector: np.ndarray) -> np.ndarray:
    """Return the left Jacobian of SO(3) (Sola, Deray, Atchuthan 2018, equation 145)."""
    angle = float(np.linalg.norm(vector))
    skew = cross_matrix(vector)
    if angle < 1e-6:
        return np.eye(3) + 0.5 * skew
    first, second = (1.0 - np.cos(angle)) / angle**2, (angle - np.sin(angle)) / angle**3
    return np.eye(3) + first * skew + second * skew @ skew
