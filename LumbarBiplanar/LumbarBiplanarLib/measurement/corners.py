"""Corners of an endplate in its mid-sagittal plane: where its outline turns over into the wall of the body.

The rim landmarks of the shape model are single vertices, chosen in the axes of the template: on an endplate that is
tilted in those axes they lie farther in or farther out. A slip is the difference of two of them, one of an inferior
and one of a superior endplate, and leans to one side by a millimetre. Here one rule, in the endplate's own axes,
finds both corners of both endplates.
"""

from __future__ import annotations

import numpy as np

from ..anatomy import Region
from .planes import Plane
from .vertebra import Vertebra

# The outermost point stands farthest out in a direction raised by this much from the endplate's plane. Raised by 0, the
# point would slide down a wall that slopes outward; raised by 45 degrees, it moves twice as much with noise.
TURN_DEG = 30.0
BAND_MM = 4.0  # sections this far from the mid-sagittal plane have no weight (tricube)
_SECTIONS_MM = np.arange(-3.0, 4.0)
_REACH_MM = 9.0  # of the corner from its landmark in the plane of the endplate; the arch of most is farther away
_HEIGHT_MM = 5.0  # of the corner above or below its landmark: a crushed rim lies far from the plane of the endplate


def outermost(
    vertebra: Vertebra, plane: Plane, outward: np.ndarray, away: np.ndarray, landmark: np.ndarray
) -> np.ndarray:
    """Return where the surface ends in a direction, near a landmark and near its mid-sagittal plane.

    The surface is cut by seven planes, 1 mm apart, parallel to ``outward`` and to the normal of the endplate, the
    middle one through the landmark. In each the point is taken that lies farthest along ``outward`` raised by
    ``TURN_DEG`` toward ``away``; their places along ``outward`` are averaged with tricube weights, so that neither the
    spacing of the vertices nor a single one matters. The rule is the project's own; the border of the body is what
    McCarty 2009 measures slip from. Where the regions are known, triangles without a vertex of the body do not count:
    behind a narrow canal the lamina is in reach.

    Args:
        vertebra: its surface; RAS mm.
        plane: of the endplate.
        outward: (3,) unit vector in the plane, forward or backward.
        away: (3,) unit normal of the plane, away from the body.
        landmark: (3,) rim landmark at that edge, RAS mm.

    Returns:
        (3,) RAS mm, in the plane; the foot of the landmark where no triangle is near.
    """
    offsets = vertebra.points_ras_mm - landmark
    along, across, height = offsets @ outward, offsets @ np.cross(away, outward), offsets @ away
    near = (np.abs(along) < _REACH_MM) & (np.abs(height) < _HEIGHT_MM) & (np.abs(across) < BAND_MM)
    faces = vertebra.faces[near[vertebra.faces].any(axis=1)]
    if vertebra.region_labels is not None:
        faces = faces[(vertebra.region_labels[faces] == Region.BODY).any(axis=1)]
    start, end = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    turn = np.radians(TURN_DEG)
    places, weights = [], []
    for section in _SECTIONS_MM:
        cut = (across[start] > section) != (across[end] > section)
        a, b = start[cut], end[cut]
        share = (section - across[a]) / (across[b] - across[a])
        x, z = (values[a] + share * (values[b] - values[a]) for values in (along, height))
        kept = (np.abs(x) < _REACH_MM) & (np.abs(z) < _HEIGHT_MM)
        if kept.any():
            x, z = x[kept], z[kept]
            places.append(x[np.argmax(np.cos(turn) * x + np.sin(turn) * z)])
            weights.append((1 - abs(section / BAND_MM) ** 3) ** 3)
    shift = np.average(places, weights=weights) if places else 0.0
    return plane.project(landmark) + shift * outward
