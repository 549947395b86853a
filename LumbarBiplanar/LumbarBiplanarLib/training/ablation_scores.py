"""How well networks of an ablation read windows or crops of films, all of them the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import StudyError
from ..network.model import N_LANDMARKS, N_LEVELS, VIEW_NAMES, SpineNetwork
from ..network.refine_model import SpineRefiner
from ..network.weights import load_refiner, load_weights
from ..rendering import resolve_device
from .ablation_rows import CLEAN, AblationRow
from .loop import FREE_TO_CHANGE
from .loss import landmark_errors_px
from .options import TrainingOptions
from .tasks import Task

# Of the test films' disturbances; no training has it.
_SEED = 99_999
_WITHIN_MM = (4.0, 20.0)


@dataclass(frozen=True, eq=False)
class VariantNetwork:
    """A trained network of an ablation.

    Attributes:
        variant: its name.
        task: that it was trained for.
        options: that it was trained with.
        network: itself.
        pixel_mm: of the films it was trained on and reads, at the detector.
    """

    variant: str
    task: Task
    options: TrainingOptions
    network: SpineNetwork | SpineRefiner
    pixel_mm: float

    @classmethod
    def read(cls, variant: str, task: Task, options: TrainingOptions, weights: Path, pixel_mm: float) -> VariantNetwork:
        """Read weights that ``train`` has left; raises StudyError if they were trained with other options."""
        load = load_refiner if task.name == "refine" else load_weights
        network, info = load(weights)
        asked, found = options.to_dict(), info.record["options"]
        free = {*FREE_TO_CHANGE} - {"steps"}  # a training of other length is another one
        other = sorted(key for key in asked if key not in free and found.get(key) != asked[key])
        if other:
            raise StudyError(
                f"{weights}: trained with other settings ({', '.join(f'{key} {found.get(key)}' for key in other)}); "
                "give the same ones, or another folder."
            )
        return cls(variant, task, options, network, pixel_mm)


@torch.no_grad()
def scores(
    networks: Sequence[VariantNetwork], pool: Path, subject: str, films: str, batches: int, device: str = "auto"
) -> list[AblationRow]:
    """Let all networks read the same films of a pool, and return how well each does on each view.

    Args:
        networks: of one task.
        pool: folder of ingredients, of which those held out are read.
        subject: whose they are.
        films: one of ``FILMS``.
        batches: how many.
        device: "auto", "cpu" or "cuda".
    """
    place, first = resolve_device(device), networks[0]
    how = replace(first.options, plain_films=films == CLEAN, fitted=0.0, workers=0)
    loader = first.task.loader(pool, _SEED, how, place, held_out=True)
    errors: dict[tuple[int, int], list[np.ndarray]] = {}
    images: dict[tuple[int, int], list[np.ndarray]] = {}
    for batch in islice(iter(loader), batches):
        for number, item in enumerate(networks):
            outcome = _read(item, [part.to(place) for part in batch])
            for view in range(len(VIEW_NAMES)):
                errors.setdefault((number, view), []).append(outcome.errors_mm[outcome.view_of_error == view])
                images.setdefault((number, view), []).append(outcome.image_mae_mm[outcome.view == view])
    return [
        _row(networks[number], films, subject, VIEW_NAMES[view], *map(np.concatenate, (parts, images[number, view])))
        for (number, view), parts in errors.items()
    ]


def _row(
    item: VariantNetwork, films: str, subject: str, view: str, errors: np.ndarray, images: np.ndarray
) -> AblationRow:
    # A task that was not trained has no figures, and what is on no film has none either.
    errors_mm = errors if "landmarks" in item.options.tasks else errors[:0]
    images_mm = images[np.isfinite(images)] if "images" in item.options.tasks else images[:0]
    figures = [None] * (2 + len(_WITHIN_MM))
    if len(errors_mm):
        figures = [errors_mm.mean(), np.median(errors_mm), *((errors_mm <= limit).mean() for limit in _WITHIN_MM)]
    return AblationRow(
        item.task.name,
        item.variant,
        films,
        subject,
        view,
        len(errors),
        *(None if figure is None else float(figure) for figure in figures),
        float(images_mm.mean()) if len(images_mm) else None,
        item.options.steps,
        item.options.seed,
        sum(parameter.numel() for parameter in item.network.parameters()),
        item.pixel_mm,
    )


@dataclass(frozen=True)
class _Outcome:
    """Of a batch: errors (n,) of the visible landmarks, view of each; (N,) error of each film's images, its view."""

    errors_mm: np.ndarray
    view_of_error: np.ndarray
    image_mae_mm: np.ndarray
    view: np.ndarray


def _read(item: VariantNetwork, batch: list[Tensor]) -> _Outcome:
    network = item.network.to(batch[0].device)
    if item.task.name == "refine":
        from ..network.crops import crop_channels

        films, fitted_mm, token, truth_mm, landmarks, visible = batch
        output = network(crop_channels(films), token, fitted_mm)
        view = torch.div(token, N_LEVELS, rounding_mode="floor")
        errors_mm = (output.positions - landmarks).norm(dim=-1)[visible]  # a pixel is a mm of the mean vertebra
        drawn_mm = output.path_mm
    else:
        channels, view, truth_mm, landmarks, visible = batch
        output = network(channels, view)
        marks = (len(view), N_LEVELS * N_LANDMARKS)
        landmarks, visible = landmarks.view(*marks, 2), visible.view(marks)
        errors_mm = landmark_errors_px(output.heatmaps, landmarks, visible) * item.pixel_mm
        drawn_mm = output.level_mm
    off, bone = (drawn_mm - truth_mm).abs(), truth_mm > 0
    mae = off.flatten(1).sum(dim=1) / bone.flatten(1).sum(dim=1)  # not finite where there is no bone
    view_of_error = view[:, None].expand(visible.shape)[visible]
    return _Outcome(*(part.cpu().numpy() for part in (errors_mm, view_of_error, mae, view)))
