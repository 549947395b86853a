"""The pictures of a result: both films with the outlines, and the vertebrae in space."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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
    """Write ``PICTURES`` into an existing folder; the spine is drawn on a thread of its own, beside the films."""
    flags = {level: item.flag for level, item in result.quality.items()}
    title = "Lumbar spine reconstructed from two films"
    with ThreadPoolExecutor(1) as worker:
        spine = worker.submit(write_spine_picture, folder / "spine_3d.png", surfaces_of(result), title, flags)
        _write_overlays(result, folder, flags)
        spine.result()


def _write_overlays(result: CaseResult, folder: Path, flags: Mapping[Level, str]) -> None:
    found = result.reconstruction
    center = np.mean([points.mean(axis=0) for points in found.points_ras_mm.values()], axis=0)
    silhouettes = found.final_state.silhouettes_px
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
        write_overlay(path, film, silhouettes[name], evidence.landmarks, center, text, flags)


def surfaces_of(result: CaseResult) -> dict[Level, Surface]:
    """Return the surfaces of a result by level, RAS mm."""
    found = result.reconstruction
    return {level: Surface(found.points_ras_mm[level], found.faces) for level in found.levels}
