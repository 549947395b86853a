"""Endplates: their plane, axes, corners on the rim and depth.

The left and right corners are where the rim landmarks say, the anterior and posterior ones where the surface near
those landmarks ends in the mid-sagittal plane (``corners.py``). Their height above the endplate plane is not that of
one vertex but of a local line through the endplate around it, and the middle point lies on a local paraboloid:
both average surface noise out without flattening rim or hollow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import MeasurementError
from .corners import outermost
from .planes import Plane, rim_plane, vertex_areas
from .vertebra import Vertebra

LOCAL_RADIUS_MM = 6.0
_LOCAL_COUNT = 12  # a coarse mesh has fewer vertices than this within the radius; the radius then grows


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
    corners = {}
    for edge in ("anterior", "posterior", "left", "right"):
        landmark = vertebra.landmark(f"{side}_endplate_{edge}")
        if landmark is not None:
            corners[edge] = _on_surface(plane, points, areas, landmark, order=1)
    if not {"anterior", "posterior"} <= corners.keys():
        return Endplate(name, plane, None, None, corners, None)
    anterior = _anterior_axis(name, plane, corners)
    away = plane.normal if side == "superior" else -plane.normal
    for edge, outward in (("anterior", anterior), ("posterior", -anterior)):
        place = outermost(vertebra, plane, outward, away, vertebra.landmark(f"{side}_endplate_{edge}"))
        corners[edge] = _on_surface(plane, points, areas, place, order=1)
    plane = _with_edges(plane, points, anterior)
    middle = _on_surface(plane, points, areas, 0.5 * (corners["anterior"] + corners["posterior"]), order=2)
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


def _on_surface(plane: Plane, points: np.ndarray, areas: np.ndarray, target: np.ndarray, order: int) -> np.ndarray:
    """Return the point of the smoothed endplate surface straight above or below ``target`` (3,).

    Local polynomial regression (Cleveland's tricube weights) of the height over the plane: ``order`` 1 at the rim,
    where only one side has data, 2 inside. A rim landmark may lie a little outside the endplate, down the rounded edge;
    its height is then that at the nearest vertex of the endplate, for a slope must not be extrapolated.
    """
    foot = plane.project(target)
    flat = plane.project(points)
    used = areas > 0
    centre = flat[used][np.argmin(np.linalg.norm(flat[used] - foot, axis=1))] if order == 1 else foot
    offsets = flat - centre
    distance = np.where(used, np.linalg.norm(offsets, axis=1), np.inf)
    nearest = np.sort(distance)[min(_LOCAL_COUNT, used.sum()) - 1]
    radius = max(LOCAL_RADIUS_MM, 1.2 * nearest)
    near = distance < radius
    weights = np.sqrt(areas[near] * (1 - (distance[near] / radius) ** 3) ** 3)
    helper = np.eye(3)[np.argmin(np.abs(plane.normal))]
    first = np.cross(plane.normal, helper)
    first /= np.linalg.norm(first)
    u, v = offsets[near] @ first / radius, offsets[near] @ np.cross(plane.normal, first) / radius
    columns = [np.ones_like(u), u, v]
    if order == 2 and near.sum() >= _LOCAL_COUNT:
        columns += [u * u, u * v, v * v]
    design = np.stack(columns, axis=1)
    solution = np.linalg.lstsq(design * weights[:, None], plane.height(points[near]) * weights, rcond=1e-10)[0]
    return foot + solution[0] * plane.normal
