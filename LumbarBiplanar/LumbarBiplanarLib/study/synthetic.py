"""A case whose truth is known: films drawn from a CT, with the true surfaces and landmarks beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..anatomy import LANDMARK_NAMES, FilmLandmarks, LandmarkObservation, Level, load_landmarks
from ..errors import VolumeError
from ..files import sha256_of
from ..geometry import FilmPair
from ..imaging import draw_films_from_files, write_drawn_films
from ..imaging.drawing import DrawnFilms
from ..shape import ShapeModel, Surface
from ..shape.fitting import correspond
from ..shape.label_masks import LEAST_HELD, share_held
from ..shape.surfaces import decimated, surface_from_mask, write_surface
from .landmarks_file import FilmEntry, write_landmarks

TRUTH_FOLDER = "truth"
FILES = ("ap.png", "lateral.png", "lumbar_*.nrrd", "geometry.json", "films.json", f"{TRUTH_FOLDER}/*")
# Films and masks of 3 mm voxels hold no finer detail; fine CTs keep their triangles below this count.
TRUTH_FACES = 12000


def write_synthetic_case(
    ct_path: str | Path,
    mask_path: str | Path,
    pair: FilmPair,
    folder: str | Path,
    model: ShapeModel,
    *,
    truth_faces: int = TRUTH_FACES,
    progress: Callable[[str, int, int], None] = lambda what, done, count: None,
    note: Callable[[str], None] = lambda text: None,
    **options,
) -> None:
    """Draw both films of a CT and write them with everything that is true about them.

    Args:
        ct_path, mask_path: the CT in HU and its label mask, on the same voxels.
        pair: views of the films, in RAS mm of the CT.
        folder: an existing folder. Gets the files of ``write_drawn_films`` and the folder ``truth`` with ``L1.vtp`` ...
            and ``landmarks.json``.
        model: names the landmarks; it is laid onto each true surface.
        truth_faces: about how many triangles a true surface has.
        progress: called with (what is being done, steps done, of how many).
        note: called with a line for every vertebra whose truth is not all that the films show of it.
        options: those of ``draw_films``.

    Raises:
        VolumeError: if CT or mask cannot be used, or no vertebra of the mask is complete.
        StudyError: if a file cannot be written.
    """
    folder = Path(folder)
    progress("drawing the films", 0, 8)
    drawn = draw_films_from_files(ct_path, mask_path, pair, **options)
    inputs = {"ct_sha256": sha256_of(ct_path), "mask_sha256": sha256_of(mask_path)}
    write_drawn_films(drawn, folder, {**_recordable(options), **inputs})
    surfaces = true_surfaces(drawn)
    _tell_doubts(drawn, surfaces, mask_path, note)
    if not surfaces:
        raise VolumeError(f"{mask_path}: every lumbar vertebra is cut off by the border of the mask; take a larger CT.")
    truth = folder / TRUTH_FOLDER
    truth.mkdir(exist_ok=True)
    positions = {}
    for done, (level, surface) in enumerate(surfaces.items(), start=2):
        progress(f"true landmarks of {level.name}", done, 3 + len(surfaces))
        positions[level] = model.landmarks(correspond(model, level, surface))
        write_surface(truth / f"{level.name}.vtp", decimated(surface, truth_faces))
    write_landmarks(truth / "landmarks.json", *true_landmarks(pair, positions, folder))
    progress("done", 3 + len(surfaces), 3 + len(surfaces))


def _recordable(options: Mapping[str, object]) -> dict[str, object]:
    own = options.get("convention")
    named = {level.name: label for level, label in own.items()} if isinstance(own, Mapping) else own
    return {**options, "convention": named} if "convention" in options else dict(options)


def _tell_doubts(drawn: DrawnFilms, surfaces: Mapping[Level, Surface], mask_path: str | Path, note) -> None:
    for level, label in drawn.labels.items():
        if level not in surfaces:
            note(f"{mask_path}: {level.name} touches the border of the CT; it is drawn, and has no true surface")
            continue
        held = share_held(surfaces[level], drawn.mask.data == label, drawn.mask.ras_from_ijk)
        if held < LEAST_HELD:
            note(
                f"{mask_path}: {level.name} is in pieces that do not touch; all are drawn, and the true surface is "
                f"that of the largest, {100 * held:.0f} % of the label"
            )


def true_surfaces(drawn: DrawnFilms) -> dict[Level, Surface]:
    """Return the closed surface, RAS mm, of every level whose label does not touch the border of the mask."""
    found = {}
    for level, label in drawn.labels.items():
        mask = drawn.mask.data == label
        border = (mask[0], mask[-1], mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1])
        if not any(side.any() for side in border):
            found[level] = surface_from_mask(mask, drawn.mask.ras_from_ijk)
    return found


def true_landmarks(
    pair: FilmPair, positions_ras_mm: Mapping[Level, np.ndarray], folder: Path
) -> tuple[dict[str, FilmEntry], dict[Level, dict[str, tuple[float, float, float]]]]:
    """Return the arguments of ``write_landmarks`` for true landmarks {level: (20, 3)} in RAS mm.

    A landmark is visible on a film if Landmarks.json calls it so and it falls on the film.
    """
    films = {}
    for view, name in zip(pair.views, ("ap", "lateral"), strict=True):
        observations = []
        for level, points in positions_ras_mm.items():
            for item, pixel in zip(load_landmarks(), view.project(points), strict=True):
                shown = item.visible_ap if view.name == "AP" else item.visible_lateral
                position = (float(pixel[0]), float(pixel[1]))
                visible = bool(shown and view.contains(pixel))
                observations.append(LandmarkObservation(level, item.name, position, visible=visible))
        file = folder / f"{name}.png"
        films[view.name] = FilmEntry(FilmLandmarks(observations), view.size_px, file.name, sha256_of(file))
    named = {
        level: {name: tuple(point) for name, point in zip(LANDMARK_NAMES, points, strict=True)}
        for level, points in positions_ras_mm.items()
    }
    return films, named
