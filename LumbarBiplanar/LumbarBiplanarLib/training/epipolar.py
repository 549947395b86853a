"""How far the rays to one landmark on an AP and a lateral film pass each other, for errors of its places on the films.

Both rays to a true place meet. An error on a film moves its ray; only what moves it along the common perpendicular of
both rays is seen as a gap, and to first order the gap is linear in the errors. So a training can ask that the errors
of one vertebra on both films agree without drawing a ray.
"""

from __future__ import annotations

import numpy as np

from ..geometry import View
from ..geometry.triangulation import triangulate


def gap_slopes(views: tuple[View, View], pixels: np.ndarray) -> np.ndarray:
    """Return the gap of two rays, mm, for one pixel of error in x and in y on each film: (2, ..., 2).

    The signed gap of the rays is the sum of the products of slopes and errors over both films (first order; the
    normal of both rays n, as a combination c of the rows of a view's Jacobian J, is J (J J^T)^-1 J n).

    Args:
        views: of the two films.
        pixels: (2, ..., 2) true places of the same points on each.

    Raises:
        GeometryError: if the rays are parallel.
    """
    points, _ = triangulate(views, pixels)
    jacobians = np.stack([view.jacobian(points) for view in views])
    # A ray is what its film does not see: the null space of the Jacobian.
    first, second = np.cross(jacobians[..., 0, :], jacobians[..., 1, :])
    normal = np.cross(first, second)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    slopes = [_combination(jacobian, normal) for jacobian in jacobians]
    return np.stack([slopes[0], -slopes[1]])


def _combination(jacobian: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return (..., 2), the combination of the rows of Jacobians (..., 2, 3) that gives normals (..., 3)."""
    square = jacobian @ np.swapaxes(jacobian, -1, -2)
    return np.linalg.solve(square, jacobian @ normal[..., None])[..., 0]
