"""People left out of the shape model, made ready for the benchmark of the registration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..anatomy import LANDMARK_NAMES
from ..errors import StudyError
from ..files import write_json
from ..shape.pipeline import collect_open_data
from ..shape.storage import save_shape_model
from ..shape.surfaces import write_surface

# People with at least three sound lumbar vertebrae, so that a film shows a spine.
LEAST_LEVELS = 3


def write_left_out(
    data: str | Path,
    folder: str | Path,
    subjects: Sequence[str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[str]:
    """Build a model without each person and write it with the person's true surfaces, as ``read_left_out`` reads them.

    Args:
        data: the folder of open data (docs/shape-model.md).
        folder: an existing folder; gets ``<subject>/lumbar.npz``, ``<subject>/truth/L1.vtp`` ... and
            ``<subject>/landmarks.json``.
        subjects: who; None for everybody with at least three complete lumbar vertebrae.
        progress: called with (what, done, of how many).

    Returns:
        The people written.

    Raises:
        ShapeModelError: if data is missing.
        StudyError: if somebody asked for is unknown.
    """
    collection = collect_open_data(data, include_sample=True, progress=progress)
    people: dict[str, list] = {}
    for item in collection.registered:
        if not item.specimen.incomplete and item.specimen.subject in collection.subjects:
            people.setdefault(item.specimen.subject, []).append(item)
    unknown = sorted(set(subjects or ()) - set(people))
    if unknown:
        raise StudyError(f"Nobody called {', '.join(unknown)} in {data}; there are {', '.join(people)}.")
    chosen = list(subjects or (name for name, items in people.items() if len(items) >= LEAST_LEVELS))
    for done, subject in enumerate(chosen):
        if progress:
            progress(f"model without {subject}", done, len(chosen))
        model = collection.build([subject])
        truth = Path(folder) / subject / "truth"
        truth.mkdir(parents=True, exist_ok=True)
        save_shape_model(model, truth.parent / "lumbar.npz")
        landmarks = {}
        for item in people[subject]:
            write_surface(truth / f"{item.specimen.level.name}.vtp", item.specimen.surface)
            points = model.landmarks(item.points_mm)
            landmarks[item.specimen.level.name] = dict(zip(LANDMARK_NAMES, points.tolist(), strict=True))
        write_json(truth.parent / "landmarks.json", {"frame": "RAS mm", "landmarks": landmarks})
    return chosen
