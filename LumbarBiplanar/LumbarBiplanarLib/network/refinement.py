"""The second stage: every vertebra found is looked at closely, twice, each time from where it was found last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ..geometry import View
from ..imaging import resample_image
from .crops import (
    CROP_PX,
    apply,
    crop_channels,
    crop_template,
    fit_similarity,
    invert,
    path_unit_mm,
    pixels_per_mm,
    sample,
)
from .decoding import landmark_probabilities
from .facing import seen_from_behind
from .first_stage import TRAINING_PITCH_MM, FirstLook, mean_landmarks_mm
from .model import N_LEVELS, VIEW_NAMES
from .refine_model import SpineRefiner

# Pitch, relative to that of the first stage, of the film that crops are taken from: that of the training's films.
_FINE_SHARE = 1.0 / TRAINING_PITCH_MM
# A third look, or an average over crops a little to each side, changes nothing (docs/network.md).
LOOKS = 2
LEAST_PRESENCE = 0.35
_LEAST_SIGMA_PX = 0.25
# Body centres nearer than this share of the usual step name the same vertebra twice.
_LEAST_STEP = 0.45


@dataclass(frozen=True, eq=False)
class CloseLook:
    """What the second stage found on one film.

    Attributes:
        found: (5,) bool, levels that were found.
        landmarks_px: (5, 20, 2) pixels of the film.
        covariances: (5, 40, 40) of their errors, film pixels squared, x and y of each landmark in turn.
        confidences: (5, 20) probability that the landmark is on the film.
        level_mm: (5, h, w) path length through each level on the pixels of the first stage's view.
    """

    found: np.ndarray
    landmarks_px: np.ndarray
    covariances: np.ndarray
    confidences: np.ndarray
    level_mm: np.ndarray

    @property
    def variances(self) -> np.ndarray:
        """(5, 20, 2) of the landmarks' errors in x and y, film pixels squared."""
        return np.diagonal(self.covariances, axis1=1, axis2=2).reshape(self.landmarks_px.shape)

    @property
    def presence(self) -> np.ndarray:
        """(5,) mean confidence of each level's landmarks: how sure the network is of seeing that vertebra."""
        return self.confidences.mean(axis=1)


@dataclass(frozen=True, eq=False)
class Read:
    """What the network says of one crop.

    Attributes:
        positions: (20, 2) crop pixels.
        covariance: (40, 40) of their errors, crop pixels squared.
        confidences: (20,) probability that the landmark is on the film.
        path_mm: (1, h, w) path length through the vertebra, mm of the mean vertebra.
    """

    positions: np.ndarray
    covariance: np.ndarray
    confidences: np.ndarray
    path_mm: torch.Tensor


def look_closely(
    refiner: SpineRefiner,
    view: View,
    image: np.ndarray,
    look: FirstLook,
    device: torch.device,
    starts: dict[int, np.ndarray] | None = None,
) -> CloseLook:
    """Find the landmarks of each vertebra that the first stage, or somebody else, found, and of those next to them.

    Args:
        refiner: the second stage's network.
        view: of the film.
        image: (h, w) of ``first_stage.stretched``.
        look: what the first stage found.
        device: where the network is.
        starts: where to look for each level (row in LUMBAR_LEVELS), as image_from_crop (2, 3) in pixels of the film;
            None means where the first stage found it.
    """
    fine, pixels = fine_film(view, image, look.view, device)
    starts = first_crops(look, view) if starts is None else starts
    fine_from_film = between(view, fine)
    matrices = {k: chained(fine_from_film, start) for k, start in starts.items()}
    template = crop_template(mean_landmarks_mm(), view.name)
    read, matrices = _look_until_sure(refiner, pixels, view.name, matrices, template)
    before = set()
    while (missing := _next_to_found(matrices) - before) and len(matrices) < N_LEVELS:
        before |= missing
        guessed = {k: _extrapolated(matrices, k) for k in missing}
        more, guessed = _look_until_sure(refiner, pixels, view.name, guessed, template)
        read, matrices = read | more, matrices | guessed
    read, matrices = _without_doubles(read, matrices)
    return collected(read, matrices, fine, view, look.view)


def fine_film(view: View, image: np.ndarray, coarse: View, device: torch.device) -> tuple[View, torch.Tensor]:
    """Return the view and the pixels (h, w) that crops of a film are taken from.

    Args:
        view: of the film.
        image: (h, w) of ``first_stage.stretched``.
        coarse: the first stage's view of it.
        device: where the network is.
    """
    fine = view.resampled(np.asarray(coarse.spacing_mm) * _FINE_SHARE)
    return fine, torch.from_numpy(resample_image(image, view, fine)).to(device)


