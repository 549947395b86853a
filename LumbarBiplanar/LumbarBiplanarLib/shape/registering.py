"""Every specimen in correspondence with the template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..anatomy import Level
from ..geometry.frames import transform_points
from .correspondence import align, deform
from .sources import POPULATION_MEAN, Specimen
from .surfaces import surface_distances
from .template import Template


@dataclass(frozen=True)
class Registered:
    """A specimen whose surface is given by the template's vertices.

    Attributes:
        specimen: whose surface it is.
        points_mm: (V, 3) vertices in the specimen's own frame, RAS mm.
        residual_mm: mean distance of the vertices from the specimen's surface.
    """

    specimen: Specimen
    points_mm: np.ndarray
    residual_mm: float


def register_specimens(
    template: Template, specimens: Iterable[Specimen], starts: Mapping[Level, np.ndarray] | None = None
) -> Iterator[Registered]:
    """Lay the template onto each specimen; yields them one by one, the population mean first.

    The population mean, where it is among the specimens, gives each level its own start: the template deformed onto it.
    Levels without one start from the nearest level that has.

    Args:
        template: the symmetric template.
        specimens: the vertebrae.
        starts: {level: (V, 3)} shapes that levels start from before a population mean gives one.
    """
    specimens = sorted(specimens, key=lambda item: item.subject != POPULATION_MEAN)
    faces = template.surface.faces
    starts = dict(starts or {})
    for specimen in specimens:
        start = _nearest_start(starts, specimen.level, template)
        registered = register_specimen(start, faces, specimen)
        if specimen.subject == POPULATION_MEAN:
            starts[specimen.level] = registered.points_mm
        yield registered


def register_specimen(start_mm: np.ndarray, faces: np.ndarray, specimen: Specimen) -> Registered:
    """Lay one start shape (V, 3), axes along RAS, onto one specimen."""
    aligned = transform_points(align(start_mm, faces, specimen.surface), start_mm)
    points = deform(aligned, faces, specimen.surface, pull_back=not specimen.incomplete)
    residual, _ = surface_distances(points, specimen.surface)
    return Registered(specimen, points, float(residual.mean()))


def _nearest_start(starts: dict[Level, np.ndarray], level: Level, template: Template) -> np.ndarray:
    if not starts:
        return template.surface.points_ras_mm
    return starts[min(starts, key=lambda known: abs(known.index - level.index))]
