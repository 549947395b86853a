"""Every specimen in correspondence with the template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..anatomy import Level
from ..geometry.frames import transform_points
from ..processes import computed_in_processes
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
    template: Template,
    specimens: Iterable[Specimen],
    starts: Mapping[Level, np.ndarray] | None = None,
    jobs: int = 1,
) -> Iterator[Registered]:
    """Lay the template onto each specimen; yields them one by one, the population mean first.

    The population mean, where it is among the specimens, gives each level its own start: the template deformed onto it.
    Levels without one start from the nearest level that has.

    Args:
        template: the symmetric template.
        specimens: the vertebrae.
        starts: {level: (V, 3)} shapes that levels start from before a population mean gives one.
        jobs: processes, of one thread each, that share the people; 1 means this one. Their order stays.
    """
    specimens = list(specimens)
    means = [item for item in specimens if item.subject == POPULATION_MEAN]
    people = [item for item in specimens if item.subject != POPULATION_MEAN]
    faces = template.surface.faces
    starts = dict(starts or {})
    for specimen in means:
        registered = register_specimen(_nearest_start(starts, specimen.level, template), faces, specimen)
        starts[specimen.level] = registered.points_mm
        yield registered
    work = [(_nearest_start(starts, specimen.level, template), faces, specimen) for specimen in people]
    if jobs == 1:
        yield from (register_specimen(*item) for item in work)
        return
    ready, given = {}, 0
    with closing(computed_in_processes(partial, (_register_numbered, work), range(len(work)), jobs)) as results:
        for number, registered in results:
            ready[number] = registered
            # Those before it may still be at work.
            while given in ready:
                yield ready.pop(given)
                given += 1


def _register_numbered(work: Sequence[tuple[np.ndarray, np.ndarray, Specimen]], number: int) -> Registered:
    return register_specimen(*work[number])


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
