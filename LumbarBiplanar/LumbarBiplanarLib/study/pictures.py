"""The pictures of a result: both films with the outlines, and the vertebrae in space."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ..anatomy import Level
from ..shape import Surface
from .appearance import legend
from .overlay import write_overlay
from .spine_picture import write_spine_picture
from .steps import CaseResult

PICTURES = ("overlay_ap.png", "overlay_lateral.png", "spine_3d.png")


def write_pictures(result: CaseResult, folder: Path) -> None:
    """Write ``PICTURES`` into an existing folder, two at a time."""
    found = result.reconstruction
    center = np.mean([points.mean(axis=0) for points in found.points_ras_mm.values()], axis=0)
    silhouettes = found.final_state.silhouettes_px
    flags = {level: item.flag for level, item in result.quality.items()}
    title = "Lumbar spine reconstructed from two films"
    jobs = [partial(write_spine_picture, folder / "spine_3d.png", surfaces_of(result), title, flags)]  # takes longest
    for film, evidence in zip(result.case.films, result.evidence, strict=True):
        name = film.view.name
        residual = found.landmark_residual_mm.get(name)
        shown = evidence.landmarks.visible()
        source = "given" if result.case.landmarks is not None else "detected"
        text = f"Outlines: reconstructed vertebrae. +: {len(shown)} landmarks {source}"
        if corrected := sum(item.corrected for item in shown.values()):
            text += f" (o: {corrected} of them set by a person)"
        if residual is not None:
            text += f", RMS distance to the reconstruction {residual:.1f} mm"
        path = folder / f"overlay_{name.lower()}.png"
        text = f"{text}. {legend(flags, 'Dashed, (!): refused.')}".rstrip() + " Not for clinical use."
        jobs.append(partial(write_overlay, path, film, silhouettes[name], evidence.landmarks, center, text, flags))
    with ThreadPoolExecutor(2) as workers:
        for done in [workers.submit(job) for job in jobs]:
            done.result()


def surfaces_of(result: CaseResult) -> dict[Level, Surface]:
    """Return the surfaces of a result by level, RAS mm."""
    found = result.reconstruction
    return {level: Surface(found.points_ras_mm[level], found.faces) for level in found.levels}
