"""How accurate the network is on people its training knows nothing of: one row per landmark and one per film.

Every film is judged twice: as ``detect`` reads it by itself (estimate "film"), and as ``detect_pair`` reads it with
the other film of its pair ("pair"). Ladders and real films are judged by themselves.

The people are the Visible Human Male and VerSe 010, drawn from their true surfaces, and the whole-body CT, drawn with
its own bones and soft tissue. The shape model that the training drew its spines from must have been built without
them (``lumbar-biplanar train --leave-out vhm verse010``; the whole-body CT is in no model).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level, load_landmarks
from ..errors import DetectionError, StudyError
from ..files import read_json, write_table
from ..imaging import resample_image
from ..network import Detection
from ..shape.fitting import correspond
from ..shape.model import ShapeModel
from ..shape.sources import SAMPLE_STUDY_SUBJECT, Specimen, read_specimens
from ..shape.storage import load_shape_model
from ..training.anatomy import Context, read_context
from .image_metrics import image_scores
from .landmark_errors import object_plane_mm
from .left_out import read_left_out
from .network_films import BenchmarkFilm, FilmPairTruth, Person, ct_pairs, drawn_pairs, whole_spine_pairs
from .network_ladders import ladder_films
from .network_rows import FilmRow, LandmarkRow
from .real_films import REAL_FILE, RealFilmRow, evaluate_real_film, real_films

SUBJECTS = ("vhm", "verse010", SAMPLE_STUDY_SUBJECT)
# A level is named right if its landmarks lie within this of the true ones, in the median: less than half a vertebra.
_RIGHT_MM = 12.0
_REAL_FOLDER = "ap-radiographs"
LANDMARKS_FILE, FILMS_FILE = "network_landmarks.csv", "network_films.csv"


def benchmark_network(
    data: str | Path,
    output_folder: str | Path,
    *,
    models: str | Path,
    weights: str | Path | None = None,
    device: str = "cpu",
    count: int = 2,
    subjects: Sequence[str] = SUBJECTS,
    landmarks_folder: str | Path | None = None,
    context: Context | None = None,
) -> Iterator[FilmRow]:
    """Detect the spine on films of left-out people; writes ``network_landmarks.csv`` and ``network_films.csv``.

    ``network_real_films.csv`` is written too if the data has real radiographs.

    Args:
        data: folder of the open data.
        output_folder: where the tables go; it must exist.
        models: folder of the shape models without each person (``left_out.write_left_out``): they are what both films
            together are fitted with.
        weights: a weights file, or a folder of both stages; None means the module's own.
        device: "auto", "cpu" or "cuda".
        count: film pairs per person, difficulty and geometry.
        subjects: people to test on.
        landmarks_folder: folder of ``<subject>.json`` with true landmarks; None finds them from the surfaces (a minute
            or two).
        context: what is put around the spines of drawn films; None reads it from ``data``.

    Yields:
        The row of each film, as it is done; the tables are written after the last.

    Raises:
        StudyError: if a subject is unknown, or there is no model without one.
        WeightsError: if the weights cannot be used.
        OutputError: if the tables cannot be written.
    """
    people = read_people(data, subjects, landmarks_folder)
    landmark_rows: list[LandmarkRow] = []
    film_rows: list[FilmRow] = []
    for done in _evaluated(data, people, count, context, device, weights, models):
        for landmarks, row in done:
            landmark_rows += landmarks
            film_rows.append(row)
            yield row
    write_table(Path(output_folder) / LANDMARKS_FILE, LandmarkRow, landmark_rows)
    write_table(Path(output_folder) / FILMS_FILE, FilmRow, film_rows)
    if (Path(data) / _REAL_FOLDER).is_dir():
        write_table(Path(output_folder) / REAL_FILE, RealFilmRow, list(_real_rows(data, device, weights)))


def _evaluated(data, people: Iterable[Person], count: int, context: Context | None, device: str, weights, models):
    """Yield lists of (landmark rows, film row)."""
    for person in people:
        model = read_left_out(models, person.subject).model
        if person.subject == SAMPLE_STUDY_SUBJECT:
            pairs: Iterator[FilmPairTruth] = ct_pairs(data, person, count)
        else:
            context = read_context(data) if context is None else context
            pairs = itertools.chain(drawn_pairs(person, context, count), whole_spine_pairs(person, context, count))
        for pair in pairs:
            yield evaluate_pair(pair, device, weights, model)
        if person.subject != SAMPLE_STUDY_SUBJECT:
            for film in ladder_films(person, context, 1):
                yield [evaluate_film(film, device, weights)]


def _real_rows(data: str | Path, device: str, weights) -> Iterator[RealFilmRow]:
    for name, image, boxes in real_films(Path(data) / _REAL_FOLDER):
        for whole in (True, False):
            yield from evaluate_real_film(name, image, boxes, whole=whole, device=device, weights=weights)


def read_people(data: str | Path, subjects: Sequence[str], landmarks_folder: str | Path | None = None) -> list[Person]:
    """Read surfaces and true landmarks of the people; raises StudyError for an unknown or incomplete one."""
    specimens = [item for item in _specimens(data, subjects) if item.subject in subjects]
    model = load_shape_model()
    people = []
    for subject in subjects:
        own = {item.level: item.surface for item in specimens if item.subject == subject}
        missing = [level.name for level in LUMBAR_LEVELS if level not in own]
        if missing:
            raise StudyError(f"{subject} cannot be tested on: the data lacks {', '.join(missing)}.")
        if landmarks_folder is not None:
            marks = _read_landmarks(Path(landmarks_folder) / f"{subject}.json")
        else:
            marks = {level: _landmarks(model, level, surface) for level, surface in own.items()}
        people.append(Person(subject, own, marks))
    return people


def _specimens(data: str | Path, subjects: Sequence[str]) -> list[Specimen]:
    return read_specimens(data, include_sample=SAMPLE_STUDY_SUBJECT in subjects)


def _landmarks(model: ShapeModel, level: Level, surface) -> np.ndarray:
    return model.landmarks(correspond(model, level, surface))


def _read_landmarks(path: Path) -> dict[Level, np.ndarray]:
    content = read_json(path, "landmarks file")["landmarks"]
    return {
        level: np.array([content[level.name][name] for name in LANDMARK_NAMES], dtype=np.float64)
        for level in LUMBAR_LEVELS
    }


def evaluate_pair(
    pair: FilmPairTruth,
    device: str = "cpu",
    weights: str | Path | None = None,
    model: ShapeModel | None = None,
) -> list[tuple[list[LandmarkRow], FilmRow]]:
    """Detect the spine on both films, alone and together, and compare with the truth.

    Args:
        pair: AP and lateral film.
        device, weights: as for ``detect``.
        model: shape model without the person, with which both films are read together; None means the module's own.
    """
    from ..network import detect_pair

    rows = [evaluate_film(film, device, weights) for film in pair]
    start = time.perf_counter()
    try:
        together = detect_pair(tuple(film.film for film in pair), device, weights, model)
    except DetectionError:
        together = (None, None)
    seconds = time.perf_counter() - start
    return rows + [_compared(film, found, seconds, "pair") for film, found in zip(pair, together, strict=True)]


def evaluate_film(
    film: BenchmarkFilm, device: str = "cpu", weights: str | Path | None = None
) -> tuple[list[LandmarkRow], FilmRow]:
    """Detect the spine on one film and compare it with the truth; nothing found gives rows without errors."""
    from ..network import detect

    start = time.perf_counter()
    try:
        detection = detect(film.film, device, weights)
    except DetectionError:
        detection = None
    return _compared(film, detection, time.perf_counter() - start, "film")


def _compared(
    film: BenchmarkFilm, detection: Detection | None, seconds: float, estimate: str
) -> tuple[list[LandmarkRow], FilmRow]:
    errors = {level: landmark_errors_mm(film, detection, level) for level in LUMBAR_LEVELS}
    ap = film.film.view.name == "AP"
    readable = {item.name: item.visible_ap if ap else item.visible_lateral for item in load_landmarks()}
    key = {"condition": film.condition, "subject": film.subject, "view": film.film.view.name}
    key |= {"geometry": film.geometry, "film": film.number, "estimate": estimate}
    rows = []
    for level in LUMBAR_LEVELS:
        for i, name in enumerate(LANDMARK_NAMES):
            if film.visible[level][i]:
                error, sigma, detected = _error_and_sigma(detection, level, name, errors[level][i])
                rows.append(
                    LandmarkRow(
                        **key,
                        level=level.name,
                        landmark=name,
                        error_mm=error,
                        sigma_mm=sigma,
                        detected=detected,
                        readable=readable[name],
                    )
                )
    return rows, _film_row(key, film, detection, errors, seconds)


def landmark_errors_mm(film: BenchmarkFilm, detection: Detection | None, level: Level) -> np.ndarray:
    """Return the distance (20,) of each landmark from its true place, mm of the object plane; NaN if not detected."""
    errors = np.full(len(LANDMARK_NAMES), np.nan)
    if detection is None:
        return errors
    seen = [detection.landmarks.get((level, name)) for name in LANDMARK_NAMES]
    rows = [i for i, item in enumerate(seen) if item is not None and item.visible]
    pixels = np.array([seen[i].position_px for i in rows]).reshape(-1, 2)
    errors[rows] = object_plane_mm(film.film.view, pixels, film.landmarks_ras_mm[level][rows])
    return errors


def _error_and_sigma(detection, level: Level, name: str, error: float) -> tuple[float | None, float | None, bool]:
    if not np.isfinite(error):
        return None, None, False
    return round(float(error), 3), round(float(detection.landmarks[(level, name)].sigma_mm), 3), True


def _film_row(key, film: BenchmarkFilm, detection: Detection | None, errors, seconds: float) -> FilmRow:
    shown = [level for level in LUMBAR_LEVELS if film.visible[level].sum() >= 4]
    found = {level: float(np.nanmedian(errors[level])) for level in LUMBAR_LEVELS if np.isfinite(errors[level]).any()}
    values = {
        "levels_shown": len(shown),
        "levels_right": int(sum(found[level] <= _RIGHT_MM for level in shown if level in found)),
        "levels_wrong": int(sum(error > _RIGHT_MM for error in found.values())),
        "seconds": round(seconds, 3),
    }
    if detection is None:
        return FilmRow(**key, **values, mae=None, psnr_db=None, ssim=None, perceptual=None, device="")
    view = detection.lumbar_view
    truth = resample_image(film.lumbar_mm, film.film.view, view, outside=0.0)
    rows, columns = np.indices(view.shape)
    scale = np.asarray(view.spacing_mm) / film.film.view.spacing_mm
    at = (np.stack([columns, rows], axis=-1) - view.principal_px) * scale + film.film.view.principal_px
    scores = image_scores(detection.lumbar_mm, truth, film.film.view.contains(at))
    return FilmRow(
        **key,
        **values,
        mae=round(scores.mae, 4),
        psnr_db=round(scores.psnr_db, 3),
        ssim=round(scores.ssim, 4),
        perceptual=round(scores.perceptual, 4),
        device=detection.device,
    )
