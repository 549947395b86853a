"""The evidence of a case of the benchmark of accuracy, drawn from the true surfaces of a person left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..anatomy import FilmLandmarks, Level
from ..errors import StudyError
from ..geometry import FilmPair, rotation_from_vector, standard_pair
from ..geometry.frames import rigid, transform_points
from ..registration import FilmEvidence, Options
from ..shape.surfaces import Surface
from ..study.case import Case, case_of_films
from ..study.detecting import detect_case
from ..study.registering import RAW_SETTINGS, default_options
from ..training.anatomy import read_context
from .accuracy_conditions import BONES, CT_SUBJECTS, NETWORK, NOTHING, RAW, Condition, Storage
from .left_out import LeftOutPerson
from .network_films import DIFFICULTIES, FilmPairTruth, Person, ct_pair, drawn_pair, read_ct, stored
from .synthetic_evidence import drawn_evidence, drawn_landmarks, true_image

_DISTANCE_MM, _ISOCENTER_MM = 1100.0, 900.0
_FILM_PX, _PITCH_MM = ((480, 800), (520, 800)), 0.4
_DIFFICULTY = "randomised"
_KEPT = 16  # film pairs, with their truth and what the network sees on them


@dataclass(frozen=True, eq=False)
class Drawn:
    """What one case gives the registration.

    Attributes:
        options: settings of the registration.
        evidence: of both films, or None if the case comes with its films.
        case: films to be read by the network, or None.
        detections: what the network found on them.
        warnings: what it had to say.
    """

    options: Options
    evidence: tuple[FilmEvidence, FilmEvidence] | None = None
    case: Case | None = None
    detections: Mapping = None
    warnings: tuple[str, ...] = ()


class EvidenceSource:
    """Draws evidence, and keeps the images that more than one case needs."""

    def __init__(self, data: str | Path | None = None, device: str = "cpu", weights: str | None = None) -> None:
        """Prepare.

        Args:
            data: folder of open data; needed for whole films alone.
            device: where the network runs.
            weights: weights of the network; None means the module's.
        """
        self._data, self._device, self._weights = data, device, weights
        self._bone_images = lru_cache(_KEPT)(self._drawn_bones)
        self._films = lru_cache(_KEPT)(self._drawn_films)
        self._detections = lru_cache(_KEPT)(self._detected)
        self._context = lru_cache(1)(lambda: read_context(self._folder()))
        self._ct = lru_cache(1)(lambda: read_ct(self._folder()))

    def drawn(self, person: LeftOutPerson, condition: Condition, seed: int) -> Drawn:
        """Draw the evidence of one case.

        The same person and seed give the same noise under all conditions.

        Raises:
            DetectionError: if the network finds no spine.
            StudyError: if the condition needs the folder of open data and there is none.
        """
        if condition.films == BONES:
            evidence = tuple(
                _with_image_if(film, film.view.name != condition.hidden)
                for film in self._bone_evidence(person, condition, seed)
            )
            return Drawn(_options(Options(), condition), evidence)
        films = self._films(person, condition.geometry, seed, condition.other_bones, condition.storage)
        if condition.image == NETWORK:
            case, detections, warnings = self._detections(person, condition.geometry, seed, condition.storage)
            return Drawn(_options(default_options(case), condition), None, case, detections, warnings)
        return self._film_evidence(films, condition, _noise(person, seed))

    # -- X-rays of the vertebrae alone -----------------------------------------------------------------------------

    def _bone_evidence(self, person: LeftOutPerson, condition: Condition, seed: int):
        true = film_pair(person.surfaces, condition)
        moved = _motion(person, condition, seed)
        rng, found = _noise(person, seed), []
        believed = film_pair(person.surfaces, condition, believed=True)
        for view, wrong, matrix in zip(true.views, believed.views, (np.eye(4), moved), strict=True):
            image = self._bone_images(
                person, view.name, condition.model, condition.angle_deg, condition.true_shell, matrix.tobytes()
            )
            landmarks = {level: transform_points(matrix, points) for level, points in person.landmarks_ras_mm.items()}
            film = drawn_evidence(view, image, landmarks, condition.disturbance, rng)
            found.append(replace(film, view=wrong))
        return found

    def _drawn_bones(self, person, view_name: str, model: str, angle_deg: float, shell, matrix: bytes) -> np.ndarray:
        from ..rendering import Shell

        pair = film_pair(person.surfaces, Condition("", model=model, angle_deg=angle_deg))
        moved = np.frombuffer(matrix).reshape(4, 4)
        surfaces = {
            level: Surface(transform_points(moved, surface.points_ras_mm), surface.faces)
            for level, surface in person.surfaces.items()
        }
        view = pair.ap if view_name == "AP" else pair.lateral
        return true_image(surfaces, view, None if shell is None else Shell(*shell))

    # -- whole films -----------------------------------------------------------------------------------------------

    def _film_evidence(self, films: FilmPairTruth, condition: Condition, rng: np.random.Generator) -> Drawn:
        found = []
        for film, sigma in zip(films, condition.disturbance.landmark_sigma_mm, strict=True):
            view, landmarks = film.film.view, film.landmarks_ras_mm
            if condition.image in (NOTHING, RAW):
                raw = film.film.bone_bright() if condition.image == RAW else None
                seen = FilmEvidence(view, drawn_landmarks(view, landmarks, sigma, rng), raw=raw)
            else:
                seen = drawn_evidence(view, film.lumbar_mm, landmarks, condition.disturbance, rng)
            on_film = [item for item in seen.landmarks.visible().values() if view.contains(item.position_px)]
            found.append(replace(seen, landmarks=FilmLandmarks(on_film)))
        settings = RAW_SETTINGS if condition.image == RAW else {}
        return Drawn(_options(Options(**settings), condition), tuple(found))

    def _drawn_films(
        self, person: LeftOutPerson, geometry: str, number: int, other_bones: bool, storage: Storage
    ) -> FilmPairTruth:
        known = Person(person.subject, person.surfaces, person.landmarks_ras_mm)
        if person.subject in CT_SUBJECTS:
            return ct_pair(self._ct(), known, geometry, number)
        chosen = {_DIFFICULTY: DIFFICULTIES[_DIFFICULTY]}
        how = {"other_bones": other_bones, "posteroanterior": storage.posteroanterior}
        films = next(drawn_pair(known, self._context(), geometry, number, chosen, **how))
        return tuple(
            stored(film, storage.mistaken) if film.film.view.name == storage.turned_over else film for film in films
        )

    def _detected(self, person: LeftOutPerson, geometry: str, number: int, storage: Storage):
        films = tuple(item.film for item in self._films(person, geometry, number, True, storage))
        case = case_of_films(films, FilmPair(films[0].view, films[1].view))
        *_, step = detect_case(case, device=self._device, weights=self._weights, model=person.model)
        return case, step.detections, step.warnings

    def _folder(self) -> Path:
        if self._data is None:
            raise StudyError("Whole films need the folder of open data: say where it is with --data DIR.")
        return Path(self._data)


def film_pair(surfaces: Mapping[Level, Surface], condition: Condition, *, believed: bool = False) -> FilmPair:
    """Return films that show the whole lumbar spine, 0.4 mm pixels: as they are, or as the registration believes."""
    corners = np.concatenate([surface.points_ras_mm for surface in surfaces.values()])
    center = tuple((corners.min(axis=0) + corners.max(axis=0)) / 2)
    angle = condition.angle_deg + (condition.wrong_angle_deg if believed else 0.0)
    pairs = [
        standard_pair(
            center,
            sdd_mm=_DISTANCE_MM + (wrong if believed else 0.0),
            source_isocenter_mm=_ISOCENTER_MM,
            angle_deg=angle,
            size_px=_FILM_PX,
            spacing_mm=_PITCH_MM,
            model=condition.model,
        )
        for wrong in condition.wrong_distance_mm
    ]
    return FilmPair(pairs[0].ap, pairs[1].lateral)


def _noise(person: LeftOutPerson, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, *person.subject.encode()])


def _motion(person: LeftOutPerson, condition: Condition, seed: int) -> np.ndarray:
    """Return the motion (4, 4) of the spine between the films, of the size asked for, in a random direction."""
    rng = np.random.default_rng([seed, 1, *person.subject.encode()])
    axis, direction = (vector / np.linalg.norm(vector) for vector in rng.standard_normal((2, 3)))
    turn = rotation_from_vector(np.deg2rad(condition.motion_deg) * axis)
    middle = np.concatenate(list(person.landmarks_ras_mm.values())).mean(axis=0)
    return rigid(turn, middle + condition.motion_mm * direction - turn @ middle)


def _options(options: Options, condition: Condition) -> Options:
    from ..anatomy import REGION_WEIGHTS, Region
    from ..rendering import Shell

    changed: dict = dict(condition.options)
    if condition.region_weight is not None:
        heavier = dict.fromkeys((Region.TRANSVERSE, Region.SPINOUS), condition.region_weight)
        changed["region_weights"] = {**REGION_WEIGHTS, **heavier}
    if condition.shell is not None:
        changed["shell"] = Shell(*condition.shell)
    return replace(options, **changed)


def _with_image_if(film: FilmEvidence, shown: bool) -> FilmEvidence:
    return film if shown else replace(film, lumbar_mm=None)
