"""Image term: path length of bone through the posed meshes against the lumbar-only images.

At pixel i of film v with path length T_i, gain g_v, background hats B_ik and observed image y_i,
    r_i = g_v T_i + sum_k B_ik b_vk - y_i,
    cost = sum_i w_i (d^2 / s^2) (sqrt(1 + (r_i / d)^2) - 1)
with the pseudo-Huber turn d = 3 MAD and the standard deviation s fixed within a resolution level. Gain and background
are unknowns of the same normal equations; their priors are Gaussian.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..errors import GeometryError
from ..rendering.jacobian import PixelJacobian
from .corrected_views import SharedColumns, corrected, shared_columns
from .image_equations import FilmDerivatives, Part, add_film, few_large_steps
from .least_squares import NormalEquations, Unknowns, drained
from .options import Options
from .poses import VertebraState
from .projector import MeshProjector
from .pyramid import ImageLevel

# So many vertebrae are linearized in one go: the caller waits for no longer, and it costs little more than all at once.
_TOGETHER = 3


@dataclass(eq=False)
class ImageTerm:
    """Robust squared difference of path-length images, with gain and background per view.

    Attributes:
        projector: renders the vertebrae.
        levels: one image level per view.
        options: weights and priors.
    """

    projector: MeshProjector
    levels: Sequence[ImageLevel]
    options: Options
    name: str = "image"
    _latest: tuple[Unknowns, list[torch.Tensor]] | None = field(default=None, init=False)
    _left: tuple[Unknowns, list[torch.Tensor]] | None = field(default=None, init=False)
    _parts: list[list[Part]] = field(default_factory=list, init=False)
    _hessian: np.ndarray | None = field(default=None, init=False)  # of the last linearization
    _shared: list[SharedColumns] = field(default_factory=list, init=False)

    def cost(self, unknowns: Unknowns) -> float:
        """Return the cost at a point."""
        try:
            residuals = self.residuals(unknowns)
        except GeometryError:  # a vertex behind a source: no step may end there
            return float("inf")
        return self._total([self._loss(*item) for item in zip(self.levels, residuals, strict=True)], unknowns)

    def _total(self, losses: Sequence[torch.Tensor], unknowns: Unknowns) -> float:
        """Return the cost of losses () of the films and of the priors of gain and background."""
        total = 0.0
        # All are read at once: a GPU is waited for each time.
        read = torch.stack(list(losses)).tolist()
        for level, loss, nuisance in zip(self.levels, read, unknowns.nuisance, strict=True):
            total += self._scale(level) * level.turn**2 * loss + self._nuisance_prior(level, nuisance)
        return total

    def residuals(self, unknowns: Unknowns) -> list[torch.Tensor]:
        """Return the (n,) residual of each view in mm of bone, at the pixels used; the last ones are kept."""
        if self._left is None or self._left[0] is not unknowns:
            parts = zip(self.levels, self.lengths(unknowns), unknowns.nuisance, strict=True)
            left = [self._residual(level, lengths.sum(dim=0), nuisance) for level, lengths, nuisance in parts]
            self._left = (unknowns, left)
        return self._left[1]

    def lengths(self, unknowns: Unknowns) -> list[torch.Tensor]:
        """Return the (N, n) path lengths of the vertebrae in each view at the pixels used; the last ones are kept."""
        if self._latest is None or self._latest[0] is not unknowns:
            images = self._images(unknowns)
            lengths = [image.flatten(1)[:, level.pixels] for level, image in zip(self.levels, images, strict=True)]
            self._latest = (unknowns, lengths)
        return self._latest[1]

    def images(self, unknowns: Unknowns) -> list[torch.Tensor]:
        """Return the (h, w) path length of each view, with the corrections of the geometry."""
        return [image.sum(dim=0) for image in self._images(unknowns)]

    def _images(self, unknowns: Unknowns) -> list[torch.Tensor]:
        corrections, vertebrae = unknowns.corrections, unknowns.vertebrae
        if not len(corrections):
            return self.projector.path_lengths(vertebrae, self.levels)
        densities = corrections.densities([item.level for item in vertebrae])
        return [
            self.projector.path_lengths(*corrected(corrections, vertebrae, level), densities)[0]
            for level in self.levels
        ]

    @staticmethod
    def _residual(level: ImageLevel, lengths: torch.Tensor, nuisance: np.ndarray) -> torch.Tensor:
        known = torch.as_tensor(nuisance, dtype=lengths.dtype, device=lengths.device)
        return known[0] * lengths + level.hats.to(lengths.dtype) @ known[1:] - level.observed

    def _scale(self, level: ImageLevel) -> float:
        return self.options.image_weight / level.sigma**2

    @staticmethod
    def _loss(level: ImageLevel, residual: torch.Tensor) -> torch.Tensor:
        """Return the robust loss () of a film's residuals (n,), in units of its scale and turn."""
        bent = torch.sqrt(1.0 + (residual.double() / level.turn) ** 2) - 1.0
        return torch.sum(level.weights.double() * bent)

    def _nuisance_prior(self, level: ImageLevel, nuisance: np.ndarray) -> float:
        gain = ((nuisance[0] - 1.0) / self.options.gain_sd) ** 2
        return 0.5 * float(gain + np.sum((nuisance[1:] / level.background_sd_mm) ** 2))

    def robust_weights(self, level: ImageLevel, residual: torch.Tensor) -> torch.Tensor:
        """Return the weights (n,) of squared residuals (n,) in mm that have the robust cost's slope there."""
        return self._scale(level) * level.weights / torch.sqrt(1.0 + (residual / level.turn) ** 2)

    def add(self, equations: NormalEquations, unknowns: Unknowns) -> None:
        """Add cost, gradient and Hessian at a point."""
        drained(self.add_slowly(equations, unknowns))

    def add_slowly(
        self, equations: NormalEquations, unknowns: Unknowns, again: bool = False
    ) -> Generator[None, None, None]:
        """Add cost, gradient and Hessian at a point, in parts of some hundredths of a second.

        Args:
            equations: what they are added to.
            unknowns: the point.
            again: take the derivatives of the path lengths, and the Gauss-Newton Hessian if there is one for these
                unknowns, from the last time; path lengths, weights and the gradient are those of the point.
        """
        if not again or not self._parts:
            yield from self._linearize(unknowns, equations.layout.modes)
            lengths = [_summed(level, parts) for level, parts in zip(self.levels, self._parts, strict=True)]
        else:
            lengths = [parts.sum(dim=0) for parts in self.lengths(unknowns)]
        own = NormalEquations(equations.layout)
        with_hessian = self._hessian is None or self._hessian.shape != own.hessian.shape
        losses = []
        for number, (level, nuisance) in enumerate(zip(self.levels, unknowns.nuisance, strict=True)):
            residual = self._residual(level, lengths[number], nuisance)
            weights = self.robust_weights(level, residual)
            on_all = torch.cat([lengths[number][:, None], level.hats.to(residual.dtype)], dim=1)
            film = FilmDerivatives(self._parts[number], on_all, residual, weights, float(nuisance[0]))
            shared = (self._shared[number], level.view.name, unknowns) if self._shared else None
            add_film(own, number, film, with_hessian=with_hessian, corrected=shared)
            self._add_nuisance_prior(own, own.layout.view(number), level, nuisance)
            losses.append(self._loss(level, residual))
            yield None
        if with_hessian:
            self._hessian = own.hessian
        equations.gradient += own.gradient
        equations.hessian += self._hessian
        equations.costs[self.name] = self._total(losses, unknowns)

    def _linearize(self, unknowns: Unknowns, modes: int) -> Generator[None, None, None]:
        """Keep, per view and vertebra, the pixels used, path lengths and Jacobian at a point."""
        self.forget_derivatives()
        corrections, everything, columns_of = unknowns.corrections, [], []
        if few_large_steps(self.projector.device) and not len(corrections):
            self._parts = self._derivatives(unknowns.vertebrae, self.levels, modes)
            return
        for level in self.levels:
            vertebrae, shown = unknowns.vertebrae, level
            if len(corrections):
                vertebrae, (shown,) = corrected(corrections, vertebrae, level)
            parts: list[Part] = []
            for first in range(0, len(vertebrae), _TOGETHER):
                parts += self._derivatives(vertebrae[first : first + _TOGETHER], [shown], modes)[0]
                yield None
            if len(corrections):
                columns, parts = shared_columns(self.projector.path_lengths, unknowns, level, parts)
                columns_of.append(columns)
                yield None
            everything.append(parts)
        # At the end, since a caller may stop in between.
        self._parts, self._shared = everything, columns_of

    @property
    def has_derivatives(self) -> bool:
        """Whether those of the last linearization are still there."""
        return bool(self._parts)

    def renewed(self, unknowns: Unknowns, modes: int, chosen: Sequence[int]) -> ImageTerm:
        """Return the same term with the derivatives of the last linearization, if there are any, some of them renewed.

        Args:
            unknowns: the point.
            modes: free mode coefficients per vertebra.
            chosen: the vertebrae to linearize again.
        """
        term = replace(self)
        term._parts = [list(parts) for parts in self._parts]
        if self._parts and chosen:
            moved = [unknowns.vertebrae[i] for i in chosen]
            for level, parts in zip(self.levels, term._parts, strict=True):
                for i, part in zip(chosen, self._derivatives(moved, [level], modes)[0], strict=True):
                    parts[i] = part
        return term

    def _derivatives(
        self, vertebrae: Sequence[VertebraState], levels: Sequence[ImageLevel], modes: int
    ) -> list[list[Part]]:
        """Return, per view and vertebra, the pixels used, path lengths and Jacobian."""
        films = self.projector.jacobians(vertebrae, levels, modes)
        places = [[level.position[item.pixels] for item in film] for level, film in zip(levels, films, strict=True)]
        # One question for all: a GPU is waited for each time.
        complete = iter(torch.stack([(rows >= 0).all() for film in places for rows in film]).tolist())
        return [
            [_on_used_pixels(rows, item, next(complete)) for rows, item in zip(*both, strict=True)]
            for both in zip(places, films, strict=True)
        ]

    def forget_derivatives(self) -> None:
        """Let go of the derivatives of the last linearization; they are large."""
        self._parts, self._shared, self._hessian = [], [], None

    def _add_nuisance_prior(
        self, equations: NormalEquations, block: slice, level: ImageLevel, nuisance: np.ndarray
    ) -> None:
        precision = np.full(len(nuisance), level.background_sd_mm**-2.0)
        precision[0] = self.options.gain_sd**-2.0
        target = np.zeros(len(nuisance))
        target[0] = 1.0
        equations.gradient[block] += precision * (nuisance - target)
        equations.hessian[block, block] += np.diag(precision)


def _summed(level: ImageLevel, parts) -> torch.Tensor:
    """Return the (n,) path length through all vertebrae at the pixels used."""
    lengths = torch.zeros_like(level.observed)
    for rows, values, _ in parts:
        lengths.index_add_(0, rows, values)
    return lengths


def _on_used_pixels(rows: torch.Tensor, projection: PixelJacobian, complete: bool) -> Part:
    """Return (positions among the used pixels, path lengths, Jacobian) of one mesh in one view.

    ``rows`` (n,) are the positions, -1 for pixels that are not used, of which ``complete`` says that there are none.
    """
    lengths, jacobian = projection.path_mm, projection.jacobian
    if complete:
        return rows, lengths, jacobian
    used = rows >= 0
    return rows[used], lengths[used], jacobian[used]
