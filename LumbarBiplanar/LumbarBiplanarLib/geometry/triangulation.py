"""Points from two or more films, and where a pixel of one film may lie on another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import GeometryError
from .view import View

_SMALLEST_ANGLE_DEG = 1.0


def triangulate(views: Sequence[View], pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the points nearest to the rays through corresponding pixels (linear least squares in mm).

    Minimises the sum of squared distances to the rays; for two views this is the midpoint of the rays' shortest
    connection. Works for any mix of pinhole and slot views and any angle between them.

    Args:
        views: two or more views.
        pixels: (n_views, ..., 2), (column, row) of the same points on each film.

    Returns:
        points_ras_mm (..., 3), and gap_mm (...): twice the root mean square distance from the point to its rays,
        which for two views is the shortest distance between the two rays. A point may come out behind a source
        when the pixels do not belong together: ask ``view.in_front``.

    Raises:
        GeometryError: for fewer than two views, sizes that disagree, NaN, or rays less than 1 degree apart.
    """
    views = tuple(views)
    pixels = np.asarray(pixels, dtype=np.float64)
    if len(views) < 2:
        raise GeometryError(f"Triangulation needs at least two views, found {len(views)}.")
    if pixels.ndim < 2 or pixels.shape[0] != len(views) or pixels.shape[-1] != 2:
        raise GeometryError(
            f"Triangulation over {len(views)} views needs pixels of shape ({len(views)}, ..., 2), found {pixels.shape}."
        )
    if not np.all(np.isfinite(pixels)):
        raise GeometryError("Triangulation found NaN or infinite pixels; leave out points that a film does not show.")
    rays = [view.rays(pixel) for view, pixel in zip(views, pixels, strict=True)]
    origins, directions = (np.stack(parts) for parts in zip(*rays, strict=True))
    _check_angle(views, directions)
    projectors = np.eye(3) - directions[..., :, None] * directions[..., None, :]
    # Solve about the mean origin, so that a patient far from the world's origin costs no digits.
    middle = origins.mean(axis=0)
    right = (projectors @ (origins - middle)[..., None]).sum(axis=0)
    points = middle + np.linalg.solve(projectors.sum(axis=0), right)[..., 0]
    off_ray = (projectors @ (points - origins)[..., None])[..., 0]
    gap_mm = 2.0 * np.sqrt((off_ray**2).sum(axis=-1).mean(axis=0))
    return points, gap_mm


def _check_angle(views: Sequence[View], directions: np.ndarray) -> None:
    spread = np.linalg.eigvalsh((directions[..., :, None] * directions[..., None, :]).mean(axis=0))[..., 1]
    # Two unit vectors at angle a have the second eigenvalue (1 - |cos a|) / 2 of their mean outer product.
    smallest = float(spread.min()) if spread.size else 1.0
    if smallest < (1.0 - np.cos(np.deg2rad(_SMALLEST_ANGLE_DEG))) / 2.0:
        names = ", ".join(view.name for view in views)
        raise GeometryError(
            f"The rays of {names} are less than {_SMALLEST_ANGLE_DEG:g} degree apart; depth cannot be found. "
            "Check that the geometry holds two different views."
        )


def epipolar_line(
    view_from: View,
    pixel: tuple[float, float] | np.ndarray,
    view_to: View,
    depth_range_mm: tuple[float, float] | None = None,
    count: int = 64,
) -> np.ndarray:
    """Return where the point seen at ``pixel`` of one film may lie on the other.

    Straight between two pinhole views; with a slot view it is in general a curve, hence a polyline.

    Args:
        view_from: film on which the point was seen.
        pixel: (column, row) on it.
        view_to: film to draw on.
        depth_range_mm: nearest and farthest camera depth of the point in ``view_from``, mm; None means 40 % to 100 %
            of the source-detector distance.
        count: number of points of the polyline, equally spaced in depth.

    Returns:
        (count, 2) pixels of ``view_to``, nearest to the source first. Depths behind ``view_to``'s source are left out.

    Raises:
        GeometryError: if the pixel is not finite or the depth range is not two increasing positive numbers.
    """
    near, far = depth_range_mm or (0.4 * view_from.focal_mm, view_from.focal_mm)
    pixel = np.asarray(pixel, dtype=np.float64)
    if pixel.shape != (2,) or not np.all(np.isfinite(pixel)):
        raise GeometryError(f"An epipolar line needs one finite pixel (column, row), found {pixel.tolist()}.")
    if not 0.0 < near < far or count < 2:
        raise GeometryError(f"An epipolar line needs 0 < near < far and 2 points, found {near}, {far} and {count}.")
    origin, direction = view_from.rays(pixel)
    per_depth = 1.0 / float(direction @ view_from.beam_ras)
    points = origin + np.linspace(near, far, count)[:, None] * per_depth * direction
    return view_to.project(points[view_to.in_front(points)])
