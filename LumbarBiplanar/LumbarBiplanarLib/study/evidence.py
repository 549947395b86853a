"""What the registration is to use of the films of a case: what was given, what was found, or the film itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import FilmLandmarks
from ..imaging import Film
from ..shape import ShapeModel
from .case import Case

if TYPE_CHECKING:
    from ..network import Detection
    from ..registration import FilmEvidence, RegistrationState

Landmarks = Mapping[str, FilmLandmarks]
Evidence = tuple["FilmEvidence", "FilmEvidence"]


def evidence_of(
    case: Case,
    detections: Mapping[str, Detection],
    landmarks: Landmarks | None = None,
    before: Evidence | None = None,
) -> Evidence:
    """Return what the registration is to use of each film, (AP, lateral): what was given before what was found.

    A lumbar-only image that was found gets its outlines from the film (``registration.sharpened``); a film that was
    given none, and of which none was found, serves as its own.

    Args:
        case: films, geometry and what replaces the network's work.
        detections: per view name, what the network found.
        landmarks: per view name, landmarks that replace those of the detection and of the case.
        before: evidence of an earlier registration; images made of the same that the network found are taken from it.
    """
    from ..registration import FilmEvidence

    found = []
    for number, film in enumerate(case.films):
        name, detection = film.view.name, detections.get(film.view.name)
        if landmarks is not None and name in landmarks:
            seen = landmarks[name]
        elif case.landmarks is not None:
            seen = case.landmarks[name].landmarks
        else:
            seen = FilmLandmarks() if detection is None else detection.landmarks
        if name in case.lumbar_mm:
            found.append(FilmEvidence(film.view, seen, case.lumbar_mm[name]))
        elif detection is None:
            found.append(FilmEvidence(film.view, seen, raw=film.bone_bright()))
        elif before is not None and _made_of(before[number], film, detection):
            found.append(replace(before[number], landmarks=seen))
        else:
            found.append(_sharpened(film, detection, seen))
    return found[0], found[1]


def waits_for_model(detections: Mapping[str, Detection], evidence: Evidence) -> bool:
    """Return whether ``evidence_with_model_in_view`` can draw an image anew that was drawn without a model in view."""
    from ..network.weights import registered_name

    plain = [item.view.name for item in evidence if item.found_mm is not None and not item.model_in_view]
    return bool(plain) and registered_name() in {detections[name].weights for name in plain}


def evidence_with_model_in_view(
    case: Case, detections: Mapping[str, Detection], state: RegistrationState, model: ShapeModel, device: str
) -> Evidence:
    """Return the evidence of a registration under way, its lumbar-only images drawn with its state in view.

    Only images that the module's own network found are drawn anew; the others stay.
    """
    from ..network.inference import look_again
    from ..rendering.threads import side_by_side

    surfaces = state.points_ras_mm

    def drawn_anew(film: Film, item: FilmEvidence) -> FilmEvidence:
        detection = detections.get(film.view.name)
        if item.found_mm is None or detection is None:
            return item
        again = look_again(film, detection, surfaces, model, device)
        if again is detection:
            return item
        return replace(_sharpened(film, again, item.landmarks), found_mm=item.found_mm, model_in_view=True)

    with side_by_side(2) as workers:
        first, second = workers.map(drawn_anew, case.films, state.evidence)
    return first, second


def _sharpened(film: Film, detection: Detection, landmarks: FilmLandmarks) -> FilmEvidence:
    from ..registration import FilmEvidence, sharpened

    image, view = sharpened(film.bone_bright(), film.view, detection.lumbar_mm, detection.lumbar_view)
    return FilmEvidence(film.view, landmarks, image, view, found_mm=detection.lumbar_mm)


def _made_of(item: FilmEvidence, film: Film, detection: Detection) -> bool:
    """Return whether the image of a film's evidence was made of what a detection found."""
    return item.view == film.view and item.found_mm is not None and np.array_equal(item.found_mm, detection.lumbar_mm)
