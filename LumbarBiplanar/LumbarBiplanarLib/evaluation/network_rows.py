"""The rows of the network's benchmark, and their tables on disk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LandmarkRow:
    """One landmark that a film shows.

    Attributes:
        condition, subject, view, geometry, film, estimate: which film, and whether it was read alone or with its pair.
        level, landmark: which landmark.
        error_mm: distance from the true position in the object plane; empty if not detected.
        sigma_mm: the network's own standard deviation per axis; empty if not detected.
        detected: whether the network found it visible.
        readable: whether a reader can usually place it on such a film (Landmarks.json).
    """

    condition: str
    subject: str
    view: str
    level: str
    landmark: str
    error_mm: float | None
    sigma_mm: float | None
    detected: bool
    geometry: str
    film: int
    estimate: str
    readable: bool


@dataclass(frozen=True)
class FilmRow:
    """One film.

    Attributes:
        condition, subject, view, geometry, film, estimate: which film, and whether it was read alone or with its pair.
        levels_right: levels of those shown that were found and named right.
        mae: mean absolute error of the lumbar-only image over the film, mm.
        psnr_db, ssim, perceptual: of the same image; see ``image_metrics``.
        seconds: of the detection, for a pair that of both films.
        device: where the network ran.
        levels_shown: levels of which the film shows at least four landmarks.
        levels_wrong: levels found in the wrong place, shown or not.
    """

    condition: str
    subject: str
    view: str
    levels_right: int
    mae: float | None
    psnr_db: float | None
    ssim: float | None
    perceptual: float | None
    seconds: float
    device: str
    levels_shown: int
    levels_wrong: int
    geometry: str
    film: int
    estimate: str
