"""The pool of ingredients that a training draws its films from, in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import StudyError
from ..files import make_folder, read_json, write_json
from ..geometry import FilmPair, standard_pair
from ..geometry.frames import transform_points
from ..processes import computed_in_processes
from ..shape.model import ShapeModel
from ..shape.surfaces import Surface
from .anatomy import Context, SoftTissue, random_bend, random_warp
from .ingredients import draw_ingredients, save_ingredients
from .options import CANVAS_PX, PITCH_MM, WHOLE_CANVAS_PX
from .spine import Spine, random_spine
from .thorax import random_ribs, short_ribs

_SEED_OFFSET = 10_000
_TISSUE_SHARE = 0.55
_TISSUE_JITTER_MM = (8.0, 8.0, 15.0)
_PELVIS_MISSING_SHARE = 0.05
_SLOT_SHARE = 0.25
_SDD_MM, _BEHIND_MM = (1000.0, 1500.0), (150.0, 330.0)
_ANGLE_SD_DEG, _WIDE_ANGLE_SHARE, _WIDE_ANGLE_DEG = 12.0, 0.25, (60.0, 120.0)
_CENTER_SD_MM = (12.0, 12.0, 22.0)
# Films of the whole spine, and how far above the lumbar spine their middle is.
WHOLE_SHARE, _WHOLE_CENTER_MM = 0.2, (120.0, 35.0)
_PELVIS_SD = (0.09, 0.09, 0.07)  # deviation of the logarithm of a pelvis's width, depth and height
# Short ribs on L1, which then looks like a thirteenth thoracic vertebra.
_LUMBAR_RIBS_SHARE, _LUMBAR_RIBS_MM = 0.04, (20.0, 60.0)
_RECIPE = 6  # goes up when other things are drawn into a pool


def build_pool(
    folder: str | Path,
    model: ShapeModel,
    context: Context | Callable[[], Context],
    count: int,
    seed: int,
    *,
    pitch_mm: float = PITCH_MM,
    whole_share: float = WHOLE_SHARE,
    jobs: int = 1,
) -> Iterator[int]:
    """Draw the ingredients of ``count`` random spines into a folder; what is there already is kept.

    Args:
        folder: made if it is missing.
        model: shape model the spines come from.
        context: what is put around them; or what reads it, asked only if there is a spine to draw.
        count: how many spines.
        seed: of the pool; spine k of a seed is always the same.
        pitch_mm: of the films, at the detector; the canvas is as large in mm at any pitch.
        whole_share: share of the spines whose films show all of the spine.
        jobs: processes that draw, of one thread each; 1 means this one. What is drawn does not depend on it.

    Yields:
        How many are done, after each.

    Raises:
        StudyError: if the folder holds a pool of another seed or shape model, or so many processes cannot be had.
        OutputError: if it cannot be written.
    """
    folder = Path(folder)
    make_folder(folder)
    identity = {
        "recipe": _RECIPE,
        "seed": seed,
        "shape_model": model.sha256,
        "pitch_mm": pitch_mm,
        "whole_share": whole_share,
    }
    _check(folder / "pool.json", identity)
    missing = [k for k in range(count) if not _file(folder, k).exists()]
    there = count - len(missing)
    yield from range(1, there + 1)
    if not missing:
        return
    if callable(context):
        context = context()
    _claim(folder / "pool.json", identity | {"tissue": context.tissue is not None})
    arguments = (_draw, folder, model, context, seed, pitch_mm, whole_share)
    draw = partial(*arguments)
    drawn = (draw(k) for k in missing) if jobs == 1 else computed_in_processes(partial, arguments, missing, jobs)
    with closing(drawn):
        for done, _ in enumerate(drawn, start=there + 1):
            yield done


def _file(folder: Path, k: int) -> Path:
    return folder / f"{k:05d}.npz"


def _draw(
    folder: Path, model: ShapeModel, context: Context, seed: int, pitch_mm: float, whole_share: float, k: int
) -> None:
    """Draw spine ``k`` of a seed and write its two films' ingredients."""
    rng = np.random.default_rng([_SEED_OFFSET, seed, k])
    whole = rng.random() < whole_share
    spine, pair, other, tissue = random_scene(model, context, rng, whole=whole)
    lumbar = [Surface(points, model.faces) for points in spine.lumbar_points]
    views = [view.resampled(pitch_mm) for view in pair.views]
    films = [draw_ingredients(view, lumbar, other, spine.lumbar_landmarks, tissue) for view in views]
    save_ingredients(_file(folder, k), films)


