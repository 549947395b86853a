"""Simulated film pairs, most of them with something wrong, registered: what was seen of it, and how far off it came."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..anatomy import Level
from ..errors import LumbarBiplanarError
from ..geometry import similarity_fit, transform_points
from ..shape.model import ShapeModel
from ..shape.pipeline import Collection
from ..shape.surfaces import Surface
from .metrics import two_way_distances
from .quality_drafts import EVIDENCE, Draft, bone_images, draft, moved_landmarks, options_of
from .quality_faults import FAULTS, MOTION, OF_IMAGES
from .quality_people import SPINES, SimulatedSpine, own_spine, stacked_spine

GEOMETRIES = (("pinhole", 90.0), ("pinhole", 75.0), ("slot", 90.0))
# A case without a fault is the usual one; so many are drawn for each case with a certain fault.
_SOUND = 4


@dataclass(frozen=True)
class QualityCase:
    """One reconstructed vertebra of a simulated case, or a case that the registration refused to do.

    Attributes:
        spine, seed, evidence, geometry, fault: what was simulated.
        level: None for a case that was refused with an error.
        error_mm: mean distance between true and reconstructed surface; NaN for a refused case.
        features: what ``quality_features`` gives.
        message: the error of a refused case.
    """

    spine: str
    seed: int
    evidence: str
    geometry: str
    fault: str
    level: Level | None
    error_mm: float
    features: dict[str, float]
    message: str = ""


def calibration_cases(
    collection: Collection, model: ShapeModel, count: int, progress: Callable[[str, int, int], None] = lambda *_: None
) -> Iterator[QualityCase]:
    """Yield ``count`` rounds of all faults on stacked spines, each spine for a few faults.

    Args:
        collection: vertebrae in correspondence.
        model: shape model without ``CALIBRATION_SUBJECTS``.
        count: rounds.
        progress: called with (what, done, of how many).
    """
    for number in range(count):
        rng = np.random.default_rng([17, number])
        spine = stacked_spine(collection, model, SPINES[number % len(SPINES)], rng)
        yield from _round(spine, number, GEOMETRIES[number % len(GEOMETRIES)], number, count, progress)


def own_cases(
    collection: Collection,
    models: Sequence[tuple[str, ShapeModel]],
    progress: Callable[[str, int, int], None] = lambda *_: None,
    every: int = 2,
) -> Iterator[QualityCase]:
    """Yield faults for each (person, model without them), the person standing as in their CT.

    Each person gets one in ``every`` faults, the next person the next ones.
    """
    for number, (subject, model) in enumerate(models):
        spine, geometry = own_spine(collection, model, subject), GEOMETRIES[number % len(GEOMETRIES)]
        yield from _round(spine, 1000 + number, geometry, number, len(models), progress, every)


def _round(
    spine: SimulatedSpine, seed: int, geometry, done: int, count: int, progress, every: int = 1
) -> Iterator[QualityCase]:
    model, angle = geometry
    pair = spine.pair(model, angle)
    bone = bone_images(spine.surfaces, pair)
    faults = [*FAULTS, *["none"] * (_SOUND - 1)]
    tasks = [(_kind(seed + number, fault), fault) for number, fault in enumerate(faults)][seed % every :: every]
    for number, (kind, fault) in enumerate(tasks):
        progress(f"{spine.name}: {fault}, {kind}", done * len(tasks) + number, count * len(tasks))
        rng = np.random.default_rng([seed, number, zlib.crc32(fault.encode())])
        item = _drafted(kind, fault, spine, pair, bone, rng)
        FAULTS[fault](item, rng)
        yield from _registered(item, seed, f"{model} {angle:g}", fault, rng)


def _kind(number: int, fault: str) -> str:
    """Return the evidence of a task: given, the network's and twice landmarks alone in turn, shifting by round."""
    kinds = EVIDENCE[:2] if fault in OF_IMAGES else (*EVIDENCE, EVIDENCE[-1])
    return kinds[number % len(kinds)]


def _drafted(kind: str, fault: str, spine: SimulatedSpine, pair, bone, rng: np.random.Generator) -> Draft:
    if fault != MOTION:
        return draft(kind, spine, pair, bone, rng)
    strength = rng.uniform(0.1, 1.0)  # up to some 25 mm and 15 degrees
    turn_deg, shift_mm = strength * rng.normal(0.0, 6.0, 3), strength * rng.normal(0.0, 10.0, 3)
    landmarks, surfaces = moved_landmarks(spine, turn_deg, shift_mm)
    lateral = bone_images(surfaces, pair)[1] if kind != "landmarks" else bone[1]
    item = draft(kind, spine, pair, [bone[0], lateral], rng, landmarks)
    item.aligned = True
    return item


def _registered(item: Draft, seed: int, geometry: str, fault: str, rng: np.random.Generator) -> Iterator[QualityCase]:
    from ..registration import reconstruct
    from ..registration.quality_features import quality_features

    spine = item.spine
    common = (spine.name, seed, item.kind, geometry, fault)
    try:
        result = reconstruct(spine.model, item.evidence(rng), options_of(item.kind), "cpu")
    except LumbarBiplanarError as error:
        yield QualityCase(*common, None, float("nan"), {}, str(error))
        return
    features = quality_features(result.final_state)
    moved = _alignment(item, result.points_ras_mm) if item.aligned else np.eye(4)
    for level, points in result.points_ras_mm.items():
        recovered = Surface(transform_points(moved, points), result.faces)
        error = two_way_distances(recovered, spine.surfaces[level]).summary().mean
        yield QualityCase(*common, level, error, features[level])


def _alignment(item: Draft, recovered) -> np.ndarray:
    """Return the rigid (4, 4) that brings all reconstructed vertices together closest to the true ones."""
    true = item.spine.points_ras_mm
    ours, theirs = (np.concatenate([points[level] for level in recovered]) for points in (recovered, true))
    return similarity_fit(ours, theirs, with_scale=False)
