"""Setting up the image term for one resolution level from the present poses."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..anatomy import Region
from ..errors import RegistrationError
from ..geometry import View
from ..shape.model import ShapeModel
from .algebra import solution
from .corrections import NO_CORRECTIONS, Corrections
from .evidence import FilmEvidence
from .image_equations import to_numpy
from .image_term import ImageTerm
from .least_squares import Unknowns, drained
from .options import Options
from .poses import VertebraState, coarse_basis
from .projector import MeshProjector
from .pyramid import (
    ImageLevel,
    dilated,
    hat_functions,
    projected_window,
    region_weight_map,
    resampled_evidence,
)
from .raw_films import BACKGROUND_SD_MM, GRID_MM, LEAST_CORRELATION, NoBoneError, edge_weights, in_bone_mm

_REGION_RADIUS_MM = 1.5


def mesh_projector(model: ShapeModel, options: Options, device: torch.device) -> MeshProjector:
    """Return the renderer of the model's coarse mesh."""
    return MeshProjector(
        basis=coarse_basis(model),
        faces=torch.as_tensor(np.asarray(model.coarse_faces).astype(np.int64), device=device),
        column_subsamples=options.column_subsamples,
        shell=options.shell,
        device=device,
    )


def image_term(
    model: ShapeModel,
    projector: MeshProjector,
    films: Sequence[FilmEvidence],
    vertebrae: Sequence[VertebraState],
    options: Options,
    pixel_mm: float,
    margin_mm: float,
    corrections: Corrections = NO_CORRECTIONS,
) -> tuple[ImageTerm, Unknowns]:
    """Return what ``image_term_slowly`` does, with the same arguments, in one go."""
    arguments = (model, projector, films, vertebrae, options, pixel_mm, margin_mm, corrections)
    return drained(image_term_slowly(*arguments))


def image_term_slowly(
    model: ShapeModel,
    projector: MeshProjector,
    films: Sequence[FilmEvidence],
    vertebrae: Sequence[VertebraState],
    options: Options,
    pixel_mm: float,
    margin_mm: float,
    corrections: Corrections = NO_CORRECTIONS,
) -> Generator[None, None, tuple[ImageTerm, Unknowns]]:
    """Resample the images about the present poses, choose pixels and weights, solve gain and background.

    Args:
        model: shape model, for its region labels.
        projector: renders its coarse mesh.
        films: films that have an image, lumbar-only or raw.
        vertebrae: present poses.
        options: weights and priors.
        pixel_mm: pixel in the object plane.
        margin_mm: how far outside the projected vertebrae pixels are used, object plane.
        corrections: present corrections of the geometry.

    Yields:
        None between the parts of the work.

    Returns:
        The term, its mask, weights and robust scale fixed, and the unknowns with gain and background.

    Raises:
        RegistrationError: if the vertebrae project outside a film.
        NoBoneError: if a raw film shows no bone where the vertebrae are.
    """
    points = [projector.basis.posed(item) for item in vertebrae]
    center = np.concatenate(points).mean(axis=0)
    labels = np.asarray(model.region_labels)[np.asarray(model.coarse_vertices)]
    weights = np.array([options.region_weights.get(Region(int(value)), 1.0) for value in labels])
    prepared = []
    for film in films:
        image, reliability, view = resampled_evidence(film, center, pixel_mm)
        shown = [projector.basis.posed(corrections.in_view(view.name, item)) for item in vertebrae]
        window = projected_window(corrections.view(view), np.concatenate(shown), margin_mm)
        if window is None:
            raise _outside(film.is_raw, film.view)
        x0, y0, width, height = window
        cut = (slice(y0, y0 + height), slice(x0, x0 + width))
        view = view.cropped(x0, y0, width, height)
        pixel = view.pixel_size_at(center)
        alike = options.raw_correlation_mm2 if film.is_raw else options.image_correlation_mm2
        weight_map = region_weight_map(corrections.view(view), shown, weights, _REGION_RADIUS_MM)
        weight_map *= float(np.prod(pixel)) / alike
        if reliability is not None:
            weight_map = weight_map * reliability[cut]
        prepared.append(_Prepared(film.is_raw, view, pixel, image[cut], weight_map))
        yield None
    paths = _path_lengths(projector, Unknowns(tuple(vertebrae), corrections=corrections), prepared)
    yield None
    levels = [_level(*item, margin_mm, options, projector) for item in zip(prepared, paths, strict=True)]
    yield None
    return (yield from _fitted_nuisance(ImageTerm(projector, levels, options), vertebrae, corrections, paths))


