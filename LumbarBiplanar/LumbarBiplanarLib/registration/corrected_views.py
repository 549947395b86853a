"""The image term of a film whose geometry is being corrected: what it renders, and the chain rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from .corrections import Corrections
from .least_squares import Layout, NormalEquations, Unknowns
from .poses import VertebraState
from .pyramid import ImageLevel

# Step of the source-detector distance for its derivative: a fraction of a pixel at the edge of the spine.
_FOCAL_STEP = 1e-3


def corrected(
    corrections: Corrections, vertebrae: Sequence[VertebraState], level: ImageLevel
) -> tuple[tuple[VertebraState, ...], list[ImageLevel]]:
    """Return the vertebrae as they lie in a film, and the film's image level with its corrected view."""
    moved = tuple(corrections.in_view(level.view.name, item) for item in vertebrae)
    return moved, [replace(level, view=corrections.view(level.view))]


@dataclass(frozen=True, eq=False)
class SharedColumns:
    """Derivatives of a film's path lengths by those shared unknowns that move no vertebra.

    Attributes:
        columns: (E,) which unknowns: source-detector distance, densities.
        lengths: (n, E) change of the path length per unit, mm, at the pixels used.
    """

    columns: list[int]
    lengths: torch.Tensor

    def equations(
        self, layout: Layout, number: int, view_name: str, unknowns: Unknowns
    ) -> tuple[NormalEquations, np.ndarray]:
        """Return empty equations of one film in terms of what it shows, and their chain to all unknowns.

        What it shows: each vertebra where it lies in this film, gain and background, and the unknowns of ``columns``.

        Args:
            layout: of all unknowns.
            number: number of the film among those of the image term.
            view_name: its name.
            unknowns: the point.

        Returns:
            The equations, and the (own unknowns, all unknowns) chain.
        """
        corrections = unknowns.corrections
        nuisance, extra = layout.nuisance[number], len(self.columns) if layout.shared else 0
        own = Layout(layout.vertebrae, layout.modes, (nuisance + extra,))
        chain = np.zeros((own.size, layout.size))
        for index, vertebra in enumerate(unknowns.vertebrae):
            by_own, by_shared = corrections.derivatives(view_name, vertebra, layout.modes)
            chain[own.vertebra(index), layout.vertebra(index)] = by_own
            if layout.shared:
                chain[own.vertebra(index), layout.corrections] = by_shared
        first = own.view(0).start
        chain[first : first + nuisance, layout.view(number)] = np.eye(nuisance)
        for place, column in enumerate(self.columns[:extra]):
            chain[first + nuisance + place, layout.corrections.start + column] = 1.0
        return NormalEquations(own), chain


def shared_columns(
    render: Callable[..., list[torch.Tensor]],
    unknowns: Unknowns,
    level: ImageLevel,
    parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
) -> tuple[SharedColumns, list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]]:
    """Find the derivatives by distance and density in one film.

    Args:
        render: ``MeshProjector.path_lengths``.
        unknowns: the point.
        level: the film's image level, with its stated view.
        parts: per vertebra the pixels used, path lengths (n,) and Jacobian (n, P) in the corrected view.

    Returns:
        The derivatives, and the parts times the densities.
    """
    corrections, vertebrae = unknowns.corrections, unknowns.vertebrae
    levels = [item.level for item in vertebrae]
    columns: list[int] = []
    found: list[torch.Tensor] = []
    densities = corrections.densities(levels)
    if densities is not None:
        for at, (rows, lengths, _) in zip(levels, parts, strict=True):
            column = corrections.density_column(at)
            if column is not None:
                columns.append(column)
                found.append(torch.zeros_like(level.observed).index_add_(0, rows, lengths))
        parts = [
            (rows, float(factor) * lengths, float(factor) * jacobian)
            for factor, (rows, lengths, jacobian) in zip(densities, parts, strict=True)
        ]
    if corrections.distances(level.view.name):
        moved, (shown,) = corrected(corrections, vertebrae, level)
        step = _FOCAL_STEP * shown.view.focal_mm
        ends = [
            replace(shown, view=replace(shown.view, focal_mm=shown.view.focal_mm + side * step)) for side in (-1, 1)
        ]
        low, high = (image.sum(dim=0).reshape(-1)[level.pixels] for image in render(moved, ends, densities))
        for column in corrections.distances(level.view.name):
            columns.append(column)
            found.append((high - low) / (2.0 * step))
    lengths = torch.stack(found, dim=1) if found else level.observed.new_zeros((len(level.observed), 0))
    return SharedColumns(columns, lengths), parts
