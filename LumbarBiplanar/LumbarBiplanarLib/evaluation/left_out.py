"""People left out of the shape model, made ready for the benchmark of accuracy: a folder for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..anatomy import LUMBAR_LEVELS, Level
from ..errors import StudyError
from ..files import atomic_path
from ..shape.fitting import fit_to_surface
from ..shape.model import ShapeModel
from ..shape.pipeline import Collection
from ..shape.storage import load_shape_model, save_shape_model
from ..shape.surfaces import Surface

MODEL_FILE, TRUTH_FILE = "lumbar.npz", "truth.npz"
_PARTS = ("surface", "faces", "points", "fitted")


@dataclass(frozen=True, eq=False)
class LeftOutPerson:
    """A person and the model built without them.

    Attributes:
        subject: who.
        model: shape model without this person.
        surfaces: {level: true surface, RAS mm}.
        points_ras_mm: {level: (V, 3)} the model's vertices laid onto the true surface without use of the model's modes:
            they say where landmarks and endplates are.
        fitted_ras_mm: {level: (V, 3)} the closest that the model itself comes to the surface.
    """

    subject: str
    model: ShapeModel
    surfaces: Mapping[Level, Surface]
    points_ras_mm: Mapping[Level, np.ndarray]
    fitted_ras_mm: Mapping[Level, np.ndarray]

    @cached_property
    def landmarks_ras_mm(self) -> dict[Level, np.ndarray]:
        """{level: (20, 3)} true landmarks."""
        return {level: self.model.landmarks(points) for level, points in self.points_ras_mm.items()}


def left_out_person(subject: str, model: ShapeModel, registered: Mapping[Level, tuple]) -> LeftOutPerson:
    """Return a person of whom ``registered`` gives {level: (true surface, (V, 3) vertices laid onto it)}."""
    surfaces = {level: surface for level, (surface, _) in registered.items()}
    fitted = {level: fit_to_surface(model, level, surface).points_ras_mm for level, surface in surfaces.items()}
    return LeftOutPerson(subject, model, surfaces, {level: item[1] for level, item in registered.items()}, fitted)


def write_left_out(
    collection: Collection,
    folder: str | Path,
    subjects: Sequence[str],
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Build a model without each person and write it with the person's true surfaces, as ``read_left_out`` reads them.

    Args:
        collection: vertebrae in correspondence, that of the sample study's person included.
        folder: an existing folder; gets ``<subject>/lumbar.npz`` and ``<subject>/truth.npz``.
        subjects: who.
        progress: called with (what, done, of how many).

    Raises:
        StudyError: if somebody asked for is unknown.
        OutputError: if a file cannot be written.
    """
    people: dict[str, dict[Level, tuple]] = {}
    for item in collection.registered:
        if not item.specimen.incomplete and item.specimen.subject in collection.subjects:
            own = people.setdefault(item.specimen.subject, {})
            own[item.specimen.level] = (item.specimen.surface, item.points_mm)
    unknown = sorted(set(subjects) - set(people))
    if unknown:
        raise StudyError(f"Nobody called {', '.join(unknown)} in the data; there are {', '.join(people)}.")
    for done, subject in enumerate(subjects):
        if progress:
            progress(f"model without {subject}", done, len(subjects))
        levels = [level for level in LUMBAR_LEVELS if level in people[subject]]
        person = left_out_person(
            subject, collection.build([subject]), {level: people[subject][level] for level in levels}
        )
        write_person(person, folder)


def write_person(person: LeftOutPerson, folder: str | Path) -> None:
    """Write one person into ``folder``, which must exist; raises OutputError."""
    own = Path(folder) / person.subject
    own.mkdir(exist_ok=True)
    arrays = {}
    for level, surface in person.surfaces.items():
        values = (surface.points_ras_mm, surface.faces, person.points_ras_mm[level], person.fitted_ras_mm[level])
        arrays |= {f"{level.name}_{part}": value for part, value in zip(_PARTS, values, strict=True)}
    with atomic_path(own / TRUTH_FILE) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)
    save_shape_model(person.model, own / MODEL_FILE)


def read_left_out(folder: str | Path, subject: str) -> LeftOutPerson:
    """Read one person that ``write_left_out`` has written.

    Raises:
        StudyError: if the person is not there, or the file is damaged.
        ShapeModelError: if the model cannot be read.
    """
    own = Path(folder) / subject
    if not (own / MODEL_FILE).is_file() or not (own / TRUTH_FILE).is_file():
        raise StudyError(
            f"{folder} holds no model without {subject}; name another folder, or one that is empty to build it there."
        )
    model = load_shape_model(own / MODEL_FILE)
    found: dict[str, dict[Level, np.ndarray]] = {part: {} for part in _PARTS}
    try:
        with np.load(own / TRUTH_FILE, allow_pickle=False) as archive:
            for level in LUMBAR_LEVELS:
                if f"{level.name}_{_PARTS[0]}" in archive:
                    for part in _PARTS:
                        found[part][level] = archive[f"{level.name}_{part}"]
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(f"{own / TRUTH_FILE}: not a person left out ({error}); remove the folder {own}.") from None
    surfaces = {level: Surface(points, found["faces"][level]) for level, points in found["surface"].items()}
    return LeftOutPerson(subject, model, surfaces, found["points"], found["fitted"])


def people_in(folder: str | Path) -> list[str]:
    """Return the people that ``write_left_out`` has written to a folder, sorted."""
    return sorted(path.parent.name for path in Path(folder).glob(f"*/{MODEL_FILE}"))
