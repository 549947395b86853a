"""Endplates: their plane, axes, corners on the rim and depth.

The left and right corners are where the rim landmarks say, the anterior and posterior ones where the surface near
those landmarks ends in the mid-sagittal plane (``corners.py``). Their height above the endplate plane, and that of the
middle point, is read off the smoothed surface (``relief.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import MeasurementError
from .corners import outermost
from .planes import Plane, rim_plane, vertex_areas
from .relief import Relief
from .vertebra import Vertebra


@dataclass(frozen=True, eq=False)
class Endplate:
    """One endplate.

    Attributes:
        name: such as "L4 superior endplate".
        plane: rests on the rim; the normal points cranially.
        anterior, left: (3,) unit axes in the plane, or None without the anterior and posterior rim landmarks; anterior
            runs from the posterior to the anterior one, left = normal x anterior.
        corners: {"anterior", "posterior", "left", "right": (3,)} as far as the landmarks are there, RAS mm.
        middle: (3,) point of the endplate surface over the midpoint of anterior and posterior corner, or None.
    """

    name: str
    plane: Plane
    anterior: np.ndarray | None
    left: np.ndarray | None
    corners: dict[str, np.ndarray]
    middle: np.ndarray | None

    @property
    def depth_mm(self) -> float | None:
        """Distance from the posterior to the anterior corner, in the plane."""
        return self._span("posterior", "anterior")

    @property
    def width_mm(self) -> float | None:
        """Distance from the right to the left corner, in the plane."""
        return self._span("right", "left")

    @property
    def has_sagittal_corners(self) -> bool:
        """Whether anterior and posterior corners (and with them the axes and the middle) are known."""
        return self.anterior is not None

    @property
    def has_lateral_corners(self) -> bool:
        """Whether left and right corners are known."""
        return {"left", "right"} <= self.corners.keys()

    def _span(self, first: str, second: str) -> float | None:
        if not {first, second} <= self.corners.keys():
            return None
        a, b = (self.plane.project(self.corners[name]) for name in (first, second))
        return float(np.linalg.norm(b - a))


def endplate_of(vertebra: Vertebra, side: str, up: np.ndarray) -> Endplate | None:
    """Return the "superior" or "inferior" endplate of a vertebra, or None if its vertices are not known.

    Args:
        vertebra: the vertebra.
        side: "superior" or "inferior".
        up: (3,) the patient's up; orients the normal where the other endplate is not known (S1).

    Raises:
        MeasurementError: if the vertices define no plane, or the rim landmarks no axes.
    """
    indices = vertebra.superior_endplate if side == "superior" else vertebra.inferior_endplate
    if not len(indices):
        return None
    name = f"{vertebra.level.name} {side} endplate"
    points = vertebra.points_ras_mm[indices]
    areas = vertex_areas(vertebra.points_ras_mm, vertebra.faces, indices)
    try:
        plane = rim_plane(points, areas, _cranial(vertebra, up))
    except MeasurementError as error:
        raise MeasurementError(f"{name}, {len(indices)} vertices: {error} Reconstruct the vertebra again.") from None
    relief = Relief.of(plane, points, areas)
    corners = {}
    for edge in ("anterior", "posterior", "left", "right"):
        landmark = vertebra.landmark(f"{side}_endplate_{edge}")
        if landmark is not None:
            corners[edge] = relief.point_over(landmark, order=1)
    if not {"anterior", "posterior"} <= corners.keys():
        return Endplate(name, plane, None, None, corners, None)
    anterior = _anterior_axis(name, plane, corners)
    away = plane.normal if side == "superior" else -plane.normal
    for edge, outward in (("anterior", anterior), ("posterior", -anterior)):
        place = outermost(vertebra, plane, outward, away, vertebra.landmark(f"{side}_endplate_{edge}"))
        corners[edge] = relief.point_over(place, order=1)
    plane = _with_edges(plane, points, anterior)
    middle = relief.point_over(0.5 * (corners["anterior"] + corners["posterior"]), order=2)
    return Endplate(name, plane, anterior, np.cross(plane.normal, anterior), corners, middle)


def _cranial(vertebra: Vertebra, up: np.ndarray) -> np.ndarray:
    """Return a rough cranial direction (3,): from the inferior to the superior endplate, else the patient's up."""
    if len(vertebra.superior_endplate) and len(vertebra.inferior_endplate):
        superior, inferior = (
            vertebra.points_ras_mm[indices].mean(axis=0)
            for indices in (vertebra.superior_endplate, vertebra.inferior_endplate)
        )
        return superior - inferior
    return up


def _anterior_axis(name: str, plane: Plane, corners: dict[str, np.ndarray]) -> np.ndarray:
    along = plane.project(corners["anterior"]) - plane.project(corners["posterior"])
    length = np.linalg.norm(along)
    if length < 1:
        raise MeasurementError(
            f"{name}: its anterior and posterior rim landmarks are {length:.2f} mm apart; check the landmarks."
        )
    return along / length


def _with_edges(plane: Plane, points: np.ndarray, anterior: np.ndarray) -> Plane:
    """Return the plane with the rectangle that holds the endplate, its sides along and across ``anterior``."""
    axes = np.stack([anterior, np.cross(plane.normal, anterior)])
    reach = np.abs((points - plane.origin_ras_mm) @ axes.T).max(axis=0)
    return replace(plane, edges_mm=2 * reach[:, None] * axes)
