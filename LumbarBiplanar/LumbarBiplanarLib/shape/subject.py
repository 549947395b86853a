"""A shape model of one person whose vertebrae are known, for example from a CT: shapes fixed, poses free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..anatomy import LUMBAR_LEVELS, Level
from ..errors import ShapeModelError
from ..geometry.frames import transform_points
from .correspondence import STAGES, deform
from .fitting import SurfaceFit, fit_to_surface
from .model import ShapeModel
from .surfaces import Surface, surface_distances

# A known vertebra has its own size; this leaves the scale of its pose no room.
_LOG_SCALE_SD = 1e-4
# A surface is not the vertebra it is said to be if its extent against the mean is outside this range, or if its shape
# is this unlikely: a mean squared coefficient of 1 is usual, the person of the sample study has 1.6, a sphere 11.
_SIZES = (0.5, 2.0)
_UNLIKELY = 5.0


@dataclass(frozen=True, eq=False)
class SubjectModel:
    """One person's vertebrae as a shape model.

    Attributes:
        model: shape model of the levels given, without freedom of shape or size.
        ct_from_vertebra: {level: (4, 4)} rigid, from the vertebra frame to the frame of the surfaces, mm.
        gap_mm: {level: mean distance from the model's vertices to the surface}.
    """

    model: ShapeModel
    ct_from_vertebra: Mapping[Level, np.ndarray]
    gap_mm: Mapping[Level, float]


def subject_model(
    model: ShapeModel, surfaces: Mapping[Level, Surface], progress: Callable[[str], None] = lambda text: None
) -> SubjectModel:
    """Return a shape model that holds one person's own vertebrae.

    The statistical model is laid onto each surface and then deformed freely until it lies on it, so that the result
    has the statistical model's landmarks, regions and faces, and the person's shape.

    Args:
        model: the statistical shape model.
        surfaces: {level: closed surface in mm}, axes roughly RAS.
        progress: called with a line per level.

    Raises:
        ShapeModelError: if there is no surface, or one is not the vertebra that it is said to be.
    """
    if not surfaces:
        raise ShapeModelError("There is no surface of a vertebra; give at least one of L1 to L5.")
    levels = tuple(level for level in LUMBAR_LEVELS if level in surfaces)
    points, poses, gaps = [], {}, {}
    for level in levels:
        progress(f"{level.name}: corresponding")
        fit = _fitted(model, level, surfaces[level])
        found = deform(fit.points_ras_mm, model.faces, surfaces[level], stages=STAGES[2:])
        gaps[level] = float(surface_distances(found, surfaces[level])[0].mean())
        poses[level] = _rigid(fit.ras_from_vertebra)
        points.append(transform_points(np.linalg.inv(poses[level]), found))
    own = replace(
        model,
        levels=levels,
        mean_points_mm=np.stack(points),
        modes_mm=np.zeros((1, model.vertex_count, 3)),
        pca_count=1,
        log_scale_sd=_LOG_SCALE_SD,
        provenance={"subject": "surfaces of one person", "template_sha256": model.sha256},
        sha256=None,
    )
    return SubjectModel(own, poses, gaps)


def _fitted(model: ShapeModel, level: Level, surface: Surface) -> SurfaceFit:
    """Return the statistical model laid onto a surface; raise ShapeModelError if that is no vertebra of its level."""
    remedy = "Check that it is this vertebra, whole, in mm, with axes R, A, S."
    size = float(
        np.linalg.norm(np.ptp(surface.points_ras_mm, axis=0)) / np.linalg.norm(np.ptp(model.mean(level), axis=0))
    )
    if not _SIZES[0] < size < _SIZES[1]:
        raise ShapeModelError(f"{level.name}: the surface is {size:.3g} times as large as usual. {remedy}")
    fit = fit_to_surface(model, level, surface)
    unlikely = float(np.mean(fit.coefficients**2))
    if unlikely > _UNLIKELY:
        raise ShapeModelError(
            f"{level.name}: the surface does not look like one (its shape is {np.sqrt(unlikely):.1f} standard "
            f"deviations from the mean in every mode). {remedy}"
        )
    return fit


def _rigid(similarity: np.ndarray) -> np.ndarray:
    """Return a similarity (4, 4) without its scale."""
    result = np.array(similarity, dtype=np.float64)
    result[:3, :3] /= np.cbrt(np.linalg.det(result[:3, :3]))
    return result


def rigid_ras_from_ct(subject: SubjectModel, ras_from_vertebra: Mapping[Level, np.ndarray]) -> dict[Level, np.ndarray]:
    """Return {level: (4, 4)} rigid, from the frame of the surfaces to RAS mm, of registered poses.

    Args:
        subject: the person's model.
        ras_from_vertebra: {level: (4, 4)} poses that a registration of ``subject.model`` has found.
    """
    return {
        level: _rigid(pose) @ np.linalg.inv(subject.ct_from_vertebra[level])
        for level, pose in ras_from_vertebra.items()
    }
