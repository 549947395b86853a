"""An endless stream of single vertebrae, cut from training films as the first stage finds them: not quite right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ..errors import StudyError
from ..network.consistency import upright_camera
from ..network.crops import (
    CROP_PX,
    apply,
    crop_template,
    fit_similarity,
    invert,
    path_unit_mm,
    sample,
)
from ..network.model import N_LEVELS, VIEW_NAMES
from ..shape.model import ShapeModel
from .dataset import pool_files
from .epipolar import gap_slopes
from .films import TrainingFilm, form_film
from .fitted import disturbed, fitted_images, size_of_misfit
from .ingredients import Ingredients, load_ingredients
from .options import FilmOptions

_LEAST_VISIBLE = 6
_WRONG_SHARE = 0.05
# A fitted model is also shown where the film is blank or shows something else, so that it is no proof of a vertebra.
_UNSEEN_SHARE, _WRONG_FITTED_SHARE = 0.5, 0.5
_ASIDE_MM = (60.0, 110.0)
_PER_VERTEBRA = 3
_BUFFER_BATCHES = 5
# Cropping straightens and scales the vertebrae, so the film itself need not vary in scale as much.
CROP_FILMS = FilmOptions(scale_sd=0.05, empty=0.0)


class CropStream(IterableDataset):
    """Batches of crops of random vertebrae of a pool's spines; every fiftieth spine is held out, for validation.

    Yields (films (n, 1, h, w), fitted_mm (n, 2, h, w), token (n,), path_mm (n, 1, h, w), landmarks (n, 20, 2) crop
    pixels, visible (n, 20)); ``fitted_mm`` is what a fitted model that is nearly right looks like there, or zeros.
    In pairs, crop k and crop n / 2 + k are one vertebra on the AP and the lateral film, and slopes (n, 20, 2) follow:
    mm by which the rays of a landmark pass each other per crop pixel of error (``epipolar.gap_slopes``).
    """

    def __init__(
        self,
        pool: str | Path,
        seed: int,
        template_mm: np.ndarray,
        batch: int,
        films: FilmOptions = CROP_FILMS,
        *,
        held_out: bool = False,
        pairs: bool = False,
        fitted: float = 0.0,
        device: str | torch.device = "cpu",
    ) -> None:
        """Stream the vertebrae of ``pool``, or of what is held out, on films made as ``films`` says.

        ``template_mm`` (5, 20, 3) are the landmarks of the mean vertebrae. ``pairs`` takes levels that are on both
        films of a spine only; the pool must know how its films were taken, or StudyError is raised. ``fitted`` is the
        share of the crops that come with a fitted model. Films are formed on ``device``, crops are yielded on the CPU.
        """
        self.files = pool_files(pool, held_out)
        self.pairs, self.fitted, self.device = pairs, fitted, device
        self.seed, self.template_mm, self.batch, self.films = seed, template_mm, batch, films

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        worker = get_worker_info()
        if worker is not None:
            torch.set_num_threads(1)
        rng = np.random.default_rng([self.seed, worker.id if worker is not None else 0])
        waiting: list[tuple[tuple[Tensor, ...], ...]] = []
        count = self.batch // 2 if self.pairs else self.batch
        while True:
            while len(waiting) < _BUFFER_BATCHES * count:
                path = self.files[rng.integers(len(self.files))]
                waiting += self._paired(path, rng) if self.pairs else self._single(path, rng)
            # Crops of one film come at different times.
            order = rng.permutation(len(waiting))
            taken = [waiting[i] for i in order[:count]]
            waiting = [waiting[i] for i in order[count:]]
            rows = [row for part in zip(*taken, strict=True) for row in part]
            crops, *others = (torch.stack(part) for part in zip(*rows, strict=True))
            yield tuple(part.cpu() for part in (crops[:, :1], crops[:, 1:], *others))

    def _single(self, path: Path, rng: np.random.Generator) -> list[tuple[tuple[Tensor, ...]]]:
        ingredients = load_ingredients(path, VIEW_NAMES[rng.integers(2)])
        film = form_film(ingredients, rng, options=self.films, device=self.device)
        crops = random_crops(
            film, ingredients.view_name, ingredients.pitch_mm, self.template_mm, rng, fitted=self.fitted
        )
        return [(crop,) for crop in crops]

    def _paired(self, path: Path, rng: np.random.Generator) -> list[tuple[tuple[Tensor, ...], ...]]:
        drawn = [load_ingredients(path, name) for name in VIEW_NAMES]
        if any(item.view is None for item in drawn):
            raise StudyError(f"{path}: it does not say how its films were taken; delete this cache and draw it anew.")
        slopes = gap_slopes((drawn[0].view, drawn[1].view), np.stack([item.landmarks_px for item in drawn]))
        found = []
        for item, slope in zip(drawn, slopes, strict=True):
            film = form_film(item, rng, options=self.films, device=self.device)
            slope = slope @ placement(item, film)[:, :2]
            crops = random_crops(film, item.view_name, item.pitch_mm, self.template_mm, rng, slope, self.fitted)
            found.append([[crop for crop in crops if int(crop[1]) % N_LEVELS == level] for level in range(N_LEVELS)])
        return [pair for both in zip(*found, strict=True) for pair in zip(*both, strict=False)]


def placement(drawn: Ingredients, film: TrainingFilm) -> np.ndarray:
    """Return the similarity (2, 3) that takes pixels of a film back to those of the ingredients it was formed of."""
    placed = film.landmarks_px.double().numpy().reshape(-1, 2)
    return fit_similarity(placed, drawn.landmarks_px.astype(np.float64).reshape(-1, 2))


def random_crops(
    film: TrainingFilm,
    view_name: str,
    pitch_mm: float,
    template_mm: np.ndarray,
    rng: np.random.Generator,
    slopes: np.ndarray | None = None,
    fitted: float = 0.0,
) -> list[tuple[Tensor, ...]]:
    """Cut the vertebrae that a film shows out of it, a few crops of each, a few of which show none the right way.

    Vertebrae that it does not show are cut out now and then, with a fitted model in view.

    Args:
        film: the film.
        view_name: "AP" or "lateral".
        pitch_mm: of the film, at the detector.
        template_mm: (5, 20, 3) landmarks of the mean vertebrae.
        rng: source of randomness.
        slopes: (5, 20, 2) of something that is linear in errors of the landmarks, per pixel of the film, or None.
        fitted: share of the crops that come with what a fitted model looks like.

    Returns:
        (crop (3, h, w), token (), path_mm (1, h, w), landmarks (20, 2) crop pixels, visible (20,)) of each, and the
        slopes (20, 2) per pixel of the crop, if any are given. A crop is the film, then in mm of the mean vertebra what
        a fitted model's vertebra and its others look like there.
    """
    found = []
    template = crop_template(template_mm, view_name)
    all_mm = film.bone_mm.sum(dim=0)
    for level in range(N_LEVELS):
        shown = int(film.visible[level].sum()) >= _LEAST_VISIBLE
        if not shown and rng.random() >= _UNSEEN_SHARE * fitted:
            continue
        marks = film.landmarks_px[level].double().numpy()
        true = fit_similarity(template[level], marks)
        told = [rng.random() < fitted for _ in range(_PER_VERTEBRA)] if shown else [True]
        matrices = np.stack([disturbed(true, rng, size_of_misfit(rng) if known else None) for known in told])
        images = torch.stack([film.image, film.level_mm[level]])
        crops = sample(images, matrices, CROP_PX)
        token = torch.tensor(N_LEVELS * VIEW_NAMES.index(view_name) + level)
        for crop, matrix, known in zip(crops, matrices, told, strict=True):
            landmarks = torch.tensor(apply(invert(matrix), marks), dtype=torch.float32)
            on_crop = ((landmarks >= 0) & (landmarks <= torch.tensor(CROP_PX) - 1)).all(dim=-1)
            unit_mm = float(path_unit_mm(matrix, pitch_mm))
            path = crop[1:] / unit_mm
            seen = torch.zeros_like(crop)
            if known:
                seen = fitted_images(film.bone_mm[level], all_mm, true, matrix, rng) / unit_mm
            more = () if slopes is None else (torch.tensor(slopes[level] @ matrix[:, :2], dtype=torch.float32),)
            film_and_fit = torch.cat([crop[:1], seen])
            found.append((film_and_fit, token, path, landmarks, film.visible[level] & on_crop, *more))
            if rng.random() < _WRONG_SHARE:
                wrong = _wrong_crop(film.image, matrix, view_name, rng)
                beside = known and rng.random() < _WRONG_FITTED_SHARE
                wrong = torch.cat([wrong, seen if beside else torch.zeros_like(crop)])
                found.append((wrong, token, torch.zeros_like(path), landmarks, torch.zeros_like(on_crop), *more))
    return found


def _wrong_crop(image: Tensor, matrix: np.ndarray, view_name: str, rng: np.random.Generator) -> Tensor:
    """Return a crop (1, h, w) upside down, with bone dark, beside the spine or, lateral, back to front."""
    kind = rng.integers(4 if view_name == "lateral" else 3)
    crop = sample(image[None], matrix[None], CROP_PX)[0]
    if kind == 0:
        return crop.flip(1, 2)
    if kind == 1:
        return -crop
    if kind == 3:
        return crop.flip(2)
    aside = matrix.copy()
    aside[:, 2] += matrix[:, 0] * rng.uniform(*_ASIDE_MM) * rng.choice([-1.0, 1.0])
    return sample(image[None], aside[None], CROP_PX)[0]


def error_basis(model: ShapeModel) -> np.ndarray:
    """Return orthonormal bases (10, 40, 40), by token, of how the landmarks of a whole vertebra err on a film.

    The first six columns are shift, turn, scale and the turns out of the film's plane of the mean vertebra; the others
    what the shape model's modes add to these, the largest first.
    """
    bases = []
    for view_name in VIEW_NAMES:
        camera = upright_camera(view_name)
        for level in model.levels:
            points = model.landmarks(model.mean(level))
            turns = [np.cross(axis, points) for axis in np.eye(3)]
            moves = [*(np.broadcast_to(axis, points.shape) for axis in camera), points, *turns]
            rigid = np.stack([(move @ camera.T).ravel() for move in moves], axis=1)
            rigid = np.linalg.qr(rigid)[0]
            modes = np.stack([(model.landmarks(mode) @ camera.T).ravel() for mode in model.modes_mm], axis=1)
            rest = np.linalg.svd(modes - rigid @ (rigid.T @ modes))[0][:, : rigid.shape[0] - rigid.shape[1]]
            bases.append(np.linalg.qr(np.concatenate([rigid, rest], axis=1))[0])
    return np.stack(bases)