def unrefined(look: FirstLook, view: View) -> CloseLook:
    """Return what the first stage found on the film ``view``, as if it had been looked at closely."""
    choice = look.choice
    scale = np.asarray(look.view.spacing_mm) / view.spacing_mm
    sigmas = np.repeat(choice.sigmas[:, :, None], 2, axis=2) * scale
    covariances = np.stack([np.diag(np.maximum(sigma, _LEAST_SIGMA_PX).ravel() ** 2) for sigma in sigmas])
    found = choice.visible.any(axis=1)
    confidences = np.where(choice.visible, choice.confidences, 0.0)
    return CloseLook(found, look.view.pixels_on(view, choice.positions), covariances, confidences, look.level_mm)


def first_crops(look: FirstLook, view: View) -> dict[int, np.ndarray]:
    """Return where the first stage has each level it found: image_from_crop (2, 3), pixels of the film ``view``."""
    template_mm = mean_landmarks_mm()
    template = crop_template(template_mm, view.name)
    crops = {}
    for k in np.flatnonzero(np.isfinite(look.choice.centers[:, 0])):
        camera = look.choice.cameras[k]
        seen = template_mm[k] @ camera[:, :3].T + camera[:, 3]
        placed = look.view.pixels_on(view, seen)
        crops[int(k)] = fit_similarity(template[k], placed, turned_over=seen_from_behind(view))
    return crops


def _look_until_sure(refiner, pixels, view_name, matrices: dict[int, np.ndarray], template: np.ndarray):
    """Look at crops several times; return (what was read by level, where the last look was), both by level found."""
    read: dict[int, Read] = {}
    for look in range(LOOKS):
        matrices = {k: m for k, m in matrices.items() if np.isfinite(m).all() and pixels_per_mm(m) > 0.1}
        read = read_levels(refiner, pixels, view_name, matrices)
        read = {k: item for k, item in read.items() if item.confidences.mean() >= LEAST_PRESENCE}
        matrices = {k: matrices[k] for k in read}
        if look == LOOKS - 1:
            break
        for k, item in read.items():
            weights = item.confidences / (1.0 + item.covariance.diagonal().reshape(-1, 2).sum(axis=1))
            matrices[k] = chained(matrices[k], fit_similarity(template[k], item.positions, weights))
    return read, matrices


def read_levels(
    refiner: SpineRefiner,
    pixels: torch.Tensor,
    view_name: str,
    matrices: Mapping[int, np.ndarray],
    fitted_mm: Mapping[int, torch.Tensor] | None = None,
    pitch_mm: float = 1.0,
) -> dict[int, Read]:
    """Look at one crop of each level, all in one go.

    Args:
        refiner: the network.
        pixels: (h, w) the film.
        view_name: "AP" or "lateral".
        matrices: by level, image_from_crop (2, 3).
        fitted_mm: by level, (2, h, w) path length through a fitted model's vertebra and through its others, or None.
        pitch_mm: of the pixels, at the detector; used with ``fitted_mm``.
    """
    if not matrices:
        return {}
    crops = crop_channels(sample(pixels[None], np.stack(list(matrices.values())), CROP_PX))
    token = N_LEVELS * VIEW_NAMES.index(view_name) + torch.tensor(list(matrices), device=pixels.device)
    fitted = None
    if fitted_mm is not None:
        fitted = torch.cat([_fitted_crops(fitted_mm[k], matrix[None], pitch_mm) for k, matrix in matrices.items()])
    with torch.inference_mode():
        output = refiner(crops.contiguous(memory_format=torch.channels_last), token, fitted)
        mass = landmark_probabilities(output.heatmaps).sum(dim=(2, 3))
    positions, confidences = (item.double().cpu().numpy() for item in (output.positions, mass))
    scaled = (refiner.basis[token] * torch.exp(output.log_sd)[:, None, :]).double().cpu().numpy()
    covariances = scaled @ np.swapaxes(scaled, 1, 2)
    everything = zip(matrices, positions, covariances, confidences, output.path_mm, strict=True)
    return {k: Read(*parts) for k, *parts in everything}