@dataclass(frozen=True, eq=False)
class _Prepared:
    """An image cut out about the vertebrae: its view, pixel (x, y) in the object plane in mm, and weights (h, w)."""

    raw: bool
    view: View
    pixel_mm: np.ndarray
    image: np.ndarray
    weights: np.ndarray


def _path_lengths(projector: MeshProjector, unknowns: Unknowns, prepared: Sequence[_Prepared]) -> list[torch.Tensor]:
    blank = torch.zeros(0)
    stubs = [ImageLevel(item.view, blank, blank, blank, blank, blank) for item in prepared]
    return ImageTerm(projector, stubs, Options()).images(unknowns)


def _level(
    part: _Prepared, path_mm: torch.Tensor, margin_mm: float, options: Options, projector: MeshProjector
) -> ImageLevel:
    device, view = path_mm.device, part.view
    mask = dilated(path_mm > 0, tuple(margin_mm / part.pixel_mm))
    if not bool(mask.any()):
        raise _outside(part.raw, view)
    observed = torch.as_tensor(part.image, dtype=projector.dtype, device=device)
    weights = torch.as_tensor(part.weights, dtype=projector.dtype, device=device)
    node_px = tuple((GRID_MM if part.raw else options.background_grid_mm) / part.pixel_mm)
    if part.raw:
        observed, correlation = in_bone_mm(observed, path_mm, mask, node_px)
        if correlation < LEAST_CORRELATION:
            raise NoBoneError(view.name, correlation)
        weights = weights * edge_weights(path_mm, part.pixel_mm).to(weights)
    pixels = torch.nonzero((mask & (weights > 0)).reshape(-1))[:, 0]
    position = torch.full((mask.numel(),), -1, dtype=torch.long, device=device)
    position[pixels] = torch.arange(len(pixels), device=device)
    width, height = view.size_px
    return ImageLevel(
        view=view,
        pixels=pixels,
        position=position,
        observed=observed.reshape(-1)[pixels],
        weights=weights.reshape(-1)[pixels],
        hats=hat_functions(pixels, width, height, node_px).to(projector.dtype),
        background_sd_mm=BACKGROUND_SD_MM if part.raw else options.background_sd_mm,
    )


def _outside(raw: bool, view: View) -> RegistrationError:
    what = f"{view.name} film" if raw else f"lumbar-only {view.name} image"
    return RegistrationError(
        f"The vertebrae project outside the {what}. Check that geometry and landmarks belong to this film."
    )


def _fitted_nuisance(
    term: ImageTerm,
    vertebrae: Sequence[VertebraState],
    corrections: Corrections,
    images: Sequence[torch.Tensor],
) -> Generator[None, None, tuple[ImageTerm, Unknowns]]:
    """Solve gain and background for fixed vertebrae, and fix the robust scale of the level from what remains.

    Args:
        term: the term, its scale not fixed yet.
        vertebrae: present poses.
        corrections: present corrections of the geometry.
        images: (h, w) path lengths of each view there.

    Yields:
        None between the films.

    Returns:
        The term with sigma and turn set from the median absolute residual, and the unknowns.
    """
    levels, solved = [], []
    for level, image in zip(term.levels, images, strict=True):
        yield None
        lengths = image.reshape(-1)[level.pixels].double()
        design = torch.cat([lengths[:, None], level.hats.double()], dim=1)
        nuisance = np.zeros(design.shape[1])
        nuisance[0] = 1.0
        for _ in range(4):
            residual = design @ torch.as_tensor(nuisance, device=design.device) - level.observed.double()
            # 1.4826 turns a median absolute deviation into the standard deviation of a normal distribution.
            mad = 1.4826 * float(residual.abs().median())
            sigma = max(mad, term.options.image_sigma_floor_mm)
            level = replace(level, sigma=sigma, turn=term.options.image_turn * sigma)
            nuisance = _nuisance_step(term, level, design, residual, nuisance)
        levels.append(level)
        solved.append(nuisance)
    return replace(term, levels=levels), Unknowns(tuple(vertebrae), tuple(solved), corrections)


def _nuisance_step(
    term: ImageTerm, level: ImageLevel, design: torch.Tensor, residual: torch.Tensor, nuisance: np.ndarray
) -> np.ndarray:
    weights = term.robust_weights(level, residual)
    weighted = design * weights[:, None]
    precision = np.full(len(nuisance), level.background_sd_mm**-2.0)
    precision[0] = term.options.gain_sd**-2.0
    target = np.zeros(len(nuisance))
    target[0] = 1.0
    hessian = to_numpy(weighted.T @ design) + np.diag(precision)
    gradient = to_numpy(weighted.T @ residual) + precision * (nuisance - target)
    return nuisance - solution(hessian, gradient)
