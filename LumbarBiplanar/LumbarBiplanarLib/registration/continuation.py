"""Going on from an earlier state: what has changed, and a local refit about moved landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..anatomy import LANDMARK_NAMES, FilmLandmarks, LandmarkObservation, Level
from ..errors import RegistrationError
from ..shape.model import ShapeModel
from .corrections import NO_CORRECTIONS, Corrections
from .evidence import FilmEvidence
from .poses import PointBasis, VertebraState
from .state import RegistrationState


def changed_landmarks(old: FilmLandmarks, new: FilmLandmarks) -> set[tuple[Level, str]]:
    """Return the (level, name) of landmarks that were moved, added, hidden or removed."""
    before, after = dict(old.visible()), dict(new.visible())
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def images_changed(old: Sequence[FilmEvidence], new: Sequence[FilmEvidence]) -> bool:
    """Return whether a view, a lumbar-only image, its reliability or a film that serves as one differs."""
    return any(
        before.view != after.view
        or before.image_view != after.image_view
        or not _same(before.lumbar_mm, after.lumbar_mm)
        or not _same(before.reliability, after.reliability)
        or ((before.is_raw or after.is_raw) and not _same(before.raw, after.raw))
        for before, after in zip(old, new, strict=True)
    )


def _same(old: np.ndarray | None, new: np.ndarray | None) -> bool:
    if old is None or new is None:
        return old is new
    return old is new or np.array_equal(old, new)


def starting_vertebrae(
    model: ShapeModel, start: RegistrationState, levels: Sequence[Level]
) -> dict[Level, VertebraState]:
    """Return the vertebrae of an earlier state for those of ``levels`` it has.

    Raises:
        RegistrationError: if the state belongs to another shape model.
    """
    count = len(model.modes_mm)
    for level, coefficients in start.coefficients.items():
        if len(coefficients) != count:
            raise RegistrationError(
                f"The state to go on from has {len(coefficients)} mode coefficients for {level.name}, the shape model "
                f"{count} modes. Go on with the model it was made with, or start afresh."
            )
    return {
        level: VertebraState.from_matrix(level, start.ras_from_vertebra[level], start.coefficients[level])
        for level in levels
        if level in start.ras_from_vertebra
    }


def pinned_evidence(
    evidence: tuple[FilmEvidence, FilmEvidence],
    basis: PointBasis,
    vertebrae: Sequence[VertebraState],
    changed: Sequence[set[tuple[Level, str]]],
    corrections: Corrections = NO_CORRECTIONS,
) -> tuple[FilmEvidence, FilmEvidence]:
    """Return evidence in which every landmark that was not touched stays where the vertebra shows it now.

    With it a landmark-only solve moves a vertebra just as far as the moved landmarks ask for, and does not fall back
    to the detector's errors that the images have already overcome.
    """
    films = []
    for film, moved in zip(evidence, changed, strict=True):
        observations = []
        for vertebra in vertebrae:
            shown = basis.posed(corrections.in_view(film.view.name, vertebra))
            pixels = corrections.view(film.view).project(shown)
            for row, name in enumerate(LANDMARK_NAMES):
                key = (vertebra.level, name)
                if key in moved and key in film.landmarks:
                    observations.append(film.landmarks[key])
                elif key not in moved:
                    observations.append(LandmarkObservation(vertebra.level, name, tuple(pixels[row])))
        films.append(replace(film, landmarks=FilmLandmarks(observations)))
    return tuple(films)
