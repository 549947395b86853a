"""How accurate the registration is on people who are not in the shape model: one row per case, vertebra and region.

For every left-out person the model was built without them; their true surfaces are X-rayed at full resolution,
disturbed, and registered. Nothing of the person but that evidence reaches the registration.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level
from ..errors import StudyError
from ..files import read_json, write_table
from ..geometry import FilmPair, standard_pair
from ..shape.fitting import correspond
from ..shape.model import ShapeModel
from ..shape.sources import FRACTURED
from ..shape.storage import load_shape_model
from ..shape.surfaces import Surface, read_surface
from .synthetic_evidence import Disturbance, drawn_evidence, true_images
from .true_surface import TrueSurface

# People with few lumbar vertebrae: options were chosen on them, so they do not count in the figures.
DEVELOPMENT_SUBJECTS = ("verse006", "verse007")
_FILM_PX = ((480, 800), (520, 800))


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
    """One vertebra, or one region of it, of one case; distances both ways between truth and reconstruction, mm.

    ``seconds`` is the processor time of the whole registration: on one thread of an idle machine, the wall time.
    """

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
    write_table(output_csv, Row, rows, lambda value: round(value, 3) if isinstance(value, float) else value)
    return rows


def person_rows(person: LeftOutPerson, conditions, seeds, options, device: str, progress) -> list[Row]:
    """Return the rows of one person, all conditions and seeds."""
    from ..registration import reconstruct

    truths = {level: TrueSurface.of(person.model, level, surface) for level, surface in person.surfaces.items()}
    rows = []
    for condition in conditions:
        pair = film_pair(person, condition)
        images = true_images(person.surfaces, pair)
        for seed in seeds:
            evidence = drawn_evidence(pair, images, person.landmarks_ras_mm, condition.disturbance, seed)
            begin = time.process_time()
            result = reconstruct(person.model, evidence, options, device)
            seconds = time.process_time() - begin
            case = []
            for level in result.levels:
                true = truths[level]
                recovered = Surface(result.points_ras_mm[level], result.faces)
                for region, values in true.errors_mm_of(recovered, person.model.region_labels).items():
                    common = (person.subject, condition, seed, level, region)
                    case.append(_row(*common, values, true.floor[region]["mean"], seconds, result.device))
            rows += case
            overall = [row.mean_mm for row in case if row.region == "all"]
            progress(
                f"{person.subject} {condition.name} seed {seed}: mean {np.mean(overall):.2f} mm, worst vertebra "
                f"{max(overall):.2f} mm, {seconds:.1f} s"
            )
    return rows


def _row(subject, condition, seed, level, region, values, floor, seconds, device) -> Row:
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
        seconds,
        device,
    )


def film_pair(person: LeftOutPerson, condition: Condition) -> FilmPair:
    """Return films that show the whole lumbar spine of a person, 0.4 mm pixels."""
    corners = np.concatenate([surface.points_ras_mm for surface in person.surfaces.values()])
    center = (corners.min(axis=0) + corners.max(axis=0)) / 2
    return standard_pair(
        tuple(center), angle_deg=condition.angle_deg, size_px=_FILM_PX, spacing_mm=0.4, model=condition.geometry
    )


def summarize(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return {condition: figures} over whole vertebrae and, for the posterior mean, over all regions but the body.

    Figures: vertebrae (number of rows), mean_mm, rms_mm, p95_mm (means over them), worst_mm (largest mean), floor_mm,
    posterior_mm, seconds (median).
    """
    found = {}
    for condition in dict.fromkeys(row.condition for row in rows):
        whole = [row for row in rows if row.condition == condition and row.region == "all"]
        arch = [row.mean_mm for row in rows if row.condition == condition and row.region not in ("all", "body")]
        found[condition] = {
            "vertebrae": len(whole),
            **{name: float(np.mean([getattr(row, name) for row in whole])) for name in ("mean_mm", "rms_mm", "p95_mm")},
            "worst_mm": max(row.mean_mm for row in whole),
            "floor_mm": float(np.mean([row.floor_mm for row in whole])),
            "posterior_mm": float(np.mean(arch)),
            "seconds": float(np.median([row.seconds for row in whole])),
        }
    return found