def _claim(path: Path, identity: dict) -> None:
    if not path.exists():
        write_json(path, identity)
    _check(path, identity)


def _check(path: Path, identity: dict) -> None:
    """Refuse a pool that says something else of itself than this."""
    found = read_json(path, "description of the pool") if path.exists() else identity
    if any(found.get(key) != value for key, value in identity.items()):
        raise StudyError(
            f"{path}: this pool was drawn with {json.dumps(found)}, now {json.dumps(identity)} is asked for; "
            "give another cache folder or delete this one."
        )


def random_scene(
    model: ShapeModel, context: Context, rng: np.random.Generator, *, whole: bool = False
) -> tuple[Spine, FilmPair, list[Surface], SoftTissue | None]:
    """Draw a spine, the views of its two films, the bones around it, and the warped body around them, if any.

    Args:
        model: shape model of the vertebrae.
        context: what is put around them.
        rng: source of randomness.
        whole: whether the films show all of the spine, up to the neck.
    """
    spine = random_spine(model, rng, whole=whole)
    # The body reaches from the pelvis to the last ribs.
    with_tissue = not whole and context.tissue is not None and rng.random() < _TISSUE_SHARE
    if with_tissue:
        at = spine.lumbar_points[-1].mean(axis=0)
        spine = spine.moved(context.tissue.l5_center_ras_mm - at + rng.normal(0.0, _TISSUE_JITTER_MM, 3))
    pair = random_pair(rng, spine.lumbar_landmarks.mean(axis=(0, 1)), whole=whole)
    neighbors = [Surface(points[model.coarse_vertices], model.coarse_faces) for points in spine.other_points]
    ribs = random_ribs(spine.thoracic_landmarks, rng)
    if rng.random() < _LUMBAR_RIBS_SHARE:
        ribs += short_ribs(spine.lumbar_landmarks[0], _LUMBAR_RIBS_MM, rng)
    other = [*neighbors, *_pelvic(context, spine, rng), *ribs]
    return spine, pair, other, random_warp(context.tissue, rng) if with_tissue else None


def random_pair(rng: np.random.Generator, center_ras_mm: np.ndarray, *, whole: bool = False) -> FilmPair:
    """Return a film pair on the training's canvas about a point (3,), RAS mm, of random distances, model, angle.

    The canvas is that of the ``whole`` spine if so asked for; its middle then is that much higher.
    """
    sdd_mm = rng.uniform(*_SDD_MM)
    wide = rng.random() < _WIDE_ANGLE_SHARE
    angle_deg = rng.uniform(*_WIDE_ANGLE_DEG) if wide else 90.0 + rng.normal(0.0, _ANGLE_SD_DEG)
    center = center_ras_mm + rng.normal(0.0, _CENTER_SD_MM)
    if whole:
        center = center + (0.0, 0.0, rng.normal(*_WHOLE_CENTER_MM))
    canvas_px = WHOLE_CANVAS_PX if whole else CANVAS_PX
    return standard_pair(
        tuple(center),
        sdd_mm=sdd_mm,
        source_isocenter_mm=sdd_mm - rng.uniform(*_BEHIND_MM),
        angle_deg=angle_deg,
        size_px=(canvas_px, canvas_px),
        spacing_mm=PITCH_MM,
        model="slot" if rng.random() < _SLOT_SHARE else "pinhole",
    )


def _pelvic(context: Context, spine: Spine, rng: np.random.Generator) -> list[Surface]:
    """Return a sacrum and mostly a pelvis, which there is one of: as wide, deep, high and bent as another person's."""
    size = spine.size * np.exp(rng.normal(0.0, _PELVIS_SD))
    ras_from_sacrum = spine.ras_from_sacrum @ np.diag([*size, 1.0])
    parts = [context.sacra[rng.integers(len(context.sacra))]] if context.sacra else []
    if context.pelvis is not None and rng.random() >= _PELVIS_MISSING_SHARE:
        parts.append(context.pelvis)
    bent = random_bend(rng)
    return [Surface(transform_points(ras_from_sacrum, bent(part.points_ras_mm)), part.faces) for part in parts]
