"""Normal equations of the image term on one film: J^T W r and J^T W J from its derivatives.

A vertebra shows on a few pixels and overlaps its neighbors on fewer, so on a processor blocks of the pixels concerned
take the least work. On a GPU the work is nothing and every step has to be started, so there all columns are laid out on
all pixels and multiplied at once, and the result crosses to the processor once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from .corrected_views import SharedColumns
from .least_squares import NormalEquations, Unknowns

# Of one vertebra on one film: positions among the used pixels (n,), path lengths (n,), Jacobian (n, unknowns).
Part = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class FilmDerivatives:
    """One film about a point.

    Attributes:
        parts: of each vertebra.
        nuisance: (n, K) derivatives by what acts on all pixels used: gain, background, corrections of the geometry.
        residual: (n,) mm of bone.
        weights: (n,) of the squared residuals.
        gain: of the film, a factor on the parts.
    """

    parts: Sequence[Part]
    nuisance: torch.Tensor
    residual: torch.Tensor
    weights: torch.Tensor
    gain: float


def few_large_steps(device: torch.device) -> bool:
    """Whether a device is fastest with few steps, however much each computes."""
    return device.type == "cuda"


def add_film(
    equations: NormalEquations,
    number: int,
    film: FilmDerivatives,
    *,
    with_hessian: bool,
    corrected: tuple[SharedColumns, str, Unknowns] | None = None,
) -> None:
    """Add gradient and, if asked for, Hessian of film ``number`` to the normal equations.

    Args:
        equations: what they are added to.
        number: of the film, among those of the term.
        film: its derivatives.
        with_hessian: whether to add the Hessian too.
        corrected: derivatives by corrections of the geometry, name of the view and the point, if there are any.
    """
    add = _add_in_one_go if few_large_steps(film.residual.device) else _add_by_blocks
    if corrected is None:
        add(equations, number, film, with_hessian)
        return
    shared, view_name, unknowns = corrected
    own, chain = shared.equations(equations.layout, number, view_name, unknowns)
    if own.layout.nuisance[0] > film.nuisance.shape[1]:
        more = film.gain * shared.lengths.to(film.nuisance.dtype)
        film = replace(film, nuisance=torch.cat([film.nuisance, more], dim=1))
    add(own, 0, film, with_hessian)
    equations.add_through(chain, own)


def _add_by_blocks(equations: NormalEquations, number: int, film: FilmDerivatives, with_hessian: bool) -> None:
    """Add blocks of vertebrae, and of pairs of them, on the pixels that they share."""
    layout, hessian, gradient = equations.layout, equations.hessian, equations.gradient
    parts, nuisance, residual, weights = film.parts, film.nuisance, film.residual, film.weights
    weighted = nuisance * weights[:, None]
    block = layout.view(number)
    gradient[block] += to_numpy(weighted.T @ residual)
    if with_hessian:
        hessian[block, block] += to_numpy(weighted.T @ nuisance)
    position = torch.full((len(residual),), -1, dtype=torch.long, device=residual.device)
    for a, (rows, _, jacobian) in enumerate(parts):
        if not len(rows):
            continue
        own = layout.vertebra(a)
        if not with_hessian:
            gradient[own] += to_numpy(jacobian.T @ (film.gain * weights[rows] * residual[rows]))
            continue
        scaled = jacobian * (film.gain * weights[rows])[:, None]
        gradient[own] += to_numpy(scaled.T @ residual[rows])
        hessian[own, own] += to_numpy(scaled.T @ jacobian) * film.gain
        cross = to_numpy(scaled.T @ nuisance[rows])
        hessian[own, block] += cross
        hessian[block, own] += cross.T
        position.fill_(-1)
        position[rows] = torch.arange(len(rows), device=rows.device)
        for b in range(a + 1, len(parts)):
            met = position[parts[b][0]]
            shared = met >= 0
            if not bool(shared.any()):
                continue
            other = layout.vertebra(b)
            mixed = to_numpy(scaled[met[shared]].T @ parts[b][2][shared]) * film.gain
            hessian[own, other] += mixed
            hessian[other, own] += mixed.T


def _add_in_one_go(equations: NormalEquations, number: int, film: FilmDerivatives, with_hessian: bool) -> None:
    """Add the product of all columns on all pixels, most of them zero."""
    layout, residual = equations.layout, film.residual
    vertebrae, block = slice(0, layout.vertebrae * layout.block), layout.view(number)
    columns = residual.new_zeros((len(residual), vertebrae.stop + film.nuisance.shape[1]))
    for a, (rows, _, jacobian) in enumerate(film.parts):
        columns[rows, layout.vertebra(a)] = film.gain * jacobian
    columns[:, vertebrae.stop :] = film.nuisance
    weighted = (columns * film.weights[:, None]).T
    by_residual = residual[:, None]
    found = to_numpy(weighted @ (torch.cat([columns, by_residual], dim=1) if with_hessian else by_residual))
    for place, here in ((vertebrae, vertebrae), (block, slice(vertebrae.stop, len(found)))):
        equations.gradient[place] += found[here, -1]
        if with_hessian:
            equations.hessian[place, vertebrae] += found[here, vertebrae]
            equations.hessian[place, block] += found[here, vertebrae.stop : -1]


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor of any shape and device as float64 numbers."""
    return tensor.double().cpu().numpy()
