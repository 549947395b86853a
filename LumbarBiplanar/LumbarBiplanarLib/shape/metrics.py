"""How good a shape model is: compactness, generalisation, specificity (Davies et al. 2002, IEEE TMI 21:525)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..anatomy import Region
from .correspondence import thinned
from .fitting import fit_to_surface
from .model import ShapeModel
from .pipeline import Collection
from .registering import Registered
from .sources import POPULATION_MEAN
from .surfaces import Surface, surface_distances


@dataclass(frozen=True)
class GeneralizationRow:
    """Distance between a left-out vertebra and the model fitted to it, pooled over both directions.

    Attributes:
        subject, level: whose vertebra; region: a ``Region`` in lower case, or "all".
        condition: "sound", or "fractured" for vertebrae that no model was built from.
        modes: how many modes the fit had; "all" or a number.
        mean_mm, rms_mm, p95_mm: distances from surface to surface.
    """

    subject: str
    level: str
    region: str
    condition: str
    modes: str
    mean_mm: float
    rms_mm: float
    p95_mm: float

    def as_dict(self) -> dict[str, object]:
        """Return the row by column name."""
        return asdict(self)


def compactness(model: ShapeModel) -> np.ndarray:
    """Return the share (M,) of the model's variance that its first 1, 2, ... M modes hold."""
    variance = (model.modes_mm.reshape(model.mode_count, -1) ** 2).sum(axis=1)
    return np.cumsum(variance) / variance.sum()


def generalization(
    collection: Collection,
    *,
    subjects: Sequence[str] | None = None,
    mode_counts: Sequence[int | None] = (None,),
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[GeneralizationRow]:
    """Leave each person out, build the model from the others, fit it to the person's surfaces.

    Args:
        collection: registered vertebrae; the person of the sample study may be among them.
        subjects: whom to leave out in turn; None for everybody.
        mode_counts: fits with only the first so many modes; None for all.
        progress: called with (who, done, of how many).

    Yields:
        One row per vertebra, number of modes and region, and one over all regions.
    """
    subjects = collection.subjects if subjects is None else subjects
    for done, subject in enumerate(subjects):
        model = collection.build([subject])
        for item in collection.registered:
            if item.specimen.subject != subject or item.specimen.incomplete:
                continue
            for count in mode_counts:
                yield from _rows(model if count is None else model.truncated(count), item, count)
        if progress:
            progress(subject, done + 1, len(subjects))


def _rows(model: ShapeModel, item: Registered, count: int | None) -> Iterator[GeneralizationRow]:
    specimen = item.specimen
    fit = fit_to_surface(model, specimen.level, specimen.surface)
    forward, _ = surface_distances(fit.points_ras_mm, specimen.surface)
    points = specimen.surface.points_ras_mm
    points = points[thinned(points, 4000)]
    backward, _ = surface_distances(points, Surface(fit.points_ras_mm, model.faces))
    _, nearest = cKDTree(fit.points_ras_mm).query(points)
    distances = np.concatenate([forward, backward])
    regions = np.concatenate([model.region_labels, model.region_labels[nearest]])
    groups = {"all": np.ones(len(regions), dtype=bool)}
    groups.update({region.name.lower(): regions == region for region in Region})
    for name, chosen in groups.items():
        values = distances[chosen]
        yield GeneralizationRow(
            subject=specimen.subject,
            level=specimen.level.name,
            region=name,
            condition="fractured" if specimen.fractured else "sound",
            modes="all" if count is None else str(count),
            mean_mm=float(values.mean()),
            rms_mm=float(np.sqrt((values**2).mean())),
            p95_mm=float(np.quantile(values, 0.95)),
        )


def specificity(model: ShapeModel, collection: Collection, *, samples: int = 50, seed: int = 0) -> np.ndarray:
    """Return how far random vertebrae of the model are from the nearest real one.

    Args:
        model: the model to draw from.
        collection: real vertebrae in correspondence.
        samples: how many to draw, levels in turn.
        seed: of the random numbers.

    Returns:
        (samples,) mean distances in mm between corresponding vertices, after similarity alignment to the nearest
        sound vertebra of the same level.
    """
    from ..geometry.frames import similarity_fit, transform_points

    rng = np.random.default_rng(seed)
    found = np.empty(samples)
    for k in range(samples):
        level = model.levels[k % len(model.levels)]
        drawn = model.instance(level, rng.standard_normal(model.mode_count))
        best = np.inf
        for item in collection.registered:
            specimen = item.specimen
            unusable = specimen.fractured or specimen.incomplete or specimen.subject == POPULATION_MEAN
            if specimen.level is not level or unusable:
                continue
            real = transform_points(similarity_fit(item.points_mm, drawn), item.points_mm)
            best = min(best, float(np.linalg.norm(real - drawn, axis=1).mean()))
        found[k] = best
    return found
