"""What is trained: the network of a whole film (``spine``), or the second stage, of one vertebra (``refine``)."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from ..network.crops import crop_channels
from ..network.model import N_LANDMARKS, N_LEVELS, NetworkConfig, SpineNetwork
from ..network.refine_model import RefineConfig, SpineRefiner
from ..shape.model import ShapeModel
from .crop_stream import CROP_FILMS, CropStream, error_basis
from .dataset import FilmStream
from .loss import gap_loss_mm, heatmap_loss, image_loss_mm, landmark_errors_px, spread_loss, vertebra_image_loss_mm
from .options import FilmOptions, TrainingOptions

_PREFETCH = 4


@dataclass
class Losses:
    """Of one batch.

    Attributes:
        total: what is minimised.
        landmarks: cross entropy of the heatmaps, nats.
        image_mm: of the lumbar-only images.
        errors_px: (n,) distance of each visible landmark from its true place, pixels of the network's input.
    """

    total: Tensor
    landmarks: Tensor
    image_mm: Tensor
    errors_px: Tensor


class Task(Protocol):
    """A network, its training examples and what it is to minimise.

    Attributes:
        name: "spine" or "refine".
        architecture: options that the network's own configuration decides when a training starts from given weights.
    """

    name: str
    architecture: tuple[str, ...]

    def network(self, options: TrainingOptions) -> nn.Module:
        """Return a new network."""

    def loader(
        self, pool: Path, seed: int, options: TrainingOptions, device: torch.device, *, held_out: bool = False
    ) -> DataLoader:
        """Return an endless stream of training examples, lists of tensors (n, ...), or of those held out.

        Films are formed on ``device``; what the stream yields is on the CPU.
        """

    def losses(self, model: nn.Module, batch: list[Tensor], options: TrainingOptions) -> Losses:
        """Return what the network makes of a batch, tensors (n, ...); losses are computed in float32."""


class SpineTask:
    """The first stage: all levels on a window of a film."""

    name = "spine"
    architecture = ("widths", "fusion")

    def network(self, options: TrainingOptions) -> SpineNetwork:
        """Return a new network."""
        return SpineNetwork(NetworkConfig(widths=options.widths, fusion=options.fusion, tasks=options.tasks))

    def loader(
        self, pool: Path, seed: int, options: TrainingOptions, device: torch.device, *, held_out: bool = False
    ) -> DataLoader:
        """Return an endless stream of films, as ``FilmStream`` yields them: (n, ...)."""
        films = FilmOptions.clean() if options.plain_films else None
        stream = FilmStream(pool, seed, films, held_out=held_out, device=device)
        return _loader(stream, options.batch, options.workers)

    def losses(self, model: nn.Module, batch: list[Tensor], options: TrainingOptions) -> Losses:
        """Return heatmaps' cross entropy and the error of the five images for a batch (n, ...) of ``FilmStream``."""
        channels, view, level_mm, landmarks, visible = batch
        output = model(channels.to(memory_format=torch.channels_last), view)
        marks = (len(view), N_LEVELS * N_LANDMARKS)
        landmarks, visible = landmarks.view(*marks, 2), visible.view(marks)
        with torch.autocast(channels.device.type, enabled=False):
            on_marks = heatmap_loss(output.heatmaps, landmarks, visible, options.heatmap_sigma)
            on_image = image_loss_mm(output.level_mm, level_mm)
            with torch.no_grad():
                errors = landmark_errors_px(output.heatmaps, landmarks, visible)
        weights = {"landmarks": 1.0, "images": options.image_weight}
        parts = {"landmarks": on_marks, "images": on_image}
        total = sum(weights[task] * parts[task] for task in options.tasks)
        return Losses(total, on_marks, on_image, errors)


class RefineTask:
    """The second stage: one vertebra in one crop."""

    name = "refine"
    architecture = ("widths",)

    def __init__(self, model: ShapeModel) -> None:
        """Train on crops laid out by the mean vertebrae of ``model``, errors apart along its modes."""
        self.template_mm = np.stack([model.landmarks(model.mean(level)) for level in model.levels])
        self.basis = torch.tensor(error_basis(model), dtype=torch.float32)

    def network(self, options: TrainingOptions) -> SpineRefiner:
        """Return a new network."""
        network = SpineRefiner(RefineConfig(widths=options.widths, tasks=options.tasks, fitted=options.fitted > 0))
        network.basis.copy_(self.basis)
        return network

    def loader(
        self, pool: Path, seed: int, options: TrainingOptions, device: torch.device, *, held_out: bool = False
    ) -> DataLoader:
        """Return an endless stream of crops, as ``CropStream`` yields them: (n, ...)."""
        films = FilmOptions.clean() if options.plain_films else CROP_FILMS
        pairs = options.consistency_weight > 0
        stream = CropStream(
            pool,
            seed,
            self.template_mm,
            options.batch,
            films,
            held_out=held_out,
            pairs=pairs,
            fitted=options.fitted,
            device=device,
        )
        return _loader(stream, None, options.workers)

    def losses(self, model: nn.Module, batch: list[Tensor], options: TrainingOptions) -> Losses:
        """Return cross entropy, distance, error of the image and spread for a batch (n, ...) of ``CropStream``."""
        films, fitted_mm, token, path_mm, landmarks, visible, *slopes = batch
        with torch.autocast(films.device.type, enabled=False):
            crops = crop_channels(films)
        output = model(crops.to(memory_format=torch.channels_last), token, fitted_mm)
        with torch.autocast(films.device.type, enabled=False):
            on_marks = heatmap_loss(output.heatmaps, landmarks, visible, options.heatmap_sigma)
            off = output.positions - landmarks
            # A small batch may show no landmark at all.
            distance = functional.smooth_l1_loss(off[visible], torch.zeros_like(off[visible]), reduction="sum")
            distance = distance / max(off[visible].numel(), 1)
            on_image = vertebra_image_loss_mm(output.path_mm, path_mm)
            spread = spread_loss(output.log_sd, off.detach(), visible, model.basis[token])
            gap = gap_loss_mm(off, slopes[0], visible) if slopes else torch.zeros_like(distance)
        total = torch.zeros_like(on_image)
        if "landmarks" in options.tasks:
            total = total + on_marks + options.distance_weight * distance + 0.1 * spread
            total = total + options.consistency_weight * gap
        if "images" in options.tasks:
            total = total + options.image_weight * on_image
        return Losses(total, on_marks, on_image, off.detach().norm(dim=-1)[visible])


def _loader(stream: FilmStream | CropStream, batch: int | None, workers: int) -> DataLoader:
    more = {"prefetch_factor": _PREFETCH} if workers else {}
    if workers and torch.device(stream.device).type == "cuda":
        more["multiprocessing_context"] = "spawn"  # CUDA does not survive a fork
    pinned = torch.cuda.is_available()
    return DataLoader(
        stream, batch, num_workers=workers, pin_memory=pinned, worker_init_fn=_heed_the_training_alone, **more
    )


def _heed_the_training_alone(number: int) -> None:
    """Let a process that forms films outlive a signal that goes to the training and all it has started.

    Ctrl-C in a terminal and ``timeout`` signal the whole process group. The training answers by a checkpoint after the
    step that runs, for which its films must come; then it ends these processes itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
