"""What is measured: the surface of one vertebra with its endplates and landmarks, in RAS mm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..anatomy import Level
from ..errors import MeasurementError

SUPERIOR = 1  # value in ShapeModel.endplate_labels
INFERIOR = 2


def _empty_indices() -> np.ndarray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Vertebra:
    """One vertebra, or the sacrum as level S1.

    What a vertebra lacks (an endplate, a landmark) is left out: quantities that need it are then not reported.

    Attributes:
        level: its level.
        points_ras_mm: (V, 3) float64 vertices, patient RAS, mm.
        faces: (F, 3) int triangles, outward.
        landmarks: {name: (3,)} in RAS mm; the names are those of ``anatomy.LANDMARK_NAMES``.
        superior_endplate, inferior_endplate: indices of the vertices of each endplate, rim included; empty if unknown
            (S1 has no inferior endplate).
        region_labels: (V,) uint8 ``anatomy.Region`` per vertex, or None.
    """

    level: Level
    points_ras_mm: np.ndarray
    faces: np.ndarray
    landmarks: Mapping[str, np.ndarray]
    superior_endplate: np.ndarray = field(default_factory=_empty_indices)
    inferior_endplate: np.ndarray = field(default_factory=_empty_indices)
    region_labels: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check shapes, indices and numbers; raises MeasurementError for what cannot be measured on."""
        set_ = object.__setattr__
        set_(self, "points_ras_mm", np.asarray(self.points_ras_mm, dtype=np.float64))
        set_(self, "faces", np.asarray(self.faces, dtype=np.int64).reshape(-1, 3))
        set_(self, "landmarks", {name: np.asarray(p, dtype=np.float64) for name, p in self.landmarks.items()})
        set_(self, "superior_endplate", np.asarray(self.superior_endplate, dtype=np.int64).ravel())
        set_(self, "inferior_endplate", np.asarray(self.inferior_endplate, dtype=np.int64).ravel())
        if self.region_labels is not None:
            set_(self, "region_labels", np.asarray(self.region_labels).ravel())
        self._check()

    def _check(self) -> None:
        name, points = self.level.name, self.points_ras_mm
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 4:
            raise MeasurementError(f"{name}: a surface needs at least four points (V, 3); found shape {points.shape}.")
        if not np.isfinite(points).all():
            raise MeasurementError(
                f"{name}: {int((~np.isfinite(points)).any(axis=1).sum())} of {len(points)} surface points are not "
                "finite numbers; reconstruct the vertebra again."
            )
        for what, indices in (
            ("triangle", self.faces),
            ("superior endplate", self.superior_endplate),
            ("inferior endplate", self.inferior_endplate),
        ):
            if indices.size and (indices.min() < 0 or indices.max() >= len(points)):
                raise MeasurementError(
                    f"{name}: a {what} index lies outside 0..{len(points) - 1}; surface and labels do not "
                    "belong together."
                )
        if self.region_labels is not None and len(self.region_labels) != len(points):
            raise MeasurementError(
                f"{name}: {len(self.region_labels)} region labels were given for {len(points)} points; give one each."
            )
        for landmark, position in self.landmarks.items():
            if position.shape != (3,) or not np.isfinite(position).all():
                raise MeasurementError(
                    f"{name}: the landmark {landmark} is {position.tolist()}; give three finite coordinates, "
                    "or leave it out."
                )

    def landmark(self, name: str) -> np.ndarray | None:
        """Return the landmark ``name``, (3,) RAS mm, or None if the vertebra does not have it."""
        return self.landmarks.get(name)

    @cached_property
    def nearest_to_landmarks(self) -> np.ndarray:
        """(n, 4) vertices nearest to each landmark, in the order of ``landmarks``."""
        from scipy.spatial import cKDTree

        return cKDTree(self.points_ras_mm).query(np.stack(list(self.landmarks.values())), k=4)[1]


def vertebrae_from_reconstruction(model: Any, reconstruction: Any) -> tuple[Vertebra, ...]:
    """Return what is measured from a reconstruction.

    Args:
        model: shape model with ``landmarks(points)``, ``endplate_labels`` (V,) and ``region_labels`` (V,).
        reconstruction: ``levels``, ``faces`` (F, 3) and ``points_ras_mm`` {Level: (V, 3)}.

    Returns:
        The vertebrae in the order of the levels.

    Raises:
        MeasurementError: if the reconstruction does not have as many vertices as the model.
    """
    from ..anatomy import LANDMARK_NAMES

    labels = np.asarray(model.endplate_labels)
    found = []
    for level in sorted(reconstruction.levels, key=lambda level: level.index):
        points = np.asarray(reconstruction.points_ras_mm[level], dtype=np.float64)
        if len(points) != len(labels):
            raise MeasurementError(
                f"{level.name}: the reconstruction has {len(points)} vertices and the shape model {len(labels)}; "
                "measure with the model that made it."
            )
        positions = np.asarray(model.landmarks(points), dtype=np.float64)
        found.append(
            Vertebra(
                level=level,
                points_ras_mm=points,
                faces=reconstruction.faces,
                landmarks=dict(zip(LANDMARK_NAMES, positions, strict=True)),
                superior_endplate=np.flatnonzero(labels == SUPERIOR),
                inferior_endplate=np.flatnonzero(labels == INFERIOR),
                region_labels=np.asarray(model.region_labels),
            )
        )
    return tuple(found)


def with_points(vertebra: Vertebra, points_ras_mm: np.ndarray) -> Vertebra:
    """Return the vertebra with its (V, 3) vertices elsewhere, RAS mm.

    A landmark moves as the four vertices nearest to it do on average, so that it keeps its place on the surface.

    Raises:
        MeasurementError: if the number of vertices differs or a point is not finite.
    """
    points = np.asarray(points_ras_mm, dtype=np.float64)
    if points.shape != vertebra.points_ras_mm.shape:
        raise MeasurementError(
            f"{vertebra.level.name}: {len(points)} vertices were given for a surface of {len(vertebra.points_ras_mm)}; "
            "both must come from the same shape model."
        )
    landmarks = dict(vertebra.landmarks)
    if landmarks:
        positions = np.stack(list(landmarks.values()))
        moved = positions + (points - vertebra.points_ras_mm)[vertebra.nearest_to_landmarks].mean(axis=1)
        landmarks = dict(zip(landmarks, moved, strict=True))
    return replace(vertebra, points_ras_mm=points, landmarks=landmarks)
