"""How accurate the network is on people its training knows nothing of: one row per landmark and one per film.

The people are the Visible Human Male and VerSe 010, drawn from their true surfaces, and the whole-body CT, drawn with
its own bones and soft tissue. The shape model that the training drew its spines from must have been built without
them (``lumbar-biplanar train --leave-out vhm verse010``; the whole-body CT is in no model).
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level, load_landmarks
from ..errors import DetectionError, StudyError
from ..files import atomic_path, read_json
from ..imaging import resample_image
from ..network import Detection
from ..shape.fitting import correspond
from ..shape.model import ShapeModel
from ..shape.sources import SAMPLE_STUDY_SUBJECT, Specimen, read_specimens
from ..shape.storage import load_shape_model
from ..training.anatomy import Context, read_context
from .image_metrics import image_scores
from .network_films import BenchmarkFilm, Person, ct_films, drawn_films

SUBJECTS = ("vhm", "verse010", SAMPLE_STUDY_SUBJECT)
# A level is named right if its landmarks lie within this of the true ones, in the median: less than half a vertebra.
_RIGHT_MM = 12.0
LANDMARKS_FILE, FILMS_FILE = "network_landmarks.csv", "network_films.csv"


@dataclass(frozen=True)
class LandmarkRow:
    """One landmark that a film shows.

    Attributes:
        condition, subject, view, film: which film.
        level, landmark: which landmark.
        readable: whether a reader can usually place it on such a film (Landmarks.json).
        error_mm: distance from the true position in the object plane; empty if not detected.
        sigma_mm: the network's own standard deviation per axis; empty if not detected.
        detected: whether the network found it visible.
    """

    condition: str
    subject: str
    view: str
    film: int
    level: str
    landmark: str
    readable: bool
    error_mm: float | None
    sigma_mm: float | None
    detected: bool


@dataclass(frozen=True)
class FilmRow:
    """One film.

    Attributes:
        condition, subject, view, film: which film.
        levels_shown: levels of which the film shows at least four landmarks.
        levels_right: levels of these that were found and named right.
        levels_wrong: levels found in the wrong place, shown or not.
        mae: mean absolute error of the lumbar-only image over the film, mm.
        psnr_db, ssim: of the same image.
        seconds: of the detection.
        device: where the network ran.
    """

    condition: str
    subject: str
    view: str
    film: int
    levels_shown: int
    levels_right: int
    levels_wrong: int
    mae: float | None
    psnr_db: float | None
    ssim: float | None
    seconds: float
    device: str


def benchmark_network(
    data: str | Path,
    output_folder: str | Path,
    *,
    weights: str | Path | None = None,
    device: str = "cpu",
    count: int = 4,
    subjects: Sequence[str] = SUBJECTS,
    landmarks_folder: str | Path | None = None,
    context: Context | None = None,
) -> Iterator[FilmRow]:
    """Detect the spine on films of left-out people; writes ``network_landmarks.csv`` and ``network_films.csv``.

    Args:
        data: folder of the open data.
        output_folder: where the tables go; it must exist.
        weights: a weights file; None means the module's own.
        device: "auto", "cpu" or "cuda".
        count: film pairs per person and condition.
        subjects: people to test on.
        landmarks_folder: folder of ``<subject>.json`` with true landmarks; None finds them from the surfaces (a minute
            or two).
        context: what is put around the spines of drawn films; None reads it from ``data``.

    Yields:
        The row of each film, as it is done; the tables are written after the last.

    Raises:
        StudyError: if a subject is unknown.
        WeightsError: if the weights cannot be used.
        OutputError: if the tables cannot be written.
    """
    people = read_people(data, subjects, landmarks_folder)
    landmark_rows: list[LandmarkRow] = []
    film_rows: list[FilmRow] = []
    for film in _films(data, people, count, context):
        landmarks, row = evaluate_film(film, device, weights)
        landmark_rows += landmarks
        film_rows.append(row)
        yield row
    _write(Path(output_folder) / LANDMARKS_FILE, LandmarkRow, landmark_rows)
    _write(Path(output_folder) / FILMS_FILE, FilmRow, film_rows)


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


def _films(data, people: Iterable[Person], count: int, context: Context | None) -> Iterator[BenchmarkFilm]:
    for person in people:
        if person.subject == SAMPLE_STUDY_SUBJECT:
            yield from ct_films(data, person, count)
        else:
            context = read_context(data) if context is None else context
            yield from drawn_films(person, context, count)


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
    seconds = time.perf_counter() - start
    errors = {level: landmark_errors_mm(film, detection, level) for level in LUMBAR_LEVELS}
    ap = film.film.view.name == "AP"
    readable = {item.name: item.visible_ap if ap else item.visible_lateral for item in load_landmarks()}
    key = (film.condition, film.subject, film.film.view.name, film.number)
    rows = [
        LandmarkRow(*key, level.name, name, readable[name], *_error_and_sigma(detection, level, name, errors[level][i]))
        for level in LUMBAR_LEVELS
        for i, name in enumerate(LANDMARK_NAMES)
        if film.visible[level][i]
    ]
    return rows, _film_row(key, film, detection, errors, seconds)


def landmark_errors_mm(film: BenchmarkFilm, detection: Detection | None, level: Level) -> np.ndarray:
    """Return the distance (20,) of each landmark from its true place, mm of the object plane; NaN if not detected."""
    errors = np.full(len(LANDMARK_NAMES), np.nan)
    if detection is None:
        return errors
    pixel_mm = film.film.view.pixel_size_at(film.landmarks_ras_mm[level])
    for i, name in enumerate(LANDMARK_NAMES):
        seen = detection.landmarks.get((level, name))
        if seen is not None and seen.visible:
            errors[i] = np.linalg.norm((np.array(seen.position_px) - film.landmarks_px[level][i]) * pixel_mm[i])
    return errors


def _error_and_sigma(detection, level: Level, name: str, error: float) -> tuple[float | None, float | None, bool]:
    if not np.isfinite(error):
        return None, None, False
    return round(float(error), 3), round(float(detection.landmarks[(level, name)].sigma_mm), 3), True


def _film_row(key, film: BenchmarkFilm, detection: Detection | None, errors, seconds: float) -> FilmRow:
    shown = [level for level in LUMBAR_LEVELS if film.visible[level].sum() >= 4]
    found = {level: float(np.nanmedian(errors[level])) for level in LUMBAR_LEVELS if np.isfinite(errors[level]).any()}
    right = sum(found[level] <= _RIGHT_MM for level in shown if level in found)
    wrong = sum(error > _RIGHT_MM for error in found.values())
    if detection is None:
        return FilmRow(*key, len(shown), 0, 0, None, None, None, round(seconds, 3), "")
    view = detection.lumbar_view
    truth = resample_image(film.lumbar_mm, film.film.view, view, outside=0.0)
    rows, columns = np.indices(view.shape)
    scale = np.asarray(view.spacing_mm) / film.film.view.spacing_mm
    at = (np.stack([columns, rows], axis=-1) - view.principal_px) * scale + film.film.view.principal_px
    scores = image_scores(detection.lumbar_mm, truth, film.film.view.contains(at))
    values = (round(scores.mae, 4), round(scores.psnr_db, 3), round(scores.ssim, 4))
    return FilmRow(*key, len(shown), int(right), int(wrong), *values, round(seconds, 3), detection.device)


def _write(path: Path, kind: type, rows: Sequence) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(kind)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