def _fitted_crops(fitted_mm: torch.Tensor, matrices: np.ndarray, pitch_mm: float) -> torch.Tensor:
    """Return crops (n, 2, h, w), mm of the mean vertebra, of what a fitted model looks like on a film (2, h, w), mm."""
    units = torch.tensor(path_unit_mm(matrices, pitch_mm), dtype=fitted_mm.dtype, device=fitted_mm.device)
    return sample(fitted_mm, matrices, CROP_PX, "zeros") / units[:, None, None, None]


def _next_to_found(matrices: dict[int, np.ndarray]) -> set[int]:
    """Return levels that are not found but next to two neighbouring levels that are."""
    missing = set()
    for k in range(N_LEVELS):
        for step in (1, -1):
            if k not in matrices and k + step in matrices and k + 2 * step in matrices:
                missing.add(k)
        if k not in matrices and k - 1 in matrices and k + 1 in matrices:
            missing.add(k)
    return missing


def _extrapolated(matrices: dict[int, np.ndarray], level: int) -> np.ndarray:
    """Return where a level should be, by its neighbours on one or on both sides."""
    if level - 1 in matrices and level + 1 in matrices:
        return 0.5 * (matrices[level - 1] + matrices[level + 1])
    step = 1 if level + 1 in matrices and level + 2 in matrices else -1
    return 2.0 * matrices[level + step] - matrices[level + 2 * step]


def _without_doubles(read: dict[int, Read], matrices: dict[int, np.ndarray]):
    """Return what was read without levels that stand where a surer one does, or out of order."""
    middle = 0.5 * (np.array(CROP_PX) - 1.0)
    centers = {k: apply(m, middle[None])[0] for k, m in matrices.items()}
    kept: list[int] = []
    for k in sorted(read, key=lambda key: -read[key].confidences.mean()):
        step = 33.0 * pixels_per_mm(matrices[k])
        if all((centers[k] - centers[other])[1] * np.sign(k - other) > _LEAST_STEP * step for other in kept):
            kept.append(k)
    return {k: read[k] for k in sorted(kept)}, {k: matrices[k] for k in sorted(kept)}


def collected(
    read: Mapping[int, Read],
    matrices: Mapping[int, np.ndarray],
    fine: View,
    view: View,
    coarse: View,
) -> CloseLook:
    """Return a ``CloseLook`` at a film.

    Args:
        read: what was read, by level.
        matrices: by level, image_from_crop (2, 3) on ``fine``.
        fine: view that the crops were taken from.
        view: of the film.
        coarse: the first stage's view of it.
    """
    film_from_fine = between(fine, view)
    found = np.array([k in read for k in range(N_LEVELS)])
    landmarks, confidences = np.zeros((N_LEVELS, 20, 2)), np.zeros((N_LEVELS, 20))
    covariances = np.tile(np.eye(40), (N_LEVELS, 1, 1))
    level_mm = np.zeros((N_LEVELS, *coarse.shape), dtype=np.float32)
    fine_from_coarse = between(coarse, fine)
    for k, item in read.items():
        matrix = chained(film_from_fine, matrices[k])
        landmarks[k] = apply(matrix, item.positions)
        turn = np.kron(np.eye(20), matrix[:, :2])
        covariances[k] = turn @ (item.covariance + _LEAST_SIGMA_PX**2 * np.eye(40)) @ turn.T
        confidences[k] = item.confidences
        level_mm[k] = _placed_image(item, matrices[k], fine, fine_from_coarse, coarse.size_px)
    return CloseLook(found, landmarks, covariances, confidences, level_mm)


def _placed_image(item: Read, matrix: np.ndarray, fine: View, fine_from_coarse: np.ndarray, size_px: tuple[int, int]):
    """Return the image (h, w) of one level on the first stage's pixels: outside the crop there is none of it."""
    path = item.path_mm * float(path_unit_mm(matrix, fine.spacing_mm[0]))
    crop_from_coarse = chained(invert(matrix), fine_from_coarse)
    return sample(path, crop_from_coarse[None], size_px, "zeros")[0, 0].cpu().numpy()


def between(source: View, target: View) -> np.ndarray:
    """Return the affine (2, 3) from pixels of one view to those of another of the same film."""
    origin, diagonal = source.pixels_on(target, np.array([[0.0, 0.0], [1.0, 1.0]]))
    return np.concatenate([np.diag(diagonal - origin), origin[:, None]], axis=1)


def chained(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the affine (2, 3) that applies ``inner`` first."""
    return np.concatenate([outer[:, :2] @ inner[:, :2], (outer[:, :2] @ inner[:, 2] + outer[:, 2])[:, None]], axis=1)
