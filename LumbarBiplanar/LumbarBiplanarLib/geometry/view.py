"""One film's projection, pinhole (cone beam) or slot scan.

Camera frame: x right (columns), y down (rows), z from the source to the detector, origin at the source, mm.
World: patient RAS, mm. Pixel (0, 0) is the center of the top-left pixel. docs/geometry.md has the drawing.

    pinhole   u = cu + (f / sx) X / Z      v = cv + (f / sy) Y / Z      (Hartley & Zisserman 2004, section 6.1)
    slot      u = cu + (f / sx) X / Z      v = cv + Y / sy              (source and detector travel along y together)

A film is an image as seen from the source, or, turned over left to right, as seen from the detector: many PA films are
stored so. Such a film has x to the left as seen from the source; its camera frame is left-handed (``mirrored``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import GeometryError
from . import checks

MODELS = ("pinhole", "slot")
_NUMBERS = ("model", "camera_from_ras", "focal_mm", "principal_px", "size_px", "spacing_mm")
_OVER = np.array([-1.0, 1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class View:
    """Immutable projection of one film.

    Attributes:
        name: "AP" or "lateral" in a film pair.
        model: "pinhole" or "slot".
        camera_from_ras: (4, 4) rigid, read-only; takes RAS mm to the camera frame. Its rotation has determinant 1, or
            -1 on a mirrored film.
        focal_mm: distance from source to detector along z.
        principal_px: (cu, cv), the pixel where the z axis meets the detector.
        size_px: (width, height).
        spacing_mm: detector pitch (x, y); for slot, y is mm of travel, so mm of real height, per row.
        provenance: where each number came from, by attribute name; "unknown" where nobody said.
        mirrored: whether the film is stored turned over left to right, as seen from the detector.

    Raises:
        GeometryError: if a number is missing, not finite, not positive where it must be, or the matrix is not rigid or
            mirrors the patient although the film is not mirrored, or the other way round.
    """

    name: str
    model: str
    camera_from_ras: np.ndarray
    focal_mm: float
    principal_px: tuple[float, float]
    size_px: tuple[int, int]
    spacing_mm: tuple[float, float]
    provenance: Mapping[str, str] = field(default_factory=dict)
    mirrored: bool = False

    def __post_init__(self) -> None:
        """Check every number and freeze what could still be changed."""
        if not isinstance(self.name, str) or not self.name:
            raise GeometryError(f"A view needs a name such as 'AP' or 'lateral', found {self.name!r}.")
        try:
            if self.model not in MODELS:
                raise GeometryError(f"model must be 'pinhole' or 'slot', found {self.model!r}.")
            if not isinstance(self.mirrored, bool):
                raise GeometryError(f"mirrored must be true or false, found {self.mirrored!r}.")
            values = {
                "camera_from_ras": checks.rigid_matrix("camera_from_ras", self.camera_from_ras, self.mirrored),
                "focal_mm": checks.positive_number("focal_mm", self.focal_mm, "source to detector, mm"),
                "principal_px": checks.number_pair("principal_px", self.principal_px, "column, row"),
                "size_px": checks.integer_pair("size_px", self.size_px, "width, height"),
                "spacing_mm": checks.number_pair("spacing_mm", self.spacing_mm, "mm per column, mm per row", True),
                "provenance": self._checked_provenance(),
            }
        except GeometryError as error:
            raise GeometryError(f"View {self.name!r}: {error}") from None
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def _checked_provenance(self) -> Mapping[str, str]:
        given = self.provenance
        if not isinstance(given, Mapping) or not all(isinstance(text, str) for text in given.values()):
            raise GeometryError(f"provenance must map each key to a text, found {given!r}.")
        strange = sorted(set(given) - set(_NUMBERS))
        if strange:
            raise GeometryError(f"provenance names unknown keys {strange}; use {', '.join(_NUMBERS)}.")
        return MappingProxyType({key: given.get(key, "unknown") for key in _NUMBERS})

    # -- points to pixels ------------------------------------------------------------------------------------------

    def camera_points(self, points_ras_mm: np.ndarray) -> np.ndarray:
        """Return RAS points (..., 3) in the camera frame (..., 3), mm."""
        points = np.asarray(points_ras_mm, dtype=np.float64)
        return points @ self.camera_from_ras[:3, :3].T + self.camera_from_ras[:3, 3]

    def depth_mm(self, points_ras_mm: np.ndarray) -> np.ndarray:
        """Return the distance (...) of RAS points (..., 3) from the source along the beam (camera z), mm."""
        return self.camera_points(points_ras_mm)[..., 2]

    def in_front(self, points_ras_mm: np.ndarray) -> np.ndarray:
        """Return (...) bool: whether RAS points (..., 3) lie on the detector's side of the source."""
        return self.depth_mm(points_ras_mm) > 0.0

    def project(self, points_ras_mm: np.ndarray) -> np.ndarray:
        """Project RAS points (..., 3) mm to pixels (..., 2), (column, row), float64.

        The formula is applied as it stands: points outside the film give pixels outside it, points behind the source
        give a mirrored pixel that no film shows, points in the source's plane infinity or NaN. Ask ``in_front``.
        """
        x, y, z = np.moveaxis(self.camera_points(points_ras_mm), -1, 0)
        (cu, cv), (sx, sy) = self.principal_px, self.spacing_mm
        with np.errstate(divide="ignore", invalid="ignore"):
            u = cu + self.focal_mm / sx * x / z
            v = cv + (self.focal_mm / sy * y / z if self.model == "pinhole" else y / sy)
        return np.stack([u, v], axis=-1)

    def jacobian(self, points_ras_mm: np.ndarray) -> np.ndarray:
        """Return d(pixel)/d(point) (..., 2, 3), pixels per mm, at RAS points (..., 3) mm."""
        x, y, z = np.moveaxis(self.camera_points(points_ras_mm), -1, 0)
        (fx, fy), (_, sy) = (self.focal_mm / np.asarray(self.spacing_mm)), self.spacing_mm
        zero = np.zeros_like(z)
        with np.errstate(divide="ignore", invalid="ignore"):
            row_u = np.stack([fx / z, zero, -fx * x / z**2], axis=-1)
            if self.model == "pinhole":
                row_v = np.stack([zero, fy / z, -fy * y / z**2], axis=-1)
            else:
                row_v = np.stack([zero, np.full_like(z, 1.0 / sy), zero], axis=-1)
        return np.stack([row_u, row_v], axis=-2) @ self.camera_from_ras[:3, :3]

    def pixel_size_at(self, points_ras_mm: np.ndarray) -> np.ndarray:
        """Return the mm of object that one pixel covers (..., 2), across and along, at RAS points (..., 3) mm."""
        z = self.depth_mm(points_ras_mm)
        sx, sy = self.spacing_mm
        across = z * sx / self.focal_mm
        along = z * sy / self.focal_mm if self.model == "pinhole" else np.full_like(z, sy)
        return np.stack([across, along], axis=-1)

    def contains(self, pixels: np.ndarray) -> np.ndarray:
        """Return (...) bool: whether pixels (..., 2) lie on the film, its outer half pixels included."""
        pixels = np.asarray(pixels, dtype=np.float64)
        return np.all((pixels >= -0.5) & (pixels <= np.asarray(self.size_px) - 0.5), axis=-1)

    # -- pixels to rays --------------------------------------------------------------------------------------------

    def rays(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rays through pixels (..., 2), (column, row).

        Returns:
            origins (..., 3): where the ray leaves the source, RAS mm (for slot, the source's position at that row).
            directions (..., 3): unit vectors in RAS, from source to detector.
        """
        detector = self._detector_camera_mm(pixels)
        origins = np.zeros_like(detector)
        if self.model == "slot":
            origins[..., 1] = detector[..., 1]
        directions = detector - origins
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        rotation = self.camera_from_ras[:3, :3]
        return self._ras_points(origins), directions @ rotation

    def detector_points_ras_mm(self, pixels: np.ndarray) -> np.ndarray:
        """Return where pixels (..., 2) lie on the detector (..., 3), RAS mm."""
        return self._ras_points(self._detector_camera_mm(pixels))

    def detector_corners_ras_mm(self) -> np.ndarray:
        """Return the film's outer corners (4, 3), RAS mm: top left, top right, bottom right, bottom left."""
        right, bottom = self.size_px[0] - 0.5, self.size_px[1] - 0.5
        return self.detector_points_ras_mm(np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]]))

    @property
    def source_ras_mm(self) -> np.ndarray:
        """Position of the source (3,), RAS mm; for slot, while it scans the row of the principal point."""
        return self._ras_points(np.zeros(3))

    @property
    def beam_ras(self) -> np.ndarray:
        """Direction of the central ray (3,), a unit vector in RAS."""
        return self.camera_from_ras[2, :3].copy()

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (height, width) of the film as an array."""
        return self.size_px[1], self.size_px[0]

    def _detector_camera_mm(self, pixels: np.ndarray) -> np.ndarray:
        offset = (np.asarray(pixels, dtype=np.float64) - self.principal_px) * self.spacing_mm
        return np.concatenate([offset, np.full((*offset.shape[:-1], 1), self.focal_mm)], axis=-1)

    def _ras_points(self, camera_points: np.ndarray) -> np.ndarray:
        return (camera_points - self.camera_from_ras[:3, 3]) @ self.camera_from_ras[:3, :3]

    # -- other pixels, same projection -----------------------------------------------------------------------------

    def cropped(self, x0: int, y0: int, width: int, height: int) -> View:
        """Return the view of a window whose first pixel is this view's pixel (x0, y0); it may reach past the film."""
        cu, cv = self.principal_px
        return replace(self, principal_px=(cu - x0, cv - y0), size_px=(width, height))

    def resampled(self, spacing_mm: float | tuple[float, float]) -> View:
        """Return the view with another pitch; the film's top-left corner stays, its size is rounded to whole pixels.

        Args:
            spacing_mm: new pitch in mm at the detector (for slot, the row pitch is mm of travel): one or (x, y).
        """
        pitch = (spacing_mm, spacing_mm) if np.ndim(spacing_mm) == 0 else spacing_mm
        new = checks.number_pair("spacing_mm", pitch, "mm per column, mm per row", True)
        return self._with_pixels(new, [self.size_px[i] * self.spacing_mm[i] / new[i] for i in (0, 1)])

    def resized(self, factor: float | tuple[float, float]) -> View:
        """Return the view with ``factor`` times as many pixels over the same outline; the pitch follows exactly."""
        factors = (factor, factor) if np.ndim(factor) == 0 else factor
        factors = checks.number_pair("factor", factors, "across, along", True)
        size = [max(1, round(self.size_px[i] * factors[i])) for i in (0, 1)]
        return self._with_pixels([self.spacing_mm[i] * self.size_px[i] / size[i] for i in (0, 1)], size)

    def _with_pixels(self, spacing_mm, size) -> View:
        # The film's edge is at -0.5, so pixel centers map as (u + 0.5) * old / new - 0.5.
        principal = [(self.principal_px[i] + 0.5) * self.spacing_mm[i] / spacing_mm[i] - 0.5 for i in (0, 1)]
        size = [max(1, round(number)) for number in size]
        return replace(self, principal_px=tuple(principal), size_px=tuple(size), spacing_mm=tuple(spacing_mm))

    def turned_over(self) -> View:
        """Return the view of this film with its columns in reverse order; twice is this view again."""
        cu, cv = self.principal_px
        return replace(
            self,
            camera_from_ras=_OVER[:, None] * self.camera_from_ras,
            principal_px=(self.size_px[0] - 1 - cu, cv),
            mirrored=not self.mirrored,
        )

    def of_mirrored_patient(self) -> View:
        """Return the view of this very film of a patient mirrored at x = 0 of RAS; twice is this view again."""
        return replace(self, camera_from_ras=self.camera_from_ras * _OVER, mirrored=not self.mirrored)

    def pixels_on(self, other: View, pixels: np.ndarray) -> np.ndarray:
        """Return pixels (..., 2) of this view as those of another view of the same film, cropped or of other pitch."""
        scale = np.asarray(self.spacing_mm) / other.spacing_mm
        return (pixels - np.asarray(self.principal_px)) * scale + other.principal_px

    # -- JSON, equality, pickling ----------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the view as JSON-ready values; ``from_dict`` gives back exactly the same view."""
        return {
            "name": self.name,
            "model": self.model,
            "camera_from_ras": self.camera_from_ras.tolist(),
            "focal_mm": self.focal_mm,
            "principal_px": list(self.principal_px),
            "size_px": list(self.size_px),
            "spacing_mm": list(self.spacing_mm),
            "mirrored": self.mirrored,
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> View:
        """Build a view from what ``to_dict`` gives; raises GeometryError for a missing, unknown or bad key."""
        if not isinstance(values, Mapping):
            raise GeometryError(f"A view must be an object with keys name, {', '.join(_NUMBERS)}; found {values!r}.")
        required = {"name", *_NUMBERS}
        missing, strange = sorted(required - set(values)), sorted(set(values) - required - {"mirrored", "provenance"})
        if missing:
            raise GeometryError(f"View {values.get('name')!r}: missing {', '.join(missing)}; add them.")
        if strange:
            raise GeometryError(f"View {values['name']!r}: unknown key {', '.join(strange)}; remove or correct it.")
        return cls(**values)

    def _key(self) -> tuple:
        numbers = (self.focal_mm, self.principal_px, self.size_px, self.spacing_mm, self.mirrored)
        return (self.name, self.model, self.camera_from_ras.tobytes(), *numbers, tuple(self.provenance.items()))

    def __eq__(self, other: object) -> bool:
        """Views are equal when every number, the name and the provenance are."""
        return isinstance(other, View) and self._key() == other._key()

    def __hash__(self) -> int:
        """Hash what ``__eq__`` compares."""
        return hash(self._key())

    def __reduce__(self):
        """Pickle and copy through the constructor: a mapping proxy cannot be pickled."""
        values = self.to_dict()
        return View.from_dict, (values,)
