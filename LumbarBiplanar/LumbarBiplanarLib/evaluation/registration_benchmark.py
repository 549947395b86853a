"""How accurate the registration is on people who are not in the shape model: one row per case, vertebra and region.

For every left-out person the model was built without them; their true surfaces are X-rayed at full resolution,
disturbed, and registered. Nothing of the person but that evidence reaches the registration.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level, Region
from ..errors import StudyError
from ..files import atomic_path, read_json
from ..geometry import FilmPair, standard_pair
from ..shape.fitting import correspond, fit_to_surface
from ..shape.model import ShapeModel
from ..shape.sources import FRACTURED
from ..shape.storage import load_shape_model
from ..shape.surfaces import Surface, read_surface, surface_distances, vertex_areas
from .synthetic_evidence import Disturbance, drawn_evidence, true_images

# People with few lumbar vertebrae: options were chosen on them, so they do not count in the figures.
DEVELOPMENT_SUBJECTS = ("verse006", "verse007")
_FILM_PX = ((480, 800), (520, 800))
_SAMPLES = 4000


@dataclass(frozen=True, eq=False)
class LeftOutPerson:
    """A person and the model built without them.

    Attributes:
        subject: who.
        model: shape model without this person.
        surfaces: {level: true surface, RAS mm}.
        landmarks_ras_mm: {level: (20, 3)} true landmarks.
    """

    subject: str
    model: ShapeModel
    surfaces: Mapping[Level, Surface]
    landmarks_ras_mm: Mapping[Level, np.ndarray]


@dataclass(frozen=True)
class Condition:
    """Geometry and disturbance of a row."""

    name: str
    geometry: str = "pinhole"
    angle_deg: float = 90.0
    disturbance: Disturbance = field(default_factory=Disturbance)


CONDITIONS = (
    Condition("pinhole 90 degrees"),
    Condition("pinhole 75 degrees", angle_deg=75.0),
    Condition("slot 90 degrees", geometry="slot"),
    Condition("slot 75 degrees", geometry="slot", angle_deg=75.0),
)


@dataclass(frozen=True)
class Row:
    """One vertebra, or one region of it, of one case; distances both ways between truth and reconstruction, mm."""

    condition: str
    subject: str
    seed: int
    level: str
    region: str
    alignment: str
    mean_mm: float
    rms_mm: float
    p95_mm: float
    floor_mm: float
    seconds: float
    device: str


def read_left_out(folder: str | Path, subjects: Sequence[str] | None = None) -> Iterator[LeftOutPerson]:
    """Read left-out people: ``<subject>/lumbar.npz``, ``<subject>/truth/L1.vtp`` ... and ``truth/landmarks.json``.

    Without landmarks.json the true landmarks are those of the model laid onto the surface.

    Raises:
        StudyError: if there is nobody, or a subject asked for is missing.
    """
    folder = Path(folder)
    found = {path.parent.name: path for path in sorted(folder.glob("*/lumbar.npz"))}
    missing = sorted(set(subjects or ()) - set(found))
    if missing or not found:
        raise StudyError(
            f"{folder} holds no left-out model for {', '.join(missing) or 'anybody'}; build them with "
            "'lumbar-biplanar shape-model evaluate'."
        )
    for subject in subjects or found:
        model = load_shape_model(found[subject])
        truth = found[subject].parent / "truth"
        surfaces = {
            level: read_surface(truth / f"{level.name}.vtp")
            for level in LUMBAR_LEVELS
            if (truth / f"{level.name}.vtp").is_file()
        }
        landmarks = _true_landmarks(found[subject].parent / "landmarks.json", model, surfaces)
        yield LeftOutPerson(subject, model, surfaces, landmarks)


def _true_landmarks(path: Path, model: ShapeModel, surfaces: Mapping[Level, Surface]) -> dict[Level, np.ndarray]:
    if not path.is_file():
        return {level: model.landmarks(correspond(model, level, surface)) for level, surface in surfaces.items()}
    stored = read_json(path, "landmark file", StudyError).get("landmarks", {})
    absent = [float("nan")] * 3
    return {
        level: np.array([stored.get(level.name, {}).get(name, absent) for name in LANDMARK_NAMES]) for level in surfaces
    }


def benchmark_registration(
    output_csv: str | Path,
    people: Iterable[LeftOutPerson],
    *,
    conditions: Sequence[Condition] = CONDITIONS,
    seeds: Sequence[int] = (0, 1, 2),
    options=None,
    device: str = "auto",
    progress: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """Register every person under every condition and seed, and write the table.

    Args:
        output_csv: table to write, one row per case, vertebra and region.
        people: left-out people, see ``read_left_out``.
        conditions: geometries and disturbances.
        seeds: seeds of noise and landmark errors.
        options: registration Options; None means the defaults.
        device: device of the registration.
        progress: called with a line per case.

    Returns:
        The rows written.
    """
    rows = []
    for person in people:
        rows += person_rows(person, conditions, seeds, options, device, progress)
    with atomic_path(Path(output_csv)) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(Row.__dataclass_fields__))
        writer.writeheader()
        for row in rows:
            writer.writerow({k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(row).items()})
    return rows


def person_rows(person: LeftOutPerson, conditions, seeds, options, device: str, progress) -> list[Row]:
    """Return the rows of one person, all conditions and seeds."""
    from ..registration import reconstruct

    floors = {level: _Floor.of(person.model, level, surface) for level, surface in person.surfaces.items()}
    rows = []
    for condition in conditions:
        pair = film_pair(person, condition)
        images = true_images(person.surfaces, pair)
        for seed in seeds:
            evidence = drawn_evidence(pair, images, person.landmarks_ras_mm, condition.disturbance, seed)
            result = reconstruct(person.model, evidence, options, device)
            case = []
            for level in result.levels:
                recovered = Surface(result.points_ras_mm[level], result.faces)
                for region, values in two_way_errors_mm(recovered, floors[level], person.model.region_labels).items():
                    floor = floors[level].errors_mm[region]["mean"]
                    case.append(_row(person.subject, condition, seed, level, region, values, floor, result))
            rows += case
            overall = [row.mean_mm for row in case if row.region == "all"]
            progress(
                f"{person.subject} {condition.name} seed {seed}: mean {np.mean(overall):.2f} mm, worst vertebra "
                f"{max(overall):.2f} mm, {result.seconds:.1f} s"
            )
    return rows


def _row(subject, condition, seed, level, region, values, floor, result) -> Row:
    name = condition.name
    if subject in DEVELOPMENT_SUBJECTS:
        name = f"development: {name}"
    elif (subject, level) in FRACTURED:
        name = f"fractured: {name}"
    return Row(
        name,
        subject,
        seed,
        level.name,
        region,
        "absolute",
        values["mean"],
        values["rms"],
        values["p95"],
        floor,
        result.seconds,
        result.device,
    )


def film_pair(person: LeftOutPerson, condition: Condition) -> FilmPair:
    """Return films that show the whole lumbar spine of a person, 0.4 mm pixels."""
    corners = np.concatenate([surface.points_ras_mm for surface in person.surfaces.values()])
    center = (corners.min(axis=0) + corners.max(axis=0)) / 2
    return standard_pair(
        tuple(center), angle_deg=condition.angle_deg, size_px=_FILM_PX, spacing_mm=0.4, model=condition.geometry
    )


@dataclass(frozen=True, eq=False)
class _Floor:
    """A true surface, sampled and labeled by the model laid onto it, and how close the model can come."""

    truth: Surface
    samples: np.ndarray
    weights: np.ndarray
    labels: np.ndarray
    errors_mm: dict[str, dict[str, float]]

    @classmethod
    def of(cls, model: ShapeModel, level: Level, truth: Surface) -> _Floor:
        from scipy.spatial import cKDTree

        fit = fit_to_surface(model, level, truth)
        areas = vertex_areas(truth.points_ras_mm, truth.faces)
        step = max(1, len(areas) // _SAMPLES)
        samples, weights = truth.points_ras_mm[::step], areas[::step]
        labels = model.region_labels[cKDTree(fit.points_ras_mm).query(samples)[1]]
        floor = cls(truth, samples, weights, labels, {})
        floor.errors_mm.update(two_way_errors_mm(Surface(fit.points_ras_mm, model.faces), floor, model.region_labels))
        return floor


def two_way_errors_mm(recovered: Surface, floor: _Floor, region_labels: np.ndarray) -> dict[str, dict[str, float]]:
    """Return {"all" or region: {"mean", "rms", "p95"}} of the distances truth to surface and back, weighted by area.

    Both directions count alike. Truth is labeled by the region of the nearest vertex of the model laid onto it.
    """
    there, _ = surface_distances(floor.samples, recovered)
    areas = vertex_areas(recovered.points_ras_mm, recovered.faces)
    step = max(1, len(areas) // _SAMPLES)
    back, _ = surface_distances(recovered.points_ras_mm[::step], floor.truth)
    found = {}
    for name, region in itertools.chain([("all", None)], ((item.name.lower(), item) for item in Region)):
        ours = slice(None) if region is None else floor.labels == region
        theirs = slice(None) if region is None else region_labels[::step] == region
        parts = [(there[ours], floor.weights[ours]), (back[theirs], areas[::step][theirs])]
        parts = [(distance, weight / weight.sum()) for distance, weight in parts if len(distance)]
        if parts:
            found[name] = _summary(
                np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
            )
    return found


def _summary(distances: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    weights = weights / weights.sum()
    order = np.argsort(distances)
    p95 = distances[order][np.searchsorted(np.cumsum(weights[order]), 0.95)]
    return {
        "mean": float(weights @ distances),
        "rms": float(np.sqrt(weights @ distances**2)),
        "p95": float(p95),
    }
