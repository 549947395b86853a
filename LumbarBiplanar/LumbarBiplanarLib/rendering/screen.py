"""Points of the patient in screen space, and the Jacobian of that mapping.

Screen space of a view is (s, t, w): detector column, detector row (pixels, (0, 0) is the centre of the top-left
pixel) and the distance in mm from the source along the ray. For a slot scan the source travels with the row, so the
ray and its length lie in a plane of constant camera y. This mapping is all that the rasteriser knows of a camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch

from ..errors import GeometryError
from ..geometry import View


def screen_from_points(points_ras_mm: torch.Tensor, view: View) -> torch.Tensor:
    """Map points to screen space.

    Args:
        points_ras_mm: (P, 3) points in RAS, mm. The mapping is computed in float64 whatever their type.
        view: the film's view.

    Returns:
        (P, 3) float64: column and row in pixels, distance to the source along the ray in mm.

    Raises:
        GeometryError: if a point is not finite, or does not lie in front of the source.
    """
    return screens_from_points(points_ras_mm, [view])[0]


def screens_from_points(points_ras_mm: torch.Tensor, views: Sequence[View]) -> torch.Tensor:
    """Map points (P, 3), RAS mm, to the screen space of each view, (views, P, 3); as ``screen_from_points``."""
    camera = [_camera_points(points_ras_mm, view).unbind(-1) for view in views]
    # One test for both faults, since NaN compares false, and for all views: one synchronisation on a GPU.
    usable = torch.stack([(z > 0).all() & torch.isfinite(x + y).all() for x, y, z in camera])
    if not bool(usable.all()):
        number = usable.tolist().index(False)
        _refuse(points_ras_mm, views[number], camera[number][2])
    return torch.stack([_screen(*axes, view) for axes, view in zip(camera, views, strict=True)])


def _refuse(points_ras_mm: torch.Tensor, view: View, depth_mm: torch.Tensor) -> None:
    if not bool(torch.isfinite(points_ras_mm).all()):
        raise GeometryError(f"View {view.name}: a surface has points that are not finite numbers; check its pose.")
    raise GeometryError(
        f"View {view.name}: a surface reaches behind the X-ray source (depth {float(depth_mm.min()):.1f} mm); "
        "check the view's camera_from_ras and the pose of the surface."
    )


def _screen(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, view: View) -> torch.Tensor:
    (cu, cv), (sx, sy) = view.principal_px, view.spacing_mm
    s = cu + (view.focal_mm / sx) * x / z
    if view.model == "slot":
        return torch.stack([s, cv + y / sy, torch.sqrt(x * x + z * z)], dim=-1)
    return torch.stack([s, cv + (view.focal_mm / sy) * y / z, torch.sqrt(x * x + y * y + z * z)], dim=-1)


def screen_jacobian(points_ras_mm: torch.Tensor, view: View) -> torch.Tensor:
    """Return d(s, t, w) / d(point) of ``screen_from_points``.

    Args:
        points_ras_mm: (P, 3) points in RAS, mm, in front of the source.
        view: the film's view.

    Returns:
        (P, 3, 3) float64, rows s, t (pixels per mm) and w (mm per mm), columns R, A, S.
    """
    x, y, z = _camera_points(points_ras_mm, view).unbind(-1)
    zero = torch.zeros_like(z)
    fx, fy = view.focal_mm / view.spacing_mm[0], view.focal_mm / view.spacing_mm[1]
    row_s = torch.stack([fx / z, zero, -fx * x / z**2], dim=-1)
    if view.model == "slot":
        row_t = torch.stack([zero, torch.full_like(z, 1.0 / view.spacing_mm[1]), zero], dim=-1)
        row_w = torch.stack([x, zero, z], dim=-1) / torch.sqrt(x * x + z * z)[:, None]
    else:
        row_t = torch.stack([zero, fy / z, -fy * y / z**2], dim=-1)
        row_w = torch.stack([x, y, z], dim=-1) / torch.sqrt(x * x + y * y + z * z)[:, None]
    return torch.stack([row_s, row_t, row_w], dim=-2) @ _camera(view, z.device)[0]


@lru_cache(maxsize=16)
def _camera(view: View, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rotation (3, 3) and translation (3,) from RAS to the camera; kept, since a GPU waits for each copy."""
    matrix = torch.tensor(view.camera_from_ras, dtype=torch.float64, device=device)
    return matrix[:3, :3].contiguous(), matrix[:3, 3].contiguous()


def _camera_points(points_ras_mm: torch.Tensor, view: View) -> torch.Tensor:
    rotation, origin = _camera(view, points_ras_mm.device)
    return points_ras_mm.double() @ rotation.T + origin
