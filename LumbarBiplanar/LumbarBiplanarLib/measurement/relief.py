"""Relief of an endplate: the height of its surface over its plane, smoothed.

The height at a place is not that of one vertex but of a local line through the endplate around it, or on a local
paraboloid: both average surface noise out without flattening rim or hollow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .planes import Plane

_LOCAL_RADIUS_MM = 6.0
_LOCAL_COUNT = 12  # a coarse mesh has fewer vertices than this within the radius; the radius then grows


@dataclass(frozen=True, eq=False)
class Relief:
    """Vertices of an endplate, seen from its plane.

    Attributes:
        plane: of the endplate.
        axes: (2, 3) unit vectors of the plane, at right angles.
        feet_mm: (N, 2) places of the vertices along them, from the plane's origin.
        heights_mm: (N,) of the vertices over the plane.
        areas_mm2: (N,) of the vertices, above 0.
    """

    plane: Plane
    axes: np.ndarray
    feet_mm: np.ndarray
    heights_mm: np.ndarray
    areas_mm2: np.ndarray

    @classmethod
    def of(cls, plane: Plane, points_ras_mm: np.ndarray, areas_mm2: np.ndarray) -> Relief:
        """Return the relief of vertices (N, 3) RAS mm with areas (N,); those without an area do not count."""
        used = areas_mm2 > 0
        points = points_ras_mm[used]
        axes = np.linalg.svd(plane.normal[None])[2][1:]
        feet = (points - plane.origin_ras_mm) @ axes.T
        return cls(plane, axes, feet, plane.height(points), areas_mm2[used])

    def point_over(self, target_ras_mm: np.ndarray, order: int) -> np.ndarray:
        """Return the point (3,) RAS mm of the smoothed surface straight above or below ``target_ras_mm`` (3,).

        Local polynomial regression (Cleveland's tricube weights) of the height over the plane: ``order`` 1 at the rim,
        where only one side has data, 2 inside. A rim landmark may lie a little outside the endplate, down the rounded
        edge; its height is then that at the nearest vertex of the endplate, for a slope must not be extrapolated.
        """
        offsets = self.feet_mm - self.axes @ (target_ras_mm - self.plane.origin_ras_mm)
        distance = np.linalg.norm(offsets, axis=1)
        if order == 1:
            offsets = offsets - offsets[np.argmin(distance)]
            distance = np.linalg.norm(offsets, axis=1)
        nearest = np.sort(distance)[min(_LOCAL_COUNT, len(distance)) - 1]
        radius = max(_LOCAL_RADIUS_MM, 1.2 * nearest)
        near = distance < radius
        weights = np.sqrt(self.areas_mm2[near] * (1 - (distance[near] / radius) ** 3) ** 3)
        u, v = offsets[near].T / radius
        columns = [np.ones_like(u), u, v]
        if order == 2 and near.sum() >= _LOCAL_COUNT:
            columns += [u * u, u * v, v * v]
        design = np.stack(columns, axis=1)
        solution = np.linalg.lstsq(design * weights[:, None], self.heights_mm[near] * weights, rcond=1e-10)[0]
        return self.plane.project(target_ras_mm) + solution[0] * self.plane.normal
