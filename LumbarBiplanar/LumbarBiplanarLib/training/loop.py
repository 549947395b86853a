"""Training a network with PyTorch Lightning; it can be stopped at any step and taken up again, on any device."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..errors import StudyError
from ..files import make_folder, write_json
from ..network.refine_model import made_for_fitted
from ..network.weights import WeightsInfo, load_refiner, load_weights, save_weights
from ..rendering import resolve_device
from .options import TrainingOptions
from .precision import training_precision
from .progress import Progress
from .tasks import SpineTask, Task

REGISTERED = "registered"
# Between a checkpoint and its continuation.
FREE_TO_CHANGE = ("minutes", "steps", "workers", "films_on_gpu", "save_every")
_VALIDATION_BATCHES, _VALIDATION_SEED = 20, 7_777


def file_names(task: str) -> tuple[str, str, str]:
    """Return the names of the checkpoint, the weights and the record of a task, "spine" or "refine"."""
    return f"{task}_checkpoint.ckpt", f"{task}.pt", f"{task}_record.json"


def train(
    pool: str | Path,
    output: str | Path,
    options: TrainingOptions | None = None,
    *,
    device: str = "auto",
    resume: bool = False,
    start_from: str | Path | None = None,
    about: dict[str, Any] | None = None,
    task: Task | None = None,
    told: Callable[[Progress], bool | None] | None = None,
) -> Progress:
    """Train a network on films from a pool; writes weights and record (``file_names``) at the end.

    Ctrl-C ends it after the step that runs and leaves a checkpoint, from which ``resume`` goes on. On the CPU with one
    worker and a limit in steps the result depends on the options alone; a limit in time depends on the machine.
    Convolutions run in what the device is fastest in (``precision.training_precision``), losses in float32.

    Args:
        pool: folder that ``pool.build_pool`` filled.
        output: folder for the results; made if it is missing.
        options: how to train.
        device: "auto", "cpu" or "cuda".
        resume: go on from the checkpoint in ``output``.
        start_from: weights to begin with, whose widths then are the network's; "registered" means the module's own.
        about: entries to add to the record (shape model, people left out ...).
        task: what to train; None means the first stage.
        told: called with the progress after every step; if it returns False, the training stops there and leaves a
            checkpoint but no weights.

    Returns:
        Where the training stands.

    Raises:
        StudyError: if a package that training needs is missing, the pool is empty, the checkpoint does not fit, or the
            training diverges.
        WeightsError: if the weights to start from cannot be used.
        OutputError: if ``output`` cannot be written.
        ValueError: if the device cannot be used.
    """
    task, output = task or SpineTask(), Path(output)
    begin = beginning(task, output, options or TrainingOptions(), device=device, resume=resume, start_from=start_from)
    from .module import Average, Checkpoints, Interruption, Schedule, TrainingModule

    options, place, progress, given = begin.options, begin.device, begin.progress, begin.given
    make_folder(output)
    checkpoint, weights, record_file = (output / name for name in file_names(task.name))
    if given is not None:
        progress.start_from = {"name": given[1].name, "sha256": given[1].sha256}
    torch.manual_seed(options.seed)
    module = TrainingModule(task, options, progress)
    if given is not None:
        module.network.load_state_dict(given[0].state_dict())
    schedule, interruption = Schedule(told), Interruption()
    with _quiet():
        trainer = _trainer(place, options, [schedule, interruption, Average(options.average), Checkpoints(checkpoint)])
        formed_on = place if options.films_on_gpu else torch.device("cpu")
        # A continued training must not see its first films again, hence the step in the seed.
        loader = task.loader(Path(pool), options.seed + 1_000_003 * progress.step, options, formed_on)
        trainer.fit(module, loader, ckpt_path=checkpoint if resume else None, weights_only=True)
        if interruption.caught:
            raise KeyboardInterrupt
        if schedule.stopped:
            return progress
        held_out = task.loader(Path(pool), _VALIDATION_SEED, options, formed_on, held_out=True)
        (measured,) = trainer.validate(module, held_out, verbose=False)
    record = _record(task, options, progress, place, trainer.precision)
    record |= {"validation": {key: round(value, 4) for key, value in measured.items()}, **(about or {})}
    save_weights(module.network, weights, record)
    write_json(record_file, record)
    return progress


@dataclass(frozen=True, eq=False)
class Beginning:
    """What a training begins with, all of it found to be usable.

    Attributes:
        options: with the architecture of the weights to start from, if there are any.
        device: that trains.
        progress: where the training stands.
        given: network and origin of the weights to start from, or None.
    """

    options: TrainingOptions
    device: torch.device
    progress: Progress
    given: tuple[torch.nn.Module, WeightsInfo] | None


def beginning(
    task: Task | type[Task],
    output: Path,
    options: TrainingOptions,
    *,
    device: str = "auto",
    resume: bool = False,
    start_from: str | Path | None = None,
) -> Beginning:
    """Return what a training begins with; nothing is written. Arguments and errors are those of ``train``.

    Whoever draws a pool for a training asks this first: drawing takes minutes, and what is wrong shows here at once.
    """
    require_packages()
    from .module import read_checkpoint, share_done

    place = resolve_device(device)
    if options.films_on_gpu and place.type != "cuda":
        raise StudyError(
            f"films_on_gpu (--films-on-gpu) asks for films formed on the GPU, but the device is {str(place)!r}; leave "
            "it out, or train on a machine with a GPU."
        )
    if resume and start_from is not None:
        raise StudyError("A training goes on from its checkpoint or starts from given weights; use one of them.")
    checkpoint, weights, _ = (output / name for name in file_names(task.name))
    given = None
    if start_from is not None:
        given = _weights_to_start_from(task, start_from, options)
        if given[0].config.tasks != options.tasks:
            raise StudyError(f"{given[1].path}: these weights are of {given[0].config.tasks}, not {options.tasks}.")
        options = replace(options, **{key: getattr(given[0].config, key) for key in task.architecture})
    progress = read_checkpoint(checkpoint, options, FREE_TO_CHANGE) if resume else Progress()
    if share_done(progress, options) >= 1.0 and weights.exists():
        raise StudyError(f"{weights}: this training is done ({progress.step} steps). Give it more steps or minutes.")
    return Beginning(options, place, progress, given)


def require_packages() -> None:
    """Raise StudyError, with the remedy, if a package that only trainings need is missing."""
    for name in ("lightning.pytorch", "pytorch_optimizer"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise StudyError(
                f"Training needs the packages lightning and pytorch-optimizer ({error}). Install them: "
                "pip install 'lightning>=2.6' 'pytorch-optimizer>=4.1', or this program with all that training needs: "
                "pip install '.[train]'."
            ) from None


def _weights_to_start_from(
    task: Task | type[Task], weights: str | Path, options: TrainingOptions
) -> tuple[torch.nn.Module, WeightsInfo]:
    path = None if str(weights) == REGISTERED else weights
    if task.name == "spine":
        return load_weights(path)
    network, info = load_refiner(path)
    if options.fitted:
        return made_for_fitted(network), info
    if network.config.fitted:
        raise StudyError(f"{info.path}: this network is made to be shown a fitted model; train it with fitted above 0.")
    return network, info


def _trainer(device: torch.device, options: TrainingOptions, callbacks: list):
    from lightning.pytorch import Trainer

    on_gpu = device.type == "cuda"
    return Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=[device.index or 0] if on_gpu else 1,
        precision=training_precision(device),
        max_epochs=-1,
        limit_val_batches=_VALIDATION_BATCHES,
        gradient_clip_val=options.clip,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        inference_mode=True,
    )


class _quiet(warnings.catch_warnings):  # noqa: N801
    """Keeps Lightning's advice, which is for those who write trainings, from those who run one."""

    def __enter__(self):
        entered = super().__enter__()
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        self._loggers = {name: logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")}
        self._levels = {name: logger.level for name, logger in self._loggers.items()}
        for logger in self._loggers.values():
            logger.setLevel(logging.ERROR)
        return entered

    def __exit__(self, *exc_info):
        for name, logger in self._loggers.items():
            logger.setLevel(self._levels[name])
        super().__exit__(*exc_info)


def _record(
    task: Task, options: TrainingOptions, progress: Progress, device: torch.device, precision: str
) -> dict[str, Any]:
    """Return what must be known to repeat the training."""
    import lightning

    return {
        "task": task.name,
        "seed": options.seed,
        "steps": progress.step,
        "examples": progress.step * options.batch,
        "seconds": round(progress.seconds, 1),
        "waiting_seconds": round(progress.waiting_seconds, 1),
        "device": device_name(device),
        "precision": precision,
        "torch": str(torch.__version__),
        "lightning": str(lightning.__version__),
        "start_from": progress.start_from,
        "options": options.to_dict(),
        "curve": progress.curve,
    }


def device_name(device: torch.device) -> str:
    """Return what a record says of a device: the GPU's name, or the number of threads on the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} threads)"
