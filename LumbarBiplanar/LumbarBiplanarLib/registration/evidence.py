"""What the registration knows about one film, and whether it can be used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy import FilmLandmarks
from ..errors import LandmarkError, RegistrationError
from ..geometry import View


@dataclass(frozen=True, eq=False)
class FilmEvidence:
    """Landmarks and lumbar-only image of one film.

    Attributes:
        view: view of the film; the landmarks are in its pixels.
        landmarks: landmarks seen on the film.
        lumbar_mm: (h, w) float32 lumbar-only image in mm of bone along the ray, or None.
        lumbar_view: view of ``lumbar_mm``; None means ``view``.
        reliability: (h, w) weights of the pixels of ``lumbar_mm``, 0 to 1, or None.
        found_mm: the network's image that ``lumbar_mm`` was made of, or None; it tells whether that must be done anew.
        model_in_view: whether the network was shown the vertebrae of a registration when it drew ``lumbar_mm``.
        raw: (H, W) density of the film itself on ``view``, bone bright, any unit, or None; it is used where there is
            no lumbar-only image (``raw_films.py``).
    """

    view: View
    landmarks: FilmLandmarks
    lumbar_mm: np.ndarray | None = None
    lumbar_view: View | None = None
    reliability: np.ndarray | None = None
    found_mm: np.ndarray | None = None
    model_in_view: bool = False
    raw: np.ndarray | None = None

    @property
    def image_view(self) -> View:
        """View of the lumbar-only image, or of the film where that is used."""
        return self.view if self.lumbar_view is None or self.is_raw else self.lumbar_view

    @property
    def is_raw(self) -> bool:
        """Whether the film itself is used, for want of a lumbar-only image."""
        return not self.has_bone and self.raw is not None

    @property
    def has_image(self) -> bool:
        """Whether there is a lumbar-only image that shows anything, or a film in its place."""
        return self.has_bone or self.is_raw

    def check(self) -> None:
        """Raise LandmarkError or RegistrationError if a landmark or the image cannot be used as it is."""
        for (level, name), item in self.landmarks.items():
            if not item.visible:
                continue
            where = f"The {self.view.name} landmark {level.name} {name}"
            if not np.all(np.isfinite(item.position_px)):
                raise LandmarkError(f"{where} is at {tuple(item.position_px)}: not a number. Place or remove it.")
            if item.sigma_mm is not None and not item.sigma_mm > 0:
                raise LandmarkError(f"{where} has a standard deviation of {item.sigma_mm} mm; it must be positive.")
            if not 0 <= item.confidence <= 1:
                raise LandmarkError(f"{where} has a confidence of {item.confidence}; it must lie between 0 and 1.")
        if self.lumbar_mm is not None:
            self._check_image()
        if self.raw is not None and (np.shape(self.raw) != self.view.shape or not np.all(np.isfinite(self.raw))):
            raise RegistrationError(
                f"The {self.view.name} film has the shape {np.shape(self.raw)} and its view {self.view.shape}; both "
                "must be the same and all pixels finite."
            )

    def _check_image(self) -> None:
        width, height = self.image_view.size_px
        name = f"The lumbar-only {self.view.name} image"
        if np.shape(self.lumbar_mm) != (height, width):
            raise RegistrationError(
                f"{name} has the shape {np.shape(self.lumbar_mm)} but its view is {height} rows by {width} columns. "
                "Give the view that belongs to the image."
            )
        bad = int(np.count_nonzero(~np.isfinite(self.lumbar_mm)))
        if bad:
            raise RegistrationError(
                f"{name} has {bad} pixels that are not finite numbers. Set them to 0 and their reliability to 0."
            )
        if self.reliability is not None:
            if np.shape(self.reliability) != (height, width):
                raise RegistrationError(
                    f"The reliability of the {self.view.name} image has the shape {np.shape(self.reliability)}; "
                    f"it must have that of the image, {(height, width)}."
                )
            if not np.all(np.isfinite(self.reliability)) or np.min(self.reliability) < 0:
                raise RegistrationError(
                    f"The reliability of the {self.view.name} image must be finite and not negative; its smallest "
                    f"value is {np.min(self.reliability)}."
                )

    @property
    def has_bone(self) -> bool:
        """Whether there is a lumbar-only image that shows anything."""
        return self.lumbar_mm is not None and float(np.ptp(self.lumbar_mm)) > 0


def check_evidence(evidence: tuple[FilmEvidence, FilmEvidence]) -> None:
    """Check both films of a pair; raises LandmarkError or RegistrationError with what to do."""
    if len(evidence) != 2:
        raise RegistrationError(f"A registration needs two films, AP and lateral; {len(evidence)} given.")
    names = tuple(item.view.name for item in evidence)
    if names != ("AP", "lateral"):
        raise RegistrationError(f"The films must be given as AP, then lateral; they are named {names}.")
    for item in evidence:
        item.check()
