"""The training loop: a generator of progress that can be stopped at any step and taken up again."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..errors import StudyError
from ..files import atomic_path, write_json
from ..network.weights import save_weights
from ..rendering import resolve_device
from .options import TrainingOptions
from .tasks import SpineTask, Task

_CURVE_EVERY = 50
_LEAST_RATE = 1e-6
_FREE_TO_CHANGE = ("minutes", "steps", "workers", "save_every")  # between a checkpoint and its continuation


def file_names(task: str) -> tuple[str, str, str]:
    """Return the names of the checkpoint, the weights and the record of a task, "spine" or "refine"."""
    return f"{task}_checkpoint.pt", f"{task}.pt", f"{task}_record.json"


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        step: steps done.
        seconds: time spent training, earlier runs included.
        share: of the planned training, 0 to 1.
        landmark_loss, image_loss_mm: of the last step.
        curve: one entry per 50 steps.
    """

    step: int = 0
    seconds: float = 0.0
    share: float = 0.0
    landmark_loss: float = math.nan
    image_loss_mm: float = math.nan
    curve: list[dict[str, float]] = field(default_factory=list)


class _Trainer:
    def __init__(self, task: Task, pool: Path, output: Path, options: TrainingOptions, device: torch.device) -> None:
        self.task, self.pool, self.options, self.device = task, pool, options, device
        self.checkpoint, self.weights, self.record_file = (output / name for name in file_names(task.name))
        torch.manual_seed(options.seed)
        self.model = task.network(options).to(device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self.average = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.progress = Progress()

    def batches(self) -> Iterator[list[torch.Tensor]]:
        # A continued training must not see its first films again, hence the step in the seed.
        seed = self.options.seed + 1_000_003 * self.progress.step
        return self.task.batches(self.pool, seed, self.options)

    def step(self, batch: list[torch.Tensor]) -> None:
        rate = self.rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        losses = self.task.losses(self.model, [part.to(self.device) for part in batch], self.options)
        self.optimizer.zero_grad()
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        self.optimizer.step()
        progress = self.progress
        progress.step += 1
        progress.landmark_loss, progress.image_loss_mm = losses.landmarks.item(), losses.image_mm.item()
        if not math.isfinite(losses.total.item()):
            raise StudyError(f"The training has diverged at step {progress.step}; lower learning_rate.")
        self._update_average()
        self._note(losses.errors_px, rate)

    def rate(self) -> float:
        """Return the learning rate: up over the warm-up, level, then down a cosine."""
        options, share = self.options, self.progress.share
        rising = min(1.0, (self.progress.step + 1) / options.warmup_steps)
        falling = max(0.0, share - options.flat_share) / (1.0 - options.flat_share)
        return options.learning_rate * rising * 0.5 * (1.0 + math.cos(math.pi * min(1.0, falling))) + _LEAST_RATE

    @torch.no_grad()
    def _update_average(self) -> None:
        step = self.progress.step
        decay = min(self.options.average, 1.0 - 1.0 / (step + 1))
        for key, value in self.model.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[key].lerp_(value, 1.0 - decay)
            else:
                self.average[key].copy_(value)

    @torch.no_grad()
    def _note(self, errors: torch.Tensor, rate: float) -> None:
        progress = self.progress
        self._losses = [*getattr(self, "_losses", []), (progress.landmark_loss, progress.image_loss_mm)]
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

    def save(self) -> None:
        progress = self.progress
        content = {
            "options": self.options.to_dict(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "progress": {"step": progress.step, "seconds": progress.seconds, "curve": progress.curve},
        }
        with atomic_path(self.checkpoint) as temporary:
            torch.save(content, temporary)

    def resume(self) -> None:
        path = self.checkpoint
        if not path.exists():
            raise StudyError(f"{path}: there is no checkpoint to go on from; start without resuming.")
        try:
            content = torch.load(path, map_location=self.device, weights_only=True)
            given, now = content["options"], self.options.to_dict()
            changed = [key for key in now if key not in _FREE_TO_CHANGE and given.get(key) != now[key]]
            if changed:
                raise StudyError(f"{path}: {changed[0]} was {given.get(changed[0])!r}; resume with the same options.")
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.average = content["average"]
            self.progress = Progress(**content["progress"])
        except StudyError:
            raise
        except Exception as error:
            raise StudyError(f"{path}: not a checkpoint of this training ({error}); delete it.") from error

    def record(self) -> dict[str, Any]:
        """Return what must be known to repeat the training."""
        return {
            "task": self.task.name,
            "seed": self.options.seed,
            "steps": self.progress.step,
            "examples": self.progress.step * self.options.batch,
            "seconds": round(self.progress.seconds, 1),
            "device": device_name(self.device),
            "torch": str(torch.__version__),
            "options": self.options.to_dict(),
            "curve": self.progress.curve,
        }

    def finish(self, about: dict[str, Any]) -> None:
        self.save()
        average = self.task.network(self.options)
        average.load_state_dict(self.average)
        record = {**self.record(), **about}
        save_weights(average, self.weights, record)
        write_json(self.record_file, record)


def device_name(device: torch.device) -> str:
    """Return what a record says of a device: the GPU's name, or the number of threads on the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} threads)"


def train(
    pool: str | Path,
    output: str | Path,
    options: TrainingOptions | None = None,
    *,
    device: str = "auto",
    resume: bool = False,
    about: dict[str, Any] | None = None,
    task: Task | None = None,
) -> Iterator[Progress]:
    """Train a network on films from a pool; writes weights and record (``file_names``) at the end.

    Closing the generator, or Ctrl-C, leaves the last checkpoint, from which ``resume`` goes on. On the CPU with one
    worker and a limit in steps the result depends on the options alone; a limit in time depends on the machine.

    Args:
        pool: folder that ``pool.build_pool`` filled.
        output: folder for the results; made if it is missing.
        options: how to train.
        device: "auto", "cpu" or "cuda".
        resume: go on from the checkpoint in ``output``.
        about: entries to add to the record (shape model, people left out ...).
        task: what to train; None means the first stage.

    Yields:
        Progress, after every step.

    Raises:
        StudyError: if the pool is empty, the checkpoint does not fit, or the training diverges.
        OutputError: if ``output`` cannot be written.
        ValueError: if the device cannot be used.
    """
    options = options or TrainingOptions()
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    trainer = _Trainer(task or SpineTask(), Path(pool), output, options, resolve_device(device))
    if resume:
        trainer.resume()
    progress, before, start = trainer.progress, trainer.progress.seconds, time.monotonic()
    batches = trainer.batches()
    while not _done(progress, options):
        trainer.step(next(batches))
        progress.seconds = before + time.monotonic() - start
        progress.share = _share(progress, options)
        if progress.step % options.save_every == 0:
            trainer.save()
        yield progress
    trainer.finish(about or {})


def _share(progress: Progress, options: TrainingOptions) -> float:
    if options.steps:
        return progress.step / options.steps
    return progress.seconds / (60.0 * options.minutes)


def _done(progress: Progress, options: TrainingOptions) -> bool:
    progress.share = _share(progress, options)
    return progress.share >= 1.0
