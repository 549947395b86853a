"""How far a reconstructed vertebra lies from the true one, whole and by region."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ..anatomy import Region
from ..shape.model import ShapeModel
from ..shape.surfaces import Surface, surface_distances, vertex_areas

_SAMPLES = 2500


@dataclass(frozen=True, eq=False)
class TrueSurface:
    """A true surface, sampled and labeled by the model laid onto it, and how close the model can come.

    Attributes:
        truth: the surface, RAS mm.
        samples: (n, 3) points of it.
        weights: (n,) area that each stands for, mm^2.
        labels: (n,) Region of each.
        floor: what ``errors_mm_of`` gives for the model laid onto the surface itself.
    """

    truth: Surface
    samples: np.ndarray
    weights: np.ndarray
    labels: np.ndarray
    floor: dict[str, dict[str, float]]

    @classmethod
    def of(cls, model: ShapeModel, truth: Surface, fitted_ras_mm: np.ndarray) -> TrueSurface:
        """Sample and label a true surface.

        Args:
            model: shape model without this person.
            truth: the surface, RAS mm.
            fitted_ras_mm: (V, 3) the model laid onto it as closely as it can (``shape.fitting.fit_to_surface``).
        """
        from scipy.spatial import cKDTree

        areas = vertex_areas(truth.points_ras_mm, truth.faces)
        step = -(-len(areas) // _SAMPLES)
        samples, weights = truth.points_ras_mm[::step], areas[::step]
        labels = model.region_labels[cKDTree(fitted_ras_mm).query(samples)[1]]
        found = cls(truth, samples, weights, labels, {})
        found.floor.update(found.errors_mm_of(Surface(fitted_ras_mm, model.faces), model.region_labels))
        return found

    def distances_mm_to(self, recovered: Surface) -> np.ndarray:
        """Return the distance (n,) in mm of each sample from a reconstructed surface."""
        return surface_distances(self.samples, recovered)[0]

    def errors_mm_of(
        self, recovered: Surface, region_labels: np.ndarray, there: np.ndarray | None = None
    ) -> dict[str, dict[str, float]]:
        """Return {"all" or region: {"mean", "rms", "p95"}} of the distances both ways, mm, weighted by area.

        Both directions count alike. Truth is labeled by the region of the nearest vertex of the model laid onto it.

        Args:
            recovered: the reconstructed surface, RAS mm.
            region_labels: (V,) Region of its vertices.
            there: (n,) what ``distances_mm_to`` gives, if it is known already.
        """
        there = self.distances_mm_to(recovered) if there is None else there
        areas = vertex_areas(recovered.points_ras_mm, recovered.faces)
        step = -(-len(areas) // _SAMPLES)
        back, _ = surface_distances(recovered.points_ras_mm[::step], self.truth)
        found = {}
        for name, region in itertools.chain([("all", None)], ((item.name.lower(), item) for item in Region)):
            ours = slice(None) if region is None else self.labels == region
            theirs = slice(None) if region is None else region_labels[::step] == region
            parts = [(there[ours], self.weights[ours]), (back[theirs], areas[::step][theirs])]
            parts = [(distance, weight / weight.sum()) for distance, weight in parts if len(distance)]
            if parts:
                found[name] = _summary(
                    np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
                )
        return found


def _summary(distances: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    weights = weights / weights.sum()
    order = np.argsort(distances)
    p95 = distances[order][np.searchsorted(np.cumsum(weights[order]), 0.95)]
    return {
        "mean": float(weights @ distances),
        "rms": float(np.sqrt(weights @ distances**2)),
        "p95": float(p95),
    }
