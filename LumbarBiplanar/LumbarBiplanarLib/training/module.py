"""What PyTorch Lightning trains: a task's network as its module, and the callbacks around it.

The only file that imports ``lightning``; ``loop.train`` imports it when a training begins.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn

from ..errors import StudyError
from ..files import atomic_path
from .options import TrainingOptions
from .precision import muon
from .progress import Progress
from .tasks import Losses, Task

_LEAST_RATE = 1e-6
_CURVE_EVERY = 50
_SAVE_SECONDS = 120.0  # a checkpoint is never older, however long steps take
_KEY = "lumbar_biplanar"  # of our part of a checkpoint


class TrainingModule(LightningModule):
    """The network of a task, with what it minimises.

    Args:
        task: what is trained.
        options: how.
        progress: where the training stands; a checkpoint brings its own.
    """

    def __init__(self, task: Task, options: TrainingOptions, progress: Progress) -> None:
        super().__init__()
        self.task, self.options, self.progress = task, options, progress
        self.network = task.network(options).to(memory_format=torch.channels_last)

    def training_step(self, batch: list[Tensor], index: int) -> dict[str, Any]:
        """Return the loss of a batch, tensors (n, ...), and its parts."""
        losses = self.task.losses(self.network, batch, self.options)
        return {"loss": losses.total, "parts": detached(losses)}

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        """Log what the network makes of a batch, tensors (n, ...), of spines it was not trained on."""
        losses = self.task.losses(self.network, batch, self.options)
        errors = losses.errors_px
        values = {"loss": losses.total, "landmark_loss": losses.landmarks, "image_loss_mm": losses.image_mm}
        if len(errors):
            values |= {"landmark_mean_px": errors.mean(), "within_5_px": (errors < 5).float().mean()}
        self.log_dict(values, on_epoch=True, batch_size=len(batch[0]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Muon for the kernels of inner convolutions, AdamW for all else; ``Schedule`` sets the rate of both.

        Muon (Jordan et al. 2024; steps as large as AdamW's: Liu et al. 2025, arXiv 2502.16982) steps as far in the
        directions that few films ask for as in those that most do.
        """
        options, inner = self.options, set(inner_kernels(self.network))
        common = {"lr": options.learning_rate, "weight_decay": options.weight_decay}
        groups = [
            {
                "params": [item for name, item in self.network.named_parameters() if (name in inner) is by_muon],
                "use_muon": by_muon,
                **common,
                **more,
            }
            for by_muon, more in ((True, {"use_adjusted_lr": True}), (False, {"betas": (0.9, 0.999), "eps": 1e-8}))
        ]
        return muon(groups, self.device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add options and progress to a checkpoint."""
        checkpoint[_KEY] = {"options": self.options.to_dict(), "progress": self.progress.to_dict()}


def inner_kernels(network: nn.Module) -> list[str]:
    """Return the names of the parameters that are kernels of convolutions which give hidden features.

    Heads, whose outputs have units, single numbers per channel and depthwise kernels are not.
    """
    return [
        f"{name}.weight"
        for name, part in network.named_modules()
        if isinstance(part, nn.Conv2d) and part.groups == 1 and not name.endswith("head")
    ]


def detached(losses: Losses) -> Losses:
    """Return losses without their graph."""
    return Losses(losses.total.detach(), losses.landmarks.detach(), losses.image_mm.detach(), losses.errors_px.detach())


class Average(WeightAveraging):
    """Running average of the weights, which is what is kept: all alike at first, then with the options' decay."""

    def __init__(self, decay: float) -> None:
        def average(kept: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
            if not kept.dtype.is_floating_point:
                return new
            weight = 1.0 - min(decay, 1.0 - 1.0 / (int(count) + 2))
            return torch.lerp(kept, new.to(kept.dtype), weight)

        super().__init__(avg_fn=average)


class Schedule(Callback):
    """Sets the learning rate, keeps time, ends the training, and tells how far it is.

    The rate rises over the warm-up, stays level, then falls along a cosine to the end in steps or in minutes.

    Args:
        told: called after every step; the training stops if it returns False.
    """

    def __init__(self, told: Callable[[Progress], bool | None] | None = None) -> None:
        self._told = told
        self._before, self._start, self._free = 0.0, 0.0, math.nan
        self._losses: list[tuple[Tensor, Tensor]] = []
        self.stopped = False

    def on_train_start(self, trainer: Trainer, module: TrainingModule) -> None:
        """Start the clock where the checkpoint left it."""
        self._before, self._start, self._free = module.progress.seconds, time.monotonic(), math.nan

    def on_train_batch_start(self, trainer: Trainer, module: TrainingModule, batch: Any, index: int) -> None:
        """Set the rate of the step to come, and note how long its films were waited for."""
        if math.isfinite(self._free):  # until the first step it is the processes that start
            module.progress.waiting_seconds += time.monotonic() - self._free
        rate = learning_rate(module.progress, module.options)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def on_train_batch_end(self, trainer: Trainer, module: TrainingModule, outputs: Any, batch: Any, index: int):
        """Note the losses of the step done, and stop if it is time to; raises StudyError if they are not finite."""
        progress, options, parts = module.progress, module.options, outputs["parts"]
        progress.step += 1
        progress.seconds = self._before + time.monotonic() - self._start
        progress.share = share_done(progress, options)
        progress.landmark_loss, progress.image_loss_mm = parts.landmarks.item(), parts.image_mm.item()
        if not math.isfinite(parts.total.item()):
            raise StudyError(f"The training has diverged at step {progress.step}; lower learning_rate.")
        self._note(progress, parts.errors_px, trainer.optimizers[0].param_groups[0]["lr"])
        if self._told is not None and self._told(progress) is False:
            self.stopped = True
        trainer.should_stop = trainer.should_stop or self.stopped or progress.share >= 1.0
        self._free = time.monotonic()

    def _note(self, progress: Progress, errors: Tensor, rate: float) -> None:
        self._losses.append((progress.landmark_loss, progress.image_loss_mm))
        if progress.step % _CURVE_EVERY:
            return
        on_marks, on_image = (sum(part) / len(self._losses) for part in zip(*self._losses, strict=True))
        self._losses = []
        progress.curve.append(
            {
                "step": progress.step,
                "seconds": round(progress.seconds, 1),
                "landmark_loss": round(on_marks, 4),
                "image_loss_mm": round(on_image, 4),
                "landmark_median_px": round(errors.median().item(), 3) if len(errors) else 0.0,
                "within_5_px": round((errors < 5).float().mean().item(), 4) if len(errors) else 0.0,
                "learning_rate": rate,
            }
        )


class Interruption(Callback):
    """Lets Ctrl-C and SIGTERM end a training after the step that runs; a second one ends it at once."""

    def __init__(self) -> None:
        self.caught = False
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Listen for signals; outside the main thread there are none."""
        if threading.current_thread() is not threading.main_thread():
            return

        def stop(number: int, frame: Any) -> None:
            # The trainer is told at the end of a step, before the checkpoint is written: told in between, it would end
            # without one.
            self.caught = True
            self.restore()

        self._handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(self, trainer: Trainer, *_args: Any) -> None:
        """Stop, if a signal came."""
        trainer.should_stop = trainer.should_stop or self.caught

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Listen no longer."""
        self.restore()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """Listen no longer."""
        self.restore()

    def restore(self) -> None:
        """Give the signals back to whom they belonged."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}


class Checkpoints(Callback):
    """Writes the one checkpoint of a training, whole or not at all: now and then, and when it stops.

    It is written every so many steps, or after two minutes if that is sooner.

    Args:
        path: the file to write or replace.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._written = path, math.inf

    def on_train_start(self, trainer: Trainer, module: TrainingModule) -> None:
        """Start the clock."""
        self._written = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, module: TrainingModule, *_args: Any) -> None:
        """Write, if it is time or the training stops here."""
        due = module.progress.step % module.options.save_every == 0 or time.monotonic() - self._written > _SAVE_SECONDS
        if trainer.should_stop or due:
            with atomic_path(self._path) as temporary:
                trainer.save_checkpoint(temporary)
            self._written = time.monotonic()


def read_checkpoint(path: Path, options: TrainingOptions, free: tuple[str, ...]) -> Progress:
    """Return the progress that a checkpoint holds.

    Args:
        path: the checkpoint.
        options: of the training that goes on from it.
        free: options that may differ.

    Raises:
        StudyError: if there is none, it is of other options, or it is no checkpoint of this training.
    """
    if not path.exists():
        raise StudyError(f"{path}: there is no checkpoint to go on from; start without resuming.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)[_KEY]
        given, progress = content["options"], Progress(**content["progress"])
    except Exception as error:
        raise StudyError(f"{path}: not a checkpoint of this training ({error}); delete it.") from error
    now = options.to_dict()
    changed = [key for key in now if key not in free and given.get(key) != now[key]]
    if changed:
        raise StudyError(f"{path}: {changed[0]} was {given.get(changed[0])!r}; resume with the same options.")
    return progress


def learning_rate(progress: Progress, options: TrainingOptions) -> float:
    """Return the learning rate of the next step: up over the warm-up, level, then down a cosine."""
    rising = min(1.0, (progress.step + 1) / options.warmup_steps)
    falling = max(0.0, share_done(progress, options) - options.flat_share) / (1.0 - options.flat_share)
    return options.learning_rate * rising * 0.5 * (1.0 + math.cos(math.pi * min(1.0, falling))) + _LEAST_RATE


def share_done(progress: Progress, options: TrainingOptions) -> float:
    """Return how much of a training is done, 0 to 1 and more."""
    if options.steps:
        return progress.step / options.steps
    return progress.seconds / (60.0 * options.minutes)
